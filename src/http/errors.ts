import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { moreInfo, ProxyError } from '../core/errors.ts'
import { recordEvent } from '../core/events.ts'
import { ScopeRefusal } from '../core/scopes.ts'
import { maskFor } from './api/mask.ts'
import { ErrorBody } from './api/present.ts'
import type { HttpContext } from './context.ts'

/** What the vendor's clients make their exceptions of. */
export const presentError = (error: ProxyError) => ({
  code: error.code,
  message: error.message,
  more_info: moreInfo(error.code),
  status: error.status,
  ...(error.details ? { details: error.details } : {}),
})

const maskError = maskFor(ErrorBody)

/** The net of the REST doors: a refusal is answered in its code, anything else is our fault and says nothing of itself. */
export const restErrorHandler =
  (context: HttpContext) => async (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const refusal = asRefusal(error)
    if (refusal.status >= 500) context.log.error({ err: error, request_id: request.id }, 'a request failed')
    // Fastify would close the connection under a client that is still sending, which then may never read the answer.
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') reply.removeHeader('connection')
    if (refusal.status === 401) reply.header('WWW-Authenticate', challengeFor(request))
    if (refusal instanceof ScopeRefusal) noteForbidden(context, request, refusal)
    await recordRefusal(context, request, refusal)
    const body = presentError(refusal)
    const { scopes } = request.caller ?? {}
    return reply.code(refusal.status).send(scopes && !scopes.has('pii') ? maskError(body) : body)
  }

function noteForbidden(
  { sign_ins }: HttpContext,
  { caller, ip, method, routeOptions }: FastifyRequest,
  { missing }: ScopeRefusal,
) {
  sign_ins.forbidden(caller, ip, { path: `${method} ${routeOptions.url}`, scope: missing.join(' ') })
}

/** To a page of ours a browser would show its own prompt over the page's, and remember what is typed there. */
const challengeFor = ({ headers }: FastifyRequest) =>
  headers['sec-fetch-site'] === 'same-origin' ? 'Cookie realm="Maskline"' : 'Basic realm="Twilio API"'

/** What PostgreSQL and its connections say when the database is away, full or overtaxed: try again, nothing happened. */
const UNAVAILABLE = /^(08|53|57P0[123]|57014|25006|58)|^(ECONN|EPIPE|ETIMEDOUT)/

export const isUnavailable = (error: { code?: unknown; message?: string }) =>
  UNAVAILABLE.test(String(error.code)) ||
  /timeout exceeded when trying to connect|Connection terminated/.test(error.message ?? '')

/** Deadlocks and serialisation failures that outlasted the retries of `inTransaction`: requests over the same people. */
const COLLIDED = /^(40P01|40001)$/

function asRefusal(error: FastifyError): ProxyError {
  if (error instanceof ProxyError) return error
  if (COLLIDED.test(String(error.code))) return new ProxyError(80623)
  if (isUnavailable(error)) return new ProxyError(20503)
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ProxyError(20001, { message: 'Send parameters as application/x-www-form-urlencoded.' })
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ProxyError(20001, { message: 'The request body is too large.' })
  }
  if (error.statusCode && error.statusCode < 500) {
    return new ProxyError(20001, { message: 'The request could not be read.' })
  }
  return new ProxyError(20500)
}

/** An exhausted or unsuitable pool: 80201 to 80208. */
const isPoolTrouble = (code: number) => code >= 80201 && code <= 80208

/** A pool that ran out concerns the operator as much as the caller, so it is on record as an event too. */
async function recordRefusal(context: HttpContext, request: FastifyRequest, refusal: ProxyError) {
  if (!isPoolTrouble(refusal.code) || !request.caller) return
  const { ServiceSid, SessionSid } = request.params as { ServiceSid?: string; SessionSid?: string }
  await recordEvent(context.store, {
    error_code: refusal.code,
    account_sid: request.caller.account_sid,
    service_sid: ServiceSid,
    session_sid: SessionSid,
    message: refusal.message,
  })
}
