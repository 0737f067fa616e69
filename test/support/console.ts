import assert from 'node:assert/strict'
import { createLink } from '../../src/core/sign-in-links.ts'
import { createUser } from '../../src/core/users.ts'
import type { Role, User } from '../../src/db/user-schema.ts'
import { newName } from './proxy-api.ts'
import type { Answer, TestServer } from './server.ts'

/** Somebody's browser with a page of ours: it says with each request whose page made it, and keeps the cookie. */
export type Browser = TestServer & {
  cookie: () => string
  /** With no cookie from now on, or that one. */
  forget: (cookie?: string) => void
}

type Headers = Record<string, string>

export function openBrowser(server: TestServer, always: Headers = {}): Browser {
  let cookie = ''
  const call = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const said = { 'sec-fetch-site': 'same-origin', origin: server.url, ...(cookie && { cookie }), ...always }
    const headers: Headers = { ...said, ...(init.headers as Headers) }
    const response = await fetch(server.url + path, { ...init, headers, redirect: 'manual' })
    const text = await response.text()
    const [set] = response.headers.getSetCookie()
    if (set !== undefined) cookie = set.includes('Max-Age=0') ? '' : (set.split(';')[0] ?? '')
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} }
  }
  const form = (params: Record<string, string | string[]>) =>
    new URLSearchParams(
      Object.entries(params).flatMap(([name, value]) => [value].flat().map((one) => [name, one] as [string, string])),
    )
  return {
    ...server,
    call,
    get: (path) => call(path),
    post: (path, params = {}, headers = {}) => call(path, { method: 'POST', body: form(params), headers }),
    delete: (path) => call(path, { method: 'DELETE' }),
    cookie: () => cookie,
    forget: (other = '') => {
      cookie = other
    },
  }
}

export type Who = { role?: Role; account_sid?: string | null; name?: string }

export const makeUser = (
  { store }: TestServer,
  { role = 'admin', account_sid = null, name = newName('user') }: Who = {},
): Promise<User> => createUser(store, { name, role, account_sid })

/** The one-time part of a link. */
export const tokenOf = (link: string) => /#link=([\w-]{43})$/.exec(link)?.[1] ?? ''

/** A browser in which a new user has followed their link. */
export async function signedIn(server: TestServer, who: Who = {}): Promise<Browser & { user: User }> {
  const user = await makeUser(server, who)
  const browser = openBrowser(server)
  const { status, text } = await follow(browser, await createLink(server.store, user))
  assert.equal(status, 200, text)
  return { ...browser, user }
}

export const SESSION = '/console/session'

export const follow = (browser: Browser, link: string) => browser.post(SESSION, { Link: tokenOf(link) })

export const PASSWORD = 'violet-harbour-lamp'

/** The same, with a password. */
export async function withPassword(server: TestServer, who: Who = {}, password = PASSWORD) {
  const browser = await signedIn(server, who)
  const { status, text } = await browser.post(`${SESSION}/password`, { Password: password })
  assert.equal(status, 200, text)
  return browser
}
