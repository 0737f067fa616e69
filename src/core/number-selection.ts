import { milesBetween, sharesOverlay } from './area-codes.ts'
import { areaCodeOf, isE164, maskLastFour } from './e164.ts'
import { ProxyError } from './errors.ts'
import type { NumberPool, PoolGroup, PoolNumber } from './pool-groups.ts'

/**
 * The order in which the numbers of a pool are tried for a participant. Pure: it sees what was read, and the unique
 * index arbitrates afterwards, so a stale reading costs a retry and never a wrong pair.
 *
 * Numbers drop out by capability, country, geographic level, reservation and use, in this order, and the first step
 * that leaves none names the error. The rest are ranked by country, area code, stickiness, load (fewest live pairs)
 * and at last whether the partner sits on them. Twilio documents the steps, but neither their order nor the ranking.
 * The cool-down (core/cool-down.ts) is ours, and goes before all of the ranking.
 *
 * A pool may have thousands of numbers, and a create has no time to look closely at each: they are judged by groups, and
 * only of the best one is it worked out which it is, unless somebody asks for the next.
 * https://www.twilio.com/docs/proxy/understanding-phone-number-management
 */
export type Mode = 'voice-and-message' | 'voice-only' | 'message-only'
export type GeoMatchLevel = 'country' | 'area-code' | 'extended-area-code' | 'overlay' | 'radius'
export type NumberSelectionBehavior = 'prefer-sticky' | 'avoid-sticky'

export type CoolDownMode = 'best-effort' | 'strict'

