import { createHistogram } from 'node:perf_hooks'

export type Latencies = { count: number; mean: number; p50: number; p90: number; p99: number; max: number }

const MICROSECONDS = 1_000
const LONGEST_MS = 600_000

/** How long things took, in milliseconds, to three digits from a microsecond to ten minutes. */
export function createLatencies() {
  const histogram = createHistogram({ lowest: 1, highest: LONGEST_MS * MICROSECONDS, figures: 3 })
  const inMs = (us: number) => us / MICROSECONDS
  return {
    record(ms: number) {
      histogram.record(Math.max(1, Math.min(LONGEST_MS * MICROSECONDS, Math.round(ms * MICROSECONDS))))
    },
    summary(): Latencies {
      if (histogram.count === 0) return { count: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0 }
      const [p50 = 0, p90 = 0, p99 = 0] = [50, 90, 99].map((p) => inMs(histogram.percentile(p)))
      return { count: histogram.count, mean: inMs(histogram.mean), p50, p90, p99, max: inMs(histogram.max) }
    },
  }
}
