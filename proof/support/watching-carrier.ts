import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { longCode, vendorSid } from '../../test/support/twilio-numbers.ts'
import { type Answer, send } from './http.ts'
import type { Scope } from './scope.ts'

/** A request to send a message, as it reached the carrier. */
export type Arrival = {
  /** Of the interaction. */
  sid: string
  from: string
  to: string
  body: string
  /** Which try of the same interaction it is, from 1. */
  nth: number
  /** Where it wants to be told what becomes of the message. */
  status_url: string
  /** The message's SID, if it is taken. */
  message_sid: string
}

/**
 * To be tried again after so many seconds, by 503; refused for good, in a code of the vendor's; or the line breaks
 * before the answer, with the message taken or not.
 */
export type CarrierAnswer = 'taken' | { later_s: number } | { refused: number } | 'taken unsaid' | 'broken'

export type Inbound = { from: string; to: string; body?: string; sid: string }

export type WatchingCarrier = Awaited<ReturnType<typeof startWatchingCarrier>>

/**
 * A carrier that speaks Twilio's wire format and keeps a record of every message it was asked to send. It takes each one
 * unless `answer` says otherwise.
 */
export async function startWatchingCarrier(scope: Scope) {
  const credentials = { account_sid: vendorSid('AC'), auth_token: vendorSid('').slice(0, 32) }
  const arrivals: Arrival[] = []
  const tries = new Map<string, number>()
  const messages: Message[] = []
  const watch = {
    answer: async (_arrival: Arrival): Promise<CarrierAnswer> => 'taken',
  }

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const form = await formOf(request)
    if (request.method === 'POST' && pathname.endsWith('/Messages.json')) {
      const arrival = arrivalOf(form, tries)
      arrivals.push(arrival)
      answerWith(response, await watch.answer(arrival), () => take(messages, arrival))
    } else if (pathname.endsWith('/Messages.json')) {
      // Who does not know whether a message was taken asks for those between two numbers.
      const isAsked = ({ from, to }: Message) => from === searchParams.get('From') && to === searchParams.get('To')
      reply(response, 200, { messages: messages.filter(isAsked).reverse().slice(0, 200) })
    } else if (pathname.includes('/IncomingPhoneNumbers')) {
      const phone_number = searchParams.get('PhoneNumber') ?? ''
      reply(response, 200, { incoming_phone_numbers: [longCode(phone_number)] })
    } else reply(response, 404, { code: 20404 })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  scope.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const base_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  /** Posts a webhook, signed by the vendor's own package. */
  async function post(url: string, params: Record<string, string>): Promise<Answer> {
    const signature = getExpectedTwilioSignature(credentials.auth_token, url, params)
    return await send('POST', url, { 'x-twilio-signature': signature }, Object.entries(params))
  }
  const common = { AccountSid: credentials.account_sid, ApiVersion: '2010-04-01' }

  return Object.assign(watch, {
    credentials: { ...credentials, base_url },
    arrivals,
    /** Somebody texts one of the numbers; `door` is where the server takes this carrier's webhooks. */
    text: (door: string, { from, to, body = '', sid }: Inbound) =>
      post(`${door}/messages`, {
        ...common,
        MessageSid: sid,
        From: from,
        To: to,
        Body: body,
        NumMedia: '0',
        NumSegments: '1',
      }),
    /** Somebody calls one; what is answered is TwiML. */
    call: (door: string, { from, to, sid }: Inbound) =>
      post(`${door}/calls`, {
        ...common,
        CallSid: sid,
        From: from,
        To: to,
        CallStatus: 'ringing',
        Direction: 'inbound',
      }),
  })
}

/** One that was taken, as the vendor presents it. */
type Message = ReturnType<typeof take>

function take(messages: object[], { from, to, body, message_sid: sid }: Arrival) {
  const constant = { direction: 'outbound-api', num_media: '0', status: 'queued' }
  const message = { sid, from, to, body, ...constant, date_created: new Date().toUTCString() }
  messages.push(message)
  return message
}

function answerWith(response: ServerResponse, answer: CarrierAnswer, taken: () => Message) {
  if (answer === 'taken') return reply(response, 201, taken())
  if (answer === 'taken unsaid') taken()
  if (typeof answer === 'string') return void response.socket?.destroy()
  if ('later_s' in answer) return reply(response, 503, {}, { 'retry-after': String(answer.later_s) })
  reply(response, 400, { code: answer.refused, message: 'It cannot be sent.', status: 400 })
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

function arrivalOf(form: URLSearchParams, tries: Map<string, number>): Arrival {
  const status_url = form.get('StatusCallback') ?? ''
  const [, sid = ''] = /\/status\/[^/]+\/(KI[0-9a-f]{32})$/.exec(status_url) ?? []
  if (!sid) throw new Error(`a message came without the address of its interaction: ${form}`)
  const nth = (tries.get(sid) ?? 0) + 1
  tries.set(sid, nth)
  const [from, to, body] = ['From', 'To', 'Body'].map((name) => form.get(name) ?? '') as [string, string, string]
  return { sid, from, to, body, nth, status_url, message_sid: vendorSid('SM') }
}

function reply(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

const MAX_TRIES = 50

/** As carriers do: what is answered with 503 is told again. Any other answer but success fails the run. */
export async function untilTaken(tell: () => Promise<Answer>): Promise<Answer & { refused: number }> {
  for (let refused = 0; ; refused++) {
    const answer = await tell()
    if (answer.status === 200) return { ...answer, refused }
    if (answer.status !== 503 || refused === MAX_TRIES) {
      throw new Error(`a webhook was not taken: ${answer.status} ${answer.text}`)
    }
  }
}

/** Whom the TwiML dials, and of which interaction that is the leg; undefined when it dials nobody. */
export function dialledBy(twiml: string): { number: string; sid: string } | undefined {
  const number = /<Number[^>]*>([^<]*)<\/Number>/.exec(twiml)?.[1]
  const sid = /\/(KI[0-9a-f]{32})\//.exec(twiml)?.[1]
  return number && sid ? { number, sid } : undefined
}
