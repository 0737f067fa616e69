import { sql } from 'kysely'
import type { Interaction, Service, Session, SessionMode } from '../db/schema.ts'
import { ProxyError } from './errors.ts'
import { touchSession } from './interactions.ts'
import { stillDue } from './out-of-session.ts'
import { joinSession as joinParticipant } from './participants.ts'
import { WATCH_CALL_S } from './relay.ts'
import { lockSession } from './session-state.ts'
import { createSession } from './sessions.ts'
import { inTransaction, type Store } from './store.ts'
import { logged } from './trace/leg-log.ts'

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
 * The same message is then relayed as if the session had been there. Throws what `createSession` throws, and 80910 or
 * 80911 when the session would not take what came.
 * The service's default ttl does not apply: https://www.twilio.com/docs/proxy/out-session-callback-response-guide
 */
export async function autoCreateSession(
  store: Store,
  service: Service,
  message: Interaction,
  wanted: AutoCreate,
): Promise<void> {
  if (wanted.mode === refusing(message)) throw new ProxyError(message.type === 'voice' ? 80911 : 80910)
  try {
    await autoCreateInBestMode(store, service, message, wanted)
  } catch (error) {
    const met = error instanceof ProxyError && (error.code === 80603 || error.code === 80604)
    if (!met || !(await joinSession(store, service, message))) throw error
  }
}

async function autoCreateInBestMode(store: Store, service: Service, message: Interaction, wanted: AutoCreate) {
  if (wanted.mode) return await autoCreateAs(store, service, message, wanted, wanted.mode)
  // Both kinds where both numbers can do both, else the kind that came.
  try {
    await autoCreateAs(store, service, message, wanted, 'voice-and-message')
  } catch (error) {
    if (!(error instanceof ProxyError) || (error.code !== 80201 && error.code !== 80202)) throw error
    await autoCreateAs(store, service, message, wanted, `${message.type}-only`)
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
    const joining = { caller_hash: message.sender_hash }
    const caller = {
      identifier: trx.keys.open(`${message.sid}/sender`, message.sender_sealed ?? Buffer.alloc(0)),
      proxy_identifier: message.dialled_number ?? '',
    }
    const sender = await joinParticipant(trx, service, session, caller, joining)
    const other = {
      identifier: wanted.participant_identifier,
      proxy_identifier: wanted.participant_proxy_identifier,
    }
    const partner = await joinParticipant(trx, service, session, other, joining)
    await relayLate(trx, service, message, session, sender.sid, partner)
  })
}

/**
 * Two messages of a stranger, and the customer answers both with a session: the second finds that of the first. It is
 * relayed there as if it had come a moment later. False when there is no such session.
 */
export async function joinSession(store: Store, service: Service, message: Interaction): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    if (!(await stillDue(trx, message))) return true
    const live = trx.db
      .selectFrom('participants')
      .selectAll()
      .where('service_sid', '=', service.sid)
      .where('date_released', 'is', null)
    const sender = await live
      .where('identifier_hash', '=', message.sender_hash)
      .where('proxy_identifier', '=', message.dialled_number ?? '')
      .executeTakeFirst()
    const session = sender && (await lockSession(trx, service.sid, sender.session_sid))
    if (!session || session.status === 'closed' || session.mode === refusing(message)) return false
    const partner = await live.where('session_sid', '=', session.sid).where('sid', '!=', sender.sid).executeTakeFirst()
    if (!partner) return false
    await relayLate(trx, service, message, session, sender.sid, partner)
    return true
  })
}

const refusing = ({ type }: Interaction): SessionMode => (type === 'voice' ? 'message-only' : 'voice-only')

/** Makes of a message that found no session one that has found it, with its leg due. */
async function relayLate(
  trx: Store,
  service: Service,
  message: Interaction,
  session: Session,
  inbound_participant_sid: string,
  partner: { sid: string; proxy_identifier: string },
) {
  const isGuarded = service.is_guarded && message.type === 'message'
  const intercepted = isGuarded || service.intercept_callback_url !== null
  await trx.db
    .updateTable('interactions')
    .set({
      session_sid: session.sid,
      outcome: 'relayed',
      sender_sealed: null,
      sender_hash: null,
      geography: null,
      inbound_participant_sid,
      outbound_participant_sid: partner.sid,
      outbound_number: partner.proxy_identifier,
      stage: intercepted ? 'intercept' : 'send',
      ...(message.type === 'voice'
        ? {
            outbound_carrier_sid: message.carrier_sid,
            due_at: sql<Date>`now() + make_interval(secs => ${WATCH_CALL_S})`,
            send_started_at: intercepted ? null : sql<Date>`now()`,
          }
        : {
            outbound_carrier_sid: sql<string>`(select carrier_sid from phone_numbers
              where phone_number = split_part(${partner.proxy_identifier}, ':', -1))`,
            due_at: sql<Date>`now()`,
          }),
      attempts: 0,
      leg_log: logged('matched'),
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', message.service_sid)
    .where('sid', '=', message.sid)
    .execute()
  if (!intercepted) await touchSession(trx, session)
}
