import { setTimeout as delay } from 'node:timers/promises'

/** Requests one after the other in so many lanes; `ask` says whether one was answered as it should be. */
export function startLanes(lanes: number, ask: (lane: number) => Promise<boolean>) {
  const took_ms: number[] = []
  let failed = 0
  let isOver = false
  const lane = async (at: number) => {
    while (!isOver) {
      const began = performance.now()
      if (!(await ask(at))) failed++
      took_ms.push(performance.now() - began)
    }
  }
  const works = Array.from({ length: lanes }, (_, at) => lane(at))
  return {
    /** Lets them go on for so long, and gives all there were. */
    async forMs(ms: number) {
      await delay(ms)
      isOver = true
      await Promise.all(works)
      return { took_ms, failed }
    },
  }
}

export function p99(times: number[]): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
