import { type RawBuilder, sql } from 'kysely'
import type { Callback, CallbackAttemptRow } from '../db/schema.ts'
import { audit } from './audit.ts'
import { LEASE_S } from './callbacks.ts'
import { type OpenedInteraction, openInteraction } from './interactions.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { sidAt } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/** Status callbacks for those who look back: what became of them, and once more those that somebody missed. */

export const CALLBACK_STATUSES = ['pending', 'delivered', 'failed'] as const
export type CallbackStatus = (typeof CALLBACK_STATUSES)[number]

export const statusOf = ({ due_at, date_delivered }: Pick<Callback, 'due_at' | 'date_delivered'>): CallbackStatus =>
  due_at ? 'pending' : date_delivered ? 'delivered' : 'failed'

export type CallbackFilter = {
  status?: CallbackStatus | undefined
  service_sid?: string | undefined
  /** Only with its service. */
  session_sid?: string | undefined
  /** Scheme, host and port. */
  endpoint?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

export async function listCallbacks(
  { db }: Store,
  account_sid: string,
  filter: CallbackFilter,
  page: PageRequest,
): Promise<Page<Callback>> {
  const query = db.selectFrom('callbacks').selectAll().where(conditionOf(account_sid, filter))
  return await readPage(query, 'sid', page)
}

export const findCallback = ({ db }: Store, account_sid: string, sid: string): Promise<Callback | undefined> =>
  db
    .selectFrom('callbacks')
    .selectAll()
    .where('account_sid', '=', account_sid)
    .where('sid', '=', sid)
    .executeTakeFirst()

/** What a callback tells of, unless it is gone. */
export async function findToldInteraction(
  store: Store,
  { service_sid, account_sid, interaction_sid }: Callback,
): Promise<OpenedInteraction | undefined> {
  const row = await store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('sid', '=', interaction_sid)
    .where('account_sid', '=', account_sid)
    .where('outcome', '!=', 'deleted')
    .executeTakeFirst()
  return row && openInteraction(store, row)
}

export async function listAttempts(
  { db }: Store,
  { service_sid, interaction_sid, sid }: Callback,
  page: PageRequest,
): Promise<Page<CallbackAttemptRow>> {
  const query = db
    .selectFrom('callback_attempts')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('interaction_sid', '=', interaction_sid)
    .where('callback_sid', '=', sid)
  return await readPage(query, 'sid', page)
}

/**
 * Makes one due, with the same token and all its tries before it. One that may be under way, or comes up within a claim's
 * lease by itself, is left alone, so that nothing is told twice for it.
 */
export async function replayCallback(store: Store, callback: Callback): Promise<Callback> {
  return await inTransaction(store, async (trx) => {
    const { account_sid, service_sid, sid } = callback
    const replayed = await trx.db
      .updateTable('callbacks')
      .set(AGAIN)
      .where('service_sid', '=', service_sid)
      .where('sid', '=', sid)
      .where(isIdle)
      .returningAll()
      .executeTakeFirst()
    if (!replayed) return callback
    await audit(trx, { action: 'callback.replay', account_sid, service_sid, resource_sid: sid, details: { count: 1 } })
    return replayed
  })
}

const AGAIN = {
  due_at: sql<Date>`now()`,
  date_replayed: sql<Date>`now()`,
  attempts: 0,
  date_delivered: null,
  is_put_off: false,
}
const isIdle = sql<boolean>`(due_at is null or due_at > now() + make_interval(secs => ${LEASE_S}))`

const BATCH = 1000

/** The same for all that fit. Each batch is a statement and, unless the store is in a transaction, a commit of its own. */
export async function replayCallbacks(
  store: Store,
  account_sid: string,
  filter: CallbackFilter & { status: CallbackStatus },
): Promise<number> {
  // What fails anew meanwhile is not taken again: the batches go on from SID to SID, and end where they would have at first.
  const fixed = { ...filter, until: filter.until ?? new Date() }
  let count = 0
  let after: string | null = ''
  while (after !== null) {
    const from: string = after
    const batch: Batch = await inTransaction(store, (trx) => replayBatch(trx, account_sid, fixed, from))
    count += batch.count
    after = batch.last
  }
  return count
}

/** `last` is where the next one begins; null when there is none. */
type Batch = { count: number; last: string | null }

async function replayBatch(store: Store, account_sid: string, filter: CallbackFilter, after: string): Promise<Batch> {
  const batch = await store.db
    .with('batch', (db) =>
      db
        .selectFrom('callbacks')
        .select(['service_sid', 'sid'])
        .where(conditionOf(account_sid, filter))
        .where('sid', '>', after)
        .orderBy('sid')
        .limit(BATCH),
    )
    .with('again', (db) =>
      db
        .updateTable('callbacks')
        .from('batch')
        .set(AGAIN)
        .whereRef('callbacks.service_sid', '=', 'batch.service_sid')
        .whereRef('callbacks.sid', '=', 'batch.sid')
        .where(isIdle)
        .returning('callbacks.sid'),
    )
    .selectFrom('batch')
    .select([
      sql<number>`(select count(*)::int from again)`.as('count'),
      sql<string | null>`case when count(*) = ${BATCH} then max(sid) end`.as('last'),
    ])
    .executeTakeFirstOrThrow()
  if (batch.count > 0) {
    const { service_sid, status = null, endpoint = null } = filter
    const details = { count: batch.count, status, endpoint }
    await audit(store, { action: 'callback.replay', account_sid, service_sid, details })
  }
  return batch
}

/** How far the clocks of the servers, which are in the SIDs, may be from that of the database. */
const CLOCKS_APART_MS = 300_000

function conditionOf(account_sid: string, filter: CallbackFilter): RawBuilder<boolean> {
  const { status, service_sid, session_sid, endpoint, since, until } = filter
  const conditions = [sql`account_sid = ${account_sid}`]
  if (status === 'pending') conditions.push(sql`due_at is not null`)
  if (status === 'failed') conditions.push(sql`due_at is null and date_delivered is null`)
  if (status === 'delivered') conditions.push(sql`due_at is null and date_delivered is not null`)
  if (service_sid !== undefined) conditions.push(sql`service_sid = ${service_sid}`)
  if (session_sid !== undefined) {
    // Looked up first, and the list then read by SIDs: a session has few of all that an account has.
    conditions.push(sql`sid = any (array(
      select c.sid from interactions i join callbacks c on c.service_sid = i.service_sid and c.interaction_sid = i.sid
      where i.service_sid = ${service_sid} and i.session_sid = ${session_sid}))`)
  }
  if (endpoint !== undefined) conditions.push(sql`callback_endpoint(url) = ${endpoint.toLowerCase()}`)
  // SIDs begin with the time, so that a time is found by the index that lists them.
  if (since) conditions.push(sql`sid >= ${sidAt('CB', since.getTime() - CLOCKS_APART_MS)} and date_created >= ${since}`)
  if (until) conditions.push(sql`sid < ${sidAt('CB', until.getTime() + CLOCKS_APART_MS)} and date_created < ${until}`)
  return sql<boolean>`${sql.join(conditions, sql` and `)}`
}
