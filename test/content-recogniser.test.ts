import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { createLeakScan } from '../proof/leak-scan.ts'
import { findContent, redactContent, type Wanted } from '../src/core/content/find.ts'
import type { ContentKind } from '../src/db/schema.ts'

const KINDS = ['own_number', 'other_numbers', 'email_addresses', 'links', 'payment_words'] as const
const OWN = ['+12025550101', '+442079460123']

const wanted: Wanted = { kinds: new Set(KINDS), own: OWN, allowed_domains: ['shop.example'], payment_words: ['Kasse'] }
const only = (kind: ContentKind): Wanted => ({ ...wanted, kinds: new Set([kind]) })
const kindsIn = (text: string, what = wanted) => [...new Set(findContent(text, what).map(({ kind }) => kind))]

const keycaps = (digits: string) => digits.replace(/\d/g, (digit) => `${digit}\ufe0f\u20e3`)
const shifted = (digits: string, zero: number) =>
  digits.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)))

const DISGUISES = [
  ...['My number is 202-555-0101', '(202) 555-0101', '+1 202 555 0101', '2 0 2 5 5 5 0 1 0 1', '2.0.2.5.5.5.0.1.0.1'],
  ...['555 0101, same area code', '1010555202', 'call 202 when you like 555 then 0101', '202/555/0101', '202_555*0101'],
  ...['two oh two five five five oh one oh one', 'two-zero-two, five fifty-five, oh one oh one', 'TWO O TWO 555 O1O1'],
  ...['twoohtwofivefivefiveohoneohone', 'to oh too five five five oh won oh won', 'dos cero dos 555 cero uno cero uno'],
  ...[
    'double five five zero one zero one',
    'triple five zero one zero one',
    '2O2 555 OlOl',
    '2O255501O1',
    '202555oioi',
  ],
  ...['f1ve f1v3 fiv3 0 1 0 1', '5five5 0l0l', 'call2025550101now', '２０２５５５０１０１', '٢٠٢٥٥٥٠١٠١', '⓶⓪②⑤⑤⑤⓪①⓪①'],
  ...['2\u200b0\u200b2\u200b5\u200b5\u200b5\u200b0\u200b1\u200b0\u200b1', '20\u00ad25\u206055\u180e0101', '2̶0̶2̶5̶5̶5̶0̶1̶0̶1̶'],
  ...[
    keycaps('2025550101'),
    shifted('2025550101', 0x0966),
    shifted('2025550101', 0x1d7ce),
    shifted('2025550101', 0x2080),
  ],
  ...['+44 20 7946 0123', '020 7946 0123', 'two zero seven nine four six zero one two three'],
]

test('a person’s own number is found in every disguise, and nothing of it is left', () => {
  for (const text of DISGUISES) {
    assert.deepEqual(kindsIn(text, only('own_number')), ['own_number'], text)
    const left = redactContent(text, only('own_number'))
    assert.match(left, /\*\*\*/)
    assert.doesNotMatch(left.normalize('NFKC').replace(/\D/g, ''), /\d{4}/, `${text} → ${left}`)
  }
})

test('control: nobody’s number is found in them when it is another’s', () => {
  const others = { ...only('own_number'), own: ['+12025550199', '+442079460999'] }
  for (const text of DISGUISES) assert.deepEqual(kindsIn(text, others), [], text)
})

