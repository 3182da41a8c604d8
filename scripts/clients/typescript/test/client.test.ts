import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Guildhall, Problem, memory, webStorage, type Tokens, type TokenStorage } from '../src/client.js'
import { binary, password, Service } from './service.js'

/** What a browser keeps, without a browser. */
function store(): Storage {
  const all = new Map<string, string>()
  return {
    get length() { return all.size }, key: (i) => [...all.keys()][i] ?? null, clear: () => all.clear(),
    getItem: (k) => all.get(k) ?? null, setItem: (k, v) => void all.set(k, v), removeItem: (k) => void all.delete(k),
  }
}

describe('the client, with the real service', { skip: !binary && 'GUILDHALL_BINARY is not set' }, () => {
  let service: Service
  let people = 0
  before(async () => { service = await Service.start() })
  after(() => service.stop())

  /** Counts requests, and lets a test interfere. */
  function counting(interfere: (path: string, send: () => Promise<Response>) => Promise<Response> = (_, send) => send()) {
    const counts: Record<string, number> = {}
    const refused = new Set<string>() // tokens that count as expired
    const counted: typeof fetch = (target, init) => {
      const path = new URL(target instanceof Request ? target.url : target).pathname
      counts[path] = (counts[path] ?? 0) + 1
      if (refused.has(new Headers(init?.headers).get('Authorization')?.slice(7) ?? '')) return Promise.resolve(Response.json({ code: 'invalid_token' }, { status: 401 }))
      return interfere(path, () => fetch(target, init))
    }
    return { counts, refused, fetch: counted, get refreshes() { return counts['/api/v1/auth/refresh'] ?? 0 } }
  }

  /** A person with tabs that share a storage, all of them logged in. */
  async function tabs(n: number, interfere?: Parameters<typeof counting>[0]) {
    const name = `person-${++people}`
    const person = await service.register(name)
    const shared = store()
    const ended: number[] = []
    const requests = counting(interfere)
    const open = (i: number) => new Guildhall({ url: service.url, storage: webStorage(name, shared, store()), fetch: requests.fetch, onSignedOut: () => ended.push(i) })
    const all = Array.from({ length: n }, (_, i) => open(i))
    await all[0]!.logIn(person.email, password)
    for (const tab of all) assert.equal((await tab.session())?.user_id, person.user_id)
    const change = (changes: Partial<Tokens>) => shared.setItem(name, JSON.stringify({ ...JSON.parse(shared.getItem(name)!), ...changes }))
    // The access token expires; the tabs are opened again.
    const expire = () => {
      change({ expires_at: 0 })
      return all.map((_, i) => open(i))
    }
    return { name, person, all, shared, ended, requests, change, expire, open }
  }

  const me = (tab: Guildhall) => tab.request('GET', '/api/v1/auth/me')

  it('logs in and sends typed requests', async () => {
    const { person, all: [ada] } = await tabs(1)
    const { data, response } = await ada!.request('GET', '/api/v1/organizations/{organization_id}', { path: { organization_id: person.organization_id } })
    assert.equal(data.id, person.organization_id)
    assert.ok(response.headers.get('ETag'))
    const made = await ada!.request('POST', '/api/v1/organizations', { body: { name: 'Analytical Engines' }, headers: { 'Idempotency-Key': crypto.randomUUID() } })
    assert.equal(made.data.name, 'Analytical Engines')
    const people = await ada!.request('GET', '/api/v1/users', { query: { ids: [person.user_id, crypto.randomUUID()], limit: 5 } })
    assert.deepEqual(people.data.map((p) => p.id), [person.user_id])
    await assert.rejects(ada!.request('POST', '/api/v1/organizations', { body: { name: '' } }), (e: Problem) => e.status === 422 && e.errors?.[0]?.location === 'body.name' && !!e.requestId)
    await assert.rejects(new Guildhall({ url: service.url }).logIn(person.email, 'wrong password'), (e: Problem) => e.status === 401 && e.code === 'invalid_credentials')
    await assert.rejects(me(new Guildhall({ url: service.url })), (e: Problem) => e.code === 'authentication_required')
  })

  it('signs in with tokens from elsewhere, and keeps them in memory', async () => {
    const guest = new Guildhall({ url: service.url, storage: memory() })
    const { data } = await guest.request('POST', '/api/v1/auth/register', { body: { email: 'guest@example.com', password, name: 'Guest' } })
    assert.ok('access_token' in data)
    await guest.signIn(data)
    assert.equal((await me(guest)).data.email, 'guest@example.com')
  })

  it('refreshes once for many requests of many tabs', async () => {
    const { expire, requests } = await tabs(4)
    const reopened = expire()
    await Promise.all(reopened.flatMap((tab) => Array.from({ length: 10 }, () => me(tab))))
    assert.equal(requests.refreshes, 1)
  })

  it('repeats a request once after a 401', async () => {
    const { change, open, requests } = await tabs(1)
    change({ access_token: 'refused' })
    const tab = open(0)
    assert.equal((await me(tab)).response.status, 200)
    assert.deepEqual([requests.refreshes, requests.counts['/api/v1/auth/me']], [1, 2])
    // This 401 is not about the token.
    const wrong = { challenge_token: 'wrong', code: '12345678' }
    await assert.rejects(tab.request('POST', '/api/v1/auth/email-confirmation', { body: wrong }), (e: Problem) => e.status === 401 && e.code === 'invalid_challenge')
    assert.equal(requests.refreshes, 1)
  })

  it('repeats a refresh that got no answer', async () => {
    let lost = 0
    const { expire, requests, ended } = await tabs(1, async (path, send) => {
      const response = await send()
      if (path === '/api/v1/auth/refresh' && lost++ < 2) throw new TypeError('the connection was lost')
      return response
    })
    const [tab] = expire()
    await me(tab!)
    assert.deepEqual([requests.refreshes, ended], [3, []])
    await me(tab!)
  })

  it('keeps the session while the service is busy', async () => {
    let busy = true
    const { expire, ended } = await tabs(1, (path, send) =>
      busy && path === '/api/v1/auth/refresh' ? Promise.resolve(Response.json({ code: 'too_many_requests', detail: 'Wait.' }, { status: 429, headers: { 'Retry-After': '7' } })) : send())
    const [tab] = expire()
    await assert.rejects(me(tab!), (e: Problem) => e.status === 429 && e.retryAfter === 7)
    busy = false
    await me(tab!)
    assert.deepEqual(ended, [])
  })

  it('acts in an organization for each tab', async () => {
    const { person, all: [first, second], open, requests } = await tabs(2)
    const made = await first!.request('POST', '/api/v1/organizations', { body: { name: 'Looms' } })
    await second!.switchOrganization(made.data.id)
    for (let round = 0; round < 3; round++) {
      assert.equal((await me(first!)).data.organization?.id, person.organization_id)
      assert.equal((await me(second!)).data.organization?.id, made.data.id)
      for (const tab of [first!, second!]) requests.refused.add(await tab.accessToken())
    }
    await assert.rejects(second!.switchOrganization(crypto.randomUUID()), (e: Problem) => e.status === 404)
    assert.equal((await me(second!)).data.organization?.id, made.data.id)
    assert.equal(requests.refreshes, 7) // one by each tab and round, and the two switches
    assert.equal((await open(2).session())?.organization_id, made.data.id) // the last one used
  })

  it('tells when the session has ended', async () => {
    const { person, all: [first], expire, ended, shared, name } = await tabs(2)
    const tokens = await service.call('POST', '/api/v1/auth/token', { username: person.email, password })
    const [, other] = expire()
    await service.call('POST', '/api/v1/auth/logout', { all: true }, tokens.access_token)
    await assert.rejects(me(first!), (e: Problem) => e.status === 401)
    await assert.rejects(me(other!), (e: Problem) => e.status === 401)
    assert.equal(shared.getItem(name), null)
    assert.ok(ended.length)
    assert.equal(await other!.session(), null)
  })

  it('logs out, in all tabs', async () => {
    const { all: [first, second], shared, name, ended } = await tabs(2)
    const token = await first!.accessToken()
    await first!.logOut()
    assert.equal(shared.getItem(name), null)
    await assert.rejects(service.call('GET', '/api/v1/auth/me', undefined, token), /401/)
    await assert.rejects(me(second!), (e: Problem) => e.code === 'signed_out')
    assert.deepEqual(ended, [1])
    await first!.logOut() // again
  })

  it('never acts as somebody who logged in in another tab', async () => {
    const { all: [first, second], ended } = await tabs(2)
    const grace = await service.register(`grace-${++people}`)
    await service.call('POST', '/api/v1/auth/logout', {}, await first!.accessToken())
    await first!.logIn(grace.email, password)
    await assert.rejects(me(second!), (e: Problem) => e.code === 'signed_out')
    assert.deepEqual(ended, [1])
    assert.equal((await me(first!)).data.email, grace.email)
  })

  it('without locks, survives a refresh by another tab', async () => {
    const kept = memory()
    const person = await service.register(`racing-${++people}`)
    await new Guildhall({ url: service.url, storage: kept }).logIn(person.email, password)
    // This tab reads before another one refreshes, and sends its request long after that.
    let reads = 0
    const late: TokenStorage = { lock: 'late', write: kept.write, read: async () => {
      const tokens = (await kept.read())!
      return reads++ < 2 ? { ...tokens, expires_at: 0, refresh_token: 'spent' } : tokens
    } }
    assert.equal((await me(new Guildhall({ url: service.url, storage: late }))).data.email, person.email)
    assert.equal(reads, 3)
  })

  it("calls an API with the session's token, and no other origin", async () => {
    const asked: string[] = []
    const api = createServer((request, response) => {
      const token = request.headers.authorization!.slice(7)
      let body = ''
      request.on('data', (part) => { body += part })
      request.on('end', () => {
        asked.push(token)
        response.writeHead(asked.length === 1 ? 401 : 200)
        response.end(body)
      })
    }).listen(0, '127.0.0.1')
    await new Promise((done) => api.once('listening', done))
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
    const { all: [ada], requests } = await tabs(1)
    const call = ada!.api({ url, resource: null })
    const response = await call('/notes', { method: 'POST', body: 'a note' })
    assert.deepEqual([response.status, await response.text(), requests.refreshes], [200, 'a note', 1])
    assert.notEqual(asked[0], asked[1])
    await assert.rejects(call('https://elsewhere.example.com/'), TypeError)
    await assert.rejects(call('//elsewhere.example.com/'), TypeError)
    assert.deepEqual([asked.length, requests.counts['/']], [2, undefined]) // nothing was sent there
    api.close()
  })
})
