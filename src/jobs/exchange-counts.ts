import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { RateLimiter } from '../core/rate-limit.ts'
import type { Store } from '../core/store.ts'

const EVERY_MS = 250

/** Keeps the servers on one database at one count of requests. One that cannot reach it goes on with what it counts itself. */
export function startExchange(context: { store: Store; limiter: RateLimiter; log: Logger }): { stop(): Promise<void> } {
  const { store, limiter, log } = context
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await limiter.exchange(store.pool).catch((error) => log.debug({ err: error }, 'counts could not be exchanged'))
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  const finished = loop()
  return {
    async stop() {
      stopping.abort()
      await finished
    },
  }
}
