// Verifies access tokens of Guildhall in an API that runs on Node.js, with the published keys and the revocation feed.
// It needs nothing but Node.js, and does what the Go package does.
import { createPublicKey, verify as verifySignature, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Options {
  /** Where Guildhall is: https://accounts.example.com */
  url: string
  /** Its JWT_ISSUER; by default guildhall. */
  issuer?: string
  /** This API's identifier, as it is registered. */
  audience: string
  /** An API key of this API's service account. */
  key: string
  /** How many milliseconds old the knowledge of revocations may be, 2,000 or more; by default 5,000. With older knowledge, Guildhall is asked about each token. */
  maxStaleness?: number
  /** Told when the feed begins to fail, and when it works again (null). */
  onFeed?: (failure: Error | null) => void
}

/** Who sends a request. */
export interface Identity {
  /** Or the service account of a program. */
  person: string
  /** In which they act. */
  organization?: string
  /** Or the API key of a program. */
  session: string
  /** In the organization, if this API's tokens have roles. */
  role?: string
  scopes: string[]
  /** guildhall, or the API key of a program. */
  clientId?: string
}

/** Why a request is refused, and how to answer it. */
export class Refusal extends Error {
  constructor(readonly status: 401 | 403 | 503, readonly code: string, detail: string, readonly headers: Record<string, string> = {}) {
    super(detail)
    this.name = 'Refusal'
  }

  send(response: ServerResponse): void {
    response.writeHead(this.status, { ...this.headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' })
    response.end(JSON.stringify({ type: 'about:blank', title: titles[this.status], status: this.status, code: this.code, detail: this.message }))
  }
}

const titles = { 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' }
const unavailable = () => new Refusal(503, 'unavailable', "Access tokens can't be verified at the moment.", { 'Retry-After': '1' })
const invalidDetail = 'The access token is invalid, has expired or has been revoked'
const roles = ['member', 'admin', 'owner']

/** Throws unless the token has a scope. */
export function requireScope(identity: Identity, scope: string): void {
  if (!identity.scopes.includes(scope)) {
    throw new Refusal(403, 'insufficient_scope', 'You may not do this.', { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${quoted(scope)}"` })
  }
}

/** Throws unless the person has a role or a higher one: member, admin, owner. */
export function requireRole(identity: Identity, role: 'member' | 'admin' | 'owner'): void {
  if (roles.indexOf(identity.role ?? '') < roles.indexOf(role)) {
    throw new Refusal(403, 'insufficient_scope', 'You may not do this.', { 'WWW-Authenticate': 'Bearer error="insufficient_scope"' })
  }
}

interface Claims {
  sub: string
  sid: string
  iat: number
  exp: number
  organization_id?: string
  client_id?: string
  scope?: string
  role?: string
}

const callTimeout = 3000
const leeway = 5 // seconds by which the clocks of this machine and Guildhall's may differ

/** Verifies access tokens, and follows the revocation feed until it is closed. */
export class Verifier {
  readonly #options: Options
  readonly #issuer: string
  readonly #keys: Keys
  readonly #feed: Feed
  readonly #api: Api

  /** It does not wait for Guildhall: until the first answer, each token is asked about. */
  constructor(options: Options) {
    if (!URL.canParse(options.url) || !options.audience || !options.key) throw new TypeError('url, audience and key are required')
    const staleness = options.maxStaleness ?? 5000
    if (!(staleness >= 2000)) throw new TypeError('maxStaleness must be 2,000 or more')
    this.#options = options
    this.#issuer = options.issuer ?? 'guildhall'
    this.#api = new Api(options.url.replace(/\/+$/, ''), options.key)
    this.#keys = new Keys(this.#api)
    this.#feed = new Feed(this.#api, staleness, options.onFeed ?? (() => {}), () => this.#keys.hurry())
    void this.#feed.follow()
    void this.#keys.get('').catch(() => {}) // so that the first request need not wait; it tries again
  }

  /** Whether revocations are known up to now. */
  get fresh(): boolean { return this.#feed.fresh }

  close(): void { this.#feed.close() }

  /** Returns whose token it is, or throws a Refusal. */
  async verify(token: string): Promise<Identity> {
    const claims = await this.#parse(token)
    switch (claims && this.#feed.judge(claims)) {
      case 'holds': return identityOf(claims!)
      case 'unknown': break
      default: throw this.#invalid()
    }
    const answer = await this.#api.introspect(token)
    if (!answer.active) throw this.#invalid()
    return identityOf(answer)
  }

  /** Returns who sends a request, or throws a Refusal. */
  async authenticate(request: IncomingMessage): Promise<Identity> {
    // Two credentials are none: a proxy and this program could disagree about which one counts.
    const [authorization = '', ...more] = request.headersDistinct['authorization'] ?? []
    const [, token] = /^bearer +(\S+) *$/i.exec(authorization) ?? []
    if (!token || more.length) {
      throw new Refusal(401, 'missing_token', 'An access token is required.', { 'WWW-Authenticate': `Bearer realm="${quoted(this.#options.audience)}"` })
    }
    return this.verify(token)
  }

  /** A middleware for Express and what is like it: the request gets an `identity`. */
  middleware() {
    return (request: IncomingMessage & { identity?: Identity }, response: ServerResponse, next: (error?: unknown) => void): void => {
      this.authenticate(request).then(
        (identity) => { request.identity = identity; next() },
        (refusal: unknown) => (refusal instanceof Refusal ? refusal.send(response) : next(refusal)),
      )
    }
  }

  #invalid(): Refusal {
    const challenge = `Bearer realm="${quoted(this.#options.audience)}", error="invalid_token", error_description="${invalidDetail}"`
    return new Refusal(401, 'invalid_token', `${invalidDetail}.`, { 'WWW-Authenticate': challenge })
  }

  /** Verifies all that a token itself can show; null if it is no good one. */
  async #parse(token: string): Promise<Claims | null> {
    const parts = token.split('.')
    const [header, claims, signature] = [object(parts[0]), object(parts[1]), bytes(parts[2])]
    if (parts.length !== 3 || !header || !claims || !signature) return null
    if (typeof header.typ !== 'string' || header.typ.toLowerCase().replace(/^application\//, '') !== 'at+jwt') return null
    if ('crit' in header || typeof header.kid !== 'string' || !header.kid) return null // RFC 7515 §4.1.11
    const key = await this.#keys.get(header.kid)
    // The key decides which algorithm is right, never the token (RFC 8725 §3.1).
    if (!key || header.alg !== key.algorithm || !key.verifies(Buffer.from(`${parts[0]}.${parts[1]}`), signature)) return null
    const now = Date.now() / 1000
    const { iss, aud, exp, nbf, iat, sub, sid } = claims
    if (iss !== this.#issuer || !(Array.isArray(aud) ? aud : [aud]).includes(this.#options.audience)) return null
    if (!isNumber(exp) || exp + leeway <= now || !isNumber(iat) || iat - leeway > now) return null
    if (nbf !== undefined && (!isNumber(nbf) || nbf - leeway > now)) return null
    // Without one of them, no mark would match.
    if (typeof sub !== 'string' || !sub || typeof sid !== 'string' || !sid) return null
    for (const name of ['organization_id', 'client_id', 'scope', 'role']) if (!['string', 'undefined'].includes(typeof claims[name])) return null
    return claims as unknown as Claims
  }
}

const isNumber = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(v)
const quoted = (text: string) => text.replace(/[\\"]/g, '\\$&')

function identityOf(c: Claims): Identity {
  return {
    person: c.sub, session: c.sid, scopes: (c.scope ?? '').split(' ').filter(Boolean),
    ...(c.organization_id && { organization: c.organization_id }), ...(c.role && { role: c.role }), ...(c.client_id && { clientId: c.client_id }),
  }
}

/** Decodes base64url, in its only spelling. */
function bytes(text = ''): Buffer | null {
  const decoded = Buffer.from(text, 'base64url')
  return decoded.length && decoded.toString('base64url') === text ? decoded : null
}

function object(text?: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes(text)?.toString('utf8') ?? 'null')
    return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

class StatusError extends Error {
  constructor(path: string, readonly status: number) { super(`Guildhall answers ${status} to ${path}`) }
}

/** Calls Guildhall. */
class Api {
  constructor(readonly url: string, readonly key: string) {}

  async call(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(this.url + path, { redirect: 'error', ...init })
    if (response.status === 200) return response
    await response.body?.cancel()
    throw new StatusError(path, response.status)
  }

  async introspect(token: string): Promise<{ active: boolean } & Claims> {
    const signal = AbortSignal.timeout(callTimeout)
    const ask = async () => {
      const response = await this.call('/oauth/introspect', {
        method: 'POST', signal, body: new URLSearchParams({ token }), headers: { Accept: 'application/json', Authorization: `Bearer ${this.key}` },
      })
      return (await response.json()) as { active: boolean } & Claims
    }
    // A connection that was idle may be closed: fetch does not repeat a POST by itself.
    return ask().catch((e: unknown) => (e instanceof TypeError ? ask() : Promise.reject(e))).catch(() => { throw unavailable() })
  }
}

class Key {
  readonly #public: KeyObject
  constructor(readonly algorithm: 'ES256' | 'RS256', jwk: JsonWebKey) {
    this.#public = createPublicKey({ key: jwk, format: 'jwk' })
    if (algorithm === 'RS256' && (this.#public.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) throw new TypeError('the key is short') // RFC 7518 §3.3
  }

  verifies(text: Buffer, signature: Buffer): boolean {
    return verifySignature('sha256', text, this.algorithm === 'ES256' ? { key: this.#public, dsaEncoding: 'ieee-p1363' } : this.#public, signature)
  }
}

const keysAge = 300_000 // Guildhall publishes a key 15 minutes before it signs
const unknownEvery = 30_000 // unknown keys make this program ask no more often
const retryKeys = 1000 // after a failure while there are no keys at all
// When every token was revoked, a key may have been stolen. Processes of Guildhall may publish it for a minute yet.
const hurry = 120_000
const hurryAge = 10_000

/** The published keys. It goes on with old ones while Guildhall is down. */
class Keys {
  #keys: Map<string, Key> | undefined
  #at = -Infinity
  #failedAt = -Infinity
  #unknownAt = -Infinity
  #hurryUntil = -Infinity
  #fetching: Promise<void> | undefined

  constructor(readonly api: Api) {}

  /** Makes keys be fetched often for a while. */
  hurry(): void { this.#hurryUntil = performance.now() + hurry }

  get #age(): number { return performance.now() < this.#hurryUntil ? hurryAge : keysAge }

  /** Returns a key by its id, or undefined if there is none. */
  async get(id: string): Promise<Key | undefined> {
    if (!this.#known(id)) await this.#renew(id)
    if (!this.#keys) throw unavailable()
    const found = this.#keys.get(id)
    if (!found && this.#failedAt > this.#at) throw unavailable() // it may be a new one
    return found
  }

  #known(id: string): boolean { return performance.now() - this.#at <= this.#age && !!this.#keys?.has(id) }

  /** Fetches the keys, once for all requests, unless that was tried just now. */
  #renew(id: string): Promise<void> | undefined {
    if (this.#fetching) return this.#fetching.then(() => (this.#known(id) ? undefined : this.#renew(id)))
    const now = performance.now()
    if (!this.#keys) {
      if (now - this.#failedAt < retryKeys) return
    } else if (this.#failedAt > this.#at && now - this.#failedAt < unknownEvery) {
      return
    } else if (now - this.#at <= this.#age) {
      if (now - this.#unknownAt < unknownEvery) return
      this.#unknownAt = now
    }
    return (this.#fetching = this.#fetch(id, now).finally(() => { this.#fetching = undefined }))
  }

  async #fetch(id: string, now: number): Promise<void> {
    try {
      const response = await this.api.call('/.well-known/jwks.json', { signal: AbortSignal.timeout(callTimeout) })
      const { keys } = (await response.json()) as { keys: (JsonWebKey & { kid?: string; alg?: string; use?: string })[] }
      const found = new Map<string, Key>()
      for (const jwk of keys) {
        const fits = (jwk.alg === 'ES256' && jwk.kty === 'EC' && jwk.crv === 'P-256') || (jwk.alg === 'RS256' && jwk.kty === 'RSA')
        if (!fits || !jwk.kid || (jwk.use !== undefined && jwk.use !== 'sig')) continue
        try {
          found.set(jwk.kid, new Key(jwk.alg as 'ES256' | 'RS256', jwk))
        } catch { /* of a kind that is unknown here */ }
      }
      ;[this.#keys, this.#at] = [found, now]
      if (id && !found.has(id)) this.#unknownAt = now
    } catch {
      this.#failedAt = performance.now()
    }
  }
}

/** Revokes the tokens of a subject that were issued until then. */
interface Mark { at: string; session_id?: string; user_id?: string; organization_id?: string }
interface Page { items: Mark[]; next: string; as_of: string }

const slack = 1000 // an answer may come so much later than it was asked for; then a second is left to connect again
const bodyTimeout = 30_000
const shortPause = 100
const longPause = 1000
const keepMarks = 24 * 3600 // seconds: longer than tokens of APIs live
const sweepEvery = 600

/** Knows what was revoked, and since when it knows nothing new. */
class Feed {
  readonly #wait: number // seconds
  readonly #marks = new Map<string, number>() // the second until which tokens are revoked
  readonly #kinds = new Set<number>() // which ids marks have: few of the combinations exist
  #cursor = ''
  #asOf = -Infinity // microseconds
  #clock: { here: number; there: number } | undefined // the same moment, here and at Guildhall
  #freshUntil = -Infinity
  #swept = -Infinity
  #longest = keepMarks // of the lives of tokens seen
  #forgotten = -Infinity // marks until this second may be forgotten
  #failing = false
  #closed = false
  #asking = new AbortController()

  constructor(readonly api: Api, readonly staleness: number, readonly onFeed: (failure: Error | null) => void, readonly everybody: () => void) {
    this.#wait = Math.min(Math.max(Math.floor(staleness / 1000) - 2, 1), 15)
  }

  get fresh(): boolean { return performance.now() < this.#freshUntil }

  close(): void {
    this.#closed = true
    this.#asking.abort()
  }

  async follow(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      const began = performance.now()
      const waits = this.#cursor !== ''
      let pause = 0
      try {
        const page = await this.#read()
        this.#learn(page, began, performance.now())
        failures = 0
        if (waits && !page.items.length && performance.now() - began < shortPause) pause = longPause // Guildhall did not wait: it shuts down
        this.#report(null)
      } catch (failure) {
        if (this.#closed) return
        pause = failure instanceof StatusError ? longPause : Math.min(shortPause * 2 ** Math.min(failures++, 10), longPause)
        this.#report(failure as Error)
      }
      if (pause) await new Promise((done) => setTimeout(done, pause))
    }
  }

  /** Asks for what is new. */
  async #read(): Promise<Page> {
    // The key of an organization would get only a part of the marks.
    if (!this.#cursor) await this.api.introspect('-').catch(() => { throw new Error("Guildhall can't be reached, or the key is none of this API's account") })
    const asking = (this.#asking = new AbortController())
    const query = this.#cursor ? `?${new URLSearchParams({ after: this.#cursor, wait: String(this.#wait) })}` : '' // everything, at once
    // A connection that stalls is given up early; a long answer may take longer.
    let timer = setTimeout(() => asking.abort(), this.#cursor ? this.#wait * 1000 + slack : bodyTimeout)
    try {
      const response = await this.api.call(`/api/v1/auth/revocations${query}`, {
        headers: { Accept: 'application/json', Authorization: `Bearer ${this.api.key}` }, signal: asking.signal,
      })
      clearTimeout(timer)
      timer = setTimeout(() => asking.abort(), bodyTimeout)
      return (await response.json()) as Page
    } catch (failure) {
      if (failure instanceof StatusError && [400, 410, 422].includes(failure.status)) this.#cursor = '' // it is unknown, after a restore for example: begin again
      throw failure
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Takes an answer. Marks are true however old it is, but only an answer that is newer than the last one shows that
   * nothing else was revoked meanwhile.
   */
  #learn(page: Page, began: number, arrived: number): void {
    const asOf = microseconds(page.as_of)
    for (const mark of page.items) {
      const ids = [mark.session_id ?? '', mark.user_id ?? '', mark.organization_id ?? ''] as const
      this.#kinds.add((ids[0] ? 1 : 0) | (ids[1] ? 2 : 0) | (ids[2] ? 4 : 0))
      const name = ids.join('|')
      const at = Math.floor(microseconds(mark.at) / 1e6)
      if (at <= (this.#marks.get(name) ?? -Infinity)) continue
      this.#marks.set(name, at)
      if (name === '||') this.everybody()
    }
    const newer = asOf > this.#asOf
    if (asOf < this.#asOf || (!newer && page.next === this.#cursor)) throw new Error("the feed's answer is an old one")
    this.#cursor = page.next
    if (!newer) return // there was something new before Guildhall looked again
    this.#freshUntil = this.#here(asOf, began, arrived) + this.staleness
    this.#asOf = asOf
    this.#sweep()
  }

  /**
   * Returns when an answer was true, on this machine's clock: between the question and the answer's arrival, and as
   * long after former answers as Guildhall's clock says. So an answer that was under way for long is as old as it is,
   * and the two clocks need not agree. Guildhall may have looked into its database before the question, by
   * REVOCATION_POLL_MS at most.
   */
  #here(asOf: number, began: number, arrived: number): number {
    const then = this.#clock ? this.#clock.here + (asOf - this.#clock.there) / 1000 : began
    const was = Math.min(Math.max(then, began), arrived)
    if (!this.#clock || was !== then) this.#clock = { here: was, there: asOf }
    return was
  }

  /** Forgets marks that no token outlives. */
  #sweep(): void {
    const now = this.#asOf / 1e6
    if (now - this.#swept < sweepEvery) return
    this.#swept = now
    for (const [name, at] of this.#marks) {
      if (at > now - this.#longest - 60) continue
      this.#marks.delete(name)
      this.#forgotten = Math.max(this.#forgotten, at)
    }
  }

  /** Says whether a token is revoked. A mark refuses even if it is old news. */
  judge(claims: Claims): 'holds' | 'revoked' | 'unknown' {
    const issued = Math.floor(claims.iat)
    for (const kind of this.#kinds) {
      const name = `${kind & 1 ? claims.sid : ''}|${kind & 2 ? claims.sub : ''}|${kind & 4 ? (claims.organization_id ?? '') : ''}`
      const at = this.#marks.get(name)
      if (at !== undefined && issued <= at) return 'revoked'
    }
    this.#longest = Math.max(this.#longest, claims.exp - claims.iat)
    return this.fresh && issued > this.#forgotten ? 'holds' : 'unknown'
  }

  #report(failure: Error | null): void {
    if ((failure !== null) === this.#failing) return
    this.#failing = failure !== null
    this.onFeed(failure)
  }
}

/** Parses a time of RFC 3339, which may be more precise than a Date. */
function microseconds(time: string): number {
  const [, whole = '', fraction = '', zone = ''] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? []
  const seconds = Date.parse(whole + zone)
  if (Number.isNaN(seconds)) throw new Error(`${time} is no time`)
  return seconds * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}
