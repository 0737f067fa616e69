import { sql } from 'kysely'
import type { Interaction, Participant, Service, Session, SessionMode } from '../db/schema.ts'
import { ProxyError } from './errors.ts'
import { recordPublicMedia, touchSession } from './interactions.ts'
import { addParticipant, openParticipant } from './participants.ts'
import { createSession } from './sessions.ts'
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
        outbound_number: reply.from,
        recipient_sealed: trx.keys.seal(`${sid}/recipient`, reply.to),
        stage: 'send' as const,
        due_at: sql<Date>`now()`,
      }
      await trx.db.insertInto('interactions').values(row).execute()
      await recordPublicMedia(trx, row, reply.media_urls)
    }
    await finishOutOfSession(trx, message)
  })
}

async function stillDue(trx: Store, message: Interaction): Promise<boolean> {
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

/** The session a customer asks for in the answer to an out-of-session callback. Absent fields were not given. */
export type AutoCreate = {
  participant_identifier: string
  participant_proxy_identifier?: string
  unique_name?: string
  mode?: SessionMode
  ttl?: number
  date_expiry?: Date
}

/**
 * The session a customer asked for: the sender on the number that was dialled, reserved or not, and the second person.
 * The same message is then relayed as if the session had been there. Throws what `createSession` throws.
 * The service's default ttl does not apply: https://www.twilio.com/docs/proxy/out-session-callback-response-guide
 */
export async function autoCreateSession(
  store: Store,
  service: Service,
  message: Interaction,
  wanted: AutoCreate,
): Promise<void> {
  if (wanted.mode) return await autoCreateAs(store, service, message, wanted, wanted.mode)
  // Both kinds where both numbers can do both, else messages, since this is one.
  try {
    await autoCreateAs(store, service, message, wanted, 'voice-and-message')
  } catch (error) {
    if (!(error instanceof ProxyError) || (error.code !== 80201 && error.code !== 80202)) throw error
    await autoCreateAs(store, service, message, wanted, 'message-only')
  }
}

async function autoCreateAs(
  store: Store,
  service: Service,
  message: Interaction,
  wanted: AutoCreate,
  mode: SessionMode,
) {
  await inTransaction(store, async (trx) => {
    if (!(await stillDue(trx, message))) return
    const { unique_name, ttl = 0, date_expiry } = wanted
    const session = await createSession(trx, service, { unique_name, ttl, date_expiry, mode })
    const sender = await addParticipant(trx, service, session, {
      identifier: trx.keys.open(`${message.sid}/sender`, message.sender_sealed ?? Buffer.alloc(0)),
      proxy_identifier: message.dialled_number ?? '',
    })
    const partner = await addParticipant(trx, service, session, {
      identifier: wanted.participant_identifier,
      proxy_identifier: wanted.participant_proxy_identifier,
    })
    const intercepted = service.intercept_callback_url !== null
    await trx.db
      .updateTable('interactions')
      .set({
        session_sid: session.sid,
        outcome: 'relayed',
        sender_sealed: null,
        sender_hash: null,
        geography: null,
        inbound_participant_sid: sender.sid,
        outbound_participant_sid: partner.sid,
        outbound_number: partner.proxy_identifier,
        stage: intercepted ? 'intercept' : 'send',
        due_at: sql`now()`,
        attempts: 0,
        date_updated: sql`now()`,
      })
      .where('service_sid', '=', message.service_sid)
      .where('sid', '=', message.sid)
      .execute()
    if (!intercepted) await touchSession(trx, session)
  })
}
