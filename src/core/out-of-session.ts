import { sql } from 'kysely'
import type { Interaction, Participant, Session } from '../db/schema.ts'
import { isBrief } from './bodies.ts'
import { deleteBelongings } from './erase.ts'
import { type ErrorCode, ProxyError } from './errors.ts'
import { recordEvent } from './events.ts'
import { recordPublicMedia } from './interactions.ts'
import { openParticipant } from './participants.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

type Known = { participant: Participant; identifier: string }
/** The last session in which this person used this number, and who was in it. */
export type PairHistory = { session: Session; inbound: Known; outbound: Known | undefined }

/** Of several old sessions the one that ended last; undefined for a stranger. */
export async function findHistory(store: Store, message: Interaction): Promise<PairHistory | undefined> {
  const { service_sid, sender_hash, dialled_number } = message
  if (!sender_hash || !dialled_number) return undefined
  const pair = await store.db
    .selectFrom('participants as p')
    .innerJoin('sessions as s', (join) =>
      join.onRef('s.service_sid', '=', 'p.service_sid').onRef('s.sid', '=', 'p.session_sid'),
    )
    .select(['p.sid', 'p.session_sid'])
    .where('p.service_sid', '=', service_sid)
    .where('p.identifier_hash', '=', sender_hash)
    .where('p.proxy_identifier', '=', dialled_number)
    .orderBy(sql`s.date_ended desc nulls first, s.sid desc`)
    .executeTakeFirst()
  if (!pair) return undefined
  const session = await store.db
    .selectFrom('sessions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('sid', '=', pair.session_sid)
    .executeTakeFirst()
  const people = await store.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('session_sid', '=', pair.session_sid)
    .orderBy(sql`date_deleted desc nulls first`)
    .execute()
  const known = (row: Participant | undefined) =>
    row && { participant: row, identifier: openParticipant(store, row).identifier }
  const inbound = known(people.find((row) => row.sid === pair.sid))
  const outbound = known(people.find((row) => row.sid !== pair.sid))
  return session && inbound && { session, inbound, outbound }
}

/** Somebody called or wrote whom no live session knows. That a session has no partner is on record already, as 80614. */
export async function recordUnmatched(store: Store, row: Interaction, history: PairHistory | undefined): Promise<void> {
  if (row.outcome !== 'out-of-session') return
  await recordEvent(store, {
    ...about(row, history),
    error_code: history && hasRunOut(history.session, row.date_created) ? 80904 : 80902,
    values: { session: history?.session.sid ?? '' },
  })
}

/** Not closed yet, perhaps, but over when the message came. */
const hasRunOut = ({ status, closed_reason, expires_at }: Session, at: Date) =>
  status === 'closed' ? closed_reason !== 'api' : expires_at !== null && expires_at <= at

/** The customer's application said nothing that can be used. `reason` says why and quotes nobody. */
export async function recordUnanswered(
  store: Store,
  row: Interaction,
  history: PairHistory | undefined,
  { url, error_code, reason }: { url: string | null; error_code: ErrorCode; reason: string },
): Promise<void> {
  if (error_code === 80905 && row.outcome === 'no-partner') return
  // Which type it was instead is not known here, but what was wrong with it is.
  const message = error_code === 12300 ? { message: `${reason} Answer with application/xml or JSON.` } : {}
  await recordEvent(store, { ...about(row, history), error_code, values: { url: url ?? '', reason }, ...message })
}

const about = ({ account_sid, service_sid, sid }: Interaction, history: PairHistory | undefined) => ({
  account_sid,
  service_sid,
  interaction_sid: sid,
  session_sid: history?.session.sid,
})

/** Nothing more is due for this message. */
export async function finishOutOfSession(store: Store, message: Interaction): Promise<void> {
  await store.db
    .updateTable('interactions')
    .set({ stage: null, due_at: null, date_updated: sql`now()` })
    .where('service_sid', '=', message.service_sid)
    .where('sid', '=', message.sid)
    .where('stage', '=', 'out-of-session')
    .execute()
}

/**
 * The messages a customer's TwiML asked for, due to be sent when this commits, together with the end of the message they
 * answer: asked twice, they are sent once. They leave from numbers of this service's pool only.
 */
export async function replyOutOfSession(
  store: Store,
  message: Interaction,
  replies: { to: string; from: string; body: string; media_urls: string[] }[],
): Promise<void> {
  await inTransaction(store, async (trx) => {
    if (!(await stillDue(trx, message))) return
    for (const reply of replies) {
      const number = await trx.db
        .selectFrom('phone_numbers')
        .select('carrier_sid')
        .where('service_sid', '=', message.service_sid)
        .where('phone_number', '=', reply.from.slice(reply.from.indexOf(':') + 1))
        .executeTakeFirst()
      if (!number) throw new ProxyError(21606)
      const sid = newSid('KI')
      const row = {
        service_sid: message.service_sid,
        sid,
        account_sid: message.account_sid,
        type: 'message' as const,
        origin: 'twiml' as const,
        outcome: 'sent' as const,
        data_sealed: trx.keys.seal(`${sid}/data`, reply.body),
        num_media: reply.media_urls.length,
        carrier_sid: number.carrier_sid,
        outbound_carrier_sid: number.carrier_sid,
        outbound_number: reply.from,
        recipient_sealed: trx.keys.seal(`${sid}/recipient`, reply.to),
        recipient_hash: trx.keys.blindIndex(reply.to),
        is_brief: isBrief(message.account_sid),
        stage: 'send' as const,
        due_at: sql<Date>`now()`,
      }
      await trx.db.insertInto('interactions').values(row).execute()
      await recordPublicMedia(trx, row, reply.media_urls)
    }
    await finishOutOfSession(trx, message)
  })
}

/** A message whose service is gone has nobody to ask, and nobody who may read it. */
export async function deleteOutOfSession(store: Store, message: Interaction): Promise<void> {
  const { service_sid, sid } = message
  await inTransaction(store, async ({ db }) => {
    await db.deleteFrom('interactions').where('service_sid', '=', service_sid).where('sid', '=', sid).execute()
    await deleteBelongings(db, service_sid, [{ sid }])
  })
}

/** Takes the message for this transaction; false when it was dealt with meanwhile. */
export async function stillDue(trx: Store, message: Interaction): Promise<boolean> {
  const row = await trx.db
    .selectFrom('interactions')
    .select('sid')
    .where('service_sid', '=', message.service_sid)
    .where('sid', '=', message.sid)
    .where('stage', '=', 'out-of-session')
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}