export type NumberRequest = {
  /** E.164. Channel addresses are never matched to a number: they need an explicit proxy identifier. */
  identifier: string
  /** Of the person; undefined where the numbering plan does not say. */
  country: string | undefined
  calling_code: string | undefined
  mode: Mode
  geo_match_level: GeoMatchLevel
  number_selection_behavior: NumberSelectionBehavior
  pool: NumberPool
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
export function rankNumbers(request: NumberRequest): Iterable<PoolNumber> {
  const { identifier, pool, taken, cooling, cool_down_mode } = request
  if (!isE164(identifier)) throw new ProxyError(80304)
  if (pool.groups.length === 0) throw new ProxyError(80205)

  const capable = withCapabilities(pool.groups, request.mode)
  const domestic = inCountry(capable, request)
  const near = inArea(domestic, request)
  const free = near.filter(({ group }) => !group.like.is_reserved)
  if (free.length === 0) throw new ProxyError(80207)
  const isOpen = ({ phone_number }: PoolNumber) => !taken.has(phone_number)
  const isAny = (suits: (number: PoolNumber) => boolean) => free.some(({ group }) => group.numbers.some(suits))
  if (!isAny(isOpen)) throw new ProxyError(80208, { identifier: maskLastFour(identifier), reason: ALL_IN_USE })
  if (cool_down_mode === 'best-effort') return inOrder(free, request, isOpen)
  const isCool = (number: PoolNumber) => isOpen(number) && !cooling.has(number.phone_number)
  if (!isAny(isCool)) throw new ProxyError(80208, { identifier: maskLastFour(identifier), reason: STILL_COOLING })
  return inOrder(free, request, isCool)
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

/** Numbers with how well they suit, 0 being best. */
type Candidate = { group: PoolGroup; distance: number }

function withCapabilities(groups: PoolGroup[], mode: Mode): PoolGroup[] {
  const needsVoice = mode !== 'message-only'
  const needsSms = mode !== 'voice-only'
  if (needsVoice && !groups.some(({ like }) => like.capabilities.voice)) throw new ProxyError(80201)
  const capable = groups.filter(
    ({ like: { capabilities } }) => (!needsVoice || capabilities.voice) && (!needsSms || capabilities.sms),
  )
  // Also when voice and sms exist, but on different numbers.
  if (capable.length === 0) throw new ProxyError(80202)
  return capable
}

const BRITISH_ISLES = new Set(['GB', 'GG', 'IM', 'JE'])
const SERVED_BY_US = new Set(['AG', 'AI', 'BM', 'BS', 'MS', 'TC', 'VG', 'VI'])

function inCountry(groups: PoolGroup[], { country, calling_code, match_calling_code }: NumberRequest): Candidate[] {
  const candidates = groups.flatMap((group) => {
    const { iso_country, phone_number } = group.like
    const distance = countryDistance(country, iso_country)
    if (distance !== undefined) return [{ group, distance }]
    // The setting is about two countries, so it says nothing where one of them is unknown.
    const mayStandIn = match_calling_code || country === undefined || iso_country === null
    const sharesCode = calling_code !== undefined && phone_number.startsWith(`+${calling_code}`)
    return mayStandIn && sharesCode ? [{ group, distance: 2 }] : []
  })
  if (candidates.length === 0) throw new ProxyError(80203, { country: country ?? `+${calling_code ?? '?'}` })
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

  const near = candidates.flatMap(({ group, distance }) => {
    const area = areaCodeOf(group.like.phone_number)
    const further = area === undefined ? undefined : areaDistance(home, area, request)
    return further === undefined ? [] : [{ group, distance: distance * 2 + further }]
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
 * The best one is enough almost always. It is one of the few that this person, or their partner, has to do with, or else
 * the nearest with the fewest pairs. That the others are all put in order is for when somebody else was given it first.
 */
function* inOrder(free: Candidate[], request: NumberRequest, suits: (number: PoolNumber) => boolean) {
  const { pool, taken, cooling, last_used, avoid } = request
  const special = []
  for (const phone_number of new Set([...taken, ...cooling.keys(), ...last_used.keys(), ...avoid])) {
    const place = pool.places.get(phone_number)
    const candidate = place && free.find(({ group }) => group === place.group)
    if (candidate) special.push({ ...suitable(candidate, place.at), ...place })
  }
  const ordinary = leastLoaded(free, special, request.random)
  const few = special.filter(({ number }) => suits(number))
  const [best] = sorted(ordinary ? [ordinary, ...few] : few, request)
  if (!best) return
  yield best
  const all = free.flatMap((candidate) => candidate.group.numbers.map((_, at) => suitable(candidate, at)))
  const others = all.filter(({ number }) => number !== best && suits(number))
  yield* sorted(others, request)
}

/** One number, with what it is sorted by. */
type Suitable = { number: PoolNumber; pairs: number; distance: number }

const suitable = ({ group, distance }: Candidate, at: number): Suitable => ({
  number: group.numbers[at] as PoolNumber,
  pairs: group.pairs[at] ?? 0,
  distance,
})

/** More pairs than there can be. */
const HIDDEN = 2 ** 30

/** Of the numbers that are not special, the nearest with the fewest pairs: any of them, each as likely as another. */
function leastLoaded(
  free: Candidate[],
  special: { group: PoolGroup; at: number; pairs: number }[],
  random: () => number,
): Suitable | undefined {
  // For as long as this takes: asking of each of thousands whether it is special would take longer than all of the rest.
  for (const { group, at } of special) group.pairs[at] = HIDDEN
  let [nearest, fewest, equal] = [Number.POSITIVE_INFINITY, HIDDEN, 0]
  for (const { group, distance } of free) {
    for (let at = 0; at < group.pairs.length && distance <= nearest; at++) {
      const pairs = group.pairs[at] ?? HIDDEN
      if (pairs === HIDDEN || (distance === nearest && pairs > fewest)) continue
      if (distance < nearest || pairs < fewest) [nearest, fewest, equal] = [distance, pairs, 0]
      equal++
    }
  }
  let nth = Math.floor(random() * equal)
  let found: Suitable | undefined
  for (const candidate of free) {
    const { group, distance } = candidate
    for (let at = 0; at < group.pairs.length && distance === nearest && !found; at++) {
      if (group.pairs[at] === fewest && nth-- === 0) found = suitable(candidate, at)
    }
  }
  for (const { group, at, pairs } of special) group.pairs[at] = pairs
  return found
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
function sorted(candidates: Suitable[], request: NumberRequest): PoolNumber[] {
  const { cooling, last_used, number_selection_behavior, avoid, random } = request
  const direction = number_selection_behavior === 'prefer-sticky' ? -1 : 1
  const ranked = candidates.map(({ number, pairs, distance }) => ({
    number,
    released: cooling.get(number.phone_number) ?? NEVER,
    distance,
    recency: direction * (last_used.get(number.phone_number) ?? NEVER),
    load: pairs * 2 + (avoid.has(number.phone_number) ? 1 : 0),
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
