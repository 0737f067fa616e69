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
 * An application would be asked in place of our URL, and a fallback would hand a message that we could not take to whatever
 * answered the number before, so both are emptied.
 */
export async function attachNumber(
  connection: Connection,
  sid: string,
  { message_url }: { message_url: string },
): Promise<void> {
  const settings: Params = [
    ['SmsUrl', message_url],
    ['SmsMethod', 'POST'],
    ['SmsFallbackUrl', ''],
  ]
  if (!isSid('SC', sid)) settings.push(['SmsApplicationSid', ''])
  await post(connection, numberPath(connection, sid), settings)
}

export async function restoreNumber(connection: Connection, sid: string, previous: NumberWebhooks): Promise<void> {
  const form = Object.keys(SETTINGS).flatMap((name): Params => {
    const value = previous[name]
    return value === undefined ? [] : [[name, value]]
  })
  if (form.length > 0) await post(connection, numberPath(connection, sid), form)
}

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
