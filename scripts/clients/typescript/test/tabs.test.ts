import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { binary, password, Service } from './service.js'

const chromium = ['chromium', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0)
const tabs = 4

describe('tabs of a browser', { skip: !binary ? 'GUILDHALL_BINARY is not set' : !chromium && 'Chromium is not installed' }, () => {
  it('share a session, and refresh it once', { timeout: 120_000 }, async (t) => {
    const waiting = new Map<string, ServerResponse[]>()
    const results = new Map<number, unknown>()
    let all = () => {}
    const finished = new Promise<void>((done) => { all = done })
    const pages = createServer((request, response) => {
      const [, what, name = ''] = new URL(request.url!, 'http://localhost').pathname.split('/')
      if (what === 'barrier') {
        const here = [...(waiting.get(name) ?? []), response]
        waiting.set(name, here)
        if (here.length === tabs) for (const one of here) one.end()
      } else if (what === 'result') {
        let body = ''
        request.on('data', (part) => { body += part })
        request.on('end', () => {
          results.set(Number(name), JSON.parse(body))
          response.end()
          if (results.size === tabs) all()
        })
      } else if (what === 'src' || what === 'test') {
        response.setHeader('Content-Type', 'text/javascript').end(readFileSync(new URL(`../${what}/${name}`, import.meta.url)))
      } else {
        response.setHeader('Content-Type', 'text/html').end('<!doctype html><script type="module" src="/test/tabs-page.js"></script>')
      }
    }).listen(0, '127.0.0.1')
    await new Promise((done) => pages.once('listening', done))
    const origin = `http://localhost:${(pages.address() as AddressInfo).port}`
    const service = await Service.start({ CORS_ORIGINS: origin })
    const profile = mkdtempSync(join(tmpdir(), 'guildhall-tabs-'))
    const { email } = await service.register('ada')
    const address = (tab: number) => `${origin}/?${new URLSearchParams({ tab: String(tab), guildhall: service.url, email, password })}`
    const browser = spawn(chromium!, ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--remote-debugging-port=0', `--user-data-dir=${profile}`], { stdio: ['ignore', 'ignore', 'pipe'] })
    t.after(async () => {
      browser.kill()
      await new Promise((done) => browser.once('exit', done))
      pages.closeAllConnections()
      pages.close()
      await service.stop()
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
    })
    let log = ''
    const debugging = await new Promise<string>((found) => browser.stderr.on('data', (part) => {
      const [, host] = /DevTools listening on ws:\/\/([^/]+)/.exec(log += part) ?? []
      if (host) found(host)
    }))
    for (let tab = 0; tab < tabs; tab++) await fetch(`http://${debugging}/json/new?${encodeURIComponent(address(tab))}`, { method: 'PUT' })
    await finished
    const list = Array.from({ length: tabs }, (_, i) => results.get(i) as { locks: boolean; answers: number; refreshes: number; organization: string; code: string; ended: boolean })
    assert.deepEqual(list.map((r) => r.locks), [true, true, true, true])
    assert.deepEqual(list.map((r) => r.answers), [5, 5, 5, 5], JSON.stringify(list))
    const refreshes = list.reduce((sum, r) => sum + r.refreshes, 0)
    assert.ok(refreshes === 1 || refreshes === 2, `${refreshes} refreshes`) // on a busy machine, a tab may learn too late of another's
    console.log(`${tabs} tabs with 5 requests each: refreshes: ${refreshes}`)
    assert.deepEqual(list.map((r) => r.organization), ["ada's Organization", 'Looms', "ada's Organization", "ada's Organization"])
    assert.deepEqual(list.map((r) => r.code), ['authentication_required', 'signed_out', 'signed_out', 'signed_out'])
    assert.deepEqual(list.map((r) => r.ended), [false, true, true, true])
  })
})
