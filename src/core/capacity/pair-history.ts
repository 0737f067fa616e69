import { setImmediate as nextTurn } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import type { Service } from '../../db/schema.ts'
import { withoutChannel } from '../e164.ts'
import type { Store } from '../store.ts'
import type { createReplay, Pair } from './replay.ts'

/**
 * The pairs that people had with the numbers of a pool, the newest first, those of deleted sessions among them. People are told
 * apart by a part of the blind index, which is forgotten with the answer. Of a service with more than is read here it is
 * known since when its history is whole.
 */
const PAGE = 5_000
const MOST = 300_000

export type PairHistory = {
  /** Each person's. */
  people: Pair[][]
  /** On the database's clock, in seconds. */
  now: number
  /** Pairs that began before then are left out; undefined when there are none. */
  whole_since: number | undefined
}

/** Which pairs: those released in the last `seconds`, and those that are live; by which ttl they ended, where that matters. */
export type Wanted = { seconds: number; live: boolean; ttl: boolean }

/** `places` says which number is which. */
export async function readPairHistory(
  store: Store,
  service: Service,
  places: ReadonlyMap<string, number>,
  wanted: Wanted,
  most = MOST,
): Promise<PairHistory> {
  const { rows } = await sql<{ now: number }>`select extract(epoch from now())::float8 as now`.execute(store.db)
  // Times are rounded, and what has just happened has happened.
  const now = Math.ceil(rows[0]?.now ?? 0)
  const people = new Map<string, Pair[]>()
  const take = (text: string) => {
    const [person = '', number = '', from, to, ttl_since, has_run_out] = text.split(',')
    const place = places.get(withoutChannel(number))
    if (place === undefined) return
    const pair = {
      number: place,
      from: Number(from),
      to: Number(to) || Number.POSITIVE_INFINITY,
      ttl_since: Number(ttl_since) || undefined,
      has_run_out: has_run_out === 'true',
    }
    const known = people.get(person)
    if (known) known.push(pair)
    else people.set(person, [pair])
  }
  const since = Math.max(0, now - wanted.seconds)
  const ends = [
    await readPages(take, most, (before) => participantPage(service, { ...wanted, since, before }).execute(store.db)),
    await readPages(take, most, (before) => deletedPage(service, { since, before }).execute(store.db)),
  ].filter((end) => end !== undefined)
  return { people: [...people.values()], now, whole_since: ends.length > 0 ? Math.max(...ends) : undefined }
}

/** So many people are gone through before others have their turn. */
const PEOPLE_A_TURN = 1_000

export async function replayAll({ people }: PairHistory, replay: ReturnType<typeof createReplay>) {
  for (const [at, pairs] of people.entries()) {
    replay.add(pairs)
    if (at % PEOPLE_A_TURN === 0) await nextTurn()
  }
  return replay.replayed
}

type PairPage = { seen: number; last: string | null; pairs: string | null }

/** Gives the time of the last one when there were more than are read. */
async function readPages(
  take: (pair: string) => void,
  most: number,
  read: (before: string) => Promise<{ rows: PairPage[] }>,
) {
  // No SID comes after this, and SIDs begin with the time.
  let reading = read('KPg')
  for (let seen = PAGE; ; seen += PAGE) {
    const [page] = (await reading).rows
    const last = page?.seen === PAGE ? page.last : null
    // The database reads on meanwhile.
    if (last && seen < most) reading = read(last)
    for (const pair of page?.pairs?.split(';') ?? []) take(pair)
    if (!last) return undefined
    if (seen >= most) return Number.parseInt(last.slice(2, 14), 16) / 1_000
  }
}

const person = sql`encode(substring(p.identifier_hash for 8), 'hex')`

/** Written as one text, which is made and read several times as fast as rows are. */
const pageOf = (rows: RawBuilder<unknown>) => sql<PairPage>`
  select count(*)::int as seen, min(sid) as last,
         string_agg(person || ',' || number || ',' || began || ',' || ended || ',' || ttl_since || ',' || has_run_out, ';')
           filter (where counts) as pairs
  from (${rows}) pairs`

/** A session whose ttl is that of the service is taken to have it from there. */
function participantPage(
  { sid, default_ttl }: Service,
  { live, ttl, since, before }: Wanted & { since: number; before: string },
) {
  const session = sql`
    select date_part('epoch', s.ttl_since)::bigint as ttl_since, coalesce(s.closed_reason = 'ttl', false) as has_run_out
    from sessions s where s.service_sid = p.service_sid and s.sid = p.session_sid and s.date_expiry is null and s.ttl = ${default_ttl}
    limit 1`
  const nothing = sql`select 0::bigint as ttl_since, false as has_run_out`
  return pageOf(sql`
    select p.sid, ${person} as person, p.proxy_identifier as number, date_part('epoch', p.date_created)::bigint as began,
           coalesce(date_part('epoch', p.date_released), 0)::bigint as ended, coalesce(s.ttl_since, 0) as ttl_since,
           coalesce(s.has_run_out and p.date_deleted is null, false) as has_run_out,
           coalesce(p.date_released > to_timestamp(${since}), ${live}) as counts
    from (select * from participants where service_sid = ${sid} and sid < ${before} order by sid desc limit ${PAGE}) p
    left join lateral (${ttl ? session : nothing}) s on true`)
}

/** Of these it is forgotten when they began, but their SIDs tell. */
const deletedPage = ({ sid }: Service, { since, before }: { since: number; before: string }) =>
  pageOf(sql`
    select p.sid, ${person} as person, p.proxy_identifier as number, ('x' || substr(p.sid, 3, 12))::bit(48)::bigint / 1000 as began,
           date_part('epoch', p.date_released)::bigint as ended, 0 as ttl_since, false as has_run_out,
           p.date_released > to_timestamp(${since}) as counts
    from (select * from released_pairs where service_sid = ${sid} and sid < ${before} order by sid desc limit ${PAGE}) p`)
