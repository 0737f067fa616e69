import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import { refreshKeyring } from '../core/keys.ts'
import type { Store } from '../core/store.ts'

/** Often enough that a new data key is known well before it is used (`core/keys.ts`). */
const EVERY_MS = 5_000

/** Takes over data keys that are made while the server runs, and says when it will need another master key to start again. */
export function startWatchingKeys({ store, log }: { store: Store; log: Logger }): { stop(): Promise<void> } {
  const stopping = new AbortController()
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
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await look().catch((error) => log.debug({ err: error }, 'the data keys could not be read'))
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
