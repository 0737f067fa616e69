import { countPairs, groupNumbers, type NumberPool, type PoolNumber, pairsOn } from './pool-groups.ts'
import type { Keyring } from './seal.ts'
import { openKysely, type Store } from './store.ts'

/**
 * The pool of each service in memory, with how many live pairs each number has, since every create needs all of it and
 * counting pairs takes longer the more there are. What stands here may be out of date, because another server has changed
 * the pool a moment ago: the statement that takes a pair looks at the number again, and nobody is refused before the
 * pool was read fresh.
 *
 * Numbers are read again, and pairs counted again in the background, no more often than every second, and so that it takes
 * no more than a fiftieth of the time. In between, what this server gives and releases is counted as it happens.
 */
type Known = { pool?: NumberPool; rows?: Reading; counts?: Reading }
type Reading = { began: number; took_ms: number }

const LEAST_MS = 1_000
const MOST_SHARE = 1 / 50
/** In all pools together, some 400 bytes each. */
const MOST_NUMBERS = 100_000

/** By what all stores of a server have in common, those with a transaction or a time limit too. */
const servers = new WeakMap<Keyring, Map<string, Known>>()

function poolsOf({ keys }: Pick<Store, 'keys'>): Map<string, Known> {
  const pools = servers.get(keys) ?? new Map<string, Known>()
  servers.set(keys, pools)
  return pools
}

/** `fresh` is as it stands in the database now. */
export async function readPool(
  store: Store,
  service_sid: string,
  how: 'recent' | 'fresh' = 'recent',
): Promise<NumberPool> {
  const known = poolsOf(store).get(service_sid) ?? remember(store, service_sid)
  let pool = known.pool
  if (!pool || how === 'fresh' || isOld(known.rows)) {
    // Who comes meanwhile takes what is there.
    known.rows = { began: performance.now(), took_ms: 0 }
    const rows = await readNumbers(store, service_sid)
    pool = groupNumbers(rows, ({ phone_number }) => (known.pool ? pairsOn(known.pool, phone_number) : 0))
    known.pool = pool
    known.rows.took_ms = performance.now() - known.rows.began
  }
  if (!known.counts) await countAll(store, service_sid, known)
  else if (isOld(known.counts)) {
    // On a connection of its own, which a transaction must not wait for. If it fails, the next one does it.
    const outside = { ...store, db: openKysely(store.pool) }
    void countAll(outside, service_sid, known).catch(() => undefined)
  }
  return pool
}

const isOld = (reading: Reading | undefined) =>
  !reading || performance.now() - reading.began > Math.max(LEAST_MS, reading.took_ms / MOST_SHARE)

function remember(store: Store, service_sid: string): Known {
  const pools = poolsOf(store)
  const numbers = [...pools.values()].reduce((sum, { pool }) => sum + (pool?.places.size ?? 0), 0)
  if (numbers > MOST_NUMBERS) pools.clear()
  const known: Known = {}
  pools.set(service_sid, known)
  return known
}

/** After a change of the pool: also whoever reads it at this moment does not bring back what was there before. */
export function forgetPool(store: Store, service_sid: string): void {
  poolsOf(store).delete(service_sid)
}

/** Pairs that were released; whether they are in the end is for the next count. */
export function noteReleased(store: Store, service_sid: string, released: { proxy_identifier: string }[]): void {
  const pool = poolsOf(store).get(service_sid)?.pool
  if (!pool) return
  for (const { proxy_identifier } of released) countPairs(pool, proxy_identifier, -1)
}

const readNumbers = (store: Store, service_sid: string): Promise<PoolNumber[]> =>
  store.db
    .selectFrom('phone_numbers')
    .select(['sid', 'phone_number', 'iso_country', 'capabilities', 'is_reserved'])
    .where('service_sid', '=', service_sid)
    .orderBy('sid')
    .execute()

async function countAll(store: Store, service_sid: string, known: Known): Promise<void> {
  const reading = { began: performance.now(), took_ms: 0 }
  known.counts = reading
  const rows = await store.db
    .selectFrom('participants')
    .select(['proxy_identifier', ({ fn }) => fn.countAll<string>().as('pairs')])
    .where('service_sid', '=', service_sid)
    .where('date_released', 'is', null)
    .groupBy('proxy_identifier')
    .execute()
  const counts = new Map(rows.map(({ proxy_identifier, pairs }) => [proxy_identifier, Number(pairs)]))
  for (const { numbers, pairs } of known.pool?.groups ?? []) {
    for (const [at, { phone_number }] of numbers.entries()) pairs[at] = counts.get(phone_number) ?? 0
  }
  reading.took_ms = performance.now() - reading.began
}
