import type { Capabilities } from './carrier.ts'
import { areaCodeOf } from './e164.ts'

/** The numbers of a pool in memory, in the form in which thousands are ranked quickly. */
export type PoolNumber = {
  sid: string
  phone_number: string
  /** Null when unknown: the number then matches by its calling code. */
  iso_country: string | null
  capabilities: Capabilities
  is_reserved: boolean
}

/** Numbers that are alike in everything by which numbers drop out: one of them speaks for all. */
export type PoolGroup = {
  like: PoolNumber
  numbers: PoolNumber[]
  /** Live (identifier, proxy number) pairs on each of them. */
  pairs: number[]
}

export type NumberPool = { groups: PoolGroup[]; places: ReadonlyMap<string, { group: PoolGroup; at: number }> }

export function groupNumbers(numbers: PoolNumber[], pairsOn: (number: PoolNumber) => number): NumberPool {
  const groups = new Map<string, PoolGroup>()
  const places = new Map<string, { group: PoolGroup; at: number }>()
  for (const number of numbers) {
    const { phone_number, iso_country, capabilities, is_reserved } = number
    // No calling code has more than three digits.
    const area = areaCodeOf(phone_number) ?? phone_number.slice(0, 4)
    const key = [area, iso_country, capabilities.voice, capabilities.sms, is_reserved].join('/')
    const group = groups.get(key) ?? { like: number, numbers: [], pairs: [] }
    groups.set(key, group)
    places.set(phone_number, { group, at: group.numbers.length })
    group.numbers.push(number)
    group.pairs.push(pairsOn(number))
  }
  return { groups: [...groups.values()], places }
}

export function pairsOn({ places }: NumberPool, phone_number: string): number {
  const place = places.get(phone_number)
  return place?.group.pairs[place.at] ?? 0
}

/** Counts pairs that were given (1) or released (-1). */
export function countPairs({ places }: NumberPool, phone_number: string, change: 1 | -1): void {
  const place = places.get(phone_number)
  if (place) place.group.pairs[place.at] = Math.max(0, (place.group.pairs[place.at] ?? 0) + change)
}
