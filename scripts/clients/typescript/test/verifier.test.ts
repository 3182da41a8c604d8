import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { IncomingMessage } from 'node:http'
import { afterEach, describe, it } from 'node:test'
import { Refusal, requireRole, requireScope, Verifier, type Options } from '../src/verifier.js'
import { apiKey, audience, cut, eventually, pause, seconds, stall, status, Stub, type Handler } from './stub.js'

const cleanup: (() => void)[] = []
afterEach(() => { for (const clean of cleanup.splice(0)) clean() })

async function stubbed(): Promise<Stub> {
  const stub = await new Stub().start()
  cleanup.push(() => stub.stop())
  return stub
}

/** A verifier that knows the stub's feed. */
async function verifier(stub: Stub, options: Partial<Options> = {}): Promise<Verifier> {
  const made = new Verifier({ url: stub.url, audience, key: apiKey, ...options })
  cleanup.unshift(() => made.close())
  await eventually(() => made.fresh)
  return made
}

const refusal = (code: string) => (e: unknown) => e instanceof Refusal && e.code === code
const refused = (v: Verifier, token: string, code = 'invalid_token') => v.verify(token).then(() => false, refusal(code))

describe('tokens', () => {
  it('say who', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    assert.deepEqual(await v.verify(stub.token()), { person: 'ada', organization: 'engines', session: 's1', role: 'admin', scopes: ['read', 'write'], clientId: 'guildhall' })
    const other = stub.token({ aud: ['https://other.example.com', audience], organization_id: undefined, role: undefined, scope: undefined, client_id: undefined, nbf: undefined },
      { alg: 'RS256', kid: 'rs', typ: 'application/at+jwt' }, stub.rs.privateKey)
    assert.deepEqual(await v.verify(other), { person: 'ada', session: 's1', scopes: [] })
    assert.equal(stub.introspections, 0)
  })

  it('that are forged are refused', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = stub.ec.publicKey.export({ type: 'spki', format: 'pem' }) as string
    const good = stub.token()
    const [header, claims, signature] = good.split('.') as [string, string, string]
    const pss = stub.token({}, { alg: 'PS256', kid: 'rs' }, null)
    const der = sign('sha256', Buffer.from(`${header}.${claims}`), stub.ec.privateKey).toString('base64url')
    const forged: Record<string, string> = {
      'alg none': stub.token({}, { alg: 'none' }, null),
      'alg none, signed': stub.token({}, { alg: 'none' }),
      'HS256 with the public key': stub.token({}, { alg: 'HS256' }, pem),
      'HS256, without kid': stub.token({}, { alg: 'HS256', kid: undefined }, pem),
      'the kid of another key': stub.token({}, {}, other.privateKey),
      'the kid of an RSA key': stub.token({}, { kid: 'rs' }),
      "RS256 by an ES256 key's id": stub.token({}, { alg: 'RS256' }, stub.rs.privateKey),
      'PS256 by the RSA key': pss + sign('sha256', Buffer.from(pss.slice(0, -1)), { key: stub.rs.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING }).toString('base64url'),
      'another algorithm than it is signed with': stub.token({}, { alg: 'ES384' }),
      'an unknown kid': stub.token({}, { kid: 'x' }),
      'a key in the header': stub.token({}, { kid: 'mine', jwk: stub.jwk('mine', other.publicKey) }, other.privateKey),
      'an address of keys': stub.token({}, { kid: 'mine', jku: `${stub.url}/mine` }, other.privateKey),
      'no kid': stub.token({}, { kid: undefined }),
      'a kid that is no text': stub.token({}, { kid: 1 }),
      'an ID token': stub.token({}, { typ: 'JWT' }),
      'no typ': stub.token({}, { typ: undefined }),
      'crit': stub.token({}, { crit: ['exp'] }),
      'another audience': stub.token({ aud: 'https://other.example.com' }),
      'an audience that begins alike': stub.token({ aud: `${audience}.example.org` }),
      'no audience': stub.token({ aud: undefined }),
      'another issuer': stub.token({ iss: 'https://accounts.example.org' }),
      'no issuer': stub.token({ iss: undefined }),
      'expired': stub.token({ exp: seconds() - 6 }),
      'no end': stub.token({ exp: undefined }),
      'an end that is no number': stub.token({ exp: '9999999999' }),
      'not valid yet': stub.token({ nbf: seconds() + 60 }),
      'from the future': stub.token({ iat: seconds() + 60 }),
      'of unknown age': stub.token({ iat: undefined }),
      'no person': stub.token({ sub: undefined }),
      'no session': stub.token({ sid: '' }),
      'scopes that are no text': stub.token({ scope: ['read'] }),
      'another signature': `${header}.${claims}.${stub.token({ sub: 'grace' }).split('.')[2]}`,
      'a DER signature': `${header}.${claims}.${der}`,
      'a signature of zeros': `${header}.${claims}.${Buffer.alloc(64).toString('base64url')}`,
      'a short signature': `${header}.${claims}.AAAA`,
      'a signature in another spelling': `${header}.${claims}.${signature}=`,
      'no signature': `${header}.${claims}.`,
      'an API key': 'guildhall_key_0123456789', 'nothing': '', 'junk': 'a.b.c', 'longer': `${good}.x`, 'null': 'bnVsbA.bnVsbA.bnVsbA',
    }
    for (const [what, token] of Object.entries(forged)) assert.ok(await refused(v, token), what)
    await v.verify(good)
    assert.equal(stub.introspections, 0)
  })

  it('need options', () => {
    for (const options of [{ url: 'nowhere', audience, key: apiKey }, { url: 'http://localhost', audience: '', key: apiKey }, { url: 'http://localhost', audience, key: '' }, { url: 'http://localhost', audience, key: apiKey, maxStaleness: 1000 }]) {
      assert.throws(() => new Verifier(options), TypeError)
    }
  })
})