const DAILY = [
  ...[
    'On my way, be there at 20:25',
    'It is 555 Main Street, the code is 0110',
    'See you 12/31/2026 or 2026-11-21 at 10:30',
  ],
  ...[
    'That is $1,250,000.00 or 12.500 EUR',
    'Order 4815162342 has shipped',
    'tracking #9400110200881',
    'I won two to one',
  ],
  ...[
    'We need 2, 4, 6, 8, 10, 12 and 14',
    'Flight LH 454 leaves gate B12 at 9.45',
    'one two three, testing',
    'Table for 2 at 7',
  ],
  ...[
    'Meet me at home',
    'I am at the corner.Come down',
    'ok.so what',
    'e.g. 3 or 4 p.m.',
    'No, it is me.It was her',
    'St. Louis, Mo.',
  ],
  ...[
    'Order #123-4567890-1234567',
    'My PIN is 4711',
    'ISBN 978-3-16-148410-0',
    'Size 42, 180 cm, 75 kg',
    'Unit 5, Bldg 20, 25550',
  ],
  ...[
    'Thanks!!! 😀😀 1 2 3',
    'The room is 2025, 5th floor',
    'Zip 20255-5010',
    '100% sure, 24/7',
    'v1.2.3-rc.4',
    'O come on, oh no, I oil it',
  ],
  ...['for one to ate', 'Look at this: 10-20-30', 'He paid 20 30 40', 'Your code is 202555', '16 Nov 2026 15:00-17:30'],
]

test('ordinary texts hold nobody’s number, and nothing else', () => {
  for (const text of DAILY) assert.deepEqual(kindsIn(text), [], text)
})

test('other people’s numbers are found where they look like one', () => {
  const numbers = [
    ...['415-555-0199', '(415) 555 0199', '4155550199', '+4915112345678', '0171 1234567', '06 12 34 56 78', '555-0199'],
    ...['four one five five five five oh one nine nine', keycaps('4155550199'), '00 44 20 7946 0999', '1-415-555-0199'],
  ]
  for (const text of numbers) {
    assert.deepEqual(kindsIn(text), ['other_numbers'], text)
    assert.equal(redactContent(`a ${text} b`, only('other_numbers')), 'a *** b', text)
  }
})

test('e-mail addresses are found as they are typed and as they are spelled', () => {
  for (const text of [
    ...[
      'john.doe+x@example.com',
      'john@mail.example.co.uk',
      'JOHN＠EXAMPLE．COM',
      'john @ gmail . com',
      'jöhn@bücher.example',
    ],
    ...[
      'john at gmail dot com',
      'john (at) example (dot) org',
      'john[at]example[.]com',
      'john at gmail',
      'john at example dot org',
    ],
    ...['jo\u200bhn@exam\u200bple.com', 'john{at}example{dot}net'],
  ]) {
    assert.deepEqual(kindsIn(text), ['email_addresses'], text)
    assert.equal(redactContent(`to ${text}`, wanted).replace(/^to /, ''), '***', text)
  }
})

test('links are found without a scheme, in other alphabets and behind a false name; allowed domains are none', () => {
  const links = [
    ...[
      'https://evil.example/x?y',
      'www.evil.org',
      'evil.com',
      'evil.com/path',
      'bit.ly/abc',
      't.me/evil',
      'hxxp://evil.com',
    ],
    ...[
      'evil dot com',
      'evil[.]com',
      'https://bücher.example/',
      'пример.рф',
      'xn--e1afmkfd.xn--p1ai',
      'evilshop.example',
    ],
    ...[
      'https://shop.example@evil.com/',
      'https://shop.example.evil.com',
      'look...evil.com',
      'go to /evil.com',
      'ѕhop.example',
    ],
  ]
  for (const text of links) assert.deepEqual(kindsIn(text), ['links'], text)
  const allowed = [
    'https://shop.example/x',
    'shop.example',
    'www.shop.example/a?b=c',
    'See https://shop.example, please',
    '(www.shop.example)',
    'http://pay.shop.example:8080/',
  ]
  for (const text of allowed) assert.deepEqual(kindsIn(text), [], text)
  for (const text of allowed) assert.deepEqual(kindsIn(text, { ...wanted, allowed_domains: [] }), ['links'], text)
})

