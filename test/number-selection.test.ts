import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkCapabilities } from '../src/core/number-selection.ts'
import {
  type Ask,
  exampleIn,
  poolNumber,
  rank,
  refusalOf,
  requestWith,
  SMS,
  seededRandom,
  VOICE,
} from './support/number-requests.ts'

const NEW_YORK = '+12125550101'

test('an empty pool is refused as such', () => {
  assert.deepEqual(refusal({ pool: [] }), [80205, `${NONE}This Service has no Proxy numbers configured.`])
})

test('each mode asks for its capabilities on one and the same number', () => {
  const voice = poolNumber('+12025550110', { capabilities: VOICE })
  const sms = poolNumber('+12025550111', { capabilities: SMS })
  const both = poolNumber('+12025550112', { pairs: 1 })
  assert.deepEqual(ranked({ mode: 'voice-only', pool: [voice, sms, both] }), ['+12025550110', '+12025550112'])
  assert.deepEqual(ranked({ mode: 'message-only', pool: [voice, sms, both] }), ['+12025550111', '+12025550112'])
  assert.deepEqual(ranked({ mode: 'voice-and-message', pool: [voice, sms, both] }), ['+12025550112'])
  assert.equal(refusal({ mode: 'voice-only', pool: [sms] })[0], 80201)
  assert.equal(refusal({ mode: 'voice-and-message', pool: [sms] })[0], 80201)
  assert.equal(refusal({ mode: 'message-only', pool: [voice] })[0], 80202)
  assert.equal(refusal({ mode: 'voice-and-message', pool: [voice] })[0], 80202)
  assert.equal(refusal({ mode: 'voice-and-message', pool: [voice, sms] })[0], 80202)
})

test('an explicit number is checked for its capabilities alone', () => {
  const codeOf = (run: () => void) => refusalOf(run)[0]
  const voice = poolNumber('+12025550110', { capabilities: VOICE, is_reserved: true })
  const sms = poolNumber('+12025550111', { capabilities: SMS })
  checkCapabilities(voice, 'voice-only')
  checkCapabilities(sms, 'message-only')
  checkCapabilities(poolNumber('+12025550112'), 'voice-and-message')
  assert.equal(
    codeOf(() => checkCapabilities(sms, 'voice-only')),
    80201,
  )
  assert.equal(
    codeOf(() => checkCapabilities(sms, 'voice-and-message')),
    80201,
  )
  assert.equal(
    codeOf(() => checkCapabilities(voice, 'message-only')),
    80202,
  )
  assert.equal(
    codeOf(() => checkCapabilities(voice, 'voice-and-message')),
    80202,
  )
})

test('a person gets a number of their own country before one of another country with the same calling code', () => {
  const us = poolNumber('+12025550110', { iso_country: 'US', pairs: 9 })
  const ca = poolNumber('+14165550110', { iso_country: 'CA' })
  assert.deepEqual(ranked({ pool: [ca, us] }), ['+12025550110', '+14165550110'])
  assert.deepEqual(ranked({ identifier: '+14165550101', pool: [us, ca] }), ['+14165550110', '+12025550110'])
  assert.deepEqual(ranked({ pool: [ca] }), ['+14165550110'])
  const [code, message] = refusal({ pool: [ca], match_calling_code: false })
  assert.deepEqual([code, message], [80203, `${NONE}This Service has no available Proxy numbers for country code US.`])
})

test('GB, GG, IM and JE are one country, and some Caribbean countries are served by US numbers', () => {
  const strict = { match_calling_code: false }
  for (const iso_country of ['GB', 'GG', 'IM', 'JE']) {
    const pool = [poolNumber('+442079460110', { iso_country })]
    assert.equal(ranked({ ...strict, identifier: '+442079460101', pool }).length, 1, iso_country)
    assert.equal(ranked({ ...strict, identifier: '+441534960101', pool }).length, 1, iso_country)
  }
  const pool = [poolNumber('+12025550110')]
  const served = ['268', '264', '441', '242', '664', '649', '284', '340']
  for (const areaCode of served) {
    assert.equal(ranked({ ...strict, identifier: exampleIn(areaCode), pool }).length, 1, areaCode)
  }
  assert.equal(refusal({ ...strict, identifier: exampleIn('876'), pool })[0], 80203)
  assert.equal(ranked({ identifier: exampleIn('876'), pool }).length, 1)
  const bahamian = poolNumber('+12423590110', { iso_country: 'BS', pairs: 9 })
  assert.equal(ranked({ identifier: exampleIn('242'), pool: [...pool, bahamian] })[0], bahamian.phone_number)
  assert.equal(refusal({ ...strict, pool: [bahamian] })[0], 80203)
})