describe('requests', () => {
  const request = (...authorization: string[]) => {
    const made = new IncomingMessage(new Socket())
    Object.defineProperty(made, 'headersDistinct', { value: authorization.length ? { authorization } : {} })
    return made
  }

  it('need one good token', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    const good = stub.token()
    for (const header of [`Bearer ${good}`, `bearer ${good}`]) assert.equal((await v.authenticate(request(header))).person, 'ada')
    for (const headers of [[], ['Basic YTpi'], ['Bearer'], ['Bearer '], [`Bearer ${good}`, `Bearer ${good}`]]) {
      await assert.rejects(v.authenticate(request(...headers)), (e: Refusal) => e.status === 401 && e.headers['WWW-Authenticate'] === `Bearer realm="${audience}"`)
    }
    await assert.rejects(v.authenticate(request('Bearer x')), (e: Refusal) => e.status === 401 && !!e.headers['WWW-Authenticate']?.includes('error="invalid_token"'))
  })

  it('are answered by the middleware', async () => {
    const stub = await stubbed()
    const v = await verifier(stub, { maxStaleness: 2000 })
    const guard = v.middleware()
    const server = createServer((request, response: ServerResponse) => guard(request, response, () => {
      try {
        const { identity } = request as IncomingMessage & { identity: Parameters<typeof requireScope>[0] }
        const { pathname } = new URL(request.url!, 'http://localhost')
        if (pathname === '/delete') requireScope(identity, 'delete')
        if (pathname === '/owner') requireRole(identity, 'owner')
        requireScope(identity, 'read')
        requireRole(identity, 'member')
        requireRole(identity, 'admin')
        response.end(identity.person)
      } catch (e) {
        if (e instanceof Refusal) e.send(response)
      }
    }))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    cleanup.unshift(() => { server.closeAllConnections(); server.close() })
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const ask = (path: string, token?: string) => fetch(url + path, { ...(token && { headers: { Authorization: `Bearer ${token}` } }) })
    assert.equal(await (await ask('/', stub.token())).text(), 'ada')
    const checks: [string, string | undefined, number, string | null][] = [
      ['/', undefined, 401, `Bearer realm="${audience}"`],
      ['/delete', stub.token(), 403, 'Bearer error="insufficient_scope", scope="delete"'],
      ['/owner', stub.token(), 403, 'Bearer error="insufficient_scope"'],
      ['/', stub.token({ role: undefined }), 403, 'Bearer error="insufficient_scope"'],
      ['/', stub.token({ role: 'root' }), 403, 'Bearer error="insufficient_scope"'],
    ]
    for (const [path, token, code, challenge] of checks) {
      const response = await ask(path, token)
      assert.deepEqual([response.status, response.headers.get('WWW-Authenticate'), response.headers.get('Content-Type')], [code, challenge, 'application/problem+json'])
      assert.equal((await response.json() as { status: number }).status, code)
    }
    stub.breaks('/api/v1/auth/revocations', cut)
    stub.breaks('/oauth/introspect', cut)
    await eventually(() => !v.fresh)
    const response = await ask('/', stub.token())
    assert.deepEqual([response.status, response.headers.get('Retry-After')], [503, '1'])
  })
})

