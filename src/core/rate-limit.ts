import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { exchangeCounts, type HeardCount } from '../db/statements/exchange-counts.ts'

/**
 * How many requests an account may make: so many a second of one endpoint of one service, and of everything together, each
 * as the average of the last five seconds, so that five times as many may come at once
 * (https://www.twilio.com/docs/proxy/proxy-limits). Counted in memory; servers on one database tell each other what they
 * let through (`exchange`). Until it hears of them again, a server takes it that each of the others on a key goes on as it
 * does itself. What is refused does not count.
 */
export type RateLimits = {
  /** Requests a second; 0 for any number. */
  per_endpoint: number
  per_account: number
}

/** What a request counts as; `service_sid` is undefined where it is about none. */
export type Asked = { account_sid: string; service_sid: string | undefined; endpoint: string }

export type RateLimiter = {
  /** Undefined when the request may be carried out, and counts; else when to come again. */
  admit(asked: Asked): Refusal | undefined
  /** Throws when the database is away; then this server's own counts go on. */
  exchange(pool: pg.Pool): Promise<void>
}

/** `is_first`: of this key, since it was last at rest. */
export type Refusal = { retry_after_s: number; is_first: boolean }

const SLOT_MS = 250
const SLOTS = 20
const WINDOW_MS = SLOTS * SLOT_MS
/** That of the window, and the one that is leaving it. */
const KEPT = SLOTS + 1

/** Who told nothing for longer than this has stopped, or has nothing to tell. */
const PRESUMED_MS = 500

/** What is asked less often than this share of its limit is no other server's business. */
const WORTH_TELLING = 0.1

/** When there are more, the oldest are forgotten: their accounts may ask anew. */
const KEYS = 10_000

/** Requests by slots of time, in a ring; `newest` is the slot last counted in. */
type Counts = { slots: Int32Array; newest: number }

type Key = {
  most: number
  own: Counts
  others: Counts | undefined
  /** When each of the others told what it had let through. */
  told_at: number[]
  was_refused: boolean
}

export function createRateLimiter(limits: RateLimits, now: () => number = () => performance.now()): RateLimiter {
  const server = randomUUID()
  const keys = new Map<string, Key>()

  const keyOf = (name: string, per_second: number): Key => {
    const known = keys.get(name)
    if (known) return known
    const [oldest] = keys.size >= KEYS ? keys.keys() : []
    if (oldest !== undefined) keys.delete(oldest)
    const most = (per_second * WINDOW_MS) / 1000
    const made = { most, own: noCounts(), others: undefined, told_at: [], was_refused: false }
    keys.set(name, made)
    return made
  }

  return {
    admit({ account_sid, service_sid = '', endpoint }) {
      const asked: Key[] = []
      if (limits.per_endpoint > 0) {
        asked.push(keyOf(`${account_sid} ${service_sid} ${endpoint}`, limits.per_endpoint))
      }
      if (limits.per_account > 0) asked.push(keyOf(account_sid, limits.per_account))
      const at = now()
      for (const key of asked) {
        if (usedOf(key, at) < key.most) continue
        const is_first = !key.was_refused
        key.was_refused = true
        return { retry_after_s: retryAfter(key, at), is_first }
      }
      for (const key of asked) count(key.own, slotOf(at), 1)
      return undefined
    },

    async exchange(pool) {
      const began = now()
      const busy = new Map<string, Key>()
      for (const [name, key] of keys) {
        const used = usedOf(key, began)
        if (used === 0) keys.delete(name)
        else if (used >= key.most * WORTH_TELLING) busy.set(name, key)
      }
      if (busy.size === 0) return
      const told = [...busy].map(([name, key]) => ({ key: name, counts: latestFirst(key.own, slotOf(began)) }))
      const heard = await exchangeCounts(pool, { server, told, slot_age_ms: began % SLOT_MS, window_ms: WINDOW_MS })
      for (const key of busy.values()) Object.assign(key, { others: undefined, told_at: [] })
      const at = now()
      for (const one of heard) learn(busy.get(one.key), one, at)
    },
  }
}

function learn(key: Key | undefined, { counts, slot_age_ms, told_age_ms }: HeardCount, at: number) {
  if (!key || !counts.some((number) => number > 0)) return
  key.others ??= noCounts()
  key.told_at.push(at - told_age_ms)
  const latest = Math.round((at - told_age_ms - slot_age_ms) / SLOT_MS)
  for (const [ago, number] of counts.entries()) count(key.others, latest - ago, number)
}

/** Of all servers, with what the others have presumably let through since they told. */
function usedOf({ own, others, told_at }: Key, at: number): number {
  const heard = others ? sumSince(others, at - WINDOW_MS, at) : 0
  const used = sumSince(own, at - WINDOW_MS, at) + heard
  if (heard === 0) return used
  const live = told_at.filter((told) => at - told < PRESUMED_MS)
  return live.reduce((sum, told) => sum + sumSince(own, told, at), used)
}

/** Until so much has left the window that one more fits in. */
function retryAfter(key: Key, at: number): number {
  let excess = usedOf(key, at) - key.most + 1
  const newest = slotOf(at)
  let oldest = newest - SLOTS
  while (oldest <= newest && excess > 0) {
    excess -= numberIn(key.own, oldest) + (key.others ? numberIn(key.others, oldest) : 0)
    oldest++
  }
  return Math.max(1, Math.ceil((oldest * SLOT_MS + WINDOW_MS - at) / 1000))
}

const slotOf = (at: number) => Math.floor(at / SLOT_MS)

const noCounts = (): Counts => ({ slots: new Int32Array(KEPT), newest: Number.NEGATIVE_INFINITY })

const placeOf = (slot: number) => ((slot % KEPT) + KEPT) % KEPT

const numberIn = ({ slots, newest }: Counts, slot: number): number =>
  slot > newest || slot <= newest - KEPT ? 0 : (slots[placeOf(slot)] ?? 0)

function count(counts: Counts, slot: number, number: number) {
  const { slots, newest } = counts
  if (slot <= newest - KEPT) return
  for (let passed = Math.max(newest + 1, slot - SLOTS); passed <= slot; passed++) slots[placeOf(passed)] = 0
  counts.newest = Math.max(newest, slot)
  const place = placeOf(slot)
  slots[place] = (slots[place] ?? 0) + number
}

/** Until `at`; of the slot in which `since` lies, its share. */
function sumSince(counts: Counts, since: number, at: number): number {
  const [first, last] = [slotOf(since), slotOf(at)]
  let sum = numberIn(counts, first) * (1 - (since - first * SLOT_MS) / SLOT_MS)
  for (let slot = first + 1; slot <= last; slot++) sum += numberIn(counts, slot)
  return sum
}

const latestFirst = (counts: Counts, latest: number) =>
  Array.from({ length: KEPT }, (_, ago) => numberIn(counts, latest - ago))