test('where a country is unknown the calling code decides', () => {
  const strict = { match_calling_code: false }
  assert.equal(ranked({ ...strict, identifier: '+15551234567', pool: [poolNumber('+12025550110')] }).length, 1)
  assert.equal(ranked({ ...strict, pool: [poolNumber('+12025550110', { iso_country: null })] }).length, 1)
  assert.equal(refusal({ pool: [poolNumber('+442079460110', { iso_country: null })] })[0], 80203)
  assert.equal(refusal({ pool: [poolNumber('72345', { iso_country: null })] })[0], 80203)
  assert.equal(ranked({ pool: [poolNumber('72345', { iso_country: 'US' })] }).length, 1)
})

test('the level area-code takes the same area code only, and has no effect outside North America', () => {
  const level = { geo_match_level: 'area-code' } as const
  const pool = [poolNumber('+12025550110'), poolNumber('+17715550110'), poolNumber('+12125550110')]
  assert.deepEqual(ranked({ ...level, pool }), ['+12025550110'])
  const [code, message] = refusal({ ...level, identifier: '+14155550101', pool })
  assert.equal(code, 80206)
  assert.match(message, /Failed to find a proxy number for \+1415555XXXX\..*area-code/)
  const london = poolNumber('+442079460110', { iso_country: 'GB' })
  assert.equal(ranked({ ...level, identifier: '+441134960101', pool: [london] }).length, 1)
  assert.equal(refusal({ ...level, pool: [poolNumber('72345')] })[0], 80206)
})

test('the levels overlay and extended-area-code rank the same area code first, then overlays, and nothing else', () => {
  const pool = [
    poolNumber('+19175550110'),
    poolNumber('+12125550110', { pairs: 9 }),
    poolNumber('+17185550110'),
    poolNumber('+12015550110'),
  ]
  for (const geo_match_level of ['overlay', 'extended-area-code'] as const) {
    assert.deepEqual(ranked({ geo_match_level, identifier: NEW_YORK, pool }), ['+12125550110', '+19175550110'])
    const brooklynFirst = ranked({ geo_match_level, identifier: '+19175550101', pool })
    assert.equal(brooklynFirst[0], '+19175550110')
    assert.deepEqual(brooklynFirst.toSorted(), ['+12125550110', '+17185550110', '+19175550110'])
    assert.equal(refusal({ geo_match_level, pool })[0], 80206)
  }
})

test('the level radius takes area codes whose centres are near enough, across state lines', () => {
  const request = { geo_match_level: 'radius', identifier: NEW_YORK } as const
  const pool = [poolNumber('+12015550110'), poolNumber('+12155550110'), poolNumber('+12125550110', { pairs: 9 })]
  assert.deepEqual(ranked({ ...request, pool }), ['+12125550110', '+12015550110'])
  assert.equal(ranked({ ...request, pool, radius_miles: 100 }).length, 3)
  assert.equal(ranked({ ...request, pool, radius_miles: 5 }).length, 1)
  const nowhere = exampleIn('242')
  const sameAreaCode = poolNumber('+12423590110', { iso_country: 'BS' })
  assert.equal(ranked({ ...request, identifier: nowhere, pool: [sameAreaCode], radius_miles: 0 }).length, 1)
  assert.equal(refusal({ ...request, identifier: nowhere, pool, radius_miles: 25_000 })[0], 80206)
})

test('reserved numbers are never chosen, and numbers this person has already are neither', () => {
  const reserved = poolNumber('+12025550110', { is_reserved: true })
  const used = poolNumber('+12025550111')
  const free = poolNumber('+12025550112', { pairs: 99 })
  const taken = new Set(['+12025550110', '+12025550111'])
  assert.deepEqual(ranked({ pool: [reserved, used, free], taken }), ['+12025550112'])
  assert.equal(refusal({ pool: [reserved], taken })[0], 80207)
  const [code, message] = refusal({ pool: [reserved, used], taken })
  assert.equal(code, 80208)
  assert.match(message, /for \+1202555XXXX\. All matching proxies for this Participant are already in use/)
})