describe('keys', () => {
  it('are fetched once for many requests', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    await Promise.all(Array.from({ length: 50 }, () => v.verify(stub.token())))
    assert.equal(stub.fetches, 1)
  })

  it('that are unknown make few fetches', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    await v.verify(stub.token())
    for (let i = 0; i < 300; i++) assert.ok(await refused(v, stub.token({}, { kid: `unknown-${i}` })))
    assert.equal(stub.fetches, 2)
  })

  it('that are new are found at once, and revoked ones are refused then', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    const old = stub.token()
    await v.verify(old)
    stub.ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    stub.keys = [stub.jwk('new', stub.ec.publicKey)]
    await v.verify(stub.token({}, { kid: 'new' }))
    assert.ok(await refused(v, old))
  })

  it('that were stolen are forgotten soon', async (t) => {
    const stub = await stubbed()
    const v = await verifier(stub)
    const forged = stub.token({ iat: seconds() + 3 }) // no mark is about it
    await v.verify(forged)
    stub.marks.push({ at: new Date().toISOString() })
    await eventually(() => refused(v, stub.token({ iat: seconds() - 1 })))
    stub.ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    stub.keys = [stub.jwk('new', stub.ec.publicKey)]
    const now = performance.now.bind(performance)
    t.mock.method(performance, 'now', () => now() + 11_000)
    await eventually(() => v.fresh)
    assert.ok(await refused(v, forged))
  })

  it('are kept five minutes, and longer while Guildhall is down', async (t) => {
    const stub = await stubbed()
    const v = await verifier(stub)
    await v.verify(stub.token())
    // Only the time of keys passes: the feed's answers are as quick as before.
    let later = 0
    const now = performance.now.bind(performance)
    t.mock.method(performance, 'now', () => now() + later)
    const goOn = async (ms: number) => {
      later += ms
      await eventually(() => v.fresh)
    }
    await goOn(301_000)
    await v.verify(stub.token())
    assert.equal(stub.fetches, 2)
    for (const fault of [cut, status(502)]) {
      stub.breaks('/.well-known/jwks.json', fault)
      await goOn(301_000)
      await v.verify(stub.token())
      assert.ok(await refused(v, stub.token({}, { kid: 'perhaps new' }), 'unavailable'))
      assert.equal(stub.fetches, 2)
    }
    stub.breaks('/.well-known/jwks.json')
    await goOn(31_000)
    await v.verify(stub.token())
    assert.equal(stub.fetches, 3)
  })

  it('are waited for when there are none', async () => {
    const stub = await stubbed()
    stub.breaks('/.well-known/jwks.json', cut)
    const v = await verifier(stub)
    assert.ok(await refused(v, stub.token(), 'unavailable'))
    stub.breaks('/.well-known/jwks.json')
    await pause(1100)
    await v.verify(stub.token())
  })

  it('of unknown kinds are left out', async () => {
    const stub = await stubbed()
    const [ec, rs] = [stub.keys[0]!, stub.keys[1]!]
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
    stub.keys = [{ ...ec, use: 'enc' }, { ...ec, alg: 'ES384' }, { ...ec, alg: undefined }, { ...ec, x: ec['y'] }, { ...rs, alg: 'PS256' }, { ...rs, kid: undefined }, stub.jwk('short', short.publicKey), { kty: 'oct', kid: 'ec', alg: 'HS256', k: 'AAAA' }]
    const v = await verifier(stub)
    assert.ok(await refused(v, stub.token()))
    assert.ok(await refused(v, stub.token({}, { alg: 'RS256', kid: 'short' }, short.privateKey)))
  })
})

