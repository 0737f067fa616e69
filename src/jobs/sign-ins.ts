import type { Logger } from 'pino'
import type { SignIns } from '../core/sign-ins.ts'
import type { Store } from '../core/store.ts'
import { type Repeated, repeat } from './repeat.ts'

const EVERY_MS = 5_000

/** Writes down who came in and who was refused. */
export function startSignIns(context: { store: Store; sign_ins: SignIns; log: Logger }): Repeated {
  const { store, sign_ins, log } = context
  return repeat(
    EVERY_MS,
    () => sign_ins.write(store, 'due'),
    (error) => log.error({ err: error }, 'sign-ins could not be written down'),
    () => sign_ins.write(store, 'all'),
  )
}
