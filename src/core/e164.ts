import { type PhoneNumber, parsePhoneNumberFromString, validatePhoneNumberLength } from 'libphonenumber-js/max'
import { ProxyError } from './errors.ts'

/**
 * Telephone numbers. What people type goes through libphonenumber once, at `parseIdentifier`; everything after that,
 * the path of a message above all, works on the E.164 text it returns.
 */
export type Identifier = {
  identifier: string
  kind: 'phone' | 'channel'
  channel?: string
  /** Where the numbering plan says so. */
  country?: string
  calling_code?: string
}

export const isE164 = (text: string) => /^\+[1-9]\d{6,14}$/.test(text)

/**
 * Reads a person's address as clients write it. `'valid'` asks for a number that the numbering plans can hold,
 * `'possible'` for one of a plausible length only, which test set-ups with invented numbers need.
 */
export function parseIdentifier(text: string, strictness: 'valid' | 'possible'): Identifier {
  const [, prefix, address] = /^(?:(whatsapp|messenger):)?(.*)$/is.exec(text) ?? []
  const channel = prefix?.toLowerCase()
  if (channel === 'messenger') {
    if (!/^[\w.-]{1,181}$/.test(address ?? '')) throw notReachable(text)
    return { identifier: `messenger:${address}`, kind: 'channel', channel }
  }

  const number = parseNumber(address ?? '', strictness)
  if (!number) throw notReachable(text)
  return {
    identifier: channel ? `${channel}:${number.number}` : number.number,
    kind: channel ? 'channel' : 'phone',
    ...(channel && { channel }),
    ...(number.country && { country: number.country }),
    calling_code: number.countryCallingCode,
  }
}

/** Of a channel address, the number or name behind the channel. */
export const withoutChannel = (identifier: string) => identifier.slice(identifier.indexOf(':') + 1)

function parseNumber(text: string, strictness: 'valid' | 'possible'): PhoneNumber | undefined {
  // A plus that the client forgot to encode arrives as a space.
  const written = text.replace(/^ (?=\d)/, '+')
  if (!/^[\s(]*\+[\d\s.()\p{Pd}]+$/u.test(written)) return undefined
  const compact = `+${written.replace(/\D/g, '')}`
  if (!isE164(compact)) return undefined
  const number = parsePhoneNumberFromString(compact)
  if (!number || !(strictness === 'valid' ? number.isValid() : number.isPossible())) return undefined
  // The library drops a trunk prefix, as in +44 (0)20, from invented numbers too, and once more each time it reads them.
  // A person must have one spelling only, so what is not final is refused.
  if (number.number === compact) return number
  const again = isE164(number.number) ? parsePhoneNumberFromString(number.number) : undefined
  return again?.number === number.number ? again : undefined
}

/**
 * Text is repeated only where it can be one number. It may also hold a name, or a number with an extension behind it,
 * of which masking the last four digits would hide nothing.
 */
function notReachable(text: string): ProxyError {
  const isNumber =
    /^(?:whatsapp:)?[\s(]*\+?[\d\s.()\p{Pd}]{1,40}$/iu.test(text) &&
    validatePhoneNumberLength(`+${text.replace(/\D/g, '')}`) !== 'TOO_LONG'
  return new ProxyError(80404, { identifier: isNumber ? maskLastFour(text.trim()) : 'The identifier' })
}

/** ISO 3166 of the country that uses the number; undefined where the numbering plan does not say. */
export const countryOf = (e164: string): string | undefined => parsePhoneNumberFromString(e164)?.country

export const callingCodeOf = (e164: string): string | undefined => parsePhoneNumberFromString(e164)?.countryCallingCode

/** The three digits after +1; undefined for numbers elsewhere. */
export const areaCodeOf = (e164: string): string | undefined => /^\+1(\d{3})\d{7}$/.exec(e164)?.[1]

const MOST_SHOWN = 8

/** As errors show a number: `+1415555XXXX`. Of one that is too long, perhaps with an extension behind it, more is hidden. */
export function maskLastFour(text: string): string {
  const characters = [...text]
  let left = Math.max(4, characters.filter((character) => /\p{Nd}/u.test(character)).length - MOST_SHOWN)
  for (let at = characters.length - 1; at >= 0 && left > 0; at--) {
    if (!/\p{Nd}/u.test(characters[at] ?? '')) continue
    characters[at] = 'X'
    left--
  }
  return characters.join('')
}

/**
 * Without the numbers in a message, whole or with their last digits replaced: the digits that `maskLastFour` leaves and those
 * that `logNumber` leaves are the whole number together.
 */
export const hideNumbers = (text: string): string => text.replace(WRITTEN_NUMBER, '•••')

const WRITTEN_NUMBER =
  /(?<![A-Za-z0-9])(?:[+(]?\p{Nd}[\p{Nd}\s().\p{Pd}X]{0,60}X|\+\p{Nd}[\p{Nd}\s().\p{Pd}]{5,60}\p{Nd})(?![A-Za-z0-9])/gu

/** As logs show a number: `+1202•••0101`. Three digits or more stay hidden; what is no number is hidden altogether. */
export function logNumber(identifier: string): string {
  const [, channel = '', number] = /^([a-z]+:)?(.*)$/s.exec(identifier) ?? []
  if (!number || !isE164(number)) return `${channel}•••`
  const leading = Math.min(4, number.length - 1 - 4 - 3)
  return `${channel}${number.slice(0, 1 + leading)}•••${number.slice(-4)}`
}
