import type { Logger } from 'pino'
import type { RateLimiter } from '../core/rate-limit.ts'
import type { Store } from '../core/store.ts'
import { type Repeated, repeat } from './repeat.ts'

const EVERY_MS = 250

/** Keeps the servers on one database at one count of requests. One that cannot reach it goes on with what it counts itself. */
export function startExchange(context: { store: Store; limiter: RateLimiter; log: Logger }): Repeated {
  const { store, limiter, log } = context
  return repeat(
    EVERY_MS,
    () => limiter.exchange(store.pool),
    (error) => log.debug({ err: error }, 'counts could not be exchanged'),
  )
}