test('words for payment are found, the service’s own too, also when they are spelled in another way', () => {
  const words = [
    'pay in CASH',
    'Cash App?',
    'cashapp',
    'pay pal',
    'p a y p a l',
    'v3nm0',
    'сash',
    'Western-Union',
    'an der Kasse',
  ]
  for (const text of words) assert.deepEqual(kindsIn(text), ['payment_words'], text)
  assert.deepEqual(kindsIn('an der Kasse', { ...wanted, payment_words: [] }), [])
  for (const text of ['cashier', 'a cashew', 'the paypals', 'wirelesstransfer'])
    assert.deepEqual(kindsIn(text), [], text)
})

const BITS = [
  ...[
    '202',
    '555',
    '0101',
    '2025550101',
    'two',
    'oh',
    'o',
    'five',
    'double',
    '@',
    '.',
    'at',
    'dot',
    'com',
    'gmail',
    '(at)',
  ],
  ...[
    'example.com',
    'www.',
    'https://',
    'cash',
    'pay',
    'pal',
    ' ',
    ' ',
    '-',
    '+',
    '***',
    '\u200b',
    '１',
    'e',
    'l',
    '12:30',
    '#',
  ],
]
const strangeText = fc.oneof(
  fc.array(fc.constantFrom(...BITS), { maxLength: 60 }).map((bits) => bits.join('')),
  fc.array(fc.constantFrom(...BITS), { maxLength: 60 }).map((bits) => bits.join(' ')),
  fc.string({ unit: 'binary', maxLength: 200 }),
)

test('to redact twice is to redact once, and what was redacted holds nothing any more', () => {
  fc.assert(
    fc.property(strangeText, fc.subarray([...KINDS]), (text, kinds) => {
      const what = { ...wanted, kinds: new Set<ContentKind>(kinds) }
      const once = redactContent(text, what)
      assert.equal(redactContent(once, what), once)
      assert.deepEqual(findContent(once, what), [])
      if (findContent(text, what).length === 0) assert.equal(once, text)
    }),
    { numRuns: 2_000 },
  )
})

test('what is left of a text shows no number to the scan that looks for leaks', () => {
  const scan = createLeakScan(OWN)
  const [national = ''] = OWN.map((number) => parsePhoneNumberFromString(number)?.formatNational())
  const separators = fc.array(fc.constantFrom('', ' ', '-', '.', ') ', ' / '), { minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(separators, fc.constantFrom(...OWN, national), fc.boolean(), (between, number, isBackwards) => {
      const digits = isBackwards ? [...number].reverse() : [...number]
      const text = `x ${digits.map((digit, at) => digit + (between[at] ?? '')).join('')} y`
      if (scan(text).length === 0) return
      assert.deepEqual(scan(redactContent(text, only('own_number'))), [])
    }),
  )
  assert.equal(scan('202-555-0101').length, 1, 'control: the scan sees what was not redacted')
})

test('a text of 1,600 characters takes well under a millisecond, and no text takes long', () => {
  const ordinary = 'On my way, be there in ten minutes, at 12:30. Call 202 555 if late, or write to me. '.repeat(20)
  const worst = [
    '5',
    '@',
    'a.',
    'o ',
    '1o',
    'a@a.',
    'x',
    'double ',
    ' at a dot ',
    'www.',
    'http://',
    '1.1.',
    '5550101 ',
    'c ',
    '(',
    '5 5 5 0 1 0 1 ',
  ]
  const fastest = (text: string) => {
    const times = Array.from({ length: 30 }, () => {
      const began = process.cpuUsage()
      findContent(text.slice(0, 1600), wanted)
      return process.cpuUsage(began).user / 1000
    })
    return Math.min(...times)
  }
  for (let warm = 0; warm < 50; warm++) findContent(ordinary.slice(0, 1600), wanted)
  assert.ok(fastest(ordinary) < 1, `${fastest(ordinary)} ms`)
  for (const bit of worst) assert.ok(fastest(bit.repeat(1600)) < 8, `${bit}: ${fastest(bit.repeat(1600))} ms`)
})
