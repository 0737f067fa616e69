import { intercept } from '../callbacks/intercept.ts'
import { guardContent } from '../core/content-guard.ts'
import { hostMedia } from '../core/media.ts'
import { moveLeg } from '../core/outbound.ts'
import { SEND_LEASE_S } from '../core/send.ts'
import { serviceOf } from '../core/services.ts'
import { beginSend } from '../db/statements/begin-send.ts'
import type { ClaimedInteraction } from '../db/statements/claim-interactions.ts'
import type { JobContext } from './context.ts'

/**
 * Judges what a message holds, and asks the customer whether it may pass: the message as it is now to be sent, while the
 * session is still live; undefined when nothing is.
 */
export async function interceptMessage(
  context: JobContext,
  claimed: ClaimedInteraction,
): Promise<ClaimedInteraction | undefined> {
  const { store, carriers } = context
  const carrier = (await carriers.find(claimed.carrier_sid))?.carrier
  if (carrier) await hostMedia(store, carrier, claimed)
  const service = await serviceOf(store, claimed)
  const guarded = service && (await guardContent(store, service, claimed))
  if (guarded?.outcome === 'blocked') return undefined
  if (guarded?.outcome === 'passed') {
    if ((await intercept(context, claimed, context.intercept_timeout_ms, service)) === 'blocked') return undefined
    const { service_sid, sid } = claimed
    const { sent_data_sealed } = guarded
    const hasBegun = await beginSend(store.pool, { service_sid, sid, lease_s: SEND_LEASE_S })
    if (hasBegun) return { ...claimed, stage: 'send', sent_data_sealed }
  }
  // The session ended while the customer was asked: a close has canceled it already, running out is noticed here.
  await moveLeg(store, claimed, { status: 'canceled' })
  return undefined
}
