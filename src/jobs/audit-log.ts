import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { chainDeeds, findHead, purgeAuditLog } from '../core/audit-chain.ts'
import type { Store } from '../core/store.ts'

/**
 * Makes entries of deeds once a second, and purges old ones. By itself, and not in a round of the sweeper, which may wait for
 * carriers: what is not sealed yet can be changed unseen. One server of a deployment does it at a time.
 */
const EVERY_MS = 1_000
const PURGE_EVERY_MS = 60_000
const TELL_EVERY_MS = 3_600_000

export function startAuditLog(context: { store: Store; days: number; log: Logger }): { stop(): Promise<void> } {
  const { store, days, log } = context
  const stopping = new AbortController()
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
  const attempt = (work: Promise<void>) =>
    work.catch((error) => log.error({ err: error }, 'the audit log could not be gone on with'))

  const loop = async () => {
    while (!stopping.signal.aborted) {
      await attempt(round())
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await attempt(chainDeeds(store).then(() => tellHead(store, log)))
  }
  const finished = loop()
  return {
    async stop() {
      stopping.abort()
      await finished
    },
  }
}

/** A log that is kept elsewhere so keeps where the chain ended, which shows later that nothing was cut off. */
async function tellHead(store: Store, log: Logger): Promise<void> {
  const { position, seal } = await findHead(store)
  log.info({ position, seal: seal.toString('hex') }, 'the head of the audit log')
}
