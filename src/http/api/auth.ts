import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../core/accounts.ts'
import { actingAs } from '../../core/audit.ts'
import { ProxyError } from '../../core/errors.ts'
import { covers, type Scope, ScopeRefusal } from '../../core/scopes.ts'
import { isSid } from '../../core/sid.ts'
import type { Store } from '../../core/store.ts'
import { callerOfSession } from '../../core/user-sessions.ts'
import type { HttpContext } from '../context.ts'
import { findSession } from '../session-cookie.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
    /** For whatever a request changes: it names the caller. */
    store: Store
  }
}

/**
 * HTTP Basic: account SID and auth token, or API key SID and secret. Without that the cookie of a user of the console, if the
 * request is of the console's page. Throws 20003, and 20005 for a suspended account.
 */
export async function requireCaller(context: Doorkeepers, request: FastifyRequest): Promise<void> {
  if (isFormOfPage(request)) throw new ProxyError(20003)
  const { sign_ins, store } = context
  const caller = await findCaller(context, request, 'use')
  if (!caller || !mayComeIn(caller, request)) {
    // Who sends nothing has not tried.
    if (request.headers.authorization) sign_ins.refused(readBasic(request.headers.authorization)[0], request.ip)
    throw new ProxyError(caller ? 20005 : 20003)
  }
  sign_ins.used(caller.sid, request.ip)
  request.caller = caller
  request.store = actingAs(store, { kind: caller.kind, sid: caller.sid, origin: request.ip, request_sid: request.id })
}

type Doorkeepers = Pick<HttpContext, 'authenticate' | 'sign_ins' | 'store' | 'user_sessions'>

async function findCaller(context: Doorkeepers, request: FastifyRequest, purpose: 'use' | 'look') {
  const { authorization } = request.headers
  const session = authorization === undefined ? await findSession(context, request, purpose) : undefined
  return session ? callerOfSession(session) : await context.authenticate(...readBasic(authorization))
}

/** Whether a request that goes on for long may still do just what it could at first. To be asked is no use of credentials. */
export async function isSameCaller(context: Doorkeepers, request: FastifyRequest): Promise<boolean> {
  const { account_sid, scopes } = request.caller
  const now = await findCaller(context, request, 'look')
  if (now?.account_sid !== account_sid || !mayComeIn(now, request)) return false
  return covers(now.scopes, scopes) && covers(scopes, now.scopes)
}

/** Whoever suspends accounts can look at one, and resume it. */
const mayComeIn = ({ account_status, is_of_all = false }: Caller, { method, routeOptions }: FastifyRequest) =>
  account_status === 'active' || (is_of_all && (method === 'GET' || routeOptions.url === '/maskline/v1/Accounts/:Sid'))

/** A refusal of callers who may not do this. It is made before anything is looked up, and so tells nothing of what is there. */
export function scopeRefusal({ caller }: FastifyRequest, scopes: readonly Scope[]): ProxyError | undefined {
  const missing = scopes.filter((scope) => !caller.scopes.has(scope))
  return missing.length > 0 ? new ScopeRefusal(missing) : undefined
}

/**
 * Throws 20429 when the account asks this too often, with `Retry-After` in the answer. An endpoint is a method and the
 * template of a path. What names no service by its SID counts for the account.
 */
export function requireRate(
  { limiter, log }: Pick<HttpContext, 'limiter' | 'log'>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { account_sid } = request.caller
  const { ServiceSid } = (request.params ?? {}) as { ServiceSid?: string }
  const service_sid = ServiceSid && isSid('KS', ServiceSid) ? ServiceSid : undefined
  const endpoint = `${request.method} ${request.routeOptions.url ?? 'of nothing'}`
  const refusal = limiter.admit({ account_sid, service_sid, endpoint })
  if (!refusal) return
  if (refusal.is_first) log.warn({ account_sid, service_sid, endpoint }, 'requests over the limit are refused')
  reply.header('Retry-After', refusal.retry_after_s)
  throw new ProxyError(20429)
}

/**
 * A form that a page has the browser send, perhaps a page of somebody else's. The browser adds what was once typed into its
 * prompt; a script cannot add credentials to such a request, so no client sends one.
 */
const isFormOfPage = ({ method, headers }: FastifyRequest) =>
  method !== 'GET' && (headers['sec-fetch-mode'] === 'navigate' || headers['sec-fetch-mode'] === 'no-cors')

function readBasic(header: string | undefined): [username: string, password: string] {
  const [, encoded = ''] = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '') ?? []
  const [, username = '', password = ''] = /^([^:\0]*):([^\0]*)$/.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return [username, password]
}
