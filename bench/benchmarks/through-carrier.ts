import { setTimeout as delay } from 'node:timers/promises'
import { type Benchmark, findBest } from '../benchmark.ts'
import { median } from '../figures.ts'
import { loadOnBareHandler, loadOnServer } from '../peers.ts'
import { seenBy, startWorld, type World } from '../world.ts'

/** To take a message in, to send it, and for each of two reports; the callbacks come besides. */
const EXCHANGES = 4
/** Sent, delivered, and usually queued before: when the first report is faster than our own record, there is none of it. */
const LEAST_CALLBACKS = 2
const POLL_MS = 10
const WARM_UP = 300

/**
 * All that follows from a message: taken in, sent, reported sent and delivered, and the customer told of each change. A
 * fixed number is brought as fast as it is taken, and the time counts until the last of it all is done.
 */
export const throughCarrier: Benchmark = {
  name: 'through-carrier',
  title: 'Messages taken in, sent by a carrier, reported on and told to the customer',
  unit: 'messages/s',
  peer: 'a bare Fastify handler that stores one row for each',
  goal: { ratio: 'at least', of: 0.7 },
  async prepare(house, scope) {
    const world = await startWorld(house, scope, { carrier: 'answering', callbacks: true })
    const load = await loadOnServer(house, scope, world)
    const bare = await loadOnBareHandler(house, scope, world)
    const store = (connections: number) =>
      bare.closed({ connections, seconds: house.seconds }).then(({ per_second }) => per_second)
    await store(house.concurrency[0])
    const connections = await findBest(house.concurrency, store)
    const exchanges: number[] = []
    const carry = async (count: number) => {
      const { sent, reported, callbacks } = await seenBy(world.carrier)
      const began = performance.now()
      const { refused } = await load.closed({ connections, count })
      if (refused > 0) throw new Error(`${refused} messages were refused.`)
      const wanted = { sent: sent + count, reported: reported + count, callbacks: callbacks + LEAST_CALLBACKS * count }
      await world.carrier?.ask('reach', wanted)
      while (await isBusy(world)) await delay(POLL_MS)
      const seconds = (performance.now() - began) / 1000
      const told = (await seenBy(world.carrier)).callbacks - callbacks
      exchanges.push((EXCHANGES * count + told) / seconds)
      return count / seconds
    }
    await carry(WARM_UP)
    const count = Math.max(WARM_UP, Math.round((await carry(WARM_UP)) * house.seconds))
    return {
      ours: () => carry(count),
      peer: () => store(connections),
      remarks: () => [
        `${count} messages a round, ${connections} connections, ${Math.round(median(exchanges))} HTTP exchanges/s`,
      ],
    }
  },
}

async function isBusy({ query }: World): Promise<boolean> {
  const [row] = await query<{ is_busy: boolean }>(
    `select exists (select from interactions where due_at is not null)
         or exists (select from callbacks where due_at is not null) as is_busy`,
  )
  return row?.is_busy ?? false
}
