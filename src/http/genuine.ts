import type { FastifyInstance, FastifyRequest } from 'fastify'
import { BadWebhook, type Carrier, type WebhookRequest } from '../core/carrier.ts'
import { limitStore } from '../core/limited-store.ts'
import { isSid } from '../core/sid.ts'
import type { Account } from '../db/schema.ts'
import type { HttpContext } from './context.ts'
import { isUnavailable } from './errors.ts'

/**
 * How long what a carrier asks waits for the database. A carrier gives up after some seconds, and nobody knows whether
 * it then comes again; one that is told 503 within a second does, or asks the fallback URL, which is ours too. It is
 * never told yes: whether a statement that was given up was carried out is unknown, and when the event comes again the
 * index of events tells.
 */
export const DATABASE_LIMIT_MS = 750

/** The context for the doors of carriers. */
export const forCarriers = (context: HttpContext): HttpContext => ({
  ...context,
  store: limitStore(context.store, DATABASE_LIMIT_MS),
})

/** What every door for carriers needs: the raw body, their format of errors, and proof of who is calling. */
export function asWebhooks(app: FastifyInstance, context: HttpContext): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => body)
  app.setErrorHandler(async (error: Error, request, reply) => {
    if (error instanceof BadWebhook) return reply.code(400).type('text/plain').send(error.message)
    const { statusCode } = error as { statusCode?: number }
    if (statusCode && statusCode < 500 && !isUnavailable(error)) return reply.code(statusCode).send()
    context.log.error({ err: error, request_id: request.id }, 'a webhook could not be taken in')
    return reply.code(503).header('Retry-After', '1').send()
  })
}

const MAX_FIELD = 1000

/** What the database would refuse however often it came: it has no NUL in a text, and no endless key in an index. */
export function refuseUnstorable(...texts: string[]) {
  if (texts.some((text) => text.includes('\0'))) throw new BadWebhook('There is a NUL in it.')
  if (texts.some((text) => text.length > MAX_FIELD)) throw new BadWebhook('A field in it is too long.')
}

export type Genuine = {
  sid: string
  account_sid: string
  account_status: Account['status']
  carrier: Carrier
  webhook: WebhookRequest
}

export async function verify(
  context: HttpContext,
  request: FastifyRequest,
  sid = (request.params as { CarrierSid: string }).CarrierSid,
): Promise<Genuine | { refusal: 403 | 404 }> {
  const found = isSid('MC', sid) ? await context.carriers.find(sid) : undefined
  if (!found) return { refusal: 404 }
  const webhook = {
    method: request.method,
    // Signed is the address the carrier was given, which configuration knows and the Host header may not.
    url: context.store.rules.public_url + request.url,
    headers: request.headers,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
  }
  if (found.carrier.verify(webhook)) return { ...found, sid, webhook }
  // Anybody can send such a request, so it leaves a line in the log and nothing in the database.
  context.log.warn(
    { carrier_sid: sid, error_code: 80625, from: request.ip },
    'a webhook was refused: its signature does not fit',
  )
  return { refusal: 403 }
}

/**
 * The same for what begins something: a suspended account takes no messages and calls in. Reports of what began before are
 * heard, so that its records are complete when it is resumed.
 */
export async function verifyArrival(context: HttpContext, request: FastifyRequest, sid?: string) {
  const genuine = await verify(context, request, sid)
  if ('refusal' in genuine || genuine.account_status === 'active') return genuine
  const { account_sid } = genuine
  context.log.warn({ carrier_sid: genuine.sid, account_sid }, 'a message or call was refused: the account is suspended')
  return { refusal: 403 as const }
}
