import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BadWebhook, type Carrier, type WebhookRequest } from '../core/carrier.ts'
import { recordEvent } from '../core/events.ts'
import { recordReport } from '../core/outbound.ts'
import { relayMessage } from '../core/relay.ts'
import { isSid } from '../core/sid.ts'
import type { HttpContext } from './context.ts'
import { isUnavailable } from './errors.ts'

const MAX_FIELD = 1000
/** The largest error code that can be stored; no carrier has one near it. */
const MAX_CODE = 2 ** 31 - 1

/**
 * Where carriers call us. What they bring is acknowledged once it is on disk, and not before. A signature that does not
 * fit is 403 and stores nothing; what can never be read is 400; a fault of ours is 503, so that the carrier
 * tries again.
 */
export async function webhookRoutes(app: FastifyInstance, context: HttpContext): Promise<void> {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => body)
  app.setErrorHandler(async (error: Error, request, reply) => {
    if (error instanceof BadWebhook) return reply.code(400).type('text/plain').send(error.message)
    const { statusCode } = error as { statusCode?: number }
    if (statusCode && statusCode < 500 && !isUnavailable(error)) return reply.code(statusCode).send()
    context.log.error({ err: error, request_id: request.id }, 'a webhook could not be taken in')
    return reply.code(503).header('Retry-After', '1').send()
  })
  const schema = { hide: true }

  app.post('/:CarrierSid/messages', { schema }, async (request, reply) => {
    const genuine = await verify(context, request)
    if ('refusal' in genuine) return reply.code(genuine.refusal).send()
    const { carrier, account_sid, webhook, sid } = genuine
    const message = carrier.parseMessage(webhook)
    refuseUnstorable(message.event_id, message.to, ...message.media.map((item) => item.content_type ?? ''))
    const { outcome } = await relayMessage(context.store, context.directory, { sid, account_sid }, message)
    if (outcome !== 'duplicate') context.wake()
    return acknowledge(carrier, reply)
  })

  app.post('/:CarrierSid/status/:ServiceSid/:InteractionSid', { schema }, async (request, reply) => {
    const genuine = await verify(context, request)
    if ('refusal' in genuine) return reply.code(genuine.refusal).send()
    const { carrier, webhook, sid, account_sid } = genuine
    const report = carrier.parseStatus(webhook)
    refuseUnstorable(report.carrier_message_id)
    const { ServiceSid, InteractionSid } = request.params as { ServiceSid: string; InteractionSid: string }
    const isLeg = isSid('KS', ServiceSid) && isSid('KI', InteractionSid)
    if (report.error_code && report.error_code > MAX_CODE) throw new BadWebhook('The error code is no such code.')
    const known =
      isLeg && (await recordReport(context.store, sid, { service_sid: ServiceSid, sid: InteractionSid }, report))
    if (known) context.wake()
    // The record may have been deleted since: the carrier need not tell us again.
    else await recordEvent(context.store, { error_code: 80907, account_sid })
    return acknowledge(carrier, reply)
  })
}

/** What the database would refuse however often it came: it has no NUL in a text, and no endless key in an index. */
function refuseUnstorable(...texts: string[]) {
  if (texts.some((text) => text.includes('\0'))) throw new BadWebhook('There is a NUL in it.')
  if (texts.some((text) => text.length > MAX_FIELD)) throw new BadWebhook('A field in it is too long.')
}

type Genuine = { sid: string; account_sid: string; carrier: Carrier; webhook: WebhookRequest }

async function verify(context: HttpContext, request: FastifyRequest): Promise<Genuine | { refusal: 403 | 404 }> {
  const { CarrierSid: sid } = request.params as { CarrierSid: string }
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
  context.log.warn({ carrier_sid: sid, error_code: 80625 }, 'a webhook was refused: its signature does not fit')
  return { refusal: 403 }
}

const acknowledge = (carrier: Carrier, reply: FastifyReply) => {
  const { contentType, body } = carrier.acknowledgement
  return reply.code(200).type(contentType).send(body)
}
