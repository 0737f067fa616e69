import type { Scope } from '../../proof/support/scope.ts'
import type { Benchmark, House } from '../benchmark.ts'
import { median } from '../figures.ts'
import { startLoad } from '../load.ts'
import { loadOnServer } from '../peers.ts'
import type { Shape } from '../people.ts'
import type { LoadResult } from '../programs/loops.ts'
import type { CreateParameters } from '../programs/requests/session-creates.ts'
import { checkRelayed, startWorld, type World } from '../world.ts'

/** The largest of several data sets beside the smallest, each with a server of its own; those in between are remarked on. */
const CONNECTIONS = 16
/**
 * Of creates everywhere as many, since they are there from then on: as many as the largest does in the time, and few enough
 * for the smallest pool.
 */
const CREATES = { least: 32, per_second: 100 }
/** Of the data sets that differ in their pools. */
const POOL_SESSIONS = 10_000

/** Milliseconds an operation. */
type Measure = (creates: number) => Promise<number>
type Operation = (house: House, scope: Scope, shape: Shape) => Promise<Measure>

const takeIn: Operation = async (house, scope, shape) => {
  const world = await startWarm(house, scope, shape)
  const load = await loadOnServer(house, scope, world)
  const results: LoadResult[] = []
  return async () => {
    const result = await load.closed({ connections: CONNECTIONS, seconds: house.seconds })
    results.push(result)
    await checkRelayed(world, results)
    return 1000 / result.per_second
  }
}

const createSessions: Operation = async (house, scope, shape) => {
  const { service_sid, account, server } = await startWarm(house, scope, shape)
  const parameters: CreateParameters = { service_sid, ...account, shape }
  const load = await startLoad(house.programs, scope, { port: server.port, requests: 'session-creates', parameters })
  return async (count) => 1000 / (await load.closed({ connections: CONNECTIONS, count })).per_second
}

/**
 * A server that has run for a while has read what it uses; a copy has not, and in the seconds of a measurement only a small
 * one is read as a whole. So every size begins with all of it in PostgreSQL's cache, as far as that goes.
 */
async function startWarm(house: House, scope: Scope, shape: Shape): Promise<World> {
  const world = await startWorld(house, scope, { carrier: 'silent', shape })
  house.progress('warming the cache')
  await world.query('create extension pg_prewarm')
  await world.query("select sum(pg_prewarm(oid::regclass)) from pg_class where relkind in ('r', 'i')")
  return world
}

type Sizes = { of: (house: House) => Shape[]; largest: string; smallest: string; name: (shape: Shape) => string }

const count = (number: number) => number.toLocaleString('en')

const SESSIONS: Sizes = {
  of: ({ shape, growth }) =>
    growth.sessions.map((sessions) =>
      sessions === shape.sessions ? shape : { ...shape, sessions, interactions: sessions },
    ),
  largest: '1,000,000 open sessions',
  smallest: '1,000',
  name: ({ sessions }) => `${count(sessions)} sessions`,
}

const POOLS: Sizes = {
  of: ({ shape, growth }) =>
    growth.pools.map((pool) => ({ ...shape, pool, sessions: POOL_SESSIONS, interactions: POOL_SESSIONS })),
  largest: 'a pool of 5,500 numbers',
  smallest: 'one of 10',
  name: ({ pool }) => `${count(pool)} numbers`,
}

function growth(name: string, what: string, operation: Operation, sizes: Sizes): Benchmark {
  return {
    name,
    title: `Time of ${what} with ${sizes.largest}`,
    unit: 'ms',
    peer: `with ${sizes.smallest}`,
    goal: { ratio: 'at most', of: 1.3 },
    async prepare(house, scope) {
      const measured: { shape: Shape; measure: Measure; times: number[] }[] = []
      for (const shape of sizes.of(house)) {
        measured.push({ shape, measure: await operation(house, scope, shape), times: [] })
      }
      const largest = await measured.at(-1)?.measure(CREATES.least)
      if (!largest) throw new Error('There are no sizes to compare.')
      const most = house.seconds * Math.min(CREATES.per_second, 1000 / largest)
      const creates = Math.max(CREATES.least, Math.round(most))
      const take = async (at: number) => {
        const size = measured.at(at) as (typeof measured)[number]
        const time = await size.measure(creates)
        size.times.push(time)
        return time
      }
      return {
        ours: async () => {
          for (let between = 1; between < measured.length - 1; between++) await take(between)
          return await take(-1)
        },
        peer: () => take(0),
        remarks: () => measured.map(({ shape, times }) => `${sizes.name(shape)}: ${median(times).toFixed(3)} ms`),
      }
    },
  }
}

export const growthInbound = growth('growth-inbound', 'an inbound message', takeIn, SESSIONS)
export const growthCreate = growth('growth-create', 'a create', createSessions, SESSIONS)
export const growthPoolInbound = growth('growth-pool-inbound', 'an inbound message', takeIn, POOLS)
export const growthPoolCreate = growth('growth-pool-create', 'a create', createSessions, POOLS)
