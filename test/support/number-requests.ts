import assert from 'node:assert/strict'
import { callingCodeOf, countryOf } from '../../src/core/e164.ts'
import { ProxyError } from '../../src/core/errors.ts'
import { type NumberRequest, rankNumbers } from '../../src/core/number-selection.ts'
import { groupNumbers, type PoolNumber as Member } from '../../src/core/pool-groups.ts'

export const VOICE_AND_SMS = { voice: true, sms: true, mms: true, fax: false }
export const VOICE = { voice: true, sms: false, mms: false, fax: false }
export const SMS = { voice: false, sms: true, mms: false, fax: false }

export function poolNumber(phone_number: string, changes: Partial<PoolNumber> = {}): PoolNumber {
  const sid = `PN${phone_number.replace('+', '').padStart(32, '0')}`
  const defaults = { iso_country: 'US', capabilities: VOICE_AND_SMS, is_reserved: false, pairs: 0 }
  return { sid, phone_number, ...defaults, ...changes }
}

export type PoolNumber = Member & { pairs: number }

/** With the pool as it stands in the database. */
export type Ask = Omit<NumberRequest, 'pool' | 'country' | 'calling_code'> & { pool: PoolNumber[] }

/** All of them, to the last. */
export function rank(ask: Ask): PoolNumber[] {
  const [country, calling_code] = [countryOf(ask.identifier), callingCodeOf(ask.identifier)]
  const pairs = new Map(ask.pool.map((number) => [number.phone_number, number.pairs]))
  const pool = groupNumbers(ask.pool, ({ phone_number }) => pairs.get(phone_number) ?? 0)
  return [...rankNumbers({ ...ask, country, calling_code, pool })] as PoolNumber[]
}

export function requestWith(changes: Partial<Ask>): Ask {
  return {
    identifier: '+12025550101',
    mode: 'voice-and-message',
    geo_match_level: 'country',
    number_selection_behavior: 'prefer-sticky',
    pool: [],
    taken: new Set(),
    last_used: new Map(),
    cooling: new Map(),
    cool_down_mode: 'best-effort',
    avoid: new Set(),
    radius_miles: 50,
    match_calling_code: true,
    random: seededRandom(1),
    ...changes,
  }
}

export function refusalOf(run: () => unknown): [number, string] {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof ProxyError, String(error))
    return [error.code, error.message]
  }
  assert.fail('not refused')
}

/** A number that the numbering plan assigns to the country of this Caribbean area code. */
export function exampleIn(areaCode: string): string {
  const exchanges: Record<string, string> = {
    '242': '359',
    '264': '235',
    '268': '464',
    '284': '300',
    '340': '642',
    '441': '370',
    '649': '231',
    '664': '492',
    '876': '210',
  }
  return `+1${areaCode}${exchanges[areaCode]}1234`
}

/** Mulberry32: small, and the same on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
