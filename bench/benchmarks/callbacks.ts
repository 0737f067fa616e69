import { setTimeout as delay } from 'node:timers/promises'
import { type Benchmark, findBest } from '../benchmark.ts'
import { startChild } from '../child.ts'
import type { PosterOptions } from '../programs/poster.ts'
import { seenBy, startWorld, type World } from '../world.ts'

const POLL_MS = 10
const WARM_UP = 300

/** Callbacks of about 1 KB that are due all at once, and how fast the customer's application is told them. */
export const callbacks: Benchmark = {
  name: 'callbacks',
  title: 'Callbacks delivered from the queue to an application on this machine',
  unit: 'callbacks/s',
  peer: 'the same client without a queue',
  goal: { ratio: 'at least', of: 0.3 },
  async prepare(house, scope) {
    const world = await startWorld(house, scope, { carrier: 'answering', callbacks: true })
    const { service_sid, account, query } = world
    const [service] = await query<{ callback_url: string }>('select callback_url from services')
    const options: PosterOptions = { url: service?.callback_url ?? '', service_sid, ...account }
    const poster = await startChild(scope, house.programs.of('poster'), options)
    const post = (count: number, concurrency: number) =>
      countArrivals(world, count, () => poster.ask<void>('post', { count, concurrency }))
    const deliver = async (count: number) => {
      const rate = await countArrivals(world, count, () => feed(world, count))
      while (await isBusy(world)) await delay(POLL_MS)
      return rate
    }
    await deliver(WARM_UP)
    const count = Math.max(WARM_UP, Math.round((await deliver(WARM_UP)) * house.seconds))
    await post(WARM_UP, house.concurrency[0])
    const concurrency = await findBest(house.concurrency, (candidate) => post(count, candidate))
    return {
      ours: () => deliver(count),
      peer: () => post(count, concurrency),
      remarks: () => [`${count} callbacks a round, the client alone has ${concurrency} under way`],
    }
  },
}

/** By the application: from the first that it saw to the last. */
async function countArrivals({ carrier }: World, count: number, start: () => Promise<void>): Promise<number> {
  const { callbacks } = await seenBy(carrier)
  const first = carrier?.ask('reach', { callbacks: callbacks + 1 }).then(() => performance.now())
  const last = carrier?.ask('reach', { callbacks: callbacks + count }).then(() => performance.now())
  await start()
  const [began = 0, ended = 0] = await Promise.all([first, last])
  return ((count - 1) * 1000) / (ended - began)
}

/** As many as that, due at the moment they can be seen. */
async function feed({ query }: World, count: number): Promise<void> {
  await query(
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, inbound_resource_status,
                            outbound_resource_status, interaction_date_updated, due_at)
     select i.service_sid, 'CB' || replace(uuidv7()::text, '-', ''), i.account_sid, i.sid, s.callback_url,
            i.inbound_resource_status, i.outbound_resource_status, i.date_updated, now()
     from interactions i join services s on s.sid = i.service_sid where i.session_sid is not null limit $1`,
    [count],
  )
}

async function isBusy({ query }: World): Promise<boolean> {
  const [row] = await query<{ is_busy: boolean }>(
    'select exists (select from callbacks where due_at is not null) as is_busy',
  )
  return row?.is_busy ?? false
}
