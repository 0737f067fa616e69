import { sql } from 'kysely'
import type { Participant, Service, Session } from '../db/schema.ts'
import { audit } from './audit.ts'
import { type History, type Meeting, readHistories, refuseCooling } from './cool-down.ts'
import { maskLastFour, parseIdentifier, withoutChannel } from './e164.ts'
import { ProxyError } from './errors.ts'
import { noteReleased } from './number-pools.ts'
import { cancelQueuedMessages } from './outbound.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { claimBestNumber, claimNamedNumber, type NamedNumber, type NumberlessParticipant } from './pairs.ts'
import { closeExpiredSessions, isLive, lockSession } from './session-state.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

export type NewParticipant = NamedNumber & { identifier: string; friendly_name?: string | undefined }

/** A participant with the number in clear, for whoever may see it. */
export type OpenedParticipant = Participant & { identifier: string }

export const openParticipant = (store: Store, row: Participant): OpenedParticipant => ({
  ...row,
  identifier: store.keys.open(`${row.sid}/identifier`, row.identifier_sealed),
})

const MAX_PARTICIPANTS = 2

/** What is known of somebody who is being added, besides what was asked for. */
export type Joining = {
  /** Who is going to be added after them, in the same transaction. */
  partner?: string | undefined
  /** Who dialled the number by themselves, and so came to it without being given it: no cool-down keeps them from it. */
  caller_hash?: Buffer | null
}

/**
 * Adds a person to a session that is being created or is locked by this transaction. Throws 80103, 80404, 80607, 80609,
 * 80612, 80616 for the person, 80201–80208 and 80304–80606 for the number.
 *
 * A partner whom nobody has named yet is nobody whom the person knows: a number that may be theirs again when the two
 * are added together is not when they are added one by one, since the second could be anybody, and the first keeps the
 * number. In strict mode the first one's number is judged again with the second.
 */
export async function addParticipant(
  trx: Store,
  service: Service,
  session: Session,
  params: NewParticipant,
  joining: Joining = {},
): Promise<OpenedParticipant> {
  if (!isLive(session)) throw new ProxyError(80607)
  const person = parseIdentifier(params.identifier, trx.rules.number_validation)
  const identifier_hash = trx.keys.blindIndex(person.identifier)
  const others = await checkRoster(trx, session, identifier_hash)
  const partner_hash = others[0]?.identifier_hash ?? hashOf(trx, joining.partner)
  const history = await settleHistory(trx, service, { identifier: person.identifier, identifier_hash, partner_hash })
  const row = participantRow(trx, service, session, { ...params, identifier: person.identifier, identifier_hash })
  const participant =
    params.proxy_identifier || params.proxy_identifier_sid
      ? await claimNamedNumber(trx, service, session, person, row, params)
      : await claimBestNumber(trx, service, session, row, { person, history, partner: others[0] })
  const judged = [
    { ...participant, partner_hash },
    ...others.map((other) => ({ ...other, partner_hash: identifier_hash })),
  ]
  const { caller_hash } = joining
  await refuseCooling(
    trx,
    service,
    judged.filter((member) => !(caller_hash && member.identifier_hash.equals(caller_hash))),
  )
  return { ...participant, identifier: person.identifier }
}

/** A new participant but for the number. */
export function participantRow(
  { keys }: Store,
  service: Service,
  session: { sid: string },
  params: { identifier: string; identifier_hash: Buffer; friendly_name?: string | undefined },
): NumberlessParticipant {
  const sid = newSid('KP')
  return {
    service_sid: service.sid,
    sid,
    session_sid: session.sid,
    account_sid: service.account_sid,
    identifier_sealed: keys.seal(`${sid}/identifier`, params.identifier),
    identifier_hash: params.identifier_hash,
    friendly_name: params.friendly_name ?? null,
  }
}

/** What is known of somebody who joins, with what has run out closed first where it holds a number of theirs. */
async function settleHistory(trx: Store, service: Service, meeting: Meeting): Promise<History> {
  const [history] = await readHistories(trx, service, [meeting])
  // One of our own numbers as a person would send messages round in circles.
  if (history.is_own) throw new ProxyError(80404, { identifier: maskLastFour(withoutChannel(meeting.identifier)) })
  if (!history.outlived) return history
  await closeExpiredSessions(trx, { service_sid: service.sid, identifier_hash: meeting.identifier_hash })
  return (await readHistories(trx, service, [meeting]))[0]
}