describe('the feed', () => {
  it('revokes what a mark names', async () => {
    const at = seconds() - 5
    const time = new Date(at * 1000).toISOString().replace('.000Z', '.999999Z')
    const cases: [object, number, boolean][] = [
      [{ session_id: 's1' }, 0, true], [{ session_id: 's2' }, 0, false], [{ user_id: 'ada' }, 0, true], [{ user_id: 'grace' }, 0, false],
      [{ organization_id: 'engines' }, 0, true], [{ organization_id: 'looms' }, 0, false],
      [{ user_id: 'ada', organization_id: 'engines' }, 0, true], [{ user_id: 'ada', organization_id: 'looms' }, 0, false], [{ user_id: 'grace', organization_id: 'engines' }, 0, false],
      [{ session_id: 's1', user_id: 'ada', organization_id: 'engines' }, 0, true], [{ session_id: 's1' }, -1, true], [{ session_id: 's1' }, 1, false],
      [{}, 0, true], [{}, 1, false], // of a kind that is unknown here: all
    ]
    for (const [ids, issued, revoked] of cases) {
      const stub = await stubbed()
      stub.marks = [{ at: time, ...ids }, { at: new Date((at - 3600) * 1000).toISOString(), session_id: 's1' }]
      const v = await verifier(stub)
      assert.equal(await refused(v, stub.token({ iat: at + issued })), revoked, JSON.stringify([ids, issued]))
      v.close()
      stub.stop()
    }
  })

  it('shows a revocation at once', async () => {
    const stub = await stubbed()
    const v = await verifier(stub)
    const token = stub.token()
    await v.verify(token)
    stub.marks.push({ at: new Date().toISOString(), user_id: 'ada', organization_id: 'engines' })
    const began = performance.now()
    await eventually(() => refused(v, token))
    assert.ok(performance.now() - began < 1000)
    assert.equal(stub.introspections, 0)
  })

  it('has marks that a token of a long life may need longer', async () => {
    const stub = await stubbed()
    stub.marks = [{ at: new Date(Date.now() - 25 * 3_600_000).toISOString(), session_id: 's1' }]
    const v = await verifier(stub)
    stub.live = false
    assert.ok(await refused(v, stub.token({ iat: seconds() - 26 * 3600 })))
    assert.equal(stub.introspections, 1)
    await v.verify(stub.token({ iat: seconds() - 3600 }))
    assert.equal(stub.introspections, 1)
  })

  it('begins again after an unknown cursor', async () => {
    const stub = await stubbed()
    const v = await verifier(stub, { maxStaleness: 2000 })
    stub.breaks('/api/v1/auth/revocations', (request, response) => (request.url!.includes('after=') ? response.writeHead(422).end() : stub.feed(request, response)))
    stub.marks.push({ at: new Date().toISOString(), session_id: 's1' })
    const token = stub.token()
    await eventually(() => refused(v, token))
    assert.ok(v.fresh)
  })

  it('counts an answer that was under way for long from when it was true', async () => {
    const stub = await stubbed()
    const v = await verifier(stub, { maxStaleness: 2000 })
    const asked = performance.now()
    stub.breaks('/api/v1/auth/revocations', async (_, response) => {
      response.writeHead(200).write('{"items": [], "next": "0",')
      const as_of = new Date().toISOString()
      await pause(1500)
      response.end(`"as_of": "${as_of}"}`)
    })
    await eventually(() => performance.now() - asked > 1700)
    assert.ok(v.fresh)
    stub.breaks('/api/v1/auth/revocations', stall)
    const cutAt = performance.now()
    await eventually(() => !v.fresh)
    assert.ok(performance.now() - cutAt < 1200, `fresh for ${performance.now() - cutAt} ms`)
  })

  const faults: Record<string, (stub: Stub) => Handler> = {
    cut: () => cut, stalled: () => stall, refused: () => status(401), junk: () => (_, response) => void response.end('<html>'),
    half: () => (_, response) => void response.writeHead(200).write('{"items": ['),
    replayed: () => {
      const old = JSON.stringify({ items: [], next: '0', as_of: new Date().toISOString() })
      return (_, response) => void response.end(old)
    },
  }
  for (const [what, fault] of Object.entries(faults)) {
    it(`that is ${what} is not trusted for longer than allowed`, async () => {
      const stub = await stubbed()
      const failures: (Error | null)[] = []
      const v = await verifier(stub, { maxStaleness: 2000, onFeed: (failure) => failures.push(failure) })
      const token = stub.token()
      await v.verify(token)
      stub.breaks('/api/v1/auth/revocations', fault(stub))
      stub.live = false
      const began = performance.now()
      await eventually(() => refused(v, token))
      assert.ok(performance.now() - began < 3000)
      stub.live = true
      assert.equal((await v.verify(token)).role, 'owner')
      for (const broken of [cut, status(401)]) {
        stub.breaks('/oauth/introspect', broken)
        assert.ok(await refused(v, token, 'unavailable'))
      }
      stub.breaks('/oauth/introspect')
      stub.breaks('/api/v1/auth/revocations')
      if (what !== 'half') await eventually(() => v.fresh) // which it gives up after 30 s
      await v.verify(token)
      if (what !== 'half') assert.ok(failures[0] instanceof Error && failures.at(-1) === null)
    })
  }
})
