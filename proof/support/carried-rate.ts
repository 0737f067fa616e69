import { setTimeout as delay } from 'node:timers/promises'
import { startFixedRate } from './fixed-rate.ts'
import type { Ledger } from './ledger.ts'

/** Of what is carried, so that what fails does not fail of being too much. */
const SHARE = 0.5
/** From one try to the next, which is of less. */
const STEP = 0.7
const LEAST = 20
const WARM_UP_MS = 1_500
const MEASURED_MS = 2_000
/** A third of what a webhook may wait for the database. */
const SLOW_MS = 250

/**
 * How many texts a second this machine acknowledges now in good time, by trying: half of that, and no more than `most`.
 * They are taken as they come, so what is still to be sent may grow meanwhile.
 */
export async function findCarriedRate(ledger: Ledger, port: () => number, most: number): Promise<number> {
  for (let rate = most / SHARE; ; rate *= STEP) {
    const isLast = rate * STEP * SHARE < LEAST
    if ((await isCarried(ledger, port, rate)) || isLast) return Math.round(rate * SHARE)
  }
}

async function isCarried(ledger: Ledger, port: () => number, rate: number): Promise<boolean> {
  const load = startFixedRate(ledger, rate, port)
  await delay(WARM_UP_MS)
  const since = Date.now()
  await delay(MEASURED_MS)
  await load.finish()
  while (ledger.audit().lost.length > 0) await delay(20)
  const measured = load.tries.filter(({ began_at }) => began_at >= since)
  const slow = measured.filter(({ outcome, ms }) => outcome !== 'acknowledged' || ms > SLOW_MS)
  return slow.length <= measured.length / 100
}
