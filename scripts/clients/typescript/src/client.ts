// A client of Guildhall for browsers: it signs people in, keeps their session alive, and sends requests.
import type { components, paths } from './openapi.js'
import { requestOf, type Input, type Method, type Output, type PathOf } from './requests.js'
import { memory, type Tokens, type TokenStorage } from './storage.js'

export { memory, webStorage, type Tokens, type TokenStorage } from './storage.js'
export type { Input, Method, Output, PathOf } from './requests.js'
export type { components, operations, paths } from './openapi.js'

/** The answer of a log-in, a registration, or an accepted invitation. */
export type TokenAnswer = components['schemas']['Token']

/** Says why a request was refused: `code` is for programs, `message` for people. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** Invalid values, with their places. */
    readonly errors: components['schemas']['Problem']['errors'] = undefined,
    /** Seconds to wait before the request may succeed. */
    readonly retryAfter: number | undefined = undefined,
    readonly requestId: string | undefined = undefined,
  ) {
    super(detail)
    this.name = 'Problem'
  }
}

export interface Options {
  /** Where Guildhall is: https://accounts.example.com */
  url: string
  /** Where tokens are kept; by default in memory. */
  storage?: TokenStorage
  /** Called when the session has ended: show the log-in. */
  onSignedOut?: () => void
  fetch?: typeof fetch
}

/** Which API a token is for. */
export interface ApiOptions {
  /** Where the API is. No other origin gets the token. */
  url: string
  /** Its identifier at Guildhall; by default its URL. `null`: it takes the tokens of sessions. */
  resource?: string | null
  /** What the token may be used for, separated by spaces; by default all that the role allows. */
  scope?: string
}

const attempts = 3 // of a refresh that gets no answer, within the 10 s in which Guildhall answers it again
const attemptTimeout = 3000
const early = 10_000 // so long before its end a token is replaced
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** A person's session at Guildhall. */
export class Guildhall {
  readonly #url: string
  readonly #storage: TokenStorage
  readonly #fetch: typeof fetch
  readonly #onSignedOut: () => void
  #tokens: Tokens | null = null // this tab's
  #renewing: Promise<Tokens> | undefined

  constructor(options: Options) {
    this.#url = options.url.replace(/\/+$/, '')
    this.#storage = options.storage ?? memory()
    this.#fetch = options.fetch ?? ((...all) => fetch(...all))
    this.#onSignedOut = options.onSignedOut ?? (() => {})
  }

  /** Who is signed in, and the organization in which they act. */
  async session(): Promise<{ user_id: string; organization_id: string | null } | null> {
    const tokens = await this.#mine()
    return tokens && { user_id: tokens.user_id, organization_id: tokens.organization_id }
  }

