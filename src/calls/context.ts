import type { Guard } from '../callbacks/guard.ts'
import type { Directory } from '../core/directory.ts'
import type { Store } from '../core/store.ts'

/** What answering a call needs. */
export type CallContext = {
  store: Store
  directory: Directory
  guard: Guard
  intercept_timeout_ms: number
  /** Tells this process's workers that something became due. */
  wake: () => void
}

/** The carrier whose webhook is being answered. */
export type CallCarrier = { sid: string; account_sid: string }
