import assert from 'node:assert/strict'
import { createServer, request as ask, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Guildhall } from '../src/client.js'
import { Refusal, requireScope, Verifier } from '../src/verifier.js'
import { binary, password, Service, type Person } from './service.js'
import { cut, eventually, pause, stall, type Handler } from './stub.js'

const notes = 'https://notes.example.com'
const feed = '/api/v1/auth/revocations'

/** A proxy in front of the service, whose answers it can spoil by their path. */
class Faulty {
  readonly spoilt = new Map<string, Handler>()
  readonly last = new Map<string, string>()
  readonly #server: Server

  constructor(to: string) {
    this.#server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, to)
      const spoilt = this.spoilt.get(pathname)
      if (spoilt) return spoilt(request, response)
      const through = ask(to + request.url, { method: request.method!, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        let body = ''
        answer.on('data', (part) => { body += part })
        answer.on('end', () => {
          this.last.set(pathname, body)
          response.end(body)
        })
      })
      through.on('error', () => request.socket.destroy())
      request.pipe(through)
    })
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  spoil(path: string, handler?: Handler): void {
    if (handler) this.spoilt.set(path, handler)
    else this.spoilt.delete(path)
    this.#server.closeAllConnections()
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const code = (v: Verifier, token: string) => v.verify(token).then(() => '', (e: unknown) => (e instanceof Refusal ? e.code : String(e)))

/** How many milliseconds it takes until a token is refused. */
async function refusedAfter(v: Verifier, token: string): Promise<number> {
  const began = performance.now()
  while ((await code(v, token)) !== 'invalid_token') {
    if (performance.now() - began > 20_000) throw new Error('it still holds')
    await new Promise(setImmediate)
  }
  return performance.now() - began
}

describe('the verifier, with the real service', { skip: !binary && 'GUILDHALL_BINARY is not set' }, () => {
  let service: Service
  let key: string
  let ada: Person
  const verifiers: Verifier[] = []
  const verifier = async (url: string, maxStaleness = 5000, audience = notes, by = key) => {
    const made = new Verifier({ url, audience, key: by, maxStaleness })
    verifiers.push(made)
    await eventually(() => made.fresh)
    return made
  }
  before(async () => {
    service = await Service.start()
    key = await service.api(notes)
    ada = await service.register('ada')
  })
  after(async () => {
    for (const v of verifiers) v.close()
    await service.stop()
  })

  it('says who, and refuses tokens for others', async () => {
    const v = await verifier(service.url)
    const grace = await service.joins(await service.register('grace'), ada)
    const owner = await v.verify(await service.token(ada, notes))
    assert.deepEqual([owner.person, owner.organization, owner.role, owner.scopes, owner.clientId], [ada.user_id, ada.organization_id, 'owner', ['notes:read', 'notes:write'], 'guildhall'])
    assert.deepEqual((await v.verify(await service.token(grace, notes))).scopes, ['notes:read'])
    await service.api('https://other.example.com')
    const token = await service.token(ada, notes)
    const [header, claims] = token.split('.') as [string, string]
    const none = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'none' })).toString('base64url')
    for (const wrong of [await service.token(ada, 'https://other.example.com'), ada.access_token, ada.refresh_token, key, `${none}.${claims}.`, `${header}.${claims}.${'A'.repeat(86)}`]) {
      assert.equal(await code(v, wrong), 'invalid_token')
    }
  })

  it('notices a removal while the feed is cut, stalls or is replayed', async () => {
    const through = new Faulty(service.url)
    const v = await verifier(await through.start(), 2000)
    const faults: Record<string, () => Handler> = {
      cut: () => cut, stalled: () => stall, replayed: () => { const old = through.last.get(feed); return (_, response) => void response.end(old) },
    }
    const staying = await service.token(ada, notes)
    for (const [what, fault] of Object.entries(faults)) {
      const person = await service.joins(await service.register(`feed-${what}`), ada)
      const token = await service.token(person, notes)
      await v.verify(token)
      through.spoil(feed, fault())
      await service.remove(person, ada)
      const took = await refusedAfter(v, token)
      assert.ok(took < 3000, `${what}: refused after ${took} ms`)
      await eventually(() => !v.fresh)
      await v.verify(staying)
      through.spoil('/oauth/introspect', cut)
      assert.equal(await code(v, staying), 'unavailable')
      console.log(`the feed is ${what}: a removed member is refused after ${(took / 1000).toFixed(2)} s by introspection; without that, everybody gets 503`)
      through.spoil('/oauth/introspect')
      through.spoil(feed)
      await eventually(() => v.fresh)
      assert.equal(await code(v, token), 'invalid_token')
    }
    v.close()
    through.stop()
  })

  it('needs the key of an API', async () => {
    const made = await service.call('POST', `/api/v1/organizations/${ada.organization_id}/api-keys`, { name: 'Mine', scopes: ['read', 'manage'] }, ada.access_token)
    const failures: (Error | null)[] = []
    const v = new Verifier({ url: service.url, audience: notes, key: made.key, onFeed: (failure) => failures.push(failure) })
    verifiers.push(v)
    await eventually(() => failures.length > 0)
    assert.equal(await code(v, await service.token(ada, notes)), 'unavailable')
    v.close()
  })

  it("gets tokens from the browser's client, which replaces those that are revoked", async () => {
    const v = await verifier(service.url)
    let refused = 0
    const api = createServer(async (request, response) => {
      try {
        requireScope(await v.authenticate(request), request.method === 'POST' ? 'notes:write' : 'notes:read')
        response.end()
      } catch (e) {
        refused++
        ;(e as Refusal).send(response)
      }
    }).listen(0, '127.0.0.1')
    await new Promise((done) => api.once('listening', done))
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
    const admin = await service.joins(await service.register('admin'), ada)
    const admins = `/api/v1/organizations/${ada.organization_id}/admins`
    await service.call('POST', admins, { user_id: admin.user_id }, ada.access_token)
    const guildhall = new Guildhall({ url: service.url })
    await guildhall.logIn('admin@example.com', password, ada.organization_id)
    const call = guildhall.api({ url, resource: notes })
    assert.equal((await call('/', { method: 'POST', body: 'a note' })).status, 200)
    assert.equal((await call('/')).status, 200)
    assert.equal(refused, 0)
    // A demotion revokes the token; the next one has fewer scopes.
    await service.call('DELETE', `${admins}/${admin.user_id}`, undefined, ada.access_token)
    await pause(50)
    assert.equal((await call('/')).status, 200)
    assert.equal((await call('/', { method: 'POST', body: 'a note' })).status, 403)
    api.close()
    api.closeAllConnections()
  })

  const databases: [string, string | undefined, number][] = [['one process, SQLite', '', 1]]
  for (const n of [1, 2]) databases.push([`PostgreSQL, processes: ${n}`, process.env['GUILDHALL_POSTGRES']?.replace('%s', `typescript_${n}`), n])
  for (const [name, database, processes] of databases) {
    it(`refuses soon after a removal: ${name}`, { skip: database === undefined && 'GUILDHALL_POSTGRES is not set', timeout: 120_000 }, async () => {
      const changed = await Service.start(database ? { DATABASE_URL: database } : {})
      const followed = processes > 1 ? await changed.replica() : changed
      const v = await verifier(followed.url, 5000, notes, await changed.api(notes))
      const owner = await changed.register('ada')
      const members: Person[] = []
      for (let i = 0; i < 20; i++) members.push(await changed.register(`person-${i}`))
      const took: number[] = []
      for (let round = 0; round < 5; round++) {
        for (const [i, person] of members.entries()) members[i] = await changed.joins(person, owner)
        await pause(2100) // a mark is about tokens of the next second, too
        for (const person of members) {
          const token = await changed.token(person, notes)
          await v.verify(token)
          if (followed !== changed) await pause(Math.random() * 500) // not in step with how it polls the database
          await changed.remove(person, owner)
          took.push(await refusedAfter(v, token))
        }
      }
      took.sort((a, b) => a - b)
      const at = (p: number) => `${took[Math.ceil((took.length * p) / 100) - 1]!.toFixed(2)} ms`
      console.log(`Node.js verifier, ${name}: refused after a removal's 204: p50 ${at(50)}, p99 ${at(99)}, longest ${at(100)} (${took.length} removals)`)
      v.close()
      if (followed !== changed) await followed.stop()
      await changed.stop()
    })
  }
})
