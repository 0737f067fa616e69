import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Interaction, Media, Participant, Service, Session } from '../db/schema.ts'
import { audit } from './audit.ts'
import { isBrief } from './bodies.ts'
import { eraseInteractions } from './erase.ts'
import { ProxyError } from './errors.ts'
import { type NewEvent, recordEvent } from './events.ts'
import { heldInteraction, refuseHeld } from './legal-hold.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { isLive, lockSession } from './session-state.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'
import { logged } from './trace/leg-log.ts'

/** An interaction with its text in clear, for whoever may see it. */
export type OpenedInteraction = Interaction & { data: string }

const MAX_BODY = 1600
const MAX_MEDIA = 10

/** The JSON text clients parse: `{"body":"…"}` of a message; a call has `{"duration":"5"}`, or `{}` until it is known. */
export function openInteraction(store: Store, row: Interaction): OpenedInteraction {
  return { ...row, data: interactionData(store, row) }
}

export const interactionData = (
  store: Store,
  row: Pick<Interaction, 'sid' | 'type' | 'data_sealed' | 'duration_s'>,
): string => JSON.stringify(openData(store, row))

function openData(store: Store, row: Pick<Interaction, 'sid' | 'type' | 'data_sealed' | 'duration_s'>) {
  if (row.type === 'voice') return row.duration_s === null ? {} : { duration: String(row.duration_s) }
  return row.data_sealed ? { body: openBody(store, row) } : {}
}

export const openBody = (store: Store, row: { sid: string; data_sealed: Buffer | null }) =>
  row.data_sealed ? store.keys.open(`${row.sid}/data`, row.data_sealed) : ''

/** The text as it leaves, from which the content guard may have taken something. */
export const openSentBody = (store: Store, row: Pick<Interaction, 'sid' | 'data_sealed' | 'sent_data_sealed'>) =>
  row.sent_data_sealed ? store.keys.open(`${row.sid}/sent_data`, row.sent_data_sealed) : openBody(store, row)

const interactionsOf = (store: Store, service_sid: string, session_sid: string) =>
  store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('session_sid', '=', session_sid)

/** `participant_sid` narrows to the messages that were sent to that participant through the API. */
export type InteractionScope = { service_sid: string; session_sid: string; participant_sid?: string }

function inScope(store: Store, { service_sid, session_sid, participant_sid }: InteractionScope) {
  const query = interactionsOf(store, service_sid, session_sid)
  return participant_sid
    ? query.where('origin', '=', 'api').where('outbound_participant_sid', '=', participant_sid)
    : query
}

export async function findInteraction(
  store: Store,
  scope: InteractionScope,
  sid: string,
): Promise<OpenedInteraction | undefined> {
  const row = await inScope(store, scope).where('sid', '=', sid).executeTakeFirst()
  return row && openInteraction(store, row)
}

export async function listInteractions(
  store: Store,
  scope: InteractionScope,
  page: PageRequest,
): Promise<Page<OpenedInteraction>> {
  const found = await readPage(inScope(store, scope), 'sid', page)
  return { ...found, rows: found.rows.map((row) => openInteraction(store, row)) }
}

/** Deletes the record alone; the carrier keeps its own. False when it was not there. */
export async function deleteInteraction(
  store: Store,
  scope: InteractionScope & { account_sid: string },
  sid: string,
): Promise<boolean> {
  const { service_sid, session_sid } = scope
  return await inTransaction(store, async (trx) => {
    const held = interactionsOf(trx, service_sid, session_sid)
      .where('sid', '=', sid)
      .where(heldInteraction('interactions'))
    await refuseHeld(held)
    if ((await eraseInteractions(trx.db, { service_sid, session_sid, sid })) === 0) return false
    const service = { account_sid: scope.account_sid, service_sid }
    await audit(trx, { action: 'interaction.delete', ...service, resource_sid: sid, details: { session_sid } })
    return true
  })
}

/**
 * A message to one participant, from the participant's own proxy number: due when this commits, or `due_in_s` later, so
 * that the maker may send it first. Throws 21602
 * when it is empty, 21617 and 21623 when it is too much, 80607 when the session is closed, 80616 when it is voice-only.
 */
export async function createMessageInteraction(
  store: Store,
  service: Service,
  participant: Participant,
  message: { body?: string | undefined; media_url?: string[] | undefined },
  due_in_s: number,
): Promise<OpenedInteraction> {
  const { body = '', media_url = [] } = message
  if (!body && media_url.length === 0) throw new ProxyError(21602)
  if (body.length > MAX_BODY) throw new ProxyError(21617)
  if (media_url.length > MAX_MEDIA) throw new ProxyError(21623)
  if (!media_url.every(isHttpUrl)) throw new ProxyError(21620)
  return await inTransaction(store, async (trx) => {
    const session = await lockSession(trx, service.sid, participant.session_sid)
    if (!session || !isLive(session)) throw new ProxyError(80607)
    if (participant.date_deleted) throw new ProxyError(80612)
    if (session.mode === 'voice-only') {
      throw new ProxyError(80616, { identifier: 'A message', session: session.sid })
    }
    const row = await insertMessage(trx, session, participant, { body, num_media: media_url.length, due_in_s })
    await recordPublicMedia(trx, row, media_url)
    await touchSession(trx, session)
    const { account_sid, service_sid, session_sid } = row
    await audit(trx, {
      action: 'message.send',
      account_sid,
      service_sid,
      resource_sid: row.sid,
      details: { session_sid, participant_sid: participant.sid },
    })
    return openInteraction(trx, row)
  })
}

