// Answers like Guildhall, and misbehaves as no real one can be made to.
import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const audience = 'https://api.example.com'
export const apiKey = 'guildhall_key_stub'
export type Handler = (request: IncomingMessage, response: ServerResponse) => void
type Mark = { at: string; session_id?: string; user_id?: string; organization_id?: string }

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
export const seconds = () => Math.floor(Date.now() / 1000)
export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
export const cut: Handler = (request) => request.socket.destroy()
export const stall: Handler = () => {}
export const status = (code: number): Handler => (_, response) => response.writeHead(code).end()

export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await holds()); await pause(2)) if (Date.now() > end) throw new Error('it did not come true')
}

export class Stub {
  ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  rs = generateKeyPairSync('rsa', { modulusLength: 2048 })
  keys: Record<string, unknown>[] = []
  marks: Mark[] = []
  live = true
  fetches = 0
  introspections = 0
  asOf = () => new Date().toISOString()
  readonly broken = new Map<string, Handler>()
  readonly #server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    const routes: Record<string, Handler> = { '/.well-known/jwks.json': this.#jwks, '/api/v1/auth/revocations': this.feed, '/oauth/introspect': this.#introspect }
    ;(this.broken.get(pathname) ?? routes[pathname]!)(request, response)
  })

  constructor() {
    this.keys = [this.jwk('ec', this.ec.publicKey), this.jwk('rs', this.rs.publicKey)]
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    return this
  }

  get url(): string { return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** Makes a path answer otherwise, or mends it. */
  breaks(path: string, handler?: Handler): void {
    if (handler) this.broken.set(path, handler)
    else this.broken.delete(path)
    this.#server.closeAllConnections()
  }

  jwk(kid: string, key: KeyObject) {
    return { ...key.export({ format: 'jwk' }), kid, use: 'sig', alg: key.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256' }
  }

  #jwks: Handler = (_, response) => {
    this.fetches++
    response.end(JSON.stringify({ keys: this.keys }))
  }

  feed: Handler = async (request, response) => {
    const query = new URL(request.url!, 'http://localhost').searchParams
    const after = Number(query.get('after') ?? 0)
    for (const until = Date.now() + Number(query.get('wait') ?? 0) * 1000; this.marks.length <= after && Date.now() < until; ) await pause(1)
    response.end(JSON.stringify({ items: this.marks.slice(after), next: String(this.marks.length), as_of: this.asOf() }))
  }

  #introspect: Handler = async (request, response) => {
    if (request.headers.authorization !== `Bearer ${apiKey}`) return void response.writeHead(401).end()
    let form = ''
    for await (const part of request) form += part
    if (form === 'token=-') return void response.end('{"active": false}') // is the key an API's?
    this.introspections++
    response.end(JSON.stringify(this.live ? { active: true, sub: 'ada', sid: 's1', role: 'owner' } : { active: false }))
  }

  /** One of Ada's tokens, with other claims and header fields if given; undefined leaves one out. */
  token(claims: object = {}, header: object = {}, key: KeyObject | string | null = this.ec.privateKey): string {
    const now = seconds()
    const all = {
      iss: 'guildhall', aud: audience, sub: 'ada', sid: 's1', organization_id: 'engines', jti: crypto.randomUUID(),
      iat: now, nbf: now, exp: now + 300, client_id: 'guildhall', scope: 'read write', role: 'admin', ...claims,
    }
    const text = `${part({ alg: 'ES256', typ: 'at+jwt', kid: 'ec', ...header })}.${part(all)}`
    if (key === null) return `${text}.`
    if (typeof key === 'string') return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
    const signature = sign('sha256', Buffer.from(text), key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' } : key)
    return `${text}.${signature.toString('base64url')}`
  }
}
