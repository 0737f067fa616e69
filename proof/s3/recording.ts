import type { Random } from '../random.ts'
import type { Break } from '../support/broken-copy.ts'
import { compileProgram } from '../support/compiled-program.ts'
import type { Scope } from '../support/scope.ts'
import { createClients } from './clients.ts'
import { findAll, settle } from './find.ts'
import type { History } from './history.ts'
import { rage } from './nemeses.ts'
import { makeServices, moveNumbers, type Service } from './services.ts'
import { createTraffic, type Traffic } from './traffic.ts'
import { readBegun, startWorld, type World } from './world.ts'

export type Recorded = {
  history: History
  /** Messages with something to be done that nobody gets on with in the end. */
  unsettled: number
  /** What the servers wrote last, to look at when something is wrong. */
  logged: string[]
}

export type RecordOptions = {
  seconds: number
  random: Random
  progress: (what: string) => void
  /** For a control: without the index over events, too, where the program does without. */
  broken?: { breaks: Break[]; index: boolean }
}

const LANES = 20
/** Before the first fault, and after the last. */
const CALM_MS = 2_000

/** So many seconds of faults, and what everybody saw of it; in the end nothing is broken, and everything has been done. */
export async function recordHistory(scope: Scope, options: RecordOptions): Promise<Recorded> {
  const { random, seconds, progress, broken = { breaks: [], index: true } } = options
  const cli = await compileProgram(scope, broken.breaks)
  const world = await startWorld(scope, { random, cli, index: broken.index })
  const services = await makeServices(world)
  const clients = createClients(world, services)
  const traffic = createTraffic(world, clients)

  const began = performance.now()
  const passed = () => performance.now() - began - CALM_MS
  const isRaging = () => passed() < seconds * 1000
  const timer = setInterval(() => progress(`${Math.max(0, Math.round(passed() / 1000))} of ${seconds} s`), 1_000)
  try {
    let isMended = false
    const raging = (async () => {
      await new Promise((resolve) => setTimeout(resolve, CALM_MS))
      await rage(world, () => !isRaging()).finally(() => {
        isMended = true
      })
    })()
    const isOver = () => isMended && passed() > seconds * 1000
    const works = [clients.run(LANES, isOver), moveNumbers(world, services, isOver), traffic.run(isOver)]
    await Promise.all([raging, ...works])
    traffic.isCalm = true
    world.customer.isCalm = true
    await traffic.finish()
  } finally {
    clearInterval(timer)
  }
  progress('waiting for what is left to do')
  // What a control has to be found with has happened by now.
  const unsettled = options.broken ? 0 : await finish(world, traffic, services)
  const history = world.recorder.history(await readBegun(world))
  const logged = world.servers.flatMap(({ process }) => process.lines)
  traffic.isOver = true
  // Nobody waits for them to stop in good order.
  for (const { process } of world.servers) process.signal('SIGKILL')
  return { history, unsettled, logged }
}

async function finish(world: World, traffic: Traffic, services: Service[]): Promise<number> {
  const unsettled = await settle(world)
  await traffic.finish()
  await findAll(world, services)
  return unsettled
}
