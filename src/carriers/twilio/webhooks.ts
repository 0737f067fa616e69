import { createHash, timingSafeEqual } from 'node:crypto'
import { BadWebhook, type InboundMessage, type StatusReport, type WebhookRequest } from '../../core/carrier.ts'
import { twilioSignature } from '../../core/signature.ts'
import { messageStatus, resourceSid } from './messages.ts'

const GEOGRAPHY = ['From', 'To'].flatMap((end) => ['City', 'State', 'Zip', 'Country'].map((part) => end + part))

/** https://www.twilio.com/docs/usage/webhooks/webhooks-security */
export function verify(request: WebhookRequest, tokens: string[]): boolean {
  const signature = request.headers['x-twilio-signature']
  if (typeof signature !== 'string') return false

  const bodyHash = /[?&]bodySHA256=([^&#]*)/.exec(request.url)?.[1]
  if (bodyHash !== undefined && !isEqual(bodyHash, createHash('sha256').update(request.body).digest('hex')))
    return false
  // A body that is neither a form nor hashed in the URL is not covered by the signature at all.
  if (bodyHash === undefined && request.body.length > 0 && !isForm(request)) return false

  const params = bodyHash === undefined ? [...formOf(request)] : []
  const candidates = tokens.flatMap((token) => urlForms(request.url).map((url) => twilioSignature(token, url, params)))
  return candidates.filter((expected) => isEqual(signature, expected)).length > 0
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
    geography: Object.fromEntries(GEOGRAPHY.flatMap((name) => (form.has(name) ? [[name, form.get(name) ?? '']] : []))),
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

  const error_code = Number(form.get('ErrorCode'))
  return {
    carrier_message_id,
    status,
    error_code: Number.isSafeInteger(error_code) && error_code > 0 ? error_code : undefined,
  }
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

const isForm = ({ headers }: WebhookRequest) =>
  /^application\/x-www-form-urlencoded\s*(;|$)/i.test(String(headers['content-type'] ?? ''))

// With a leading '&' a body that begins with '?' keeps it, as the vendor's validator does.
const formOf = ({ body }: WebhookRequest) => new URLSearchParams(`&${body.toString('utf8')}`)

function parseForm(request: WebhookRequest): URLSearchParams {
  if (!isForm(request)) throw new BadWebhook('not a form')
  return formOf(request)
}

/** The first of these fields that is filled in. */
function required(form: URLSearchParams, ...names: string[]): string {
  const value = names.map((name) => form.get(name)).find(Boolean)
  if (!value) throw new BadWebhook(`${names.join(' or ')} is missing`)
  return value
}

/** A field that must be there but may be empty, as a withheld sender is. */
function present(form: URLSearchParams, name: string): string {
  const value = form.get(name)
  if (value === null) throw new BadWebhook(`${name} is missing`)
  return value
}

/** Twilio sends at most ten attachments and some ten segments; a thousand leaves room and bounds the work. */
function parseCount(form: URLSearchParams, name: string, missing: number): number {
  const value = form.get(name) || String(missing)
  if (!/^\d{1,3}$/.test(value)) throw new BadWebhook(`${name} is not a count`)
  return Number(value)
}
