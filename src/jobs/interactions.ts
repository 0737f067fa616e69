import { CarrierError } from '../core/carrier.ts'
import { moveLeg } from '../core/outbound.ts'
import { postpone, SEND_LEASE_S, sendClaimed } from '../core/send.ts'
import { type ClaimedInteraction, claimInteractions, renewClaims } from '../db/statements/claim-interactions.ts'
import { lookAfterCall } from './calls.ts'
import type { JobContext } from './context.ts'
import { interceptMessage } from './intercept.ts'
import { startLeases } from './leases.ts'
import { handleOutOfSession } from './out-of-session.ts'
import { startWorker, type Worker } from './worker.ts'

const CONCURRENCY = 50

/** Works on interactions: asks the intercept callback, sends, or asks what to do with a message outside any session. */
export function startInteractionWorker(context: JobContext): Worker {
  const { store, log } = context
  const leases = startLeases<ClaimedInteraction>({
    lease_s: SEND_LEASE_S,
    renew: (held) => renewClaims(store.pool, held, SEND_LEASE_S),
    log,
  })
  const worker = startWorker<ClaimedInteraction>({
    name: 'interactions',
    concurrency: CONCURRENCY,
    claim: (limit) => leases.holdAll(() => claimInteractions(store.pool, { limit, lease_s: SEND_LEASE_S })),
    work: (claimed) => workOn(context, claimed, () => leases.isHeld(claimed)).finally(() => leases.release(claimed)),
    log,
  })
  return {
    wake: worker.wake,
    stop: async () => {
      await worker.stop()
      leases.stop()
    },
  }
}

/** A row that fails so often in ways nobody foresaw will not do better next time. */
const GIVE_UP_AFTER = 20

async function workOn(context: JobContext, claimed: ClaimedInteraction, isHeld: () => boolean): Promise<void> {
  const { store, carriers } = context
  if (claimed.type === 'voice') {
    await lookAfterCall(context, claimed)
    return context.wake('callbacks')
  }
  if (claimed.attempts > GIVE_UP_AFTER) {
    await moveLeg(store, claimed, { status: 'failed', error_code: 80613 })
    return
  }
  try {
    if (claimed.stage === 'out-of-session') await handleOutOfSession(context, claimed)
    else if (claimed.stage === 'send' || !claimed.is_live) await sendClaimed(store, carriers, claimed, isHeld)
    else {
      const passed = await interceptMessage(context, claimed)
      if (passed) await sendClaimed(store, carriers, passed, isHeld)
    }
  } catch (error) {
    // An attachment that cannot be fetched now holds up the question to the customer, who is told of it.
    if (!(error instanceof CarrierError)) throw error
    await postpone(store, claimed, error)
  }
  // A stranger's message leads to messages, which are sent like any other; what is sent or blocked, to callbacks.
  context.wake(claimed.stage === 'out-of-session' ? 'interactions' : 'callbacks')
}
