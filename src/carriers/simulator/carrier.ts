import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { BadWebhook, type Carrier, CarrierError, type CarrierNumber, type OutboundMessage } from '../../core/carrier.ts'
import { countryOf, isE164 } from '../../core/e164.ts'
import { refusalOf } from './behaviours.ts'
import type { Network } from './network.ts'

/**
 * The simulated network as an account's carrier. Nothing comes by HTTP, so no webhook is genuine. An account has one of
 * these at most: its handsets are the account's.
 */
export function simulatorCarrier(network: Network, row: { sid: string; account_sid: string }): Carrier {
  return {
    kind: 'simulator',
    acknowledgement: { contentType: 'text/plain', body: '' },
    verify: () => false,
    parseMessage: refuseWebhook,
    parseStatus: refuseWebhook,
    async sendMessage(message) {
      refuseMagicNumbers(message)
      return await network.sendToHandset(row, message)
    },
    findSentMessage: async ({ reference }) => network.findSent(row.account_sid, reference),
    findNumber: async ({ phone_number }) => (phone_number === undefined ? undefined : describeNumber(phone_number)),
    attachNumber: async () => {},
    restoreNumber: async () => {},
    fetchMedia: async () => 'public',
    check: async () => {},
  }
}

function refuseWebhook(): never {
  throw new BadWebhook('the simulated carrier sends no webhooks')
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
