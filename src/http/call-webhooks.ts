import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answerCall } from '../calls/answer.ts'
import { dialled, findGuided, greetPartner, legReported, recorded } from '../calls/go-on.ts'
import { fetchOnBehalf } from '../calls/hand-on.ts'
import { hangUp } from '../calls/markup.ts'
import type { Leg } from '../core/calls.ts'
import { BadWebhook } from '../core/carrier.ts'
import { isSid } from '../core/sid.ts'
import type { HttpContext } from './context.ts'
import { asWebhooks, type Genuine, refuseUnstorable, verify, verifyArrival } from './genuine.ts'

const schema = { hide: true }

/** Where carriers ask what to do with a call, and tell what became of it. Every answer is TwiML. */
export function callWebhookRoutes(app: FastifyInstance, context: HttpContext): void {
  const route = (
    path: string,
    answer: (genuine: Genuine, request: FastifyRequest) => Promise<string>,
    check: typeof verifyArrival = verify,
  ) =>
    app.post(path, { schema }, async (request, reply) => {
      const genuine = await check(context, request)
      return 'refusal' in genuine
        ? reply.code(genuine.refusal).send()
        : reply.type('text/xml').send(await answer(genuine, request))
    })

  route('/:CarrierSid/calls', (genuine, request) => answer(context, genuine, request), verifyArrival)

  const leg = '/:CarrierSid/calls/:ServiceSid/:InteractionSid'
  route(`${leg}/leg`, (genuine, request) => legReported(context, genuine, legOf(request), reportOf(genuine)))
  route(`${leg}/dialled`, (genuine, request) => dialled(context, genuine, legOf(request), reportOf(genuine)))
  route(`${leg}/whisper`, (genuine, request) => {
    const { recording } = request.query as { recording?: string }
    return greetPartner(context, genuine, legOf(request), recording === 'true' ? 'recorded' : 'unrecorded')
  })
  route(`${leg}/recorded`, async () => hangUp())
  route(`${leg}/recording`, async (genuine, request) => {
    const recording = genuine.carrier.parseRecording(genuine.webhook)
    refuseUnstorable(recording?.carrier_recording_id ?? '')
    const { kind } = request.query as { kind?: string }
    return await recorded(context, genuine, legOf(request), kind === 'voicemail' ? 'voicemail' : 'call', recording)
  })
  route(`${leg}/via`, async (genuine, request) => {
    const row = await findGuided(context.store, genuine, legOf(request))
    return row ? await fetchOnBehalf(context, genuine, row, errandOf(genuine, request)) : hangUp()
  })
}

/**
 * The vendor's own name for the ingress: applications that moved here redirect their calls to it. The signature is that of
 * the carrier whose number was dialled.
 */
export async function vendorIngress(app: FastifyInstance, context: HttpContext): Promise<void> {
  asWebhooks(app, context)
  app.post('/:AccountSid/Proxy/:ServiceSid/Webhooks/Call', { schema }, async (request, reply: FastifyReply) => {
    const form = new URLSearchParams(Buffer.isBuffer(request.body) ? request.body.toString() : '')
    const to = form.get('To') ?? ''
    refuseUnstorable(to)
    const number = await context.directory.find(to)
    const genuine = number ? await verifyArrival(context, request, number.carrier_sid) : { refusal: 404 as const }
    return 'refusal' in genuine
      ? reply.code(genuine.refusal).send()
      : reply.type('text/xml').send(await answer(context, genuine, request))
  })
}

async function answer(context: HttpContext, genuine: Genuine, request: FastifyRequest): Promise<string> {
  const call = genuine.carrier.parseCall(genuine.webhook)
  const { after } = request.query as { after?: unknown }
  // A customer's document sent the call to us: by that it is another arrival, even while it still rings.
  if (typeof after === 'string' && /^KI[0-9a-f]{32}\.\d{1,2}$/.test(after)) call.event_id += `/${after}`
  refuseUnstorable(call.event_id, call.from, call.to)
  return await answerCall(context, genuine, call)
}

function reportOf({ carrier, webhook }: Genuine) {
  const report = carrier.parseCallReport(webhook)
  refuseUnstorable(report.carrier_call_id ?? '')
  return report
}

function legOf(request: FastifyRequest): Leg {
  const { ServiceSid, InteractionSid } = request.params as { ServiceSid: string; InteractionSid: string }
  if (!isSid('KS', ServiceSid) || !isSid('KI', InteractionSid)) throw new BadWebhook('The address is not one of ours.')
  return { service_sid: ServiceSid, sid: InteractionSid }
}

/** What the carrier posts, with the address that we wrote into the customer's document. */
function errandOf({ webhook }: Genuine, request: FastifyRequest) {
  const { to, method, tell } = request.query as { to?: unknown; method?: unknown; tell?: unknown }
  if (typeof to !== 'string' || !URL.canParse(to)) throw new BadWebhook('The address is not one of ours.')
  const params = [...new URLSearchParams(webhook.body.toString())]
  return { url: to, method: method === 'GET' ? ('GET' as const) : ('POST' as const), tell: tell === 'true', params }
}
