import type { Benchmark } from '../benchmark.ts'
import { median } from '../figures.ts'
import { type Load, presentMissed } from '../load.ts'
import { loadOnBareHandler, loadOnServer } from '../peers.ts'
import type { LoadResult } from '../programs/loops.ts'
import { checkRelayed, startWorld } from '../world.ts'

const PER_SECOND = 500
const CONNECTIONS = 64
/** A hundredth of the messages decides, so there have to be some. */
const AT_LEAST_S = 2

export const acknowledgement: Benchmark = {
  name: 'acknowledgement',
  title: `How long a carrier waits for its answer at ${PER_SECOND} messages/s, 99 of 100`,
  unit: 'ms',
  peer: 'a bare Fastify handler that stores one row for each',
  goal: { ratio: 'at most', of: 2 },
  async prepare(house, scope) {
    const world = await startWorld(house, scope, { carrier: 'silent' })
    const load = await loadOnServer(house, scope, world)
    const bare = await loadOnBareHandler(house, scope, world)
    const seconds = Math.max(house.seconds, AT_LEAST_S)
    const results: Record<'ours' | 'peer', LoadResult[]> = { ours: [], peer: [] }
    const measure = async (who: 'ours' | 'peer', on: Load) => {
      const result = await on.rate({ connections: CONNECTIONS, seconds, per_second: PER_SECOND })
      results[who].push(result)
      return result.latency_ms.p99
    }
    return {
      ours: async () => {
        const p99 = await measure('ours', load)
        await checkRelayed(world, results.ours)
        return p99
      },
      peer: () => measure('peer', bare),
      remarks: () => (['ours', 'peer'] as const).map((who) => `${who}: ${presentLatency(results[who])}`),
    }
  },
}

function presentLatency(results: LoadResult[]): string {
  const of = (name: 'p50' | 'p90' | 'p99' | 'max') =>
    median(results.map(({ latency_ms }) => latency_ms[name])).toFixed(2)
  const late = median(results.map(({ late_ms }) => late_ms.p99)).toFixed(2)
  const times = `median ${of('p50')}, 90 % ${of('p90')}, 99 % ${of('p99')}, longest ${of('max')} ms`
  return [`${times}; 99 % left within ${late} ms of when they were due`, ...presentMissed(results)].join(', ')
}
