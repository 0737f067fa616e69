import { timingSafeEqual } from 'node:crypto'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import {
  BadWebhook,
  type Carrier,
  CarrierError,
  type CarrierNumber,
  type OutboundMessage,
  type WebhookRequest,
} from '../../core/carrier.ts'
import { countryOf, isE164 } from '../../core/e164.ts'
import { parseCallForm, parseCallReportForm, parseRecordingForm } from '../../twiml/requests.ts'
import { refusalOf } from './behaviours.ts'
import { type Network, SECRET_HEADER } from './network.ts'

/**
 * The simulated network as an account's carrier. About calls it asks our webhooks as any carrier, and no request but its
 * own is genuine; about messages nothing comes that way. An account has one of these at most: its handsets are the
 * account's.
 */
export function simulatorCarrier(network: Network, row: { sid: string; account_sid: string }): Carrier {
  const { account_sid } = row
  return {
    kind: 'simulator',
    acknowledgement: { contentType: 'text/plain', body: '' },
    verify: ({ headers }) => isSecret(headers[SECRET_HEADER], network.secret),
    parseMessage: refuseWebhook,
    parseStatus: refuseWebhook,
    async sendMessage(message) {
      refuseMagicNumbers(message)
      return await network.sendToHandset(row, message)
    },
    findSentMessage: async ({ reference }) => network.findSent(account_sid, reference),
    parseCall: (request) => parseCallForm(formOf(request)),
    parseCallReport: (request) => parseCallReportForm(formOf(request)),
    parseRecording: (request) => parseRecordingForm(formOf(request)),
    findCall: async (carrier_call_id) => network.calls.report(account_sid, carrier_call_id),
    announce: async ({ outbound_id }, announcement) => network.calls.announce(account_sid, outbound_id, announcement),
    fetchRecording: async ({ carrier_recording_id }, maxBytes) =>
      network.recordings.fetch(account_sid, carrier_recording_id, maxBytes),
    deleteRecording: async ({ carrier_recording_id }) => network.recordings.forget(account_sid, carrier_recording_id),
    findNumber: async ({ phone_number }) => (phone_number === undefined ? undefined : describeNumber(phone_number)),
    attachNumber: async () => {},
    restoreNumber: async () => {},
    fetchMedia: async () => 'public',
    check: async () => {},
  }
}

function refuseWebhook(): never {
  throw new BadWebhook('the simulated carrier sends no webhooks about messages')
}

function isSecret(given: string | string[] | undefined, secret: string): boolean {
  const [a, b] = [Buffer.from(String(given)), Buffer.from(secret)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function formOf({ headers, body }: WebhookRequest): URLSearchParams {
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(String(headers['content-type'] ?? ''))
  if (!isForm) throw new BadWebhook('not a form')
  return new URLSearchParams(body.toString('utf8'))
}

function refuseMagicNumbers(message: OutboundMessage) {
  const code = isE164(message.to) ? refusalOf(message) : 21211
  if (code) throw new CarrierError('refused', `the simulated carrier refused the message with ${code}`, { code })
}

export const isShortCode = (text: string) => /^\d{3,6}$/.test(text)

/** Every number there could be is for the taking, so a look-up describes it and nothing is kept. */
function describeNumber(phone_number: string): CarrierNumber | undefined {
  const isLong = isE164(phone_number)
  if (!isLong && !isShortCode(phone_number)) return undefined
  return {
    carrier_number_sid: undefined,
    phone_number,
    friendly_name: (isLong && parsePhoneNumberFromString(phone_number)?.formatNational()) || phone_number,
    iso_country: (isLong && countryOf(phone_number)) || null,
    capabilities: { voice: isLong, sms: true, mms: true, fax: false },
    webhooks: {},
  }
}