  /** Signs a person in with a password. */
  async logIn(email: string, password: string, organization_id?: string): Promise<void> {
    const body = { grant_type: 'password', username: email, password, ...(organization_id && { organization_id }) } as const
    await this.signIn(async () => this.#answer<TokenAnswer>(await this.#send('POST', '/api/v1/auth/token', { body })))
  }

  /** Signs a person in with tokens from elsewhere: a registration, a code from a mail, an invitation. */
  async signIn(answer: TokenAnswer | (() => Promise<TokenAnswer>)): Promise<void> {
    await this.#locked(async () => this.#keep(typeof answer === 'function' ? await answer() : answer))
  }

  /** Makes another organization active, in this tab. */
  async switchOrganization(organization_id: string): Promise<void> {
    await this.#mine()
    await this.#locked(() => this.#refresh(undefined, organization_id))
  }

  /** Ends the session, or all sessions of the person. */
  async logOut({ all = false } = {}): Promise<void> {
    try {
      await this.request('POST', '/api/v1/auth/logout', { body: { all } })
    } catch (problem) {
      if (!(problem instanceof Problem && problem.status === 401)) throw problem // no answer: it may still live
    }
    await this.#locked(() => this.#forget())
  }

  /** Returns an access token for Guildhall that is valid for a while. */
  async accessToken(): Promise<string> {
    const tokens = await this.#mine()
    if (!tokens) throw signedOut()
    if (tokens.expires_at - early > Date.now()) return tokens.access_token
    return (await this.#renew(tokens.access_token)).access_token
  }

  /** Sends a request of the API. It rejects with a Problem if the answer is none of success. */
  async request<M extends Method, P extends PathOf<M> & keyof paths & string>(
    method: M, path: P, ...[input]: {} extends Input<M, P> ? [input?: Input<M, P>] : [input: Input<M, P>]
  ): Promise<{ data: Output<M, P>; response: Response }> {
    const used = (await this.#mine()) ? await this.accessToken() : undefined
    let response = await this.#send(method, path, input ?? {}, used)
    if (response.status === 401 && used && (await problemOf(response.clone())).code === 'invalid_token') {
      response = await this.#send(method, path, input ?? {}, (await this.#renew(used)).access_token)
    }
    return { data: await this.#answer<Output<M, P>>(response), response }
  }

  /** Returns a fetch that sends tokens to an API of yours, and replaces one that is refused once. */
  api(options: ApiOptions): typeof fetch {
    const { url, scope } = options
    const resource = options.resource === undefined ? url : options.resource
    const held = new Map<string, { token: string; until: number }>()
    const tokenFor = async (refused?: string): Promise<string> => {
      const access = await this.accessToken()
      if (resource === null) return access === refused ? (await this.#renew(access)).access_token : access
      const { user_id, organization_id } = this.#tokens!
      const whose = `${user_id} ${organization_id}`
      const known = held.get(whose)
      if (known && known.token !== refused && known.until > Date.now()) return known.token
      const asked = Date.now()
      const { data } = await this.request('POST', '/api/v1/auth/api-token', { body: { resource, ...(scope && { scope }) } })
      held.set(whose, { token: data.access_token, until: asked + Math.max(data.expires_in * 1000 - early, 0) })
      return data.access_token
    }
    return async (target, init) => {
      const request = new Request(target instanceof Request ? target : new URL(target, url), init)
      if (new URL(request.url).origin !== new URL(url).origin) throw new TypeError(`${request.url} is not at ${url}`)
      const send = (token: string) => {
        const copy = request.clone() // its body may be needed again
        copy.headers.set('Authorization', `Bearer ${token}`)
        return this.#fetch(copy)
      }
      let used = await tokenFor()
      let response = await send(used)
      // A mark in the revocation feed refuses tokens of its second and the next one: a third token is later.
      for (const wait of [0, 2000]) {
        if (response.status !== 401) break
        await pause(wait)
        response = await send((used = await tokenFor(used)))
      }
      return response
    }
  }

  async #send(method: Method, path: string, input: object, token?: string, signal?: AbortSignal): Promise<Response> {
    const [url, options] = requestOf(this.#url, method, path, { ...input, ...(signal && { signal }) })
    if (token) options.headers.set('Authorization', `Bearer ${token}`)
    return this.#fetch(url, options)
  }

  async #answer<T>(response: Response): Promise<T> {
    if (!response.ok) throw await problemOf(response)
    return (response.status === 204 ? undefined : await response.json()) as T
  }

  /** Reads this tab's tokens, after a reload from where they are kept. */
  async #mine(): Promise<Tokens | null> {
    if (this.#tokens) return this.#tokens
    const stored = await this.#storage.read()
    return (this.#tokens ??= stored && this.#inThisTab(stored))
  }

  /** Another tab's tokens may be for another organization: then this tab needs its own. */
  #inThisTab(stored: Tokens): Tokens {
    const organization_id = this.#storage.readOrganization?.() ?? stored.organization_id
    return organization_id === stored.organization_id ? stored : { ...stored, organization_id, access_token: '', expires_at: 0 }
  }

  /** Replaces an access token, once for all requests of this tab. */
  #renew(used: string): Promise<Tokens> {
    return (this.#renewing ??= this.#locked(() => this.#refresh(used)).finally(() => { this.#renewing = undefined }))
  }

  /** Refreshes the session, unless another tab just has. It runs in one tab at a time. */
  async #refresh(used?: string, switchTo?: string): Promise<Tokens> {
    if (this.#storage.delay) await pause(this.#storage.delay) // whoever had the lock before may just have written
    const stored = await this.#storage.read()
    const mine = this.#tokens
    if (!stored || (mine && mine.user_id !== stored.user_id)) {
      this.#tokens = null // another tab has logged out, or somebody else in
      this.#onSignedOut()
      throw signedOut()
    }
    const organization_id = switchTo ?? mine?.organization_id ?? null
    const valid = stored.expires_at - early > Date.now() && stored.access_token !== used
    if (!switchTo && valid && stored.organization_id === organization_id) return (this.#tokens = stored)
    const body = { refresh_token: stored.refresh_token, ...(organization_id && { organization_id }) }
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#send('POST', '/api/v1/auth/refresh', { body }, undefined, AbortSignal.timeout(attemptTimeout))
        return await this.#keep(await this.#answer<TokenAnswer>(response))
      } catch (problem) {
        if (problem instanceof Problem) return await this.#refused(problem, stored)
        if (attempt === attempts) throw problem
        await pause(1000) // the same token again: Guildhall gives the same answer
      }
    }
  }

  /** The session has ended, unless a tab that knows no locks has refreshed it meanwhile. */
  async #refused(problem: Problem, used: Tokens): Promise<Tokens> {
    if (problem.status !== 401) throw problem
    const stored = await this.#storage.read()
    if (stored && stored.user_id === used.user_id && stored.refresh_token !== used.refresh_token) return (this.#tokens = this.#inThisTab(stored))
    await this.#forget()
    this.#onSignedOut()
    throw problem
  }

  async #keep(answer: TokenAnswer): Promise<Tokens> {
    const { user_id, organization_id, access_token, refresh_token, expires_in } = answer
    const tokens = { user_id, organization_id, access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 }
    await this.#storage.write(tokens)
    this.#storage.writeOrganization?.(organization_id)
    return (this.#tokens = tokens)
  }

  async #forget(): Promise<void> {
    this.#tokens = null
    await this.#storage.write(null)
    this.#storage.writeOrganization?.(null)
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    const name = `guildhall ${this.#storage.lock}`
    if (globalThis.navigator?.locks) return navigator.locks.request(name, work) as Promise<T>
    const turn = (turns.get(name) ?? Promise.resolve()).then(work)
    turns.set(name, turn.catch(() => {}))
    return turn
  }
}

/** Without locks (a page that is not served by HTTPS), those of this page still take turns. */
const turns = new Map<string, Promise<unknown>>()

const signedOut = () => new Problem(401, 'signed_out', 'You are signed out.')

async function problemOf(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as Partial<components['schemas']['Problem']>
  const wait = Number(response.headers.get('Retry-After') ?? NaN)
  return new Problem(
    response.status, body.code ?? 'unknown', body.detail ?? `The answer was ${response.status}.`,
    body.errors, Number.isNaN(wait) ? undefined : wait, body.request_id,
  )
}
