import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProxyError } from '../src/core/errors.ts'
import {
  type Ask,
  exampleIn,
  type PoolNumber,
  poolNumber,
  rank,
  refusalOf,
  requestWith,
  SMS,
  seededRandom,
  VOICE,
  VOICE_AND_SMS,
} from './support/number-requests.ts'

// The people and numbers of this model have their countries and neighbours written out, so that it shares no code with
// the selection that it checks.

const PEOPLE = [
  { identifier: '+12125550101', country: 'US', overlays: ['917', '646'], within50: ['917', '646', '718', '201'] },
  { identifier: '+12025550101', country: 'US', overlays: ['771'], within50: ['771'] },
  { identifier: '+14165550101', country: 'CA', overlays: ['647', '942'], within50: ['647', '942'] },
  { identifier: '+442079460101', country: 'GB', overlays: [], within50: [] },
  { identifier: exampleIn('242'), country: 'BS', overlays: [], within50: [] },
]

const NUMBERS = [
  ...['212', '917', '646', '718', '201', '202', '771', '215'].map((area) => ({ start: `+1${area}`, country: 'US' })),
  ...['416', '647', '942'].map((area) => ({ start: `+1${area}`, country: 'CA' })),
  { start: '+1212', country: null },
  { start: '+1242', country: 'BS' },
  { start: '+44794', country: 'GB' },
  { start: '+44153', country: 'JE' },
]

const anyNumber = fc
  .record({
    of: fc.constantFrom(...NUMBERS),
    line: fc.integer({ min: 1_000_000, max: 9_999_999 }),
    capabilities: fc.constantFrom(VOICE_AND_SMS, VOICE_AND_SMS, VOICE_AND_SMS, VOICE, SMS),
    is_reserved: fc.integer({ min: 0, max: 3 }).map((draw) => draw === 0),
    pairs: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ of, line, ...rest }) => poolNumber(`${of.start}${line}`, { iso_country: of.country, ...rest }))

const anyRequest = fc
  .record({
    identifier: fc.constantFrom(...PEOPLE.map((person) => person.identifier)),
    mode: fc.constantFrom('voice-and-message', 'voice-only', 'message-only'),
    geo_match_level: fc.constantFrom('country', 'area-code', 'extended-area-code', 'overlay', 'radius'),
    number_selection_behavior: fc.constantFrom('prefer-sticky', 'avoid-sticky'),
    cool_down_mode: fc.constantFrom('best-effort', 'strict'),
    pool: fc.uniqueArray(anyNumber, { maxLength: 30, selector: (number) => number.phone_number }),
    match_calling_code: fc.boolean(),
    seed: fc.integer(),
  })
  .chain(({ seed, pool, ...rest }) => {
    const someOf = fc.subarray(pool.map((number) => number.phone_number))
    return fc
      .record({
        ...{ taken: someOf, avoid: someOf, used: someOf, released: someOf },
        times: fc.array(fc.nat(5), { minLength: 30 }),
      })
      .map(({ taken, avoid, used, released, times }) => {
        const timed = (numbers: string[]) => new Map(numbers.map((number, index) => [number, times[index] ?? 0]))
        const histories = { last_used: timed(used), cooling: timed(released) }
        const sets = { taken: new Set(taken), avoid: new Set(avoid), ...histories }
        return requestWith({ ...rest, ...sets, pool, random: seededRandom(seed) })
      })
  })

test('exactly the numbers that meet every documented constraint are returned, in the documented order', () => {
  fc.assert(
    fc.property(anyRequest, (request) => {
      const stages = constraints(request)
      let left = request.pool
      for (const { code, holds } of stages) {
        left = left.filter(holds)
        if (left.length > 0) continue
        assert.equal(refusalOf(() => rank(request))[0], code(request))
        return
      }
      const result = rank(request)
      assert.deepEqual(new Set(result), new Set(left))
      assert.equal(result.length, left.length)
      const ranks = result.map((number) => rankOf(number, request))
      for (const [index, rank] of ranks.entries()) {
        if (index > 0) assert.ok(compareRanks(ranks[index - 1] ?? [], rank) <= 0, `${ranks[index - 1]} before ${rank}`)
      }
    }),
    { numRuns: 3_000 },
  )
})

