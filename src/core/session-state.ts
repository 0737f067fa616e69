import { type SqlBool, sql } from 'kysely'
import type { ClosedReason, Service, Session } from '../db/schema.ts'
import { actingAs, audit, namesOf, SERVER } from './audit.ts'
import { refuseCooling } from './cool-down.ts'
import { ProxyError } from './errors.ts'
import { noteReleased } from './number-pools.ts'
import { cancelQueuedMessages } from './outbound.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * The life of a session: open → in-progress → closed, and from closed back to in-progress. Whoever changes a session
 * holds its row first, and finds one that has run out closed, whether or not the sweeper came by.
 */
export type RequestedStatus = 'open' | 'in-progress' | 'closed' | 'failed' | 'unknown'

export const isLive = (session: Pick<Session, 'status'>) => session.status !== 'closed'

/** `expires_at` against the database's clock, which alone judges expiry. */
export const expired = sql<SqlBool>`expires_at <= now()`

export const sessionsOf = (store: Store, service_sid: string) =>
  store.db.selectFrom('sessions').selectAll().where('service_sid', '=', service_sid)

/**
 * Takes the session's row for this transaction, so that what is decided about it stays true until commit; one that has
 * run out is closed first. Undefined when it is gone.
 */
export async function lockSession(trx: Store, service_sid: string, sid: string): Promise<Session | undefined> {
  const found = await sessionsOf(trx, service_sid)
    .select(expired.as('is_expired'))
    .where('sid', '=', sid)
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (!found) return undefined
  const { is_expired, ...session } = found
  return is_expired && isLive(session) ? await closeSession(trx, session, expiryReason(session)) : session
}

const expiryReason = (session: Session): ClosedReason => (session.date_expiry ? 'date-expiry' : 'ttl')

/** What is on record of a session: where it is. */
export const deedOn = ({ account_sid, service_sid, sid }: Pick<Session, 'account_sid' | 'service_sid' | 'sid'>) => ({
  account_sid,
  service_sid,
  resource_sid: sid,
})

export type SessionChanges = {
  date_expiry?: Date | undefined
  ttl?: number | undefined
  status?: RequestedStatus | undefined
}

/** Spec'd moves only: open → in-progress → closed → in-progress. Throws 80607, 80608, and 80604 when a re-open collides. */
export async function updateSession(
  store: Store,
  service: Service,
  sid: string,
  changes: SessionChanges,
): Promise<Session | undefined> {
  return await inTransaction(store, async (trx) => {
    const session = await lockSession(trx, service.sid, sid)
    if (!session) return undefined
    const { status } = changes
    if (status === 'failed' || status === 'unknown') throw new ProxyError(80608)
    if (!isLive(session)) return await updateClosed(trx, service, session, changes)
    if (status === 'open' && session.status === 'in-progress') throw new ProxyError(80608)
    const starts = status === 'in-progress' && session.status === 'open'
    const updated = await applyChanges(trx, session, changes, starts)
    return status === 'closed' ? await closeSession(trx, updated, 'api') : updated
  })
}

async function updateClosed(trx: Store, service: Service, session: Session, changes: SessionChanges) {
  const { status } = changes
  if (status === 'open') throw new ProxyError(80608)
  if (status === 'in-progress') return await reopenSession(trx, service, session, changes)
  if (changes.ttl !== undefined || changes.date_expiry) throw new ProxyError(80607)
  return session
}

