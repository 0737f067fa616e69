import { intercept } from '../callbacks/intercept.ts'
import { hostMedia } from '../core/media.ts'
import { moveLeg } from '../core/outbound.ts'
import { SEND_LEASE_S } from '../core/send.ts'
import { beginSend } from '../db/statements/begin-send.ts'
import type { ClaimedInteraction } from '../db/statements/claim-interactions.ts'
import type { JobContext } from './context.ts'

/** Asks the customer whether a message may pass. True when it is now to be sent, and the session is still live. */
export async function interceptMessage(context: JobContext, claimed: ClaimedInteraction): Promise<boolean> {
  const { store, carriers } = context
  const carrier = (await carriers.find(claimed.carrier_sid))?.carrier
  if (carrier) await hostMedia(store, carrier, claimed)
  if ((await intercept(context, claimed, context.intercept_timeout_ms)) === 'blocked') return false
  const { service_sid, sid } = claimed
  if (await beginSend(store.pool, { service_sid, sid, lease_s: SEND_LEASE_S })) return true
  // The session ended while the customer was asked: a close has canceled it already, running out is noticed here.
  await moveLeg(store, claimed, { status: 'canceled' })
  return false
}
