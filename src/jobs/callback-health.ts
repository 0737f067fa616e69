import type { Logger } from 'pino'
import type { CallbackHealth } from '../core/callback-health.ts'
import { claimProbe } from '../core/callbacks.ts'
import type { Store } from '../core/store.ts'
import type { ClaimedCallback } from '../db/statements/claim-callbacks.ts'
import { type Repeated, repeat } from './repeat.ts'

const EVERY_MS = 1_000

/** Keeps the servers at one knowledge of the endpoints, and probes those that are out of order. */
export function startCallbackHealth(options: {
  store: Store
  health: CallbackHealth
  probe: (callback: ClaimedCallback) => Promise<void>
  log: Logger
}): Repeated {
  const { store, health, probe, log } = options
  const probes = new Set<Promise<void>>()

  const look = async () => {
    for (const endpoint of await health.exchange(store)) {
      const callback = await claimProbe(store, endpoint)
      if (!callback) continue
      const done = probe(callback)
        .catch((error) =>
          log.error({ err: error }, 'a probe failed; its callback is due again when its lease runs out'),
        )
        .finally(() => probes.delete(done))
      probes.add(done)
    }
  }
  return repeat(
    EVERY_MS,
    look,
    (error) => log.warn({ err: error }, 'the health of endpoints could not be exchanged'),
    () => Promise.all(probes),
  )
}
