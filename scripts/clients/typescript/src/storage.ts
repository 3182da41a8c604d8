/** What a person's browser keeps while they are signed in. */
export interface Tokens {
  user_id: string
  organization_id: string | null
  access_token: string
  refresh_token: string
  /** By the clock of this device, in milliseconds. */
  expires_at: number
}

/**
 * Where tokens are. Whoever reads them acts as the person, so the choice is yours: see the README.
 * Tabs that share a storage share one session.
 */
export interface TokenStorage {
  /** The name of a lock: whoever shares tokens shares it. */
  readonly lock: string
  read(): Tokens | null | Promise<Tokens | null>
  write(tokens: Tokens | null): void | Promise<void>
  /** Milliseconds until what one tab has written shows in the others. */
  readonly delay?: number
  /** The organization in which this tab acts; other tabs may act in others. */
  readOrganization?(): string | null
  writeOrganization?(id: string | null): void
}

/** Keeps tokens in memory: a reload signs the person out, and each tab has a session of its own. */
export function memory(): TokenStorage {
  let kept: Tokens | null = null
  return { lock: `memory ${Math.random()}`, read: () => kept, write: (tokens) => { kept = tokens } }
}

/**
 * Keeps tokens where all tabs of an origin find them, also after a reload. Every script on your pages can read them
 * there, also one that an attacker got in.
 */
export function webStorage(name = 'guildhall', shared: Storage = localStorage, tab: Storage = sessionStorage): TokenStorage {
  return {
    lock: name,
    delay: 100, // tabs are processes, which a browser tells of writes when it has the time
    read: () => JSON.parse(shared.getItem(name) ?? 'null') as Tokens | null,
    write: (tokens) => (tokens ? shared.setItem(name, JSON.stringify(tokens)) : shared.removeItem(name)),
    readOrganization: () => tab.getItem(name),
    writeOrganization: (id) => (id ? tab.setItem(name, id) : tab.removeItem(name)),
  }
}
