import type { Clock } from './clock.ts'

/** Waits before the second and every further try; then the network gives up, as carriers do. */
const RETRY_MS = [100, 500, 2000, 10_000]

/** Whether it went well at the first try; `act` throws when it did not. */
export async function succeeds(clock: Clock, act: () => Promise<void>): Promise<boolean> {
  try {
    await clock.outside(act)
    return true
  } catch {
    return false
  }
}

/** What follows a first try that failed. */
export async function retry(clock: Clock, act: () => Promise<void>): Promise<void> {
  for (const delay_ms of RETRY_MS) {
    await clock.wait(delay_ms)
    if (await succeeds(clock, act)) return
  }
}
