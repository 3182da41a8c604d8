// Runs in each tab of tabs.test.ts.
import { Guildhall, Problem, webStorage, type Tokens } from '../src/client.js'

const parameters = new URLSearchParams(location.search)
const [tab, url, email, password] = ['tab', 'guildhall', 'email', 'password'].map((name) => parameters.get(name)!) as [string, string, string, string]
const barrier = (name: string) => fetch(`/barrier/${name}`, { method: 'POST' })
let refreshes = 0
let ended = false
const counting: typeof fetch = (target, init) => {
  if (String(target).endsWith('/auth/refresh')) refreshes++
  return fetch(target, init)
}
const open = () => new Guildhall({ url, storage: webStorage(), fetch: counting, onSignedOut: () => { ended = true } })

async function story() {
  if (tab === '0') {
    await open().logIn(email, password)
    const tokens = JSON.parse(localStorage.getItem('guildhall')!) as Tokens
    localStorage.setItem('guildhall', JSON.stringify({ ...tokens, expires_at: 0 }))
  }
  await barrier('logged in')
  const guildhall = open()
  await guildhall.session()
  await barrier('open')
  const answers = await Promise.all(Array.from({ length: 5 }, () => guildhall.request('GET', '/api/v1/auth/me')))
  const together = refreshes
  await barrier('refreshed')
  if (tab === '1') {
    const made = await guildhall.request('POST', '/api/v1/organizations', { body: { name: 'Looms' } })
    await guildhall.switchOrganization(made.data.id)
  }
  await barrier('switched')
  const { data: me } = await guildhall.request('GET', '/api/v1/auth/me')
  await barrier('asked')
  if (tab === '0') await guildhall.logOut()
  await barrier('logged out')
  const code = await guildhall.request('GET', '/api/v1/auth/me').then(() => '', (e: unknown) => (e instanceof Problem ? e.code : String(e)))
  return { locks: !!navigator.locks, answers: answers.filter((a) => a.data.email === email).length, refreshes: together, organization: me.organization?.name, code, ended }
}

story().catch((e: unknown) => ({ failed: String(e) })).then((result) => fetch(`/result/${tab}`, { method: 'POST', body: JSON.stringify(result) }))
