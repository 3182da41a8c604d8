// Runs the real service in a directory of its own.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const password = 'correct horse battery'
export const binary = process.env['GUILDHALL_BINARY'] ?? ''

export interface Person { user_id: string; organization_id: string; email: string; access_token: string; refresh_token: string }

export class Service {
  url = ''
  #process: ChildProcess | undefined

  private constructor(readonly directory: string, readonly environment: Record<string, string>) {}

  static async start(environment: Record<string, string> = {}): Promise<Service> {
    const service = new Service(mkdtempSync(join(tmpdir(), 'guildhall-clients-')), { PORT: '0', RATE_LIMIT_ENABLED: 'false', ...environment })
    service.run(['migrate', 'up'])
    service.run(['admin', 'create', 'root@example.com'], `${password}\n`)
    await service.serve()
    return service
  }

  /** Runs a command. */
  run(args: string[], input = ''): string {
    return execFileSync(binary, args, { cwd: this.directory, env: { ...process.env, ...this.environment }, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  }

  async serve(): Promise<void> {
    const child = (this.#process = spawn(binary, [], { cwd: this.directory, env: { ...process.env, ...this.environment }, stdio: ['ignore', 'pipe', 'pipe'] }))
    let log = ''
    this.url = await new Promise((found, failed) => {
      const read = (part: Buffer) => {
        log += part
        const [, port] = /address=127\.0\.0\.1:(\d+)/.exec(log) ?? []
        if (port) found(`http://127.0.0.1:${port}`)
      }
      child.stdout.on('data', read)
      child.stderr.on('data', read)
      child.once('exit', () => failed(new Error(log)))
    })
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (child && child.exitCode === null) await new Promise((done) => { child.once('exit', done); child.kill('SIGKILL') })
    rmSync(this.directory, { recursive: true, force: true })
  }

  async call(method: string, path: string, body?: unknown, token?: string): Promise<any> {
    const response = await fetch(this.url + path, {
      method, headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }, ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text ? JSON.parse(text) : null
  }

  register(name: string): Promise<Person> {
    return this.call('POST', '/api/v1/auth/register', { email: `${name}@example.com`, password, name })
  }

  /** Registers an API with scopes of members and of admins, whose tokens have roles, and returns its key. */
  async api(identifier: string): Promise<string> {
    const { access_token } = await this.call('POST', '/api/v1/auth/token', { username: 'root@example.com', password })
    const scopes = [{ name: 'notes:read', least_role: 'member' }, { name: 'notes:write', least_role: 'admin' }]
    const { id } = await this.call('POST', '/api/v1/apis', { identifier, name: 'Notes', claims: 'role', scopes }, access_token)
    return (await this.call('POST', `/api/v1/apis/${id}/keys`, { name: 'Tests' }, access_token)).key
  }

  /** Makes somebody a member of an organization, and logs them in there. */
  async joins(person: Person, owner: Person): Promise<Person> {
    await this.call('POST', `/api/v1/organizations/${owner.organization_id}/members`, { user_id: person.user_id }, owner.access_token)
    return this.call('POST', '/api/v1/auth/refresh', { refresh_token: person.refresh_token, organization_id: owner.organization_id })
  }

  async token(person: Person, resource: string): Promise<string> {
    return (await this.call('POST', '/api/v1/auth/api-token', { resource }, person.access_token)).access_token
  }

  remove(person: Person, owner: Person): Promise<void> {
    return this.call('DELETE', `/api/v1/organizations/${owner.organization_id}/members/${person.user_id}`, undefined, owner.access_token)
  }

  /** Starts another process on the same database. */
  async replica(): Promise<Service> {
    const other = new Service(this.directory, this.environment)
    await other.serve()
    return other
  }
}
