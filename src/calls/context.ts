import type { Guard } from '../callbacks/guard.ts'
import type { Directory } from '../core/directory.ts'
import type { Store } from '../core/store.ts'

/** What the workers of this process do: each has one that is woken for it. */
export type Due = 'interactions' | 'callbacks'

/** What answering a call needs. */
export type CallContext = {
  store: Store
  directory: Directory
  guard: Guard
  intercept_timeout_ms: number
  /** Tells the worker of this process that something became due. */
  wake: (due: Due) => void
}

/** The carrier whose webhook is being answered. */
export type CallCarrier = { sid: string; account_sid: string }
