import { type SqlBool, sql } from 'kysely'
import type { Service, Session } from '../db/schema.ts'
import {
  findSessionStatement,
  listSessionsStatement,
  type SessionScope,
  type ShownSession,
} from '../db/statements/read-sessions.ts'
import { audit } from './audit.ts'
import { rememberPairs } from './cool-down.ts'
import { eraseInteractions } from './erase.ts'
import { invalidParameter, ProxyError } from './errors.ts'
import { keepingAccounts } from './kept-days.ts'
import { heldSession, refuseHeld } from './legal-hold.ts'
import { noteReleased } from './number-pools.ts'
import { mostOf, type Page, type PageRequest, toPage } from './page.ts'
import { addParticipant } from './participants.ts'
import { createPlainly, type NewSession, sessionRow } from './plain-sessions.ts'
import { holdService } from './services.ts'
import { closeSession, deedOn, expired, isLive, lockSession, sessionsOf } from './session-state.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * Creates a session with its participants, or nothing at all. Throws 80603 for a taken name, 80609 for a third
 * participant, 80701 for an expiry in the past, and what `addParticipant` throws.
 */
export async function createSession(store: Store, service: Service, params: NewSession): Promise<Session> {
  const { participants = [], status = 'open' } = params
  if (status === 'failed' || status === 'unknown') throw new ProxyError(80608)
  if (participants.length > 2) throw new ProxyError(80609)
  const plain = await createPlainly(store, service, params)
  if (plain) return plain
  return await inTransaction(store, async (trx) => {
    await holdService(trx, service)
    const session = await trx.db
      .insertInto('sessions')
      .values({ ...sessionRow(service, params), date_started: status === 'in-progress' ? sql`now()` : null })
      .onConflict((named) =>
        named.columns(['service_sid', 'unique_name']).where('unique_name', 'is not', null).doNothing(),
      )
      .returningAll()
      .returning(sql<SqlBool>`expires_at <= now()`.as('is_past'))
      .executeTakeFirst()
    if (!session) throw new ProxyError(80603)
    const { is_past, ...created } = session
    if (params.date_expiry && is_past) throw invalidParameter('DateExpiry', 'It is in the past.')
    for (const [at, participant] of participants.entries()) {
      await addParticipant(trx, service, created, participant, { partner: participants[1 - at]?.identifier })
    }
    const details = { participants: participants.length }
    await audit(trx, { action: 'session.create', ...deedOn(created), details })
    return status === 'closed' ? await closeSession(trx, created, 'api') : created
  })
}

/** By SID, of a session that may have run out meanwhile: then it is closed first, and returned as closed. */
export async function findSession(store: Store, scope: SessionScope, sid: string): Promise<ShownSession | undefined> {
  return await settle(store, await findSessionStatement(store.pool, { ...scope, sid }))
}

export async function findSessionByName(
  store: Store,
  { account_sid, service_sid }: SessionScope,
  name: string,
): Promise<ShownSession | undefined> {
  const found = await sessionsOf(store, service_sid)
    .select(expired.as('is_expired'))
    .where('account_sid', '=', account_sid)
    .where('unique_name', '=', name)
    .executeTakeFirst()
  return await settle(store, found)
}

type Found = ShownSession & { is_expired: SqlBool | null }

async function settle(store: Store, found: Found | undefined): Promise<ShownSession | undefined> {
  if (!found?.is_expired || !isLive(found)) return found
  return await inTransaction(store, async (trx) => (await lockSession(trx, found.service_sid, found.sid)) ?? found)
}

/** An empty page, too, when the service is not the account's. */
export async function listSessions(store: Store, scope: SessionScope, page: PageRequest): Promise<Page<ShownSession>> {
  return toPage(await listSessionsStatement(store.pool, scope, { most: mostOf(page), from: page.from }), page)
}

/** Deletes a session with all that belongs to it; its name is free at once. False when it was not there. */
export async function deleteSession(store: Store, service_sid: string, sid: string): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    const { db } = trx
    await refuseHeld(sessionsOf(trx, service_sid).where('sid', '=', sid).where(heldSession))
    const deleted = await db
      .deleteFrom('sessions')
      .where('service_sid', '=', service_sid)
      .where('sid', '=', sid)
      .returning('account_sid')
      .executeTakeFirst()
    if (!deleted) return false
    await audit(trx, { action: 'session.delete', ...deedOn({ ...deleted, service_sid, sid }) })
    await rememberPairs(trx, { service_sid, session_sid: sid })
    const gone = await db
      .deleteFrom('participants')
      .where('service_sid', '=', service_sid)
      .where('session_sid', '=', sid)
      .returning(['proxy_identifier', 'date_released'])
      .execute()
    noteReleased(
      trx,
      service_sid,
      gone.filter(({ date_released }) => !date_released),
    )
    await eraseInteractions(db, { service_sid, session_sid: sid })
    return true
  })
}

/**
 * The sweeper's other step: deletes up to `limit` sessions that closed longer ago than their account keeps them. Returns
 * how many it found.
 */
export async function purgeClosedSessions(store: Store, limit: number): Promise<number> {
  let found = 0
  for await (const accounts of keepingAccounts(store)) {
    const { rows } = await sql<{ service_sid: string; sid: string }>`
      select old.service_sid, old.sid from ${accounts}, lateral (
        select service_sid, sid from sessions
        where account_sid = a.sid and status = 'closed' and date_ended < now() - make_interval(days => a.days)
          and not ${heldSession}
        order by date_ended limit ${limit}) old
      limit ${limit - found}`.execute(store.db)
    for (const { service_sid, sid } of rows) await deleteSession(store, service_sid, sid)
    found += rows.length
    if (found >= limit) break
  }
  return found
}
