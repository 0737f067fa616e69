import { CarrierError } from '../core/carrier.ts'
import { moveLeg } from '../core/outbound.ts'
import { postpone, SEND_LEASE_S, sendClaimed } from '../core/send.ts'
import { type ClaimedInteraction, claimInteractions } from '../db/statements/claim-interactions.ts'
import { lookAfterCall } from './calls.ts'
import type { JobContext } from './context.ts'
import { interceptMessage } from './intercept.ts'
import { handleOutOfSession } from './out-of-session.ts'
import { startWorker, type Worker } from './worker.ts'

const CONCURRENCY = 50

/** Works on interactions: asks the intercept callback, sends, or asks what to do with a message outside any session. */
export const startInteractionWorker = (context: JobContext): Worker =>
  startWorker<ClaimedInteraction>({
    name: 'interactions',
    concurrency: CONCURRENCY,
    claim: (limit) => claimInteractions(context.store.pool, { limit, lease_s: SEND_LEASE_S }),
    work: (claimed) => workOn(context, claimed),
    log: context.log,
  })

/** A row that fails so often in ways nobody foresaw will not do better next time. */
const GIVE_UP_AFTER = 20

async function workOn(context: JobContext, claimed: ClaimedInteraction): Promise<void> {
  if (claimed.type === 'voice') {
    await lookAfterCall(context, claimed)
    return context.wake()
  }
  if (claimed.attempts > GIVE_UP_AFTER) {
    await moveLeg(context.store, claimed, { status: 'failed', error_code: 80613 })
    return
  }
  try {
    if (claimed.stage === 'out-of-session') await handleOutOfSession(context, claimed)
    else if (claimed.stage === 'send' || !claimed.is_live) await sendClaimed(context.store, context.carriers, claimed)
    else if (await interceptMessage(context, claimed)) {
      await sendClaimed(context.store, context.carriers, { ...claimed, stage: 'send' })
    }
  } catch (error) {
    // An attachment that cannot be fetched now holds up the question to the customer, who is told of it.
    if (!(error instanceof CarrierError)) throw error
    await postpone(context.store, claimed, error)
  }
  context.wake()
}
