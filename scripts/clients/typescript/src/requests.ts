// The types of requests and answers, as the OpenAPI document has them.
import type { paths } from './openapi.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The paths that have an operation with this method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<Lowercase<M>, { responses: unknown }> ? P : never
}[keyof paths]

type Operation<M extends Method, P extends keyof paths> = paths[P] extends Record<Lowercase<M>, infer O> ? O : never

/** An optional part is absent, or may be left out. */
type Part<O, From extends string, To extends string> = O extends { [K in From]: infer V }
  ? { [K in To]: V }
  : O extends { [K in From]?: infer V } ? ([V] extends [undefined] ? unknown : { [K in To]?: V }) : unknown

type Parameters<O> = O extends { parameters: infer P } ? Part<P, 'path', 'path'> & Part<P, 'query', 'query'> & Part<P, 'header', 'headers'> : unknown
type JSONOf<C> = C extends { content: { 'application/json': infer T } } ? T : never
type Body<O> = O extends { requestBody: infer B } ? { body: JSONOf<B> } : O extends { requestBody?: infer B } ? ([B] extends [undefined] ? unknown : { body?: JSONOf<B> }) : unknown

/** What a request needs besides its method and path. */
export type Input<M extends Method, P extends keyof paths> = Parameters<Operation<M, P>> & Body<Operation<M, P>> & { signal?: AbortSignal }

type Success<R> = { [S in keyof R]: S extends 200 | 201 | 202 | 204 ? (R[S] extends { content: { 'application/json': infer T } } ? T : undefined) : never }[keyof R]

/** What a successful answer has. */
export type Output<M extends Method, P extends keyof paths> = Operation<M, P> extends { responses: infer R } ? Success<R> : never

type Parts = { path?: Record<string, unknown>; query?: Record<string, unknown>; headers?: Record<string, unknown>; body?: unknown; signal?: AbortSignal }

/** Returns the address and the options of a request. */
export function requestOf(base: string, method: Method, path: string, input: Parts): [string, RequestInit & { headers: Headers }] {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input.path?.[name])))
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(input.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null) query.append(name, String(one))
  }
  const headers = new Headers({ Accept: 'application/json' })
  for (const [name, value] of Object.entries(input.headers ?? {})) if (value !== undefined) headers.set(name, String(value))
  const options: RequestInit & { headers: Headers } = { method, headers }
  if (input.signal) options.signal = input.signal
  if (input.body !== undefined) {
    headers.set('Content-Type', 'application/json')
    options.body = JSON.stringify(input.body)
  }
  return [base + filled + (query.size ? `?${query}` : ''), options]
}
