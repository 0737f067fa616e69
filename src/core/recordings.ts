import { type SqlBool, sql } from 'kysely'
import type { Recording } from '../db/schema.ts'
import { audit } from './audit.ts'
import { type Carrier, CarrierError, type FinishedRecording, type RecordingPlace } from './carrier.ts'
import type { Carriers } from './carriers.ts'
import { ProxyError } from './errors.ts'
import { recordEvent } from './events.ts'
import { heldInteraction, refuseHeld } from './legal-hold.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { isSid, newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * What was recorded lies at the carrier. Here stands where, so that it can be fetched through us, and so that the carrier's
 * copy goes when the interaction does: what is erased here must not live on there.
 */
export type ListedRecording = Recording & { session_sid: string }

export type RecordingScope = { service_sid: string; session_sid?: string; interaction_sid?: string }

const MAX_BYTES = 100 * 1024 * 1024

/**
 * Stores a recording that its carrier reports, once. One whose interaction is gone is stored to be deleted at the carrier.
 * False when it belongs to none of that carrier's interactions.
 */
export async function recordRecording(
  store: Store,
  about: { service_sid: string; sid: string; carrier_sid: string },
  kind: Recording['kind'],
  finished: FinishedRecording,
): Promise<boolean> {
  const { carrier_recording_id, url, duration_s } = finished
  const sid = isSid('RE', carrier_recording_id) ? carrier_recording_id : newSid('RE')
  return await inTransaction(store, async (trx) => {
    const owner = await findOwner(trx, about)
    if (!owner) return false
    await trx.db
      .insertInto('recordings')
      .values({
        service_sid: about.service_sid,
        sid,
        account_sid: owner.account_sid,
        interaction_sid: about.sid,
        kind,
        carrier_sid: about.carrier_sid,
        carrier_recording_id,
        source_url_sealed: trx.keys.seal(`${sid}/source_url`, url),
        duration_s,
        delete_at: owner.is_gone ? sql<Date>`now()` : null,
      })
      .onConflict((known) => known.doNothing())
      .execute()
    return true
  })
}

/**
 * Whose recording it is. Of an erased interaction a row remains for a while, and later nothing: then the carrier, which
 * was given the address it reports to by us, is believed about its own account's services and about those that are gone.
 * The row is held, so that whoever erases it meanwhile finds the recording (`markForDeletion`).
 */
async function findOwner(trx: Store, about: { service_sid: string; sid: string; carrier_sid: string }) {
  const { service_sid, sid, carrier_sid } = about
  const interaction = await trx.db
    .selectFrom('interactions')
    .select(['account_sid', 'outcome', 'carrier_sid', 'outbound_carrier_sid'])
    .select(isOfErased.as('is_of_erased'))
    .where('service_sid', '=', service_sid)
    .where('sid', '=', sid)
    .forShare()
    .executeTakeFirst()
  if (interaction) {
    const { account_sid, outcome, is_of_erased } = interaction
    const isTheirs = [interaction.carrier_sid, interaction.outbound_carrier_sid].includes(carrier_sid)
    return isTheirs ? { account_sid, is_gone: outcome === 'deleted' || is_of_erased } : undefined
  }
  const carrier = await findAccount(trx, 'carriers', carrier_sid)
  const service = await findAccount(trx, 'services', service_sid)
  const isTheirs = carrier && (!service || service.account_sid === carrier.account_sid)
  return isTheirs ? { account_sid: carrier.account_sid, is_gone: true } : undefined
}

/** A call goes on when one of the two is erased, and its recording comes after it. */
const isOfErased = sql<boolean>`exists (
  select from participants p where p.service_sid = interactions.service_sid and p.date_erased is not null
    and p.sid in (interactions.inbound_participant_sid, interactions.outbound_participant_sid))`

const findAccount = (trx: Store, table: 'carriers' | 'services', sid: string) =>
  trx.db.selectFrom(table).select('account_sid').where('sid', '=', sid).executeTakeFirst()

function inScope(store: Store, { service_sid, session_sid, interaction_sid }: RecordingScope) {
  let query = store.db
    .selectFrom('recordings')
    .innerJoin('interactions', (join) =>
      join
        .onRef('interactions.service_sid', '=', 'recordings.service_sid')
        .onRef('interactions.sid', '=', 'recordings.interaction_sid'),
    )
    .selectAll('recordings')
    .select(({ ref }) => ref('interactions.session_sid').$notNull().as('session_sid'))
    .where('recordings.service_sid', '=', service_sid)
    .where('recordings.delete_at', 'is', null)
    .where('interactions.session_sid', 'is not', null)
  if (session_sid) query = query.where('interactions.session_sid', '=', session_sid)
  if (interaction_sid) query = query.where('recordings.interaction_sid', '=', interaction_sid)
  return query
}

export async function listRecordings(
  store: Store,
  scope: RecordingScope,
  page: PageRequest,
): Promise<Page<ListedRecording>> {
  return await readPage(inScope(store, scope), 'recordings.sid', page)
}

export const findRecording = (store: Store, scope: RecordingScope, sid: string): Promise<ListedRecording | undefined> =>
  inScope(store, scope).where('recordings.sid', '=', sid).executeTakeFirst()

