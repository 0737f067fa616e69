import { milesBetween, sharesOverlay } from './area-codes.ts'
import type { Capabilities } from './carrier.ts'
import { areaCodeOf, callingCodeOf, countryOf, isE164, maskLastFour } from './e164.ts'
import { ProxyError } from './errors.ts'

/**
 * The order in which the numbers of a pool are tried for a participant. Pure: it sees what was read, and the unique
 * index arbitrates afterwards, so a stale reading costs a retry and never a wrong pair.
 *
 * Numbers drop out by capability, country, geographic level, reservation and use, in this order, and the first step
 * that leaves none names the error. The rest are ranked by country, area code, stickiness, load (fewest live pairs)
 * and at last whether the partner sits on them. Twilio documents the steps, but neither their order nor the ranking.
 * The cool-down (core/cool-down.ts) is ours, and goes before all of the ranking.
 * https://www.twilio.com/docs/proxy/understanding-phone-number-management
 */
export type PoolNumber = {
  sid: string
  phone_number: string
  /** Null when unknown: the number then matches by its calling code. */
  iso_country: string | null
  capabilities: Capabilities
  is_reserved: boolean
  /** Live (identifier, proxy number) pairs on it. */
  pairs: number
}

export type Mode = 'voice-and-message' | 'voice-only' | 'message-only'
export type GeoMatchLevel = 'country' | 'area-code' | 'extended-area-code' | 'overlay' | 'radius'
export type NumberSelectionBehavior = 'prefer-sticky' | 'avoid-sticky'

export type CoolDownMode = 'best-effort' | 'strict'

export type NumberRequest = {
  /** E.164. Channel addresses are never matched to a number: they need an explicit proxy identifier. */
  identifier: string
  mode: Mode
  geo_match_level: GeoMatchLevel
  number_selection_behavior: NumberSelectionBehavior
  pool: PoolNumber[]
  /** Proxy numbers in a live pair with this identifier. */
  taken: ReadonlySet<string>
  /** When this identifier last used a proxy number of this service, in ms. */
  last_used: ReadonlyMap<string, number>
  /** Proxy numbers by which this person reached somebody else lately, and when they were released from each, in ms. */
  cooling: ReadonlyMap<string, number>
  /** Whether those are tried last, or not at all. */
  cool_down_mode: CoolDownMode
  /** Proxy numbers that the partner sits on. */
  avoid: ReadonlySet<string>
  radius_miles: number
  /** Whether countries that share a calling code stand in for each other, as US and CA. */
  match_calling_code: boolean
  /** Uniform in [0, 1), like Math.random. */
  random: () => number
}

/** The numbers to try, best first, never none. Throws ProxyError 80201 to 80208, and 80304 for a channel address. */
export function rankNumbers(request: NumberRequest): PoolNumber[] {
  const { identifier, pool, taken, cooling, cool_down_mode } = request
  if (!isE164(identifier)) throw new ProxyError(80304)
  if (pool.length === 0) throw new ProxyError(80205)

  const capable = withCapabilities(pool, request.mode)
  const domestic = inCountry(capable, request)
  const near = inArea(domestic, request)
  const free = near.filter(({ number }) => !number.is_reserved)
  if (free.length === 0) throw new ProxyError(80207)
  const open = free.filter(({ number }) => !taken.has(number.phone_number))
  if (open.length === 0) throw new ProxyError(80208, { identifier: maskLastFour(identifier), reason: ALL_IN_USE })
  if (cool_down_mode === 'best-effort') return inOrder(open, request)
  const cool = open.filter(({ number }) => !cooling.has(number.phone_number))
  if (cool.length === 0) throw new ProxyError(80208, { identifier: maskLastFour(identifier), reason: STILL_COOLING })
  return inOrder(cool, request)
}

/** The vendor's words. */
const ALL_IN_USE = 'All matching proxies for this Participant are already in use in other Sessions.'

export const STILL_COOLING =
  'The CoolDown of this service keeps this Participant from a number by which they reached somebody else. ' +
  'Add a number, wait, or lower CoolDown; two people who meet again are given theirs when both come with the Session.'

/** For a number that was chosen explicitly, to which nothing but its capabilities applies. */
export function checkCapabilities(number: Pick<PoolNumber, 'capabilities'>, mode: Mode): void {
  if (mode !== 'message-only' && !number.capabilities.voice) throw new ProxyError(80201)
  if (mode !== 'voice-only' && !number.capabilities.sms) throw new ProxyError(80202)
}

/** A number with how well it suits, 0 being best. */
type Candidate = { number: PoolNumber; distance: number }