/** Undefined also for what is no identifier: that is refused when it is its turn. */
function hashOf(trx: Store, identifier: string | undefined): Buffer | undefined {
  if (identifier === undefined) return undefined
  try {
    return trx.keys.blindIndex(parseIdentifier(identifier, trx.rules.number_validation).identifier)
  } catch (error) {
    if (error instanceof ProxyError) return undefined
    throw error
  }
}

async function checkRoster(trx: Store, session: Session, identifier_hash: Buffer) {
  const roster = await trx.db
    .selectFrom('participants')
    .select(['sid', 'identifier_sealed', 'identifier_hash', 'date_deleted', 'proxy_identifier'])
    .where('service_sid', '=', session.service_sid)
    .where('session_sid', '=', session.sid)
    .execute()
  const same = roster.find((member) => member.identifier_hash.equals(identifier_hash))
  if (same) throw new ProxyError(same.date_deleted ? 80612 : 80103)
  const present = roster.filter((member) => !member.date_deleted)
  if (present.length >= MAX_PARTICIPANTS) throw new ProxyError(80609)
  return present
}

/** Adds a person to a session that is there already. Undefined when the session is gone. */
export async function createParticipant(
  store: Store,
  service: Service,
  session_sid: string,
  params: NewParticipant,
): Promise<OpenedParticipant | undefined> {
  return await inTransaction(store, async (trx) => {
    const session = await lockSession(trx, service.sid, session_sid)
    return session && (await joinSession(trx, service, session, params))
  })
}

/** `addParticipant` to a session that is on record already. */
export async function joinSession(...adding: Parameters<typeof addParticipant>): Promise<OpenedParticipant> {
  const participant = await addParticipant(...adding)
  const { account_sid, service_sid, sid: resource_sid, session_sid } = participant
  await audit(adding[0], {
    action: 'participant.add',
    account_sid,
    service_sid,
    resource_sid,
    details: { session_sid },
  })
  return participant
}

const participantsOf = (store: Store, service_sid: string, session_sid: string) =>
  store.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('session_sid', '=', session_sid)

/** Removed participants included: they can still be fetched, and show `date_deleted`. */
export async function findParticipant(
  store: Store,
  service_sid: string,
  session_sid: string,
  sid: string,
): Promise<OpenedParticipant | undefined> {
  const row = await participantsOf(store, service_sid, session_sid).where('sid', '=', sid).executeTakeFirst()
  return row && openParticipant(store, row)
}

export async function listParticipants(
  store: Store,
  service_sid: string,
  session_sid: string,
  page: PageRequest,
): Promise<Page<OpenedParticipant>> {
  const present = participantsOf(store, service_sid, session_sid).where('date_deleted', 'is', null)
  const found = await readPage(present, 'sid', page)
  return { ...found, rows: found.rows.map((row) => openParticipant(store, row)) }
}

/**
 * Removes a person: the pair is free at once, the row stays with the session, and the person can never be added to it
 * again. False when there is nobody to remove. What is queued from or to them is not sent any more.
 */
export async function removeParticipant(
  store: Store,
  service_sid: string,
  session_sid: string,
  sid: string,
): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    const session = await lockSession(trx, service_sid, session_sid)
    if (!session) return false
    const removed = await trx.db
      .updateTable('participants')
      .set({
        date_deleted: sql`now()`,
        date_released: sql`coalesce(date_released, now())`,
        date_updated: sql`now()`,
      })
      .where('service_sid', '=', service_sid)
      .where('session_sid', '=', session_sid)
      .where('sid', '=', sid)
      .where('date_deleted', 'is', null)
      .returning('proxy_identifier')
      .executeTakeFirst()
    if (!removed) return false
    noteReleased(trx, service_sid, [removed])
    await cancelQueuedMessages(trx, session, sid)
    const { account_sid } = session
    const details = { session_sid }
    await audit(trx, { action: 'participant.remove', account_sid, service_sid, resource_sid: sid, details })
    return true
  })
}
