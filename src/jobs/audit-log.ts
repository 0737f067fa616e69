import type { Logger } from 'pino'
import { chainDeeds, findHead, purgeAuditLog } from '../core/audit-chain.ts'
import type { Store } from '../core/store.ts'
import { type Repeated, repeat } from './repeat.ts'

/**
 * Makes entries of deeds once a second, and purges old ones. By itself, and not in a round of the sweeper, which may wait for
 * carriers: what is not sealed yet can be changed unseen. One server of a deployment does it at a time.
 */
const EVERY_MS = 1_000
const PURGE_EVERY_MS = 60_000
const TELL_EVERY_MS = 3_600_000

export function startAuditLog(context: { store: Store; days: number; log: Logger }): Repeated {
  const { store, days, log } = context
  let purged = Date.now()
  let told = Date.now()

  const round = async () => {
    await chainDeeds(store)
    if (Date.now() - purged > PURGE_EVERY_MS) {
      purged = Date.now()
      await purgeAuditLog(store, days)
    }
    if (Date.now() - told > TELL_EVERY_MS) {
      told = Date.now()
      await tellHead(store, log)
    }
  }
  return repeat(
    EVERY_MS,
    round,
    (error) => log.error({ err: error }, 'the audit log could not be gone on with'),
    () => chainDeeds(store).then(() => tellHead(store, log)),
  )
}

/** A log that is kept elsewhere so keeps where the chain ended, which shows later that nothing was cut off. */
async function tellHead(store: Store, log: Logger): Promise<void> {
  const { position, seal } = await findHead(store)
  log.info({ position, seal: seal.toString('hex') }, 'the head of the audit log')
}
