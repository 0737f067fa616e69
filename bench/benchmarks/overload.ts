import { type Benchmark, findBest } from '../benchmark.ts'
import { median } from '../figures.ts'
import { loadOnServer } from '../peers.ts'
import type { LoadResult } from '../programs/loops.ts'
import { checkRelayed, startWorld } from '../world.ts'

const TIMES = 3
/** Carriers open as many as they like: with few, those who wait for an answer would keep the others away. */
const CONNECTIONS = 2_000
/** Long enough for what is piled up to matter. */
const AT_LEAST_S = 3

export const overload: Benchmark = {
  name: 'overload',
  title: `Messages taken in when ${TIMES} times as many come as can be`,
  unit: 'messages/s',
  peer: 'the most it takes in',
  goal: { ratio: 'at least', of: 0.9 },
  async prepare(house, scope) {
    const { seconds, concurrency, progress } = house
    const world = await startWorld(house, scope, { carrier: 'silent' })
    const load = await loadOnServer(house, scope, world)
    const results: LoadResult[] = []
    const overloads: LoadResult[] = []
    const counted = async (result: LoadResult) => {
      results.push(result)
      await checkRelayed(world, results)
      return result.per_second
    }
    const take = async (connections: number) => counted(await load.closed({ connections, seconds }))
    progress('how many connections are best')
    await take(concurrency[0])
    const connections = await findBest(concurrency, take)
    const per_second = Math.round(TIMES * Math.max(...results.map((result) => result.per_second)))
    const flood = { connections: CONNECTIONS, seconds: Math.max(seconds, AT_LEAST_S), per_second }
    return {
      ours: async () => {
        const result = await load.rate(flood)
        if (result.without_retry_after > 0) {
          throw new Error(`${result.without_retry_after} were refused without being told when to come again.`)
        }
        overloads.push(result)
        return await counted(result)
      },
      peer: () => take(connections),
      remarks: () => [
        `${connections} connections at best, ${CONNECTIONS} in the flood`,
        ...presentFlood(overloads, per_second),
      ],
    }
  },
}

function presentFlood(results: LoadResult[], per_second: number): string[] {
  const of = (what: (result: LoadResult) => number) => median(results.map(what))
  const ms = (what: (result: LoadResult) => number) => `${of(what).toFixed(0)} ms`
  const refused = of(({ answered, refused }) => refused / (answered + refused))
  const unsent = of(({ unsent }) => unsent)
  return [
    `${per_second}/s came, 99 of 100 within ${ms(({ late_ms }) => late_ms.p99)} of when they were due`,
    ...(unsent > 0 ? [`${unsent} of a round could not be sent`] : []),
    `${(100 * refused).toFixed(0)} % refused with 503, 99 of 100 of them within ${ms(({ refused_ms }) => refused_ms.p99)}`,
    `99 of 100 acknowledgements within ${ms(({ answered_ms }) => answered_ms.p99)}`,
  ]
}
