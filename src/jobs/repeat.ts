import { setTimeout as delay } from 'node:timers/promises'

export type Repeated = { stop(): Promise<void> }

/**
 * Does something over and over, a while after it was done each time, whether or not it failed. Stopping waits for it, and then
 * for what is to be done at the last.
 */
export function repeat(
  every_ms: number,
  work: () => Promise<unknown>,
  failed: (error: unknown) => void,
  last?: () => Promise<unknown>,
): Repeated {
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      await work().catch(failed)
      await delay(every_ms, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await last?.().catch(failed)
  }
  const finished = loop()
  return {
    async stop() {
      stopping.abort()
      await finished
    },
  }
}