/** It is not shown from now on, and the sweeper has the carrier's copy deleted. False when it was not there. */
export async function deleteRecording(store: Store, scope: RecordingScope, sid: string): Promise<boolean> {
  const found = await findRecording(store, scope, sid)
  if (!found) return false
  await refuseHeld(inScope(store, scope).where('recordings.sid', '=', sid).where(heldInteraction('interactions')))
  return await inTransaction(store, async (trx) => {
    const { numUpdatedRows } = await trx.db
      .updateTable('recordings')
      .set({ delete_at: sql`now()` })
      .where('service_sid', '=', found.service_sid)
      .where('sid', '=', found.sid)
      .where('delete_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return false
    await audit(trx, { action: 'recording.delete', ...deedOn(found) })
    return true
  })
}

const deedOn = ({ account_sid, service_sid, sid, interaction_sid }: Recording) => ({
  account_sid,
  service_sid,
  resource_sid: sid,
  details: { interaction_sid },
})

/**
 * The sound itself, from the carrier. Undefined when it is not to be had there any more; throws 20503 when the carrier
 * cannot say.
 */
export async function fetchRecording(
  store: Store,
  carriers: Carriers,
  recording: Recording,
): Promise<{ content_type: string; bytes: Buffer } | undefined> {
  const carrier = (await carriers.find(recording.carrier_sid))?.carrier
  if (!carrier) throw new ProxyError(20503)
  try {
    const sound = await carrier.fetchRecording(placeOf(store, recording), MAX_BYTES)
    if (sound) await audit(store, { action: 'recording.fetch', ...deedOn(recording) })
    return sound
  } catch (error) {
    if (!(error instanceof CarrierError)) throw error
    if (error.outcome === 'refused') return undefined
    throw new ProxyError(20503)
  }
}

const placeOf = (store: Store, { sid, carrier_recording_id, source_url_sealed }: Recording): RecordingPlace => ({
  carrier_recording_id,
  url: store.keys.open(`${sid}/source_url`, source_url_sealed),
})

/** A row without an address stands for a recording that is gone, and says only that it came. */
const isForgotten = (recording: Recording) => recording.source_url_sealed.length === 0

/** Carriers repeat a report for a day at most; that a deleted recording's came is remembered for longer than that. */
const REPEATS_END = '7 days'

/** From a minute on twice as long each time, up to six hours: a week or so, all told. */
const MAX_ATTEMPTS = 36

/** Recordings whose copy at the carrier is to be deleted now, the longest due first. */
export const listToDelete = (store: Store, limit: number): Promise<Recording[]> =>
  store.db
    .selectFrom('recordings')
    .selectAll()
    .where('delete_at', '<=', sql<Date>`now()`)
    .orderBy('delete_at')
    .limit(limit)
    .execute()

/** Has the carrier's copy deleted. Throws what the carrier throws, and then it is for `recordNotDeleted`. */
export async function deleteAtCarrier(store: Store, carrier: Carrier, recording: Recording): Promise<void> {
  if (!isForgotten(recording)) await carrier.deleteRecording(placeOf(store, recording))
  await forget(store, recording)
}

/** Due again after a pause that grows; in the end given up, which is on record. Returns whether it was. */
export async function recordNotDeleted(store: Store, recording: Recording): Promise<'later' | 'given-up'> {
  const { account_sid, service_sid, interaction_sid, sid, carrier_recording_id } = recording
  if (recording.attempts + 1 >= MAX_ATTEMPTS) {
    const message = `Recording ${carrier_recording_id} could not be deleted at the carrier for a week. Delete it there.`
    await recordEvent(store, { error_code: 80613, account_sid, service_sid, interaction_sid, message })
    await forget(store, recording)
    return 'given-up'
  }
  await store.db
    .updateTable('recordings')
    .set({
      attempts: sql`attempts + 1`,
      delete_at: sql`now() + make_interval(secs => least(21600, 60 * 2 ^ least(attempts, 20)))`,
    })
    .where('service_sid', '=', service_sid)
    .where('sid', '=', sid)
    .execute()
  return 'later'
}

/**
 * Deletes the row. While the interaction is there only the address goes at first: a report that comes once more must not
 * bring the recording back.
 */
async function forget(store: Store, { service_sid, sid }: Recording) {
  const { numUpdatedRows } = await store.db
    .updateTable('recordings')
    .set({ source_url_sealed: Buffer.alloc(0), delete_at: sql`now() + ${REPEATS_END}::interval` })
    .where('service_sid', '=', service_sid)
    .where('sid', '=', sid)
    .where(sql<SqlBool>`length(source_url_sealed) > 0`)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('interactions')
          .select('interactions.sid')
          .whereRef('interactions.service_sid', '=', 'recordings.service_sid')
          .whereRef('interactions.sid', '=', 'recordings.interaction_sid')
          .where('interactions.session_sid', 'is not', null),
      ),
    )
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return
  await store.db.deleteFrom('recordings').where('service_sid', '=', service_sid).where('sid', '=', sid).execute()
}
