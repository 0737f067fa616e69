import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  areaCodeOf,
  callingCodeOf,
  countryOf,
  isE164,
  logNumber,
  maskLastFour,
  parseIdentifier,
} from '../src/core/e164.ts'
import { ProxyError } from '../src/core/errors.ts'

test('E.164 is a plus, no leading zero and 7 to 15 digits, and nothing else', () => {
  for (const text of ['+1234567', '+12025550101', '+123456789012345']) assert.ok(isE164(text), text)
  const others = [
    '',
    '+',
    '12025550101',
    '+02025550101',
    '+123456',
    '+1234567890123456',
    '+1202555010a',
    '+1202 5550101',
  ]
  for (const text of [...others, '+12025550101\n', 'whatsapp:+12025550101']) assert.ok(!isE164(text), text)
})

test('every number from +1 202 555 0100 to 0199 is a valid identifier', () => {
  for (let last = 100; last < 200; last++) {
    const identifier = `+12025550${last}`
    assert.deepEqual(parseIdentifier(identifier, 'valid'), {
      identifier,
      kind: 'phone',
      country: 'US',
      calling_code: '1',
    })
  }
})

test('separators and a plus that arrived as a space are read as the number they stand for', () => {
  const spellings = [
    '+1 202 555 0101',
    '+1-202-555-0101',
    '+1.202.555.0101',
    '+1 (202) 555-0101',
    '(+1) 202 555‑0101',
    ' +12025550101 ',
    '+1\u00a0202\u00a0555\u00a00101',
    ' 12025550101',
  ]
  for (const text of spellings) assert.equal(parseIdentifier(text, 'valid').identifier, '+12025550101', text)
  assert.equal(parseIdentifier('+44 (0)20 7946 0958', 'valid').identifier, '+442079460958')
})

test('an unassigned number is refused, unless possible numbers are enough', () => {
  assert.deepEqual(refusalOf('+15551234567', 'valid'), [80404, 400, `+1555123XXXX ${HINT}`])
  assert.deepEqual(parseIdentifier('+15551234567', 'possible'), {
    identifier: '+15551234567',
    kind: 'phone',
    calling_code: '1',
  })
})

test('what is no telephone number is refused at both strictnesses and not repeated', () => {
  const texts = [
    '',
    ' ',
    'Alice',
    'alice@example.com',
    'sip:alice@example.com',
    'client:alice',
    '+1202555010a',
    '++12025550101',
    '+12025550101 ext. 4567',
    '+12025550101 4567',
    '+12025550101;ext=4567',
    '+12025550101,+12025550102',
    'whatsapp:',
    'messenger:',
    'messenger:a b',
    'whatsapp:Alice',
    '+99912345678901',
    '+1'.padEnd(500, '2'),
    '+１２０２５５５０１０１',
  ]
  for (const text of texts) {
    for (const strictness of ['valid', 'possible'] as const) {
      const [code, , message] = refusalOf(text, strictness)
      assert.equal(code, 80404, text)
      assert.doesNotMatch(String(message), /alice|555010|2222|４|１/i, text)
    }
  }
})

test('a number without plus and country code is refused and masked', () => {
  assert.equal(refusalOf('2025550101', 'valid')[2], `202555XXXX ${HINT}`)
  assert.equal(refusalOf('+1 202 555', 'possible')[2], `+1 20X XXX ${HINT}`)
  assert.equal(refusalOf('12345', 'possible')[2], `1XXXX ${HINT}`)
})

test('channel addresses keep their channel, and WhatsApp ones a number in E.164', () => {
  const plan = { country: 'US', calling_code: '1' }
  const whatsapp = { identifier: 'whatsapp:+12025550101', kind: 'channel', channel: 'whatsapp', ...plan }
  for (const text of ['whatsapp:+12025550101', 'WhatsApp:+1 202 555 0101', 'whatsapp: 12025550101']) {
    assert.deepEqual(parseIdentifier(text, 'valid'), whatsapp, text)
  }
  const messenger = { identifier: 'messenger:1234567890', kind: 'channel', channel: 'messenger' }
  assert.deepEqual(parseIdentifier('messenger:1234567890', 'valid'), messenger)
  assert.equal(refusalOf('whatsapp:+15551234567', 'valid')[2], `whatsapp:+1555123XXXX ${HINT}`)
})

