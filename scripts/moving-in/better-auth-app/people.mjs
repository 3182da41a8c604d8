// Signs people up at better-auth, over its HTTP handler, with organizations and a ban. Prints what they are to become.
// Usage: node people.mjs DATABASE DOMAIN     (a file, or a URL of PostgreSQL)
import assert from 'node:assert/strict'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { admin, organization } from 'better-auth/plugins'
import { SqliteDialect } from 'kysely'
import Database from 'libsql' // SQLite, which needs no compiler here
import pg from 'pg'

const [database, domain] = process.argv.slice(2)
const onPostgres = database.startsWith('postgres')
const pool = onPostgres && new pg.Pool({ connectionString: database })
const base = 'http://127.0.0.1:3000'
const auth = betterAuth({
  database: pool || { dialect: new SqliteDialect({ database: new Database(database) }), type: 'sqlite' },
  baseURL: base,
  secret: 'x4Qm2s0Jc8Vd1Lr7Zt5Nw9Ky3Hb6Gf0P',
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  plugins: [organization(), admin()],
  ...(onPostgres && { advanced: { database: { generateId: 'uuid' } } }),
})
await (await getMigrations(auth.options)).runMigrations()

async function call(path, body, cookie) {
  const headers = { 'Content-Type': 'application/json', Origin: base, ...(cookie && { Cookie: cookie }) }
  const answer = await auth.handler(new Request(`${base}/api/auth${path}`, { method: 'POST', headers, body: JSON.stringify(body) }))
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`)
  return { ...(await answer.json()), cookie: answer.headers.getSetCookie().map(c => c.split(';')[0]).join('; ') }
}

const password = name => `${name} has a horse`
async function person(name) {
  const { user, cookie } = await call('/sign-up/email', { email: `${name}@${domain}`, password: password(name), name })
  return { id: user.id, cookie }
}

const people = {}
for (const name of ['ada', 'grace', 'eve', 'lea']) people[name] = await person(name)
const { id: engines } = await call('/organization/create', { name: `Engines of ${domain}`, slug: 'engines' }, people.ada.cookie)
for (const [name, role] of Object.entries({ grace: 'owner', eve: ['admin', 'member'], lea: 'member' }))
  await auth.api.addMember({ body: { userId: people[name].id, organizationId: engines, role } })

await auth.api.createUser({ body: { email: `root@${domain}`, password: password('root'), name: 'Root', role: 'admin' } })
const root = await call('/sign-in/email', { email: `root@${domain}`, password: password('root') })
await person('mal').then(mal => call('/admin/ban-user', { userId: mal.id, banReason: 'spam', banExpiresIn: 86400 }, root.cookie))

const is = { ada: '200 owner', grace: '200 admin', eve: '200 admin', lea: '200 member', root: '200', mal: '403' }
for (const [name, what] of Object.entries(is)) console.log(`${name}@${domain},${password(name)},${onPostgres && people[name]?.id || ''},${what}`)
if (onPostgres) await pool.end()