async function applyChanges(trx: Store, session: Session, changes: SessionChanges, starts: boolean): Promise<Session> {
  const { ttl, date_expiry } = changes
  if (ttl === undefined && !date_expiry && !starts) return session
  const fields = namesOf({ ttl, date_expiry, status: starts || undefined })
  await audit(trx, { action: 'session.update', ...deedOn(session), details: { fields } })
  return await trx.db
    .updateTable('sessions')
    .set({
      ...(ttl === undefined ? {} : { ttl }),
      ...(date_expiry ? { date_expiry } : {}),
      ...(starts ? { status: 'in-progress' as const, date_started: sql`coalesce(date_started, now())` } : {}),
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', session.service_sid)
    .where('sid', '=', session.sid)
    .returningAll()
    .executeTakeFirstOrThrow()
}

/**
 * Closes a live session whose row this transaction holds: its pairs are free at once, and what is queued in it is not
 * sent any more. A session that ran out ended when it ran out.
 */
export async function closeSession(trx: Store, session: Session, reason: ClosedReason): Promise<Session> {
  const closed = await trx.db
    .updateTable('sessions')
    .set({
      status: 'closed',
      closed_reason: reason,
      date_ended: reason === 'api' ? sql`now()` : sql`least(expires_at, now())`,
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', session.service_sid)
    .where('sid', '=', session.sid)
    .returningAll()
    .executeTakeFirstOrThrow()
  const released = await trx.db
    .updateTable('participants')
    .set({ date_released: sql`now()` })
    .where('service_sid', '=', session.service_sid)
    .where('session_sid', '=', session.sid)
    .where('date_released', 'is', null)
    .returning('proxy_identifier')
    .execute()
  noteReleased(trx, session.service_sid, released)
  await cancelQueuedMessages(trx, session)
  // One that has run out closes by itself, whoever comes across it.
  const closer = reason === 'api' ? trx : actingAs(trx, SERVER)
  await audit(closer, { action: 'session.close', ...deedOn(session), details: { reason } })
  return closed
}

/**
 * A re-open has to win its pairs again, on numbers that are still in the pool. The partner is who it was; only in strict
 * mode does it matter whether somebody has reached another one by that number since.
 */
async function reopenSession(
  trx: Store,
  service: Service,
  session: Session,
  changes: SessionChanges,
): Promise<Session> {
  const participants = await trx.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', '=', session.service_sid)
    .where('session_sid', '=', session.sid)
    .where('date_deleted', 'is', null)
    .execute()
  for (const participant of participants) {
    await closeExpiredSessions(trx, { service_sid: service.sid, identifier_hash: participant.identifier_hash })
    await regainPair(trx, service, participant)
  }
  const [one, other] = participants
  await refuseCooling(
    trx,
    service,
    participants.map((person) => ({ ...person, partner_hash: (person === one ? other : one)?.identifier_hash })),
  )
  const { ttl, date_expiry } = changes
  await audit(trx, { action: 'session.reopen', ...deedOn(session), details: { fields: namesOf({ ttl, date_expiry }) } })
  return await trx.db
    .updateTable('sessions')
    .set({
      status: 'in-progress',
      closed_reason: null,
      date_ended: null,
      date_started: sql`coalesce(date_started, now())`,
      ttl_since: sql`now()`,
      ...(changes.ttl === undefined ? {} : { ttl: changes.ttl }),
      date_expiry: changes.date_expiry ?? sql`case when date_expiry > now() then date_expiry end`,
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', session.service_sid)
    .where('sid', '=', session.sid)
    .returningAll()
    .executeTakeFirstOrThrow()
}

async function regainPair(trx: Store, service: Service, participant: { sid: string; proxy_identifier_sid: string }) {
  const number = await trx.db
    .selectFrom('phone_numbers')
    .select('sid')
    .where('sid', '=', participant.proxy_identifier_sid)
    .where('service_sid', '=', service.sid)
    .forKeyShare()
    .executeTakeFirst()
  if (!number) throw new ProxyError(80605)
  try {
    await trx.db
      .updateTable('participants')
      .set({ date_released: null })
      .where('service_sid', '=', service.sid)
      .where('sid', '=', participant.sid)
      .execute()
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'participants_pair') throw new ProxyError(80604)
    throw error
  }
}

export type ExpiredFilter = {
  service_sid: string
  identifier_hash?: Buffer
  proxy_identifiers?: string[]
}

/** Closes sessions that have run out, unswept yet, and still hold a pair that somebody wants now. */
export async function closeExpiredSessions(trx: Store, filter: ExpiredFilter): Promise<void> {
  let query = trx.db
    .selectFrom('participants as p')
    .innerJoin('sessions as s', (join) =>
      join.onRef('s.service_sid', '=', 'p.service_sid').onRef('s.sid', '=', 'p.session_sid'),
    )
    .select('s.sid')
    .where('p.service_sid', '=', filter.service_sid)
    .where('p.date_released', 'is', null)
    .where('s.expires_at', '<=', sql<Date>`now()`)
    .where('s.status', 'in', ['open', 'in-progress'])
  if (filter.identifier_hash) query = query.where('p.identifier_hash', '=', filter.identifier_hash)
  if (filter.proxy_identifiers) query = query.where('p.proxy_identifier', 'in', filter.proxy_identifiers)
  for (const { sid } of await query.orderBy('s.sid').execute()) await lockSession(trx, filter.service_sid, sid)
}

/** The sweeper's step: closes up to `limit` sessions that have run out. Returns how many it found. */
export async function sweepExpiredSessions(store: Store, limit: number): Promise<number> {
  const due = await store.db
    .selectFrom('sessions')
    .select(['service_sid', 'sid'])
    .where('status', 'in', ['open', 'in-progress'])
    .where('expires_at', '<=', sql<Date>`now()`)
    .orderBy('expires_at')
    .limit(limit)
    .execute()
  for (const { service_sid, sid } of due) await inTransaction(store, (trx) => lockSession(trx, service_sid, sid))
  return due.length
}
