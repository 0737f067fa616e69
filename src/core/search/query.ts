import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { ProxyError } from '../errors.ts'
import { type Subject, subjectOf } from '../privacy/subject.ts'
import type { Store } from '../store.ts'

/** What people type when they look for somebody, as numbers in the one spelling that rows have. */

/** Of an account's numbers, so many say which country it is in. */
const SAMPLE = 200

/** The country that all of an account's numbers are of; undefined when there are several. */
export async function countryOf({ db }: Store, account_sid: string): Promise<string | undefined> {
  const numbers = await db
    .selectFrom('phone_numbers')
    .select('iso_country')
    .where('account_sid', '=', account_sid)
    .orderBy('sid')
    .limit(SAMPLE)
    .execute()
  const countries = new Set(numbers.map(({ iso_country }) => iso_country).filter((country) => country !== null))
  return countries.size === 1 ? [...countries][0] : undefined
}

/**
 * The numbers that a text can mean, the likeliest first; none when it is no number. Spaces, dashes and brackets do not
 * count, 00 is a plus, and a number without either is one of `country`, or an international one that lost its plus.
 */
export function numbersIn(text: string, country: string | undefined): string[] {
  const [, channel = '', address = ''] = /^(whatsapp:)?(.*)$/is.exec(text.trim()) ?? []
  const compact = address.replace(/\(0\)/g, '').replace(/[\s()./\p{Pd}]/gu, '')
  if (!/^\+?\d{3,17}$/.test(compact)) return []
  const prefix = channel.toLowerCase()
  if (compact.startsWith('+')) return [prefix + compact]
  if (compact.startsWith('00')) return [`${prefix}+${compact.slice(2)}`]
  const national = country ? parsePhoneNumberFromString(compact, country as 'US') : undefined
  const numbers = [...(national?.isPossible() ? [national.number as string] : []), `+${compact}`, compact]
  return [...new Set(numbers)].map((number) => prefix + number)
}

/** The people whom these numbers can be of. */
export const subjectsOf = (store: Store, account_sid: string, texts: string[]): Subject[] =>
  texts.flatMap((text) => {
    try {
      return [subjectOf(store, account_sid, text)]
    } catch (error) {
      if (error instanceof ProxyError) return []
      throw error
    }
  })
