import type { Capabilities, CarrierNumber, NumberWebhooks } from '../../core/carrier.ts'
import { countryOf } from '../../core/e164.ts'
import { isSid } from '../../core/sid.ts'
import {
  accountPath,
  type Connection,
  type Fields,
  find,
  get,
  isFields,
  type Params,
  post,
  records,
  text,
} from './api.ts'

/** What Twilio calls each setting when it is written, and when it is read. */
const SETTINGS = {
  SmsUrl: 'sms_url',
  SmsMethod: 'sms_method',
  SmsFallbackUrl: 'sms_fallback_url',
  SmsFallbackMethod: 'sms_fallback_method',
  SmsApplicationSid: 'sms_application_sid',
  VoiceUrl: 'voice_url',
  VoiceMethod: 'voice_method',
  VoiceFallbackUrl: 'voice_fallback_url',
  VoiceFallbackMethod: 'voice_fallback_method',
  VoiceApplicationSid: 'voice_application_sid',
  TrunkSid: 'trunk_sid',
}

export async function findNumber(
  connection: Connection,
  { sid, phone_number }: { sid?: string; phone_number?: string },
): Promise<CarrierNumber | undefined> {
  if (sid !== undefined) {
    if (!isSid('PN', sid) && !isSid('SC', sid)) return undefined
    const found = await find(connection, numberPath(connection, sid))
    return found && (isSid('SC', sid) ? parseShortCode(found) : parseNumber(found))
  }
  if (phone_number === undefined) return undefined

  const list = await get(connection, accountPath(connection, 'IncomingPhoneNumbers'), [['PhoneNumber', phone_number]])
  // The filter also matches parts of a number.
  const found = records(list, 'incoming_phone_numbers').find((each) => text(each, 'phone_number') === phone_number)
  return found && parseNumber(found)
}

/**
 * An application or a trunk would be asked in place of our URLs, and a message's fallback would hand one that we could
 * not take to whatever answered the number before, so these are emptied. A call's fallback is us once more: the caller is
 * still waiting, and the same arrival gets the same answer. The number's own status callback stays its owner's.
 */
export async function attachNumber(
  connection: Connection,
  sid: string,
  { message_url, call_url }: { message_url: string; call_url: string },
): Promise<void> {
  const sms: Params = [
    ['SmsUrl', message_url],
    ['SmsMethod', 'POST'],
    ['SmsFallbackUrl', ''],
  ]
  const rest: Params = [
    ['SmsApplicationSid', ''],
    ['VoiceUrl', call_url],
    ['VoiceMethod', 'POST'],
    ['VoiceFallbackUrl', call_url],
    ['VoiceFallbackMethod', 'POST'],
    ['VoiceApplicationSid', ''],
    ['TrunkSid', ''],
  ]
  await post(connection, numberPath(connection, sid), isSid('SC', sid) ? sms : [...sms, ...rest])
}

export async function restoreNumber(connection: Connection, sid: string, previous: NumberWebhooks): Promise<void> {
  const form = Object.keys(SETTINGS).flatMap((name): Params => {
    const value = previous[name]
    return value === undefined || isOverruled(name, previous) ? [] : [[name, value]]
  })
  if (form.length > 0) await post(connection, numberPath(connection, sid), form)
}

/** Writing one of these two clears the other, so when one was set only that one is put back. */
const isOverruled = (name: string, previous: NumberWebhooks) =>
  (name === 'TrunkSid' && Boolean(previous.VoiceApplicationSid)) ||
  (name === 'VoiceApplicationSid' && Boolean(previous.TrunkSid))

const numberPath = (connection: Connection, sid: string) =>
  isSid('SC', sid)
    ? accountPath(connection, 'SMS', 'ShortCodes', sid)
    : accountPath(connection, 'IncomingPhoneNumbers', sid)

function parseNumber(fields: Fields): CarrierNumber {
  const phone_number = text(fields, 'phone_number')
  return {
    carrier_number_sid: text(fields, 'sid'),
    phone_number,
    friendly_name: text(fields, 'friendly_name'),
    iso_country: countryOf(phone_number) ?? null,
    capabilities: parseCapabilities(fields.capabilities),
    webhooks: parseWebhooks(fields),
  }
}

/** A short code says neither its country nor what it can do; every one can send and receive text. */
const parseShortCode = (fields: Fields): CarrierNumber => ({
  carrier_number_sid: text(fields, 'sid'),
  phone_number: text(fields, 'short_code'),
  friendly_name: text(fields, 'friendly_name'),
  iso_country: null,
  capabilities: { voice: false, sms: true, mms: false, fax: false },
  webhooks: parseWebhooks(fields),
})

/** Twilio has spelt these in capitals (`MMS`) as well as in small letters. */
function parseCapabilities(value: unknown): Capabilities {
  const flags = isFields(value) ? value : {}
  const can = (name: string) => flags[name] === true || flags[name.toUpperCase()] === true
  return { voice: can('voice'), sms: can('sms'), mms: can('mms'), fax: can('fax') }
}

/** Empty settings are kept as '', so that restoring empties them again; an empty method cannot be written. */
function parseWebhooks(fields: Fields): NumberWebhooks {
  const found: NumberWebhooks = {}
  for (const [name, field] of Object.entries(SETTINGS)) {
    const value = text(fields, field)
    if (field in fields && (value !== '' || !name.endsWith('Method'))) found[name] = value
  }
  return found
}
