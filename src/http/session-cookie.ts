import type { FastifyRequest } from 'fastify'
import type { UserSession } from '../core/user-sessions.ts'
import type { HttpContext } from './context.ts'

/** The cookie that stands for a session of the console. Its prefix has browsers see to the attributes it must have. */
const NAME = '__Host-maskline'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

export const cookieOf = (token: string) => `${NAME}=${token}; ${ATTRIBUTES}`
export const NO_COOKIE = `${NAME}=; ${ATTRIBUTES}; Max-Age=0`

const TOKEN = new RegExp(`(?:^|; ?)${NAME}=([A-Za-z0-9_-]{43})(?:;|$)`)

/**
 * The session of a request that a page of ours made; with any other the cookie counts for nothing. Browsers say whose page it
 * was, and no page can make them say otherwise.
 */
export async function findSession(
  { user_sessions, store }: Pick<HttpContext, 'user_sessions' | 'store'>,
  request: FastifyRequest,
  purpose: 'use' | 'look',
): Promise<UserSession | undefined> {
  const token = TOKEN.exec(request.headers.cookie ?? '')?.[1]
  if (!token || !user_sessions || !isOfOurPage(request, store.rules.public_url)) return undefined
  return await user_sessions.find(token, purpose)
}

export function isOfOurPage({ method, headers }: FastifyRequest, public_url: string): boolean {
  if (headers['sec-fetch-site'] !== 'same-origin') return false
  const { origin, host } = headers
  if (method === 'GET' || origin === undefined) return true
  // A proxy in front may give us another Host than the browser asked for.
  const hosts = [host, new URL(public_url).host]
  return URL.canParse(origin) && hosts.includes(new URL(origin).host)
}