function withCapabilities(pool: PoolNumber[], mode: Mode): PoolNumber[] {
  const needsVoice = mode !== 'message-only'
  const needsSms = mode !== 'voice-only'
  if (needsVoice && !pool.some(({ capabilities }) => capabilities.voice)) throw new ProxyError(80201)
  const capable = pool.filter(
    ({ capabilities }) => (!needsVoice || capabilities.voice) && (!needsSms || capabilities.sms),
  )
  // Also when voice and sms exist, but on different numbers.
  if (capable.length === 0) throw new ProxyError(80202)
  return capable
}

const BRITISH_ISLES = new Set(['GB', 'GG', 'IM', 'JE'])
const SERVED_BY_US = new Set(['AG', 'AI', 'BM', 'BS', 'MS', 'TC', 'VG', 'VI'])

function inCountry(numbers: PoolNumber[], { identifier, match_calling_code }: NumberRequest): Candidate[] {
  const country = countryOf(identifier)
  const callingCode = callingCodeOf(identifier)
  const candidates = numbers.flatMap((number) => {
    const distance = countryDistance(country, number.iso_country)
    if (distance !== undefined) return [{ number, distance }]
    // The setting is about two countries, so it says nothing where one of them is unknown.
    const mayStandIn = match_calling_code || country === undefined || number.iso_country === null
    const sharesCode = callingCode !== undefined && number.phone_number.startsWith(`+${callingCode}`)
    return mayStandIn && sharesCode ? [{ number, distance: 2 }] : []
  })
  if (candidates.length === 0) throw new ProxyError(80203, { country: country ?? `+${callingCode ?? '?'}` })
  return candidates
}

function countryDistance(person: string | undefined, number: string | null): number | undefined {
  if (person === undefined || number === null) return undefined
  if (person === number) return 0
  // Mobile ranges of the British Isles are so interwoven that the ISO country of a number says little.
  if (BRITISH_ISLES.has(person) && BRITISH_ISLES.has(number)) return 0
  if (SERVED_BY_US.has(person) && number === 'US') return 1
  return undefined
}

function inArea(candidates: Candidate[], request: NumberRequest): Candidate[] {
  const home = areaCodeOf(request.identifier)
  if (request.geo_match_level === 'country' || home === undefined) return candidates

  // A pool of thousands of numbers has few area codes.
  const distances = new Map<string, number | undefined>()
  const near = candidates.flatMap(({ number, distance }) => {
    const area = areaCodeOf(number.phone_number)
    if (area === undefined) return []
    if (!distances.has(area)) distances.set(area, areaDistance(home, area, request))
    const further = distances.get(area)
    return further === undefined ? [] : [{ number, distance: distance * 2 + further }]
  })
  if (near.length === 0) {
    throw new ProxyError(80206, { identifier: maskLastFour(request.identifier), level: request.geo_match_level })
  }
  return near
}

function areaDistance(home: string, area: string, request: NumberRequest): number | undefined {
  if (area === home) return 0
  const level = request.geo_match_level
  const isNear =
    level === 'radius'
      ? (milesBetween(home, area) ?? Number.POSITIVE_INFINITY) <= request.radius_miles
      : level !== 'area-code' && sharesOverlay(home, area)
  return isNear ? 1 : undefined
}

/**
 * Sorts by distance, stickiness, load, and whether the partner has the number, which only decides between equals:
 * people in one session may share a number, and in a small pool they have to. Numbers that are cooling down come after
 * all others, the one released longest ago first.
 *
 * Numbers that are equal in all of this come in a random order. Creates that run at the same moment read the same pool;
 * in a fixed order all of them would try the same number first, and all but one would lose it to the unique index,
 * again and again.
 */
function inOrder(candidates: Candidate[], request: NumberRequest) {
  const { cooling, last_used, number_selection_behavior, avoid, random } = request
  const direction = number_selection_behavior === 'prefer-sticky' ? -1 : 1
  const ranked = candidates.map(({ number, distance }) => ({
    number,
    released: cooling.get(number.phone_number) ?? NEVER,
    distance,
    recency: direction * (last_used.get(number.phone_number) ?? NEVER),
    load: number.pairs * 2 + (avoid.has(number.phone_number) ? 1 : 0),
  }))
  shuffle(ranked, random)
  ranked.sort((a, b) => a.released - b.released || a.distance - b.distance || a.recency - b.recency || a.load - b.load)
  return ranked.map(({ number }) => number)
}

/** Before any time in ms. Not minus infinity, since the sort subtracts. */
const NEVER = -1

function shuffle(items: unknown[], random: () => number): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const item = items[last]
    items[last] = items[other]
    items[other] = item
  }
}
