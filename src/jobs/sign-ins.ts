import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { SignIns } from '../core/sign-ins.ts'
import type { Store } from '../core/store.ts'

const EVERY_MS = 5_000

/** Writes down who came in and who was refused. */
export function startSignIns(context: { store: Store; sign_ins: SignIns; log: Logger }): { stop(): Promise<void> } {
  const { store, sign_ins, log } = context
  const stopping = new AbortController()
  const write = (which: 'due' | 'all') =>
    sign_ins.write(store, which).catch((error) => log.error({ err: error }, 'sign-ins could not be written down'))
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await write('due')
      await delay(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await write('all')
  }
  const finished = loop()
  return {
    async stop() {
      stopping.abort()
      await finished
    },
  }
}