test('prefer-sticky takes the number used last, avoid-sticky one never used or the one used longest ago', () => {
  const pool = [
    poolNumber('+12025550110', { pairs: 9 }),
    poolNumber('+12025550111', { pairs: 8 }),
    poolNumber('+12025550112'),
  ]
  const last_used = new Map([
    ['+12025550110', 2_000],
    ['+12025550111', 1_000],
  ])
  const prefer = ranked({ pool, last_used, number_selection_behavior: 'prefer-sticky' })
  assert.deepEqual(prefer, ['+12025550110', '+12025550111', '+12025550112'])
  const shunned = ranked({ pool, last_used, number_selection_behavior: 'avoid-sticky' })
  assert.deepEqual(shunned, ['+12025550112', '+12025550111', '+12025550110'])
})

test('a number that is cooling down comes after all others, the one released longest ago first, or not at all', () => {
  const pool = [
    poolNumber('+12025550110'),
    poolNumber('+12025550111'),
    poolNumber('+14165550112', { iso_country: 'CA', pairs: 9 }),
    poolNumber('+12025550113', { pairs: 9 }),
  ]
  const cooling = new Map([
    ['+12025550110', 2_000],
    ['+12025550111', 1_000],
  ])
  const best = ['+12025550113', '+14165550112']
  for (const number_selection_behavior of ['prefer-sticky', 'avoid-sticky'] as const) {
    const request = { pool, cooling, last_used: cooling, number_selection_behavior }
    assert.deepEqual(ranked(request), [...best, '+12025550111', '+12025550110'])
    assert.deepEqual(ranked({ ...request, cool_down_mode: 'strict' }), best)
  }
  const taken = new Set(best)
  const [code, message] = refusal({ pool, cooling, taken, cool_down_mode: 'strict' })
  assert.equal(code, 80208)
  assert.match(
    message,
    /for \+1202555XXXX\. The CoolDown of this service keeps .* Add a number, wait, or lower CoolDown/,
  )
  assert.match(refusal({ pool: pool.slice(2), cooling, taken, cool_down_mode: 'strict' })[1], /already in use/)
})

test('the number with the fewest pairs comes first, and the partner only decides between equals', () => {
  const idle = poolNumber('+12025550110')
  const partners = poolNumber('+12025550111')
  const busy = poolNumber('+12025550112', { pairs: 1 })
  for (let round = 0; round < 20; round++) {
    assert.deepEqual(
      ranked({ pool: [busy, partners, idle], avoid: new Set([partners.phone_number]), random: seededRandom(round) }),
      [idle.phone_number, partners.phone_number, busy.phone_number],
    )
  }
  assert.deepEqual(ranked({ pool: [partners], avoid: new Set([partners.phone_number]) }), [partners.phone_number])
})

test('equal numbers come in a spread order, each as often first as any other', () => {
  const pool = Array.from({ length: 10 }, (_, index) => poolNumber(`+1202555011${index}`))
  const firsts = new Map<string, number>()
  const random = seededRandom(1)
  for (let round = 0; round < 5_000; round++) {
    const [first] = ranked({ pool, random })
    firsts.set(String(first), (firsts.get(String(first)) ?? 0) + 1)
  }
  assert.equal(firsts.size, 10)
  for (const [number, count] of firsts) assert.ok(count > 400 && count < 600, `${number} came first ${count} times`)
})

test('the same random source gives the same order, and the pool itself is left as it was', () => {
  const pool = Array.from({ length: 10 }, (_, index) => poolNumber(`+1202555011${index}`))
  const before = structuredClone(pool)
  assert.deepEqual(ranked({ pool, random: seededRandom(7) }), ranked({ pool, random: seededRandom(7) }))
  assert.notDeepEqual(ranked({ pool, random: seededRandom(7) }), ranked({ pool, random: seededRandom(8) }))
  assert.deepEqual(pool, before)
})

test('a channel address is never matched to a number of the pool', () => {
  assert.equal(refusal({ identifier: 'whatsapp:+12025550101', pool: [poolNumber('+12025550110')] })[0], 80304)
})

const NONE = 'This Service has no compatible Proxy numbers for this Participant. '

const ranked = (changes: Partial<Ask>) => rank(requestWith(changes)).map((number) => number.phone_number)

const refusal = (changes: Partial<Ask>) => refusalOf(() => rank(requestWith(changes)))
