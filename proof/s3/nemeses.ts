import { setTimeout as delay } from 'node:timers/promises'
import { postgresOf } from '../../test/support/cli.ts'
import type { CuttableLine } from '../../test/support/cuttable-line.ts'
import type { Random } from '../random.ts'
import type { KillableServer } from '../support/killable-server.ts'
import { signalPostgres } from '../support/postgres-processes.ts'
import type { Fault } from './history.ts'
import { now } from './record.ts'
import type { Server, World } from './world.ts'

/** What can be broken. Two that break the `same` do not come together. */
export type Nemesis = { what: string; same: string; begin: () => unknown; end: () => unknown }

export function nemesesOf(world: World): Nemesis[] {
  const { postgres, lines, customer, servers } = world
  const { data_dir } = postgres
  const database = (what: string, begin: () => unknown, end: () => unknown): Nemesis => ({
    ...{ what: `PostgreSQL is ${what}`, same: 'PostgreSQL', begin },
    end: async () => {
      await end()
      await postgres.isBack()
    },
  })
  const nothing = () => undefined
  return [
    database('killed', () => signalPostgres(data_dir, 'SIGKILL'), nothing),
    database('restarted', () => process.kill(postgresOf(data_dir) ?? 0, 'SIGINT'), nothing),
    database(
      'stopped',
      () => signalPostgres(data_dir, 'SIGSTOP'),
      () => signalPostgres(data_dir, 'SIGCONT'),
    ),
    ...servers.flatMap((server) => [
      ...withServer(server),
      ...withLine(world.random, `between ${server.name} and PostgreSQL`, server.lines.database),
      ...withLine(world.random, `to ${server.name}`, server.lines.front),
    ]),
    ...withLine(world.random, 'to the carrier', lines.carrier),
    ...withLine(world.random, 'to the customer', lines.customer),
    {
      what: 'the customer fails',
      same: 'customer',
      begin: () => Object.assign(customer, { isDown: true }),
      end: () => Object.assign(customer, { isDown: false }),
    },
  ]
}

function withServer(server: Server): Nemesis[] {
  return [
    {
      what: `${server.name} is killed`,
      same: server.name,
      begin: () => server.process.signal('SIGKILL'),
      end: async () => {
        await server.process.ended
        server.process = await startAgain(server)
      },
    },
    {
      what: `${server.name} is stopped`,
      same: server.name,
      begin: () => server.process.signal('SIGSTOP'),
      end: () => server.process.signal('SIGCONT'),
    },
  ]
}

const STARTS = 20

/** It does not start while it cannot reach the database. */
async function startAgain({ start }: Server): Promise<KillableServer> {
  for (let nth = 1; ; nth++) {
    try {
      return await start()
    } catch (error) {
      if (nth === STARTS) throw error
      await delay(500)
    }
  }
}

function withLine(random: Random, which: string, line: CuttableLine): Nemesis[] {
  const same = `the line ${which}`
  return [
    { what: `${same} is cut`, same, begin: line.cut, end: line.mend },
    { what: `${same} holds everything back`, same, begin: line.hold, end: line.mend },
    { what: `${same} is slow`, same, begin: () => line.slow(20 + random.below(400)), end: line.mend },
  ]
}

const LASTS_MS = { least: 1_000, most: 5_000 }
const CALM_MS = { least: 300, most: 1_500 }

/** One or two at a time, in a drawn order in which each has its turn before any has another; all is mended at the end. */
export async function rage(world: World, isOver: () => boolean): Promise<void> {
  const { random, recorder } = world
  const all = nemesesOf(world)
  let deck: Nemesis[] = []
  const draw = (beside?: Nemesis) => {
    if (deck.length === 0) deck = shuffled(random, all)
    const at = deck.findIndex(({ same }) => same !== beside?.same)
    return at < 0 ? undefined : deck.splice(at, 1)[0]
  }
  const strike = async ({ what, begin, end }: Nemesis) => {
    await delay(random.below(1_000))
    const fault: Fault = { type: 'fault', what, began_at: now(), ended_at: Number.POSITIVE_INFINITY }
    await begin()
    recorder.add(fault)
    try {
      await delay(between(random, LASTS_MS))
    } finally {
      await end()
      fault.ended_at = now()
    }
  }
  while (!isOver()) {
    const first = draw()
    const second = random.chance(0.5) ? draw(first) : undefined
    await Promise.all([first, second].map((nemesis) => nemesis && strike(nemesis)))
    await delay(between(random, CALM_MS))
  }
}

const between = (random: Random, { least, most }: { least: number; most: number }) => least + random.below(most - least)

function shuffled<Item>(random: Random, items: Item[]): Item[] {
  const rest = [...items]
  return items.map(() => rest.splice(random.below(rest.length), 1)[0] as Item)
}
