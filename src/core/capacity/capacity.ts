import type { Service } from '../../db/schema.ts'
import { coolDownOf } from '../cool-down.ts'
import { areaCodeOf } from '../e164.ts'
import { readPool } from '../number-pools.ts'
import type { PoolNumber } from '../pool-groups.ts'
import type { Store } from '../store.ts'
import { type PairHistory, readPairHistory, replayAll } from './pair-history.ts'
import { createReplay, type Replayed, type Rule, type Window } from './replay.ts'
import { createShared } from './shared.ts'

/**
 * How far a pool lasts. A number serves any number of people, but each person once, so what runs out is not the pool but what
 * of it one person can still be given: the busiest is the first to be refused.
 */
export type CapacityGroup = {
  iso_country: string | null
  area_code: string | null
  numbers: number
  reserved: number
  live_pairs: number
  cooling_pairs: number
  busiest_held: number
  sessions_left: number
}

export type CapacityUnder = Rule & {
  groups: CapacityGroup[]
  busiest_held: number
  sessions_left: number
  peak_held: number
  peak_at: Date | null
  history: { at: Date; held: number }[]
}

export type Capacity = {
  now: CapacityUnder
  what_if: CapacityUnder
  read_at: Date
  /** Pairs that began before then are not in the figures; null when all are. */
  whole_since: Date | null
}

const POINTS = 200
const DAY_S = 86_400
const share = createShared<Capacity>()

export function readCapacity(
  store: Store,
  service: Service,
  other: { default_ttl?: number | undefined; cool_down_s?: number | undefined; days: number },
): Promise<Capacity> {
  const now: Rule = { default_ttl: service.default_ttl, cool_down_s: coolDownOf(service).cool_down_s }
  const what_if: Rule = {
    default_ttl: other.default_ttl ?? now.default_ttl,
    cool_down_s: other.cool_down_s ?? now.cool_down_s,
  }
  const key = [service.sid, ...Object.values(now), ...Object.values(what_if), other.days].join('/')
  return share(store, key, () => calculate(store, service, { now, what_if, days: other.days }))
}

async function calculate(
  store: Store,
  service: Service,
  { now, what_if, days }: { now: Rule; what_if: Rule; days: number },
) {
  const { groups } = await readPool(store, service.sid, 'fresh')
  const numbers = groups.flatMap((group) => group.numbers)
  const places = new Map(numbers.map(({ phone_number }, at) => [phone_number, at]))
  const history = await readPairHistory(store, service, places, relevantFor(now, what_if, days))
  const step = (days * DAY_S) / POINTS
  const window = { from: history.now - days * DAY_S, step, steps: POINTS }
  const as_it_is = await under(numbers, history, now, window)
  const isSame = what_if.default_ttl === now.default_ttl && what_if.cool_down_s === now.cool_down_s
  return {
    now: as_it_is,
    what_if: isSame ? as_it_is : await under(numbers, history, what_if, window),
    read_at: new Date(history.now * 1_000),
    whole_since: history.whole_since === undefined ? null : new Date(history.whole_since * 1_000),
  }
}

/** How long ago a pair may have ended that would still be held under one of the two; any, where nothing would run out. */
function relevantFor(now: Rule, what_if: Rule, days: number) {
  const ttl = what_if.default_ttl !== now.default_ttl
  if (ttl && what_if.default_ttl === 0) return { seconds: Number.MAX_SAFE_INTEGER, live: true, ttl }
  const longer = Math.max(0, what_if.default_ttl - now.default_ttl)
  return { seconds: days * DAY_S + Math.max(now.cool_down_s, what_if.cool_down_s) + longer, live: true, ttl }
}

async function under(numbers: PoolNumber[], history: PairHistory, rule: Rule, window: Window): Promise<CapacityUnder> {
  const keys = numbers.map(groupKey)
  const groups = [...new Set(keys)]
  const groupAt = new Map(groups.map((key, at) => [key, at]))
  const replay = createReplay(
    numbers.map(({ is_reserved }, at) => (is_reserved ? undefined : groupAt.get(keys[at] ?? ''))),
    rule,
    window,
  )
  const replayed = await replayAll(history, replay)
  const usable = numbers.filter(({ is_reserved }) => !is_reserved).length
  return {
    ...rule,
    groups: groups
      .map((key, at) => groupOf(numbers, (number) => keys[number] === key, at, replayed))
      .toSorted((a, b) => a.sessions_left - b.sessions_left || b.numbers - a.numbers),
    busiest_held: replayed.busiest_held,
    sessions_left: usable - replayed.busiest_held,
    peak_held: replayed.peak_held,
    peak_at: replayed.peak_at === undefined ? null : new Date(replayed.peak_at * 1_000),
    history: replayed.history.map((held, at) => ({ at: new Date((window.from + at * window.step) * 1_000), held })),
  }
}

const groupKey = ({ iso_country, phone_number }: PoolNumber) => `${iso_country ?? ''}/${areaCodeOf(phone_number) ?? ''}`

function groupOf(
  numbers: PoolNumber[],
  isIn: (number: number) => boolean,
  group: number,
  replayed: Replayed,
): CapacityGroup {
  const places = numbers.flatMap((_, at) => (isIn(at) ? [at] : []))
  const total = (of: (at: number) => number | undefined) => places.reduce((sum, at) => sum + (of(at) ?? 0), 0)
  const reserved = total((at) => Number(numbers[at]?.is_reserved))
  const busiest_held = replayed.busiest_of_group.get(group) ?? 0
  const like = numbers[places[0] ?? 0]
  return {
    iso_country: like?.iso_country ?? null,
    area_code: (like && areaCodeOf(like.phone_number)) ?? null,
    numbers: places.length,
    reserved,
    live_pairs: total((at) => replayed.live[at]),
    cooling_pairs: total((at) => replayed.cooling[at]),
    busiest_held,
    sessions_left: places.length - reserved - busiest_held,
  }
}
