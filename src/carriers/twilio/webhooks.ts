import { createHash, timingSafeEqual } from 'node:crypto'
import {
  BadWebhook,
  type CallReport,
  type FinishedRecording,
  type InboundCall,
  type InboundMessage,
  type StatusReport,
  type WebhookRequest,
} from '../../core/carrier.ts'
import { twilioSignature } from '../../core/signature.ts'
import {
  parseCallForm,
  parseCallReportForm,
  parseErrorCode,
  parseGeography,
  parseRecordingForm,
  present,
  required,
} from '../../twiml/requests.ts'
import { messageStatus, resourceSid } from './messages.ts'

/** https://www.twilio.com/docs/usage/webhooks/webhooks-security */
export function verify(request: WebhookRequest, tokens: string[]): boolean {
  const signature = request.headers['x-twilio-signature']
  if (typeof signature !== 'string') return false

  const bodyHash = /[?&]bodySHA256=([^&#]*)/.exec(request.url)?.[1]
  if (bodyHash !== undefined && !isEqual(bodyHash, createHash('sha256').update(request.body).digest('hex')))
    return false
  // A body that is neither a form nor hashed in the URL is not covered by the signature at all.
  if (bodyHash === undefined && request.body.length > 0 && !isForm(request)) return false

  if (hasTooMany(request.body)) return false
  const params = bodyHash === undefined ? [...formOf(request)] : []
  const fits = (url: string) => tokens.some((token) => isEqual(signature, twilioSignature(token, url, params)))
  // Nearly always the URL as it is.
  return fits(request.url) || urlForms(request.url).some(fits)
}

/** https://www.twilio.com/docs/messaging/guides/webhook-request */
export function parseMessage(request: WebhookRequest): InboundMessage {
  const form = parseForm(request)
  const event_id = required(form, 'MessageSid', 'SmsSid')
  if (messageStatus(form.get('MessageStatus') ?? form.get('SmsStatus') ?? 'received')) {
    throw new BadWebhook('this is a status report, not a message: the URL for messages was given as a status callback')
  }

  return {
    event_id,
    resource_sid: resourceSid(event_id),
    from: present(form, 'From'),
    to: required(form, 'To'),
    body: form.get('Body') ?? '',
    media: Array.from({ length: parseCount(form, 'NumMedia', 0) }, (_, i) => ({
      url: required(form, `MediaUrl${i}`),
      content_type: form.get(`MediaContentType${i}`) || undefined,
    })),
    num_segments: parseCount(form, 'NumSegments', 1),
    geography: parseGeography(form),
  }
}

/** https://www.twilio.com/docs/messaging/guides/track-outbound-message-status */
export function parseStatus(request: WebhookRequest): StatusReport {
  const form = parseForm(request)
  const carrier_message_id = required(form, 'MessageSid', 'SmsSid')
  const reported = required(form, 'MessageStatus', 'SmsStatus')
  const status = messageStatus(reported)
  if (!status)
    throw new BadWebhook(`unknown message status ${/^[a-z_-]{1,40}$/i.test(reported) ? reported : ''}`.trim())

  return { carrier_message_id, status, error_code: parseErrorCode(form.get('ErrorCode')) }
}

/**
 * We are our own fallback, which is asked for whatever goes wrong in the call. When it was this very request, the call is
 * what it was; after any other, it has been answered already, and answering it again would ring the partner again.
 * The token is the same when Twilio repeats the request.
 */
export function parseCall(request: WebhookRequest): InboundCall {
  const form = parseForm(request)
  const failed = form.get('ErrorUrl')
  if (failed && pathOf(failed) !== pathOf(request.url)) {
    throw new BadWebhook('a later part of the call went wrong, for which there is no other answer')
  }
  const token = request.headers['i-twilio-idempotency-token']
  return parseCallForm(form, typeof token === 'string' ? token : undefined)
}

export const parseCallReport = (request: WebhookRequest): CallReport => parseCallReportForm(parseForm(request))

export const parseRecording = (request: WebhookRequest): FinishedRecording | undefined =>
  parseRecordingForm(parseForm(request))

/** Twilio sends some forty. To sort very many takes long, and whoever sends them need not be Twilio. */
const MAX_PARAMETERS = 1_000

function hasTooMany(body: Buffer): boolean {
  let count = 1
  for (let at = body.indexOf('&'); at >= 0 && count <= MAX_PARAMETERS; at = body.indexOf('&', at + 1)) count++
  return count > MAX_PARAMETERS
}

/** Twilio signs some webhooks with the port in the URL and some without it, so either is accepted. */
function urlForms(url: string): string[] {
  const match = /^(https?):\/\/((?:[^/?#@]*@)?)(\[[^\]]*\]|[^/?#:]*)((?::\d*)?)(.*)$/is.exec(url)
  if (!match) return [url]
  const [, scheme = '', userInfo = '', host = '', port = '', rest = ''] = match
  const defaultPort = scheme.toLowerCase() === 'https' ? ':443' : ':80'
  return [
    `${scheme}://${userInfo}${host}${rest}`,
    `${scheme}://${userInfo}${host}${port === '' ? defaultPort : port}${rest}`,
  ]
}

function isEqual(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}

const pathOf = (url: string) => (URL.canParse(url) ? new URL(url).pathname : undefined)

const isForm = ({ headers }: WebhookRequest) =>
  /^application\/x-www-form-urlencoded\s*(;|$)/i.test(String(headers['content-type'] ?? ''))

// With a leading '&' a body that begins with '?' keeps it, as the vendor's validator does.
const formOf = ({ body }: WebhookRequest) => new URLSearchParams(`&${body.toString('utf8')}`)

function parseForm(request: WebhookRequest): URLSearchParams {
  if (!isForm(request)) throw new BadWebhook('not a form')
  return formOf(request)
}

/** Twilio sends at most ten attachments and some ten segments; a thousand leaves room and bounds the work. */
function parseCount(form: URLSearchParams, name: string, missing: number): number {
  const value = form.get(name) || String(missing)
  if (!/^\d{1,3}$/.test(value)) throw new BadWebhook(`${name} is not a count`)
  return Number(value)
}
