import type { Logger } from 'pino'
import { refreshKeyring } from '../core/keys.ts'
import type { Store } from '../core/store.ts'
import { type Repeated, repeat } from './repeat.ts'

/** Often enough that a new data key is known well before it is used (`core/keys.ts`). */
const EVERY_MS = 5_000

/** Takes over data keys that are made while the server runs, and says when it will need another master key to start again. */
export function startWatchingKeys({ store, log }: { store: Store; log: Logger }): Repeated {
  let known: string | null | undefined
  const look = async () => {
    const { master_key_id, missed } = await refreshKeyring(store)
    if (missed.length > 0)
      log.error({ data_keys: missed }, 'there are data keys that this server does not have: start it again')
    if (known !== undefined && known !== master_key_id)
      log.warn(
        { master_key_id },
        'the master key was changed: this server goes on, and needs the new one to start again',
      )
    known = master_key_id
  }
  return repeat(EVERY_MS, look, (error) => log.debug({ err: error }, 'the data keys could not be read'))
}
