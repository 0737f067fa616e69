import type { Keyring } from './seal.ts'
import type { Store } from './store.ts'

/**
 * Two automatic answers that answer each other, or somebody who sends without end: of what one person sends to one proxy
 * number, so much a minute is let through, and so many of the same text in a row. It is counted in memory, so each server
 * counts what came to it; the service's own limits come with each message's row and hold for the next one.
 */
type Pair = {
  began: number
  count: number
  flood_limit: number
  digest: number
  same_began: number
  same: number
  repeat_limit: number
  /** Whether it is on record that these are too many. */
  is_told: boolean
}
export type Flood = 'first' | 'further'
export type FloodLimits = { flood_limit: number | null; repeat_limit: number | null }

const MINUTE_MS = 60_000
/** For that long the same text in a row is counted. */
const REPEATS_MS = 600_000
/** Of the oldest nothing is known any more. */
const MOST_PAIRS = 100_000

/** By what all stores of a server have in common. */
const servers = new WeakMap<Keyring, Map<string, Pair>>()

function pairsOf({ keys }: Pick<Store, 'keys'>): Map<string, Pair> {
  const pairs = servers.get(keys) ?? new Map<string, Pair>()
  servers.set(keys, pairs)
  return pairs
}

/** The digest is that of the text; 0 for what has none, or attachments: pictures in a row are no repeats. */
export type Sending = { sender: Buffer; to: string; digest: number }

/** Enough to tell the texts of one person apart, and fast. It is kept in memory only. */
export function digestOf(text: string): number {
  let [low, high] = [0xdeadbeef, 0x41c6ce57]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    low = Math.imul(low ^ code, 2654435761)
    high = Math.imul(high ^ code, 1597334677)
  }
  return text === '' ? 0 : (high >>> 11) * 2 ** 32 + (low >>> 0)
}

const keyOf = ({ sender, to }: Sending) => sender.toString('latin1') + to

/** Whether this is one too many; a 0 limits nothing. */
export function isFlood(store: Pick<Store, 'keys'>, sending: Sending, now = performance.now()): boolean {
  const pair = pairsOf(store).get(keyOf(sending))
  if (!pair) return false
  if (pair.flood_limit > 0 && now - pair.began < MINUTE_MS && pair.count >= pair.flood_limit) return true
  return pair.repeat_limit > 0 && isSame(pair, sending, now) && pair.same >= pair.repeat_limit
}

/** Counts a message that was new. Of those that are too many, the first in a row is told apart. */
export function noteMessage(
  store: Pick<Store, 'keys' | 'rules'>,
  sending: Sending,
  limits: FloodLimits & { is_flood: boolean },
  now = performance.now(),
): Flood | undefined {
  const pairs = pairsOf(store)
  const key = keyOf(sending)
  const pair = pairs.get(key) ?? newPair(now)
  // The last place is that of who wrote last.
  pairs.delete(key)
  pairs.set(key, pair)
  for (const oldest of pairs.keys()) {
    if (pairs.size <= MOST_PAIRS) break
    pairs.delete(oldest)
  }
  pair.flood_limit = limits.flood_limit ?? store.rules.flood_limit
  pair.repeat_limit = limits.repeat_limit ?? store.rules.repeat_limit
  if (now - pair.began >= MINUTE_MS) Object.assign(pair, { began: now, count: 0 })
  if (!isSame(pair, sending, now)) Object.assign(pair, { digest: sending.digest, same_began: now, same: 0 })
  pair.count++
  pair.same++
  if (!limits.is_flood) pair.is_told = false
  if (!limits.is_flood) return undefined
  const flood = pair.is_told ? 'further' : 'first'
  pair.is_told = true
  return flood
}

const newPair = (now: number): Pair => ({
  ...{ began: now, count: 0, flood_limit: 0 },
  ...{ digest: 0, same_began: now, same: 0, repeat_limit: 0, is_told: false },
})

const isSame = ({ digest, same_began }: Pair, sending: Sending, now: number) =>
  sending.digest !== 0 && sending.digest === digest && now - same_began < REPEATS_MS