test('parsing an identifier again changes nothing', () => {
  const spelling = fc
    .tuple(fc.constantFrom('', 'whatsapp:'), fc.array(fc.constantFrom(...'+0123456789 -.()'), { maxLength: 22 }))
    .map(([channel, characters]) => `${channel}+${characters.join('')}`)
  fc.assert(
    fc.property(fc.oneof(spelling, fc.string()), (text) => {
      const identifier = parsedOrUndefined(text)
      if (identifier === undefined) return
      assert.ok(identifier.startsWith('messenger:') || isE164(identifier.replace(/^whatsapp:/, '')))
      assert.equal(parsedOrUndefined(identifier), identifier)
    }),
    { numRuns: 5_000 },
  )
})

test('a number that is too short, or changes again, once its trunk prefix is gone is refused', () => {
  for (const text of ['+9807967', '+98 0079 671']) assert.equal(refusalOf(text, 'possible')[0], 80404, text)
})

test('country, calling code and area code come from the number', () => {
  const facts = [
    ['+12025550101', 'US', '1', '202'],
    ['+14165550123', 'CA', '1', '416'],
    ['+442079460958', 'GB', '44', undefined],
    ['+4930123456', 'DE', '49', undefined],
    ['+15551234567', undefined, '1', '555'],
    ['nobody', undefined, undefined, undefined],
  ] as const
  for (const [number, country, callingCode, areaCode] of facts) {
    assert.deepEqual([countryOf(number), callingCodeOf(number), areaCodeOf(number)], [country, callingCode, areaCode])
  }
})

test('errors mask the last four digits, wherever the separators are', () => {
  assert.equal(maskLastFour('+14155550123'), '+1415555XXXX')
  assert.equal(maskLastFour('+1 415 555-01 23'), '+1 415 555-XX XX')
  assert.equal(maskLastFour('+49171392006900000'), '+49171392XXXXXXXXX')
  assert.equal(maskLastFour('whatsapp:+14155550123'), 'whatsapp:+1415555XXXX')
  assert.equal(maskLastFour('+12'), '+XX')
  assert.equal(maskLastFour(''), '')
})

test('logs show the two ends of a number and always hide at least three digits', () => {
  assert.equal(logNumber('+12025550101'), '+1202•••0101')
  assert.equal(logNumber('whatsapp:+12025550101'), 'whatsapp:+1202•••0101')
  assert.equal(logNumber('+1234567'), '+•••4567')
  assert.equal(logNumber('+123456789'), '+12•••6789')
  for (const text of ['', 'Alice', '12025550101', 'messenger:1234567890', 'a\nb'])
    assert.match(logNumber(text), /^(messenger:)?•••$/)
  for (let length = 7; length <= 15; length++) {
    assert.ok(logNumber(`+${'1'.repeat(length)}`).replace(/\D/g, '').length <= length - 3, String(length))
  }
})

const HINT = 'does not appear to be a valid, reachable identity. Give a phone number with + and country code.'

function refusalOf(text: string, strictness: 'valid' | 'possible'): [number, number, string] {
  try {
    parseIdentifier(text, strictness)
  } catch (error) {
    assert.ok(error instanceof ProxyError)
    return [error.code, error.status, error.message]
  }
  assert.fail(`accepted: ${text}`)
}

function parsedOrUndefined(text: string): string | undefined {
  try {
    return parseIdentifier(text, 'possible').identifier
  } catch (error) {
    assert.ok(error instanceof ProxyError)
    return undefined
  }
}
