import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { createLeakScan } from '../proof/leak-scan.ts'
import { drawPeople } from '../proof/people.ts'
import { createRandom } from '../proof/random.ts'
import { s7Calls } from '../proof/s7-calls.ts'

// The proofs of `npm run proof` in their shortest form, and whether what they look with sees anything.

const PEOPLE = drawPeople(createRandom(7), 3000)
const scan = createLeakScan(PEOPLE)
const whoIn = (text: string) => scan(text).map(({ person }) => person)

const base64 = (text: string) => Buffer.from(text).toString('base64')
const hex = (text: string) => Buffer.from(text).toString('hex')
const everyByte = (text: string, write: (code: number) => string) => [...Buffer.from(text)].map(write).join('')

/** Ways in which a text can hold a number without anybody seeing it at first sight. */
const DISGUISES: Record<string, (number: string) => string> = {
  'as it is': (number) => number,
  'digits alone': (number) => number.slice(1),
  'at home': (number) => parsePhoneNumberFromString(number)?.nationalNumber ?? '',
  'formatted at home': (number) => parsePhoneNumberFromString(number)?.formatNational() ?? '',
  'formatted abroad': (number) => parsePhoneNumberFromString(number)?.formatInternational() ?? '',
  'dialled from abroad': (number) => number.replace('+', '00'),
  'as a link': (number) => parsePhoneNumberFromString(number)?.getURI() ?? '',
  'digit by digit': (number) => [...number].join(' '),
  'with dots and dashes': (number) => [...number].join('.-'),
  'non-breaking spaces': (number) => [...number].join('\u00a0'),
  'percent-encoded': encodeURIComponent,
  'percent-encoded twice': (number) => encodeURIComponent(encodeURIComponent(`${number} ?`)),
  'every byte percent-encoded': (number) => everyByte(number, (code) => `%${code.toString(16)}`),
  'character references': (number) => everyByte(number, (code) => `&#${code};`),
  'hexadecimal references': (number) => everyByte(number, (code) => `&#x${code.toString(16)};`),
  'escapes of JSON': (number) => everyByte(number, (code) => `\\u00${code.toString(16)}`),
  'full-width digits': (number) => number.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  base64: base64,
  'base64, one byte in': (number) => base64(`a${number}`),
  'base64, two bytes in': (number) => base64(`ab${number}`),
  'base64 of how it is formatted': (number) => base64(parsePhoneNumberFromString(number)?.formatNational() ?? ''),
  'base64 for addresses': (number) => Buffer.from(`??${number}`).toString('base64url'),
  'base64 in the middle of a word': (number) => `token_${base64(`{"from":"${number}"}`)}`,
  'percent-encoded base64': (number) => encodeURIComponent(base64(`>>?${number}`)),
  'bytes in hexadecimal': hex,
  'bytes in hexadecimal, half a byte in': (number) => `f${hex(number)}`,
  backwards: (number) => [...number].reverse().join(''),
  'inside an identifier': (number) => `KI${number.slice(1).padEnd(32, 'a')}`,
}

test('the scan finds a number of every country in every disguise', () => {
  const countries = new Map(PEOPLE.map((number) => [parsePhoneNumberFromString(number)?.country, number]))
  assert(countries.size >= 8, `numbers of ${countries.size} countries`)
  for (const number of countries.values()) {
    for (const [name, disguise] of Object.entries(DISGUISES)) {
      for (const text of [
        disguise(number),
        `"a":"${disguise(number)}","b":1`,
        `<Say>Call ${disguise(number)}!</Say>`,
      ]) {
        assert.deepEqual(whoIn(text), [number], `${name}: ${text}`)
      }
    }
  }
})

test('the scan finds nobody where there is nobody, and tells all people apart', () => {
  for (const number of PEOPLE) assert.deepEqual(whoIn(`<${number}>`), [number])
  const [first = ''] = PEOPLE
  const masked = [`${first.slice(0, -4)}XXXX`, `${first.slice(0, 5)}•••${first.slice(-4)}`, first.slice(1, -1)]
  const others = ['+12025550180', '2026-11-21T12:00:00Z', 'http://127.0.0.1:40123/webhooks', base64('+12025550180')]
  for (const text of [...masked, ...others, `${first.slice(0, 6)} and then ${first.slice(6)}`]) {
    assert.deepEqual(whoIn(text), [], text)
  }
  // Two numbers of others, next to each other in markup, of which the end of one and the start of the other read backwards.
  assert.deepEqual(createLeakScan(['+498999998941'])('callerId="+12025550411">+498999998818<'), [])
  // What stood in a log once, and is no number of this person, read backwards.
  assert.deepEqual(createLeakScan(['+353209103211'])('at 2026-11-21 12:30:19.024304+00'), [])
  assert.equal(createLeakScan(['+353209103211'])('at 2026-11-21 1+112301902353').length, 1)
  const random = createRandom(1)
  const digit = () => '0123456789abcdef'[random.below(16)]
  const sids = Array.from({ length: 20_000 }, () => `KI${Array.from({ length: 32 }, digit).join('')}`)
  assert.deepEqual(whoIn(sids.join(' ')), [])
  assert.deepEqual(whoIn(sids.join('%2F')), [])
})

test('the time of a scan grows with the text and not with the number of people', () => {
  const text = `{"message":"${PEOPLE.slice(0, 2000).map((number) => number.replace(/.$/, 'x'))}"}`
  const timeOf = (people: string[]) => {
    const run = createLeakScan(people)
    run(text)
    const started = performance.now()
    for (let times = 0; times < 20; times++) run(text)
    return performance.now() - started
  }
  const few = timeOf(PEOPLE.slice(0, 30))
  assert(timeOf(PEOPLE) < few * 20, 'a hundred times the people')
})

test('S7: no number of a caller is shown, said or told, and a server that leaks is found out', async () => {
  const { figure, holds, control, details } = await s7Calls.run({ size: 60, seed: 11, progress: () => undefined })
  assert(holds, `${figure}\n${details.join('\n')}`)
  assert(control.fails, `${control.figure}\n${details.join('\n')}`)
})
