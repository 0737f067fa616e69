import { sql } from 'kysely'
import type { CallbackEndpoint } from '../db/schema.ts'
import { recordEvent } from './events.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * Which endpoints of customers' applications are out of order. What fails so often in a row, over so long, is sent nothing
 * more but a probe now and then; what is due for it is put off, and keeps its tries (`statements/claim-callbacks.ts`). The
 * database knows, so that all servers do, and one that starts; each tells it once a second what it has seen. So a callback
 * costs no statement for this, and of one that is delivered nothing is noted.
 */
export type CallbackHealth = {
  /** Whether there are endpoints for which callbacks have to wait. */
  someWait: () => boolean
  note: (callback: { account_sid: string; url: string }, outcome: 'answered' | 'failed' | 'probe-failed') => void
  /** Tells the database and asks it. Gives the endpoints that may be probed now. */
  exchange: (store: Store) => Promise<Endpoint[]>
}

export type Endpoint = Pick<CallbackEndpoint, 'account_sid' | 'endpoint'>

const OPENS = { failures: 10, over_s: 30 }
const FIRST_PROBE_S = 10
const LONGEST_PROBE_S = 600
/** At once, of those that waited for an endpoint that answers again. */
const RELEASED = 1000
/** Another server may not have heard for a second that an endpoint answers. */
const RELEASE_ROUNDS = 3

