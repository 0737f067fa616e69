import type { Logger } from 'pino'
import { forgetBriefBodies, purgeBodies } from '../core/bodies.ts'
import type { Carriers } from '../core/carriers.ts'
import { forgetExpiredMedia } from '../core/media.ts'
import { listToRestore, recordRestored, webhooksOf } from '../core/phone-numbers.ts'
import { deleteAtCarrier, listToDelete, recordNotDeleted } from '../core/recordings.ts'
import { purgeOldRecords } from '../core/retention.ts'
import { sweepExpiredSessions } from '../core/session-state.ts'
import { purgeClosedSessions } from '../core/sessions.ts'
import type { Store } from '../core/store.ts'
import { forgetEndedSessions } from '../core/user-sessions.ts'

/**
 * The tidying that nobody waits for: sessions that ran out are closed, old ones deleted, numbers that left their pool
 * given back their webhooks, recordings deleted at their carrier. Routing never relies on it. One server of a deployment does it at a time, by advisory lock.
 */
export type SweepContext = { store: Store; carriers: Carriers; log: Logger }

const EVERY_MS = 1_000
const PURGE_EVERY_MS = 60_000
const BATCH = 200
const RESTORE_RETRY_S = 60
/** At once, and a round: a carrier that does not answer may not hold up the rest. */
const RECORDINGS = 20

export function startSweeper(context: SweepContext): { stop(): Promise<void> } {
  let stopping = false
  let sweeping = Promise.resolve()
  let purged = 0
  const timer = setInterval(() => {
    sweeping = sweeping.then(async () => {
      if (stopping) return
      const withPurge = Date.now() - purged > PURGE_EVERY_MS
      if (withPurge) purged = Date.now()
      const isMore = await sweep(context, withPurge).catch((error) => {
        context.log.error({ err: error }, 'sweeping failed')
      })
      if (isMore) purged = 0
    })
  }, EVERY_MS)
  return {
    async stop() {
      stopping = true
      clearInterval(timer)
      await sweeping
    },
  }
}

/** One round; does nothing when another server is at it. Returns whether a batch was full, so that there may be more to purge. */
export async function sweep(context: SweepContext, withPurge: boolean): Promise<boolean> {
  const { store } = context
  const connection = await store.pool.connect()
  try {
    const { rows } = await connection.query("select pg_try_advisory_lock(hashtext('maskline sweep')) as is_mine")
    if (!rows[0].is_mine) return false
    try {
      await sweepExpiredSessions(store, BATCH)
      await restoreNumbers(context)
      await deleteDueRecordings(context)
      await forgetBriefBodies(store)
      return withPurge && (await purge(store))
    } finally {
      await connection.query("select pg_advisory_unlock(hashtext('maskline sweep'))")
    }
  } finally {
    connection.release()
  }
}

async function purge(store: Store): Promise<boolean> {
  await forgetExpiredMedia(store)
  await forgetEndedSessions(store)
  const found = [await purgeClosedSessions(store, BATCH), await purgeBodies(store), await purgeOldRecords(store)]
  return found.some((count) => count >= BATCH)
}

/** Puts back the webhooks of numbers that left their pool. One that is being added to a pool meanwhile calls us again. */
export async function restoreNumbers({ store, carriers, log }: SweepContext): Promise<void> {
  for (const number of await listToRestore(store, BATCH)) {
    try {
      const carrier = (await carriers.find(number.carrier_sid))?.carrier
      if (carrier && number.previous_webhooks) await carrier.restoreNumber(number, number.previous_webhooks)
      // Somebody is adding it to a pool meanwhile, or has: it has to call us.
      if (!(await recordRestored(store, number.sid)) && carrier) {
        await carrier.attachNumber(number, webhooksOf(store, number.carrier_sid))
      }
    } catch (error) {
      log.warn({ err: error, phone_number_sid: number.sid }, "a number's former webhooks could not be restored")
      await recordRestored(store, number.sid, RESTORE_RETRY_S)
    }
  }
}

/** Has the carriers' copies deleted of recordings that are gone here. */
export async function deleteDueRecordings({ store, carriers, log }: SweepContext): Promise<void> {
  const due = await listToDelete(store, RECORDINGS)
  await Promise.all(
    due.map(async (recording) => {
      const { service_sid, sid, carrier_sid } = recording
      try {
        const carrier = (await carriers.find(carrier_sid))?.carrier
        if (!carrier) throw new Error('the carrier of this recording does not run on this server')
        await deleteAtCarrier(store, carrier, recording)
      } catch (error) {
        const outcome = await recordNotDeleted(store, recording)
        log.warn({ err: error, service_sid, recording_sid: sid, outcome }, 'a recording could not be deleted')
      }
    }),
  )
}
