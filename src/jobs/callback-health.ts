import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { CallbackHealth } from '../core/callback-health.ts'
import { claimProbe } from '../core/callbacks.ts'
import type { Store } from '../core/store.ts'
import type { ClaimedCallback } from '../db/statements/claim-callbacks.ts'

const EVERY_MS = 1_000

/** Keeps the servers at one knowledge of the endpoints, and probes those that are out of order. */
export function startCallbackHealth(options: {
  store: Store
  health: CallbackHealth
  probe: (callback: ClaimedCallback) => Promise<void>
  log: Logger
}): { stop(): Promise<void> } {
  const { store, health, probe, log } = options
  const stopping = new AbortController()
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
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await look().catch((error) => log.warn({ err: error }, 'the health of endpoints could not be exchanged'))
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await Promise.all(probes)
  }
  const finished = loop()
  return {
    async stop() {
      stopping.abort()
      await finished
    },
  }
}