test('taking away what a step needs, and nothing else, gives the code of that step', () => {
  const seen = new Set<number>()
  fc.assert(
    fc.property(anyRequest, (request) => {
      if (!succeeds(request)) return
      const { pool, mode } = request
      const change = (changes: Partial<PoolNumber>) => pool.map((number) => ({ ...number, ...changes }))
      const expectCode = (code: number, changes: Partial<Ask>) => {
        assert.equal(refusalOf(() => rank({ ...request, ...changes }))[0], code)
        seen.add(code)
      }
      expectCode(80205, { pool: [] })
      if (mode !== 'message-only') expectCode(80201, { pool: change({ capabilities: SMS }) })
      if (mode !== 'voice-only') expectCode(80202, { pool: change({ capabilities: VOICE }) })
      expectCode(80203, { pool: change({ iso_country: 'JP', phone_number: '+81312345678' }) })
      if (request.geo_match_level !== 'country' && request.identifier.startsWith('+1')) {
        expectCode(80206, { pool: change({ phone_number: '+19075550110' }) })
      }
      expectCode(80207, { pool: change({ is_reserved: true }) })
      expectCode(80208, { taken: new Set(pool.map((number) => number.phone_number)) })
      const cooling = new Map(pool.map((number) => [number.phone_number, 0]))
      expectCode(80208, { cooling, cool_down_mode: 'strict' })
      assert.ok(succeeds({ ...request, cooling, cool_down_mode: 'best-effort' }), 'best effort refuses nobody')
    }),
    { numRuns: 1_000 },
  )
  assert.deepEqual([...seen].toSorted(), [80201, 80202, 80203, 80205, 80206, 80207, 80208])
})

function succeeds(request: Ask): boolean {
  try {
    return rank(request).length > 0
  } catch (error) {
    assert.ok(error instanceof ProxyError, String(error))
    return false
  }
}

type Constraint = { code: (request: Ask) => number; holds: (number: PoolNumber) => boolean }

function constraints(request: Ask): Constraint[] {
  const needsVoice = request.mode !== 'message-only'
  const capable = ({ capabilities }: PoolNumber) =>
    (!needsVoice || capabilities.voice) && (request.mode === 'voice-only' || capabilities.sms)
  const lacksVoice = needsVoice && !request.pool.some((number) => number.capabilities.voice)
  return [
    { code: () => 80205, holds: () => true },
    { code: () => (lacksVoice ? 80201 : 80202), holds: capable },
    { code: () => 80203, holds: (number) => countryRank(number, request) < 3 },
    { code: () => 80206, holds: (number) => areaRank(number, request) < 2 },
    { code: () => 80207, holds: (number) => !number.is_reserved },
    { code: () => 80208, holds: (number) => !request.taken.has(number.phone_number) },
    {
      code: () => 80208,
      holds: (number) => request.cool_down_mode === 'best-effort' || !request.cooling.has(number.phone_number),
    },
  ]
}

function personOf(request: Ask) {
  const person = PEOPLE.find(({ identifier }) => identifier === request.identifier)
  assert.ok(person)
  return person
}

function countryRank(number: PoolNumber, request: Ask): number {
  const { country } = personOf(request)
  if (number.iso_country === country || (country === 'GB' && number.iso_country === 'JE')) return 0
  if (country === 'BS' && number.iso_country === 'US') return 1
  const bothAmerican = request.identifier.startsWith('+1') && number.phone_number.startsWith('+1')
  return bothAmerican && (request.match_calling_code || number.iso_country === null) ? 2 : 3
}

function areaRank(number: PoolNumber, request: Ask): number {
  if (request.geo_match_level === 'country' || !request.identifier.startsWith('+1')) return 0
  const area = number.phone_number.slice(2, 5)
  if (area === request.identifier.slice(2, 5)) return 0
  if (request.geo_match_level === 'area-code') return 2
  const { overlays, within50 } = personOf(request)
  return (request.geo_match_level === 'radius' ? within50 : overlays).includes(area) ? 1 : 2
}

function rankOf(number: PoolNumber, request: Ask): number[] {
  const used = request.last_used.get(number.phone_number)
  const recency = request.number_selection_behavior === 'prefer-sticky' ? 10 - (used ?? -1) : (used ?? -1)
  const partner = Number(request.avoid.has(number.phone_number))
  const released = request.cooling.get(number.phone_number) ?? -1
  return [released, countryRank(number, request), areaRank(number, request), recency, number.pairs, partner]
}

function compareRanks(a: number[], b: number[]): number {
  const at = a.findIndex((rank, index) => rank !== b[index])
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}
