import { parsePhoneNumberFromString } from 'libphonenumber-js/max'

/**
 * Finds the numbers of people in text, whatever they wear: with or without country code, in any grouping, percent-encoded,
 * as character references, in base64 or hexadecimal anywhere in a longer word, or backwards. One pass over each reading of
 * the text carries the last digits along as a number, so that the time taken does not grow with the number of people.
 */
export type Leak = { person: string; as: 'digits' | 'percent' | 'escapes' | 'base64' | 'hex' | 'backwards' }
export type LeakScan = (text: string) => Leak[]

/** By how many digits they have, what those digits are as a number. */
type Index = { length: number; modulus: number; people: Map<number, { person: string; isBackwards: boolean }> }[]

/** So many characters that are neither digit nor letter may stand between two digits of one number: `(020) 7946`. */
const MAX_GAP = 3

/**
 * Identifiers are drawn at random, and half of their digits are decimal; times have up to twenty digits. In very many of
 * them any nine digits come up. So within one, only the whole number with its country code counts.
 */
const CHANCE =
  /(?:(?<![A-Za-z0-9])|(?<=%2[Ff]))[A-Z]{2}[0-9a-f]{32}(?![0-9a-f])|(?<!\d)20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?/g

export function createLeakScan(people: string[]): LeakScan {
  const national = createIndex(people, spellings)
  const whole = createIndex(people, (person) => [person.slice(1)])
  return (text) => {
    const found = new Map<string, Leak>()
    const scan = (index: Index, read: string, as: Leak['as']) =>
      scanDigits(index, read, ({ person, isBackwards }) => {
        if (!found.has(person)) found.set(person, { person, as: isBackwards ? 'backwards' : as })
      })
    const rest = text.replace(CHANCE, (token) => {
      scan(whole, token, 'digits')
      return 'S'
    })
    for (const { read, as } of readings(rest)) scan(national, read, as)
    return [...found.values()]
  }
}

/** The number at home, which its longer forms contain; and any form that does not. */
function spellings(person: string): string[] {
  const number = parsePhoneNumberFromString(person)
  if (!number) return [person.slice(1)]
  const home = String(number.nationalNumber)
  const formatted = [number.formatNational(), number.formatInternational(), person]
  const others = formatted.map((text) => text.replace(/\D/g, '')).filter((digits) => !digits.includes(home))
  return [home, ...others]
}

function createIndex(people: string[], digitsOf: (person: string) => string[]): Index {
  const byLength = new Map<number, Index[number]['people']>()
  const add = (digits: string, person: string, isBackwards: boolean) => {
    const known = byLength.get(digits.length) ?? new Map()
    byLength.set(digits.length, known)
    if (!isBackwards || !known.has(Number(digits))) known.set(Number(digits), { person, isBackwards })
  }
  for (const person of people) {
    for (const digits of digitsOf(person)) {
      add([...digits].reverse().join(''), person, true)
      add(digits, person, false)
    }
  }
  return [...byLength].map(([length, known]) => ({ length, modulus: 10 ** (length - 1), people: known }))
}

function scanDigits(index: Index, text: string, report: (hit: { person: string; isBackwards: boolean }) => void): void {
  const last = index.map(() => 0)
  let digits = 0
  let gap = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) {
      if (++gap > MAX_GAP || endsNumber(digit + 48)) digits = 0
      continue
    }
    gap = 0
    digits++
    for (let nth = 0; nth < index.length; nth++) {
      const { length, modulus, people } = index[nth]!
      const value = (last[nth]! % modulus) * 10 + digit
      last[nth] = value
      const hit = digits >= length ? people.get(value) : undefined
      if (hit) report(hit)
    }
  }
}

/** A letter; or a quotation mark or bracket of markup, where one value ends and another begins. */
const endsNumber = (code: number) =>
  (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 34 || code === 60 || code === 62

/** The text as it is, and everything that it may be when somebody decodes it. */
function* readings(text: string): Generator<{ read: string; as: Leak['as'] }> {
  yield { read: text, as: 'digits' }
  yield* encoded(text)
  let unescaped = text
  // Addresses within addresses are encoded once more at every level.
  for (let level = 0; level < 3 && /%[0-9a-f]{2}/i.test(unescaped); level++) {
    unescaped = unescaped.replace(/%([0-9a-f]{2})/gi, (_, code: string) => fromCode(Number.parseInt(code, 16)))
    yield { read: unescaped, as: 'percent' }
    yield* encoded(unescaped)
  }
  const plain = unescaped
    .replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));?/gi, (_, hex?: string, decimal?: string) =>
      fromCode(hex ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) => fromCode(Number.parseInt(hex, 16)))
    .normalize('NFKC')
  if (plain !== unescaped) yield { read: plain, as: 'escapes' }
}

const fromCode = (code: number) => (code <= 0x10ffff ? String.fromCodePoint(code) : ' ')

/** Nine digits take twelve characters of base64, or eighteen of hexadecimal; where a word of it begins nobody knows. */
function* encoded(text: string): Generator<{ read: string; as: Leak['as'] }> {
  for (const [word] of text.matchAll(/[A-Za-z0-9+/_-]{12,}/g)) {
    for (let start = 0; start < 4; start++) {
      yield { read: Buffer.from(word.slice(start), 'base64').toString('latin1'), as: 'base64' }
    }
  }
  for (const [word] of text.matchAll(/[0-9a-fA-F]{18,}/g)) {
    for (let start = 0; start < 2; start++) {
      yield { read: Buffer.from(word.slice(start), 'hex').toString('latin1'), as: 'hex' }
    }
  }
}
