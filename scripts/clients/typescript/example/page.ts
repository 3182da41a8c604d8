// The page of the example: it logs in at Guildhall, and calls the API of notes.
import { Guildhall, Problem, webStorage } from '../src/client.js'

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T
const { content: url } = document.querySelector<HTMLMetaElement>('meta[name=guildhall]')!
const guildhall = new Guildhall({ url, storage: webStorage(), onSignedOut: show })
const notes = guildhall.api({ url: location.origin, resource: 'https://notes.example.com' })

async function show() {
  const session = await guildhall.session()
  element('log-in').hidden = !!session
  element('app').hidden = !session
  if (!session) return
  const { data } = await guildhall.request('GET', '/api/v1/organizations')
  element('organizations').replaceChildren(...data.map((o) => new Option(o.name, o.id, false, o.id === session.organization_id)))
  const response = await notes('/notes')
  const list: string[] = response.ok ? await response.json() : []
  element('notes').replaceChildren(...list.map((note) => Object.assign(document.createElement('li'), { textContent: note })))
}

/** Does something, and shows how it went. */
function on(id: string, event: string, work: () => Promise<unknown>) {
  element(id).addEventListener(event, async (e) => {
    e.preventDefault()
    element('message').textContent = ''
    await work().then(show).catch((problem: unknown) => { element('message').textContent = problem instanceof Problem ? problem.message : String(problem) })
  })
}

const value = (id: string) => element<HTMLInputElement>(id).value
on('log-in', 'submit', () => guildhall.logIn(value('email'), value('password')))
on('organizations', 'change', () => guildhall.switchOrganization(value('organizations')))
on('log-out', 'click', () => guildhall.logOut())
on('add', 'submit', async () => {
  const response = await notes('/notes', { method: 'POST', body: JSON.stringify(value('note')) })
  if (!response.ok) throw new Error(((await response.json()) as { detail: string }).detail)
})
void show()
