import { sql } from 'kysely'
import { type ClaimedInteraction, isStillLive } from '../db/statements/claim-interactions.ts'
import { type Carrier, CarrierError, type OutboundMessage, type SentMessage } from './carrier.ts'
import type { Carriers } from './carriers.ts'
import type { ErrorCode } from './errors.ts'
import { recordEvent } from './events.ts'
import { mediaUrls, openSentBody } from './interactions.ts'
import { hostMedia } from './media.ts'
import { isTakenByAnother, moveLeg } from './outbound.ts'
import type { Store } from './store.ts'
import { logged } from './trace/leg-log.ts'

/**
 * Makes the outbound leg of an interaction that was claimed for sending. An attempt ends in one of four ways: sent;
 * refused for good; certainly not sent, so tried again later; or unknown, and then the carrier is asked whether it has
 * the message before it is sent once more. A crash in the middle is an unknown outcome too.
 */
export type SendResult =
  | { result: 'sent' }
  | { result: 'refused'; code: number | undefined }
  | { result: 'later' }
  | { result: 'canceled' }

/**
 * How long a claim lasts: longer than one request to a carrier. Work that takes longer is held on to (`jobs/leases.ts`); that
 * of a process that died is taken up by another when this has passed.
 */
export const SEND_LEASE_S = 25
export const MAX_ATTEMPTS = 12
/** Wait before asking what became of a send: a carrier that timed out may still be at it, and its report may tell us. */
const ASK_AFTER_S = 60
const RETRY_S = [2, 5, 15, 60, 300, 900, 1800, 3600]

export async function sendClaimed(
  store: Store,
  carriers: Carriers,
  claimed: ClaimedInteraction,
  isHeld = () => true,
): Promise<SendResult> {
  const carrier = (await carriers.find(claimed.outbound_carrier_sid ?? ''))?.carrier
  if (!carrier) return await postpone(store, claimed, undefined)
  try {
    // What came in lies at the carrier that brought it, which need not be the one that sends.
    const source = (await carriers.find(claimed.carrier_sid))?.carrier
    if (source && claimed.is_live) await hostMedia(store, source, claimed)
    const message = await outboundMessage(store, claimed)
    const found = claimed.started_before && (await findSent(store, carrier, claimed, message, claimed.started_before))
    if (found) return await recordSent(store, claimed, found)
    if (!claimed.is_live) return await cancel(store, claimed)
    if (!message.body && message.media_urls.length === 0) return await refuse(store, claimed, 21620)
    // Fetching attachments and asking the carrier take their time, and the session may have closed meanwhile. A close also
    // passes over what is at the carrier, which may come back before the close commits and be claimed before that is seen.
    const waited = claimed.num_media > 0 || claimed.started_before !== null || claimed.attempts > 1
    if (waited && claimed.session_sid && !(await isStillLive(store.pool, claimed))) return await cancel(store, claimed)
    // This process stood still for so long that another may have taken the message up.
    if (!isHeld()) return { result: 'later' }
    return await recordSent(store, claimed, await carrier.sendMessage(message))
  } catch (error) {
    // Another message was given this carrier's id: which of the two it is of is to be found out.
    if (isTakenByAnother(error)) {
      return await postpone(store, claimed, new CarrierError('unknown', 'the id belongs to another message'))
    }
    if (!(error instanceof CarrierError)) throw error
    if (error.outcome === 'refused') return await refuse(store, claimed, error.code)
    return await postpone(store, claimed, error)
  }
}

async function outboundMessage(store: Store, claimed: ClaimedInteraction): Promise<OutboundMessage> {
  const { public_url } = store.rules
  const { outbound_carrier_sid, service_sid, sid } = claimed
  return {
    reference: claimed.sid,
    from: claimed.outbound_number ?? '',
    to: recipientOf(store, claimed),
    body: openSentBody(store, claimed),
    media_urls: await sendableMedia(store, claimed),
    status_url: `${public_url}/webhooks/${outbound_carrier_sid}/status/${service_sid}/${sid}`,
  }
}

function recipientOf(store: Store, claimed: ClaimedInteraction): string {
  const { recipient_identifier_sealed, outbound_participant_sid, recipient_sealed } = claimed
  if (recipient_identifier_sealed) {
    return store.keys.open(`${outbound_participant_sid}/identifier`, recipient_identifier_sealed)
  }
  return recipient_sealed ? store.keys.open(`${claimed.sid}/recipient`, recipient_sealed) : ''
}

/** A number without MMS sends the text alone, and the loss is on record. */
async function sendableMedia(store: Store, claimed: ClaimedInteraction): Promise<string[]> {
  const urls = await mediaUrls(store, claimed)
  if (urls.length === 0 || claimed.outbound_capabilities?.mms !== false) return urls
  const { account_sid, service_sid, session_sid, sid: interaction_sid } = claimed
  await recordEvent(store, { error_code: 21620, account_sid, service_sid, session_sid, interaction_sid })
  return []
}

async function findSent(
  store: Store,
  carrier: Carrier,
  claimed: ClaimedInteraction,
  message: OutboundMessage,
  since: Date,
): Promise<SentMessage | undefined> {
  const isKnown = async (id: string) => {
    const other = await store.db
      .selectFrom('interactions')
      .select('sid')
      .where('service_sid', '=', claimed.service_sid)
      .where('outbound_carrier_sid', '=', claimed.outbound_carrier_sid)
      .where('outbound_carrier_id', '=', id)
      // Its own may be known already, when a report came first.
      .where('sid', '!=', claimed.sid)
      .executeTakeFirst()
    return other !== undefined
  }
  return await carrier.findSentMessage(message, since, isKnown)
}

async function recordSent(store: Store, claimed: ClaimedInteraction, sent: SentMessage): Promise<SendResult> {
  await moveLeg(store, claimed, sent)
  return { result: 'sent' }
}

async function refuse(store: Store, claimed: ClaimedInteraction, code: number | undefined): Promise<SendResult> {
  await moveLeg(store, claimed, { status: 'failed', error_code: code ?? 80613 })
  return { result: 'refused', code }
}

async function cancel(store: Store, claimed: ClaimedInteraction): Promise<SendResult> {
  await moveLeg(store, claimed, { status: 'canceled' })
  return { result: 'canceled' }
}

/** Makes a claimed interaction due again later, after what could not be done now. */
export async function postpone(
  store: Store,
  claimed: ClaimedInteraction,
  error: CarrierError | undefined,
): Promise<SendResult> {
  if (claimed.attempts >= MAX_ATTEMPTS) return await refuse(store, claimed, 80613 satisfies ErrorCode)
  const unknown = error?.outcome === 'unknown'
  const backoff = RETRY_S[Math.min(claimed.attempts, RETRY_S.length) - 1] ?? 2
  const wait_s = unknown ? ASK_AFTER_S : (error?.retry_after_s ?? backoff * (0.75 + Math.random() / 2))
  await store.db
    .updateTable('interactions')
    .set({
      due_at: sql`now() + make_interval(secs => ${wait_s})`,
      leg_log: logged(unknown ? 'unknown' : 'later', error?.code),
      // Certainly not sent: the next attempt need not ask whether it was, unless an earlier one is still in doubt.
      send_started_at: unknown ? sql`send_started_at` : claimed.started_before,
    })
    .where('service_sid', '=', claimed.service_sid)
    .where('sid', '=', claimed.sid)
    .where('stage', '=', claimed.stage)
    .execute()
  return { result: 'later' }
}
