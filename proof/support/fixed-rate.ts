import { setTimeout as delay } from 'node:timers/promises'
import type { Ledger, Try } from './ledger.ts'

const TICK_MS = 10
/** Of what was taken at most, so that what fails does not fail of being too much. */
const SHARE = 0.5
const LANES = 16
const WARM_UP_MS = 1_000
const MEASURED_MS = 1_000
const KEEP_UP_LIMIT_MS = 20_000

/** Texts at a rate that does not wait for answers, each brought once; `port` gives where, or nobody to bring it to. */
export function startFixedRate(ledger: Ledger, per_second: number, port: () => number | undefined) {
  const began = performance.now()
  const works: Promise<void>[] = []
  const tries: Try[] = []
  let due = 0
  let begun = 0
  const bringOne = () => {
    const target = port()
    if (target === undefined) return
    begun++
    works.push(ledger.bring(ledger.next(), target).then((one) => void tries.push(one)))
  }
  const timer = setInterval(() => {
    const wanted = ((performance.now() - began) / 1000) * per_second
    for (; due < wanted; due++) bringOne()
  }, TICK_MS)
  return {
    tries,
    /** Until the server keeps up with the rate, which one that has just started does not. */
    async keptUp() {
      const deadline = performance.now() + KEEP_UP_LIMIT_MS
      await delay(WARM_UP_MS)
      while (begun - tries.length > per_second / 20 && performance.now() < deadline) await delay(TICK_MS)
    },
    /** So many more at this moment. */
    burst(count: number) {
      for (let at = 0; at < count; at++) bringOne()
    },
    async finish() {
      clearInterval(timer)
      const seconds = (performance.now() - began) / 1000
      await Promise.all(works)
      return { failed: tries.filter(({ outcome }) => outcome !== 'acknowledged'), seconds }
    },
  }
}

/** How many texts a second this machine carries now, with all that has to be done for each: no more than `most`. */
export async function findRate(ledger: Ledger, port: number, most: number): Promise<number> {
  const begin = performance.now() + WARM_UP_MS
  let taken = 0
  const lane = async () => {
    while (performance.now() - begin < MEASURED_MS) {
      await ledger.bring(ledger.next(), port)
      if (performance.now() > begin) taken++
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const per_second = taken / ((performance.now() - begin) / 1000)
  // What waits to be sent is sent first.
  while (ledger.audit().lost.length > 0) await delay(20)
  return Math.max(10, Math.min(most, Math.floor(per_second * SHARE)))
}