/** Tells a participant something on behalf of the service: due when this commits, and no reason for the session to last. */
export async function createNotice(trx: Store, session: Session, participant: Participant, body: string) {
  await insertMessage(trx, session, participant, { body, num_media: 0, due_in_s: 0 })
}

async function insertMessage(
  trx: Store,
  session: Session,
  participant: Participant,
  message: { body: string; num_media: number; due_in_s: number },
): Promise<Interaction> {
  const sid = newSid('KI')
  return await trx.db
    .insertInto('interactions')
    .values({
      service_sid: session.service_sid,
      sid,
      account_sid: session.account_sid,
      session_sid: session.sid,
      type: 'message',
      origin: 'api',
      outcome: 'sent',
      data_sealed: trx.keys.seal(`${sid}/data`, message.body),
      num_media: message.num_media,
      carrier_sid: sql`(select carrier_sid from phone_numbers where sid = ${participant.proxy_identifier_sid})`,
      outbound_carrier_sid: sql`(select carrier_sid from phone_numbers where sid = ${participant.proxy_identifier_sid})`,
      outbound_participant_sid: participant.sid,
      outbound_number: participant.proxy_identifier,
      is_brief: isBrief(session.account_sid),
      stage: 'send',
      due_at: sql`now() + make_interval(secs => ${message.due_in_s})`,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
}

const isHttpUrl = (text: string) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/** Attachments whose address can be passed on as it is. */
export async function recordPublicMedia(trx: Store, row: { service_sid: string; sid: string }, urls: string[]) {
  if (urls.length === 0) return
  const media = urls.map((url, position) => ({
    service_sid: row.service_sid,
    interaction_sid: row.sid,
    position,
    token: randomBytes(16).toString('hex'),
    state: 'public' as const,
    source_url_sealed: trx.keys.seal(`${row.sid}/media/${position}`, url),
  }))
  await trx.db.insertInto('media').values(media).execute()
}

/** Where the attachments of an interaction can be had, in their order; those that were lost are left out. */
export async function mediaUrls(
  store: Store,
  row: { service_sid: string; sid: string; num_media: number },
): Promise<string[]> {
  if (row.num_media === 0) return []
  const media = await listMedia(store, row)
  return media.filter((item) => item.state !== 'lost').map((item) => mediaUrl(store, item))
}

export type MediaItem = Omit<Media, 'bytes_sealed' | 'expires_at'>

/** Without their bytes, of which there may be millions. */
export const listMedia = (store: Store, row: { service_sid: string; sid: string }): Promise<MediaItem[]> =>
  store.db
    .selectFrom('media')
    .select(['service_sid', 'interaction_sid', 'position', 'token', 'state', 'source_url_sealed', 'content_type'])
    .where('service_sid', '=', row.service_sid)
    .where('interaction_sid', '=', row.sid)
    .orderBy('position')
    .execute()

function mediaUrl(store: Store, item: MediaItem) {
  if (item.state === 'public') return openMediaSource(store, item)
  return `${store.rules.public_url}/media/${item.service_sid}/${item.token}`
}

export const openMediaSource = (store: Store, item: MediaItem) =>
  store.keys.open(`${item.interaction_sid}/media/${item.position}`, item.source_url_sealed)

type Refusal = Pick<NewEvent, 'error_code' | 'message'> & { by: 'customer' | 'guard' }

/**
 * It may not pass: the customer says so, unless another reason is given. The record stays, without an outbound leg; a
 * caller's leg has failed.
 */
export async function recordBlocked(
  store: Store,
  interaction: Interaction,
  { by, ...event }: Refusal = { by: 'customer', error_code: 80909 },
): Promise<void> {
  const { account_sid, service_sid, session_sid, sid: interaction_sid } = interaction
  const blocked = await store.db
    .updateTable('interactions')
    .set({
      outcome: 'blocked',
      outbound_participant_sid: null,
      ...(interaction.type === 'voice' ? { inbound_resource_status: 'failed' } : {}),
      stage: null,
      due_at: null,
      leg_log: logged(`blocked-by-${by}`, event.error_code),
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', service_sid)
    .where('sid', '=', interaction_sid)
    .where('stage', '=', 'intercept')
    .executeTakeFirst()
  if (blocked.numUpdatedRows === 0n) return
  await recordEvent(store, { ...event, account_sid, service_sid, session_sid, interaction_sid })
}

/** An interaction starts a session that had not started, and its ttl over. */
export const touchSession = (trx: Store, session: { service_sid: string; sid: string }) =>
  trx.db
    .updateTable('sessions')
    .set({
      status: 'in-progress',
      date_started: sql`coalesce(date_started, now())`,
      date_last_interaction: sql`now()`,
      ttl_since: sql`now()`,
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', session.service_sid)
    .where('sid', '=', session.sid)
    .execute()
