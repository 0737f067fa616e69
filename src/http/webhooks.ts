import type { FastifyInstance, FastifyReply } from 'fastify'
import { BadWebhook, type Carrier, MAX_ERROR_CODE } from '../core/carrier.ts'
import { recordEvent } from '../core/events.ts'
import { recordReport } from '../core/outbound.ts'
import { relayMessage } from '../core/relay.ts'
import { isSid } from '../core/sid.ts'
import { callWebhookRoutes } from './call-webhooks.ts'
import type { HttpContext } from './context.ts'
import { asWebhooks, refuseUnstorable, verify, verifyArrival } from './genuine.ts'

/**
 * Where carriers call us. What they bring is acknowledged once it is on disk, and not before. A signature that does not
 * fit is 403 and stores nothing; what can never be read is 400; a fault of ours is 503, so that the carrier
 * tries again.
 */
export async function webhookRoutes(app: FastifyInstance, context: HttpContext): Promise<void> {
  asWebhooks(app, context)
  const schema = { hide: true }

  app.post('/:CarrierSid/messages', { schema }, async (request, reply) => {
    const genuine = await verifyArrival(context, request)
    if ('refusal' in genuine) return reply.code(genuine.refusal).send()
    const { carrier, account_sid, webhook, sid } = genuine
    const message = carrier.parseMessage(webhook)
    refuseUnstorable(message.event_id, message.to, ...message.media.map((item) => item.content_type ?? ''))
    const { outcome } = await relayMessage(context.store, context.directory, { sid, account_sid }, message)
    if (outcome !== 'duplicate') context.wake('interactions')
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
    if (report.error_code && report.error_code > MAX_ERROR_CODE) throw new BadWebhook('The error code is no such code.')
    const known =
      isLeg && (await recordReport(context.store, sid, { service_sid: ServiceSid, sid: InteractionSid }, report))
    if (known) context.wake('callbacks')
    // The record may have been deleted since: the carrier need not tell us again.
    else await recordEvent(context.store, { error_code: 80907, account_sid })
    return acknowledge(carrier, reply)
  })

  callWebhookRoutes(app, context)
}

const acknowledge = (carrier: Carrier, reply: FastifyReply) => {
  const { contentType, body } = carrier.acknowledgement
  return reply.code(200).type(contentType).send(body)
}