/** As the database's function `callback_endpoint` reads it. */
export const endpointOf = (url: string) => url.replace(/^([a-z]+:\/\/)([^/?#]*@)?([^/?#]*).*$/is, '$1$3').toLowerCase()

type Seen = Endpoint & { has_answered: boolean; failures: number; since_ms: number; probes: number }

export function createCallbackHealth(): CallbackHealth {
  let seen = new Map<string, Seen>()
  let failing = new Set<string>()
  // Until the first answer the database is asked with each claim: a server that starts knows nothing.
  let waiting = true
  const released = new Map<string, Endpoint & { rounds: number }>()

  const note: CallbackHealth['note'] = ({ account_sid, url }, outcome) => {
    const isAnswered = outcome === 'answered'
    if (isAnswered && failing.size === 0 && seen.size === 0) return
    const endpoint = endpointOf(url)
    const key = keyOf({ account_sid, endpoint })
    const known = seen.get(key)
    if (isAnswered) {
      const nothing = { has_answered: true, failures: 0, since_ms: 0, probes: 0 }
      if (known || failing.has(key)) seen.set(key, { account_sid, endpoint, ...nothing })
      return
    }
    const before = known ?? { account_sid, endpoint, has_answered: false, failures: 0, since_ms: 0, probes: 0 }
    const since_ms = before.failures === 0 ? performance.now() : before.since_ms
    const probes = before.probes + (outcome === 'probe-failed' ? 1 : 0)
    seen.set(key, { ...before, failures: before.failures + 1, since_ms, probes })
  }

  const exchange = async (store: Store) => {
    const told = seen
    seen = new Map()
    try {
      for (const one of await tell(store, [...told.values()]))
        released.set(keyOf(one), { ...one, rounds: RELEASE_ROUNDS })
    } catch (error) {
      for (const [key, one] of told) if (!seen.has(key)) seen.set(key, one)
      throw error
    }
    const found = await listFailing(store)
    failing = new Set(found.map(keyOf))
    waiting = found.some(({ is_open }) => is_open)
    for (const [key, one] of released) {
      const isAll = failing.has(key) || (await release(store, one)) < RELEASED
      if (isAll && --one.rounds === 0) released.delete(key)
    }
    return found.filter(({ may_probe }) => may_probe)
  }
  return { someWait: () => waiting, note, exchange }
}

const keyOf = ({ account_sid, endpoint }: Endpoint) => `${account_sid} ${endpoint}`

/** Gives those that were out of order and have answered. */
async function tell(store: Store, seen: Seen[]): Promise<Endpoint[]> {
  if (seen.length === 0) return []
  return await inTransaction(store, async (trx) => {
    const closed = await tellAnswered(
      trx,
      seen.filter(({ has_answered }) => has_answered),
    )
    const opened = await tellFailed(
      trx,
      seen.filter(({ failures }) => failures > 0),
    )
    for (const { account_sid, endpoint, failures } of opened) {
      const message = `${endpoint} failed ${failures} times in a row. Callbacks to it wait until it answers again.`
      await recordEvent(trx, { account_sid, error_code: 80908, message })
    }
    for (const { account_sid, endpoint } of closed) {
      const message = `${endpoint} answers again. The callbacks that waited for it are delivered.`
      await recordEvent(trx, { account_sid, error_code: 80908, message })
    }
    return closed
  })
}

async function tellAnswered({ db }: Store, answered: Seen[]): Promise<Endpoint[]> {
  if (answered.length === 0) return []
  const { rows } = await sql<Endpoint & Pick<CallbackEndpoint, 'date_opened'>>`
    delete from callback_endpoints e using ${listOf(answered)} where e.account_sid = s.account_sid and e.endpoint = s.endpoint
    returning e.account_sid, e.endpoint, e.date_opened`.execute(db)
  return rows.filter(({ date_opened }) => date_opened !== null)
}

/** Gives those that are out of order from now on. A probe that failed makes the pause before the next one longer. */
async function tellFailed({ db }: Store, failed: Seen[]): Promise<CallbackEndpoint[]> {
  if (failed.length === 0) return []
  // `date_updated` is the clock here: a column of what is inserted, since no clock may stand inside CASE.
  const { rows } = await sql<CallbackEndpoint & { has_opened: boolean }>`
    insert into callback_endpoints as e (account_sid, endpoint, failures, failing_since, probes, date_updated)
    select account_sid, endpoint, failures, now() - make_interval(secs => failing_s), probes, now()
    from ${listOf(failed)} order by account_sid, endpoint
    on conflict (account_sid, endpoint) do update
    set failures = e.failures + excluded.failures, date_updated = excluded.date_updated,
        probes = case when e.date_opened is null then 0 else e.probes + excluded.probes end,
        date_opened = case
          when e.date_opened is not null then e.date_opened
          when e.failures + excluded.failures >= ${OPENS.failures}
            and e.failing_since <= excluded.date_updated - make_interval(secs => ${OPENS.over_s})
            then excluded.date_updated end,
        probe_at = case
          when e.date_opened is not null and excluded.probes = 0 then e.probe_at
          else excluded.date_updated
            + make_interval(secs => least(${FIRST_PROBE_S} * 2 ^ least(e.probes + excluded.probes, 20), ${LONGEST_PROBE_S})) end
    returning e.*, coalesce(e.date_opened = e.date_updated, false) as has_opened`.execute(db)
  return rows.filter(({ has_opened }) => has_opened)
}

function listOf(seen: Seen[]) {
  const now = performance.now()
  const all = <Value>(value: (one: Seen) => Value) => seen.map(value)
  const failing_s = all(({ since_ms }) => (now - since_ms) / 1000)
  return sql`unnest(${all(({ account_sid }) => account_sid)}::text[], ${all(({ endpoint }) => endpoint)}::text[],
    ${all(({ failures }) => failures)}::int[], ${failing_s}::float8[], ${all(({ probes }) => probes)}::int[])
    as s (account_sid, endpoint, failures, failing_s, probes)`
}

const listFailing = ({ db }: Store) =>
  db
    .selectFrom('callback_endpoints')
    .select(['account_sid', 'endpoint'])
    .select(sql<boolean>`date_opened is not null`.as('is_open'))
    .select(sql<boolean>`date_opened is not null and probe_at <= now()`.as('may_probe'))
    .execute()

/** Makes due what waited for an endpoint. */
async function release({ db }: Store, { account_sid, endpoint }: Endpoint): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    update callbacks c set is_put_off = false, due_at = now()
    from (select service_sid, sid from callbacks
          where is_put_off and account_sid = ${account_sid} and callback_endpoint(url) = ${endpoint}
          order by due_at limit ${RELEASED}) w
    where c.service_sid = w.service_sid and c.sid = w.sid and c.is_put_off`.execute(db)
  return Number(numAffectedRows)
}

export type EndpointHealth = Endpoint & {
  state: 'healthy' | 'failing' | 'waiting'
  failures: number
  failing_since: Date | null
  date_opened: Date | null
  probe_at: Date | null
}

const MOST_LISTED = 1000

/** Where an account's callbacks go, those first that fail. */
export async function listEndpoints({ db }: Store, account_sid: string): Promise<EndpointHealth[]> {
  const { rows } = await sql<EndpointHealth>`
    select account_sid, endpoint, failures, failing_since, date_opened, case when date_opened is not null then probe_at end as probe_at,
           case when date_opened is not null then 'waiting' when failures > 0 then 'failing' else 'healthy' end as state
    from (
      select account_sid, endpoint, failures, failing_since, date_opened, probe_at from callback_endpoints
      where account_sid = ${account_sid}
      union all
      select distinct ${account_sid}, callback_endpoint(callback_url), 0, null::timestamptz, null::timestamptz, null::timestamptz
      from services s where account_sid = ${account_sid} and callback_url is not null and not exists (
        select from callback_endpoints e where e.account_sid = ${account_sid} and e.endpoint = callback_endpoint(s.callback_url))
    ) known
    order by date_opened, failures desc, endpoint limit ${MOST_LISTED}`.execute(db)
  return rows
}
