import type { Logger } from 'pino'
import type { Guard } from '../callbacks/guard.ts'
import type { Due } from '../calls/context.ts'
import type { Carriers } from '../core/carriers.ts'
import type { Store } from '../core/store.ts'

/** What the jobs need beside the store. */
export type JobContext = {
  store: Store
  carriers: Carriers
  guard: Guard
  intercept_timeout_ms: number
  log: Logger
  /** Called when a job made more work that is due at once. */
  wake: (due: Due) => void
}
