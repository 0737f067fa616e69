import type { Logger } from 'pino'
import type { Caller } from '../core/accounts.ts'
import type { Carriers } from '../core/carriers.ts'
import type { Directory } from '../core/directory.ts'
import type { Store } from '../core/store.ts'

/** What the doors of the server share. */
export type HttpContext = {
  store: Store
  carriers: Carriers
  directory: Directory
  authenticate: (username: string, password: string) => Promise<Caller | undefined>
  /** Tells this process's workers that something became due. */
  wake: () => void
  /** False once the server has begun to stop. */
  isAccepting: () => boolean
  /** How interactions name their type in REST bodies: `message`, or `Message` as some samples and clients have it. */
  resource_case: 'lower' | 'capitalised'
  version: string
  log: Logger
}
