// An API of notes, whose access tokens Guildhall issues: members of an organization read its notes, and admins write
// them. It also serves the page that uses it.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Refusal, requireScope, Verifier } from '../src/verifier.js'

const { GUILDHALL_URL: guildhall = 'http://localhost:8000', GUILDHALL_KEY: key = '', PORT: port = '8001' } = process.env
const verifier = new Verifier({ url: guildhall, audience: 'https://notes.example.com', key })
const notes = new Map<string, string[]>() // by organization
const file = (path: string) => readFileSync(new URL(path, import.meta.url))
const page = file('../../example/page.html').toString().replace('GUILDHALL_URL', guildhall)

const server = createServer(async (request, response) => {
  try {
    const asked = `${request.method} ${request.url}`
    if (asked === 'GET /') return void response.setHeader('Content-Type', 'text/html').end(page)
    if (/^GET \/(src|example)\/\w+\.js$/.test(asked)) return void response.setHeader('Content-Type', 'text/javascript').end(file(`..${request.url}`))
    if (!asked.endsWith(' /notes')) return void response.writeHead(404).end()
    const who = await verifier.authenticate(request)
    const list = notes.get(who.organization ?? '') ?? []
    if (request.method === 'GET') {
      requireScope(who, 'notes:read')
      return void response.end(JSON.stringify(list))
    }
    requireScope(who, 'notes:write')
    let note = ''
    for await (const part of request) note += part
    notes.set(who.organization ?? '', [...list, String(JSON.parse(note))])
    response.writeHead(201).end()
  } catch (e) {
    if (e instanceof Refusal) e.send(response)
    else response.writeHead(400).end()
  }
}).listen(Number(port), '127.0.0.1')

process.once('SIGTERM', () => {
  verifier.close()
  server.close()
})
