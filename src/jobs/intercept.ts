import { sql } from 'kysely'
import { askIntercept } from '../callbacks/intercept.ts'
import { presentAttempt } from '../callbacks/out-of-session.ts'
import { interceptParameters } from '../callbacks/parameters.ts'
import { authTokenOf } from '../core/accounts.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { recordEvent } from '../core/events.ts'
import { mediaUrls, openInteraction } from '../core/interactions.ts'
import { hostMedia } from '../core/media.ts'
import { moveLeg } from '../core/outbound.ts'
import { SEND_LEASE_S } from '../core/send.ts'
import { beginSend } from '../db/statements/begin-send.ts'
import type { ClaimedInteraction } from '../db/statements/claim-interactions.ts'
import type { JobContext } from './context.ts'

/** Asks the customer whether a message may pass. True when it is now to be sent, and the session is still live. */
export async function interceptMessage(context: JobContext, claimed: ClaimedInteraction): Promise<boolean> {
  const { store, carriers, guard } = context
  const service = await store.db
    .selectFrom('services')
    .select('intercept_callback_url')
    .where('sid', '=', claimed.service_sid)
    .executeTakeFirst()
  const url = service?.intercept_callback_url
  if (url) {
    const carrier = (await carriers.find(claimed.carrier_sid))?.carrier
    if (carrier) await hostMedia(store, carrier, claimed)
    const opened = { data: openInteraction(store, claimed).data, media_urls: await mediaUrls(store, claimed) }
    const { decision, answer } = await askIntercept(
      {
        url,
        params: interceptParameters(claimed, opened),
        auth_token: await authTokenOf(store, claimed.account_sid),
        idempotency_token: `${claimed.sid}-intercept`,
        timeout_ms: context.intercept_timeout_ms,
      },
      guard,
    )
    await recordAttempt(store, claimed, { kind: 'intercept', attempt: 1, ...presentAttempt(url, answer) })
    if (decision === 'blocked') return await block(store, claimed)
  }
  const { service_sid, sid } = claimed
  if (await beginSend(store.pool, { service_sid, sid, lease_s: SEND_LEASE_S })) return true
  // The session ended while the customer was asked: a close has canceled it already, running out is noticed here.
  await moveLeg(store, claimed, { status: 'canceled' })
  return false
}

/** The record stays, without an outbound leg. */
async function block(store: JobContext['store'], claimed: ClaimedInteraction): Promise<false> {
  const { account_sid, service_sid, session_sid, sid: interaction_sid } = claimed
  const blocked = await store.db
    .updateTable('interactions')
    .set({ outcome: 'blocked', outbound_participant_sid: null, stage: null, due_at: null, date_updated: sql`now()` })
    .where('service_sid', '=', service_sid)
    .where('sid', '=', interaction_sid)
    .where('stage', '=', 'intercept')
    .executeTakeFirst()
  if (blocked.numUpdatedRows > 0n) {
    await recordEvent(store, { error_code: 80909, account_sid, service_sid, session_sid, interaction_sid })
  }
  return false
}
