import { randomUUID } from 'node:crypto'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import type { TwilioAccount } from './twilio-account.ts'
import { type AccountNumber, vendorSid } from './twilio-numbers.ts'

/** What Twilio posts to its customers, signed by the vendor's own package. */
export type WebhookAnswer = { status: number; content_type: string; body: string }

export type Received = {
  from: string
  to: string
  body?: string
  mediaUrls?: string[]
  /** The same SID again makes a repeat of the same event. */
  sid?: string
  /** Where to; the number's own SmsUrl unless given. */
  url?: string
  /** Further parameters, or others in place of the usual ones. */
  params?: Record<string, string>
}

/** What the network does to one callback about a status, which Twilio promises neither the order nor the number of. */
export type CallbackFault = 'drop' | 'duplicate' | 'hold' | undefined

export type TwilioWebhooks = ReturnType<typeof twilioWebhooks>

export function twilioWebhooks(account: TwilioAccount) {
  const webhooks = {
    /** From a webhook's public address to one this machine can reach. The signature covers the public one. */
    reach: (publicUrl: string) => publicUrl,

    /** How long an answer may take. */
    timeout_ms: 15_000,

    /** Asked before each callback about the status of a leg, a call or a recording. */
    callbackFaults: (_callback: { url: string; params: Record<string, string> }): CallbackFault => undefined,

    post: (url: string, params: Record<string, string>, auth_token = account.auth_token): Promise<WebhookAnswer> =>
      webhooks.request('POST', url, params, { auth_token }),

    /** With GET the parameters join the URL's own, and the signature covers nothing else. */
    async request(
      method: 'GET' | 'POST',
      url: string,
      params: Record<string, string>,
      { auth_token = account.auth_token, token = randomUUID() as string },
    ): Promise<WebhookAnswer> {
      const query = new URLSearchParams(params)
      const target = method === 'POST' ? url : `${url}${url.includes('?') ? '&' : '?'}${query}`
      const signed = method === 'POST' ? params : {}
      const response = await fetch(webhooks.reach(target), {
        method,
        headers: {
          ...(method === 'POST' && { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }),
          'user-agent': 'TwilioProxy/1.1',
          'i-twilio-idempotency-token': token,
          'x-twilio-signature': getExpectedTwilioSignature(auth_token, target, signed),
        },
        ...(method === 'POST' && { body: query }),
        signal: AbortSignal.timeout(webhooks.timeout_ms),
      })
      const content_type = response.headers.get('content-type') ?? ''
      return { status: response.status, content_type, body: await response.text() }
    },

    /** Somebody sends a message to one of the account's numbers. */
    async receive(received: Received): Promise<WebhookAnswer> {
      const { from, to, body = '', mediaUrls = [] } = received
      const sid = received.sid ?? vendorSid(mediaUrls.length > 0 ? 'MM' : 'SM')
      const url = received.url ?? String(findNumber(account, to).sms_url)
      if (!account.messages.some((message) => message.sid === sid)) {
        const now = account.now()
        account.messages.push({
          ...{ sid, from, to, body, media_urls: mediaUrls, direction: 'inbound', status: 'received' },
          ...{ error_code: null, status_callback: undefined, date_created: now, date_sent: now },
        })
      }
      return webhooks.post(url, { ...inboundParams(account, { ...received, sid }), ...received.params })
    },

    /** The status of a sent message changes, and its StatusCallback is told. */
    async report(sid: string, status: string, error_code?: number): Promise<WebhookAnswer> {
      const message = account.messages.find((each) => each.sid === sid)
      if (!message?.status_callback) throw new Error(`nobody wants to know about ${sid}`)
      message.status = status
      message.error_code = error_code ?? null
      if (status !== 'sending') message.date_sent ??= account.now()
      return webhooks.post(message.status_callback, statusParams(account, message, status, error_code))
    },
  }
  return webhooks
}

function findNumber(account: TwilioAccount, to: string): AccountNumber {
  const number = account.numbers.find((each) => each.phone_number === to || each.short_code === to)
  if (!number) throw new Error(`${to} is not a number of this account`)
  return number
}

/** https://www.twilio.com/docs/messaging/guides/webhook-request */
export function inboundParams(account: TwilioAccount, { from, to, body = '', mediaUrls = [], sid = '' }: Received) {
  const params: Record<string, string> = {
    ToCountry: 'US',
    ToState: 'DC',
    SmsMessageSid: sid,
    NumMedia: String(mediaUrls.length),
    ToCity: 'WASHINGTON',
    FromZip: '20001',
    SmsSid: sid,
    FromState: 'DC',
    SmsStatus: 'received',
    FromCity: 'WASHINGTON',
    Body: body,
    FromCountry: 'US',
    To: to,
    ToZip: '',
    NumSegments: '1',
    MessageSid: sid,
    AccountSid: account.account_sid,
    From: from,
    ApiVersion: '2010-04-01',
  }
  for (const [i, url] of mediaUrls.entries()) {
    params[`MediaUrl${i}`] = url
    params[`MediaContentType${i}`] = contentTypeOf(account, url)
  }
  return params
}

function contentTypeOf(account: TwilioAccount, url: string): string {
  const sid = /\/Media\/(ME\w+)$/.exec(url)?.[1]
  return sid ? account.getMedia(sid).content_type : 'image/jpeg'
}

/** https://www.twilio.com/docs/messaging/guides/track-outbound-message-status */
export function statusParams(
  account: TwilioAccount,
  message: { sid: string; from: string; to: string },
  status: string,
  error_code?: number,
): Record<string, string> {
  return {
    SmsSid: message.sid,
    SmsStatus: status,
    MessageStatus: status,
    To: message.to,
    MessageSid: message.sid,
    AccountSid: account.account_sid,
    From: message.from,
    ApiVersion: '2010-04-01',
    ...(error_code !== undefined && { ErrorCode: String(error_code) }),
  }
}
