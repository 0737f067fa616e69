import { type Benchmark, findBest } from '../benchmark.ts'
import { presentMissed } from '../load.ts'
import { loadOnServer } from '../peers.ts'
import type { LoadResult } from '../programs/loops.ts'
import { prepareRelayCeiling } from '../relay-ceiling.ts'
import { checkRelayed, startWorld } from '../world.ts'

/** Carriers open as many connections as they like, which PostgreSQL does not allow pgbench. */
const MORE_CONNECTIONS = [128, 256]

/** Taking in alone: the carrier is silent, so that nothing is sent on meanwhile. */
export const inbound: Benchmark = {
  name: 'inbound',
  title: 'Inbound messages taken in and on disk, over HTTP, by one process',
  unit: 'messages/s',
  peer: 'pgbench with the same statement, one message at a time',
  goal: { ratio: 'at least', of: 1.3 },
  async prepare(house, scope) {
    const { seconds, concurrency, progress } = house
    const world = await startWorld(house, scope, { carrier: 'silent' })
    const load = await loadOnServer(house, scope, world)
    const ceiling = await prepareRelayCeiling(world, scope)
    const results: LoadResult[] = []
    const take = async (connections: number) => {
      const result = await load.closed({ connections, seconds })
      results.push(result)
      await checkRelayed(world, results)
      return result.per_second
    }
    progress('how many connections and clients are best')
    await take(concurrency[0])
    const connections = await findBest([...concurrency, ...MORE_CONNECTIONS], take)
    const clients = await findBest(concurrency, (count) => ceiling({ clients: count, seconds }))
    return {
      ours: () => take(connections),
      peer: () => ceiling({ clients, seconds }),
      remarks: () => [`${connections} connections, ${clients} clients`, ...presentMissed(results)],
    }
  },
}
