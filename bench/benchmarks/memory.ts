import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from '../../proof/support/scope.ts'
import type { Benchmark, House } from '../benchmark.ts'
import type { Load } from '../load.ts'
import { loadOnBareHandler, loadOnServer } from '../peers.ts'
import { startWorld } from '../world.ts'

const CONNECTIONS = 32
const LOOK_EVERY_MS = 100
const SETTLE_MS = 1_000

export const memory: Benchmark = {
  name: 'memory',
  title: 'Resident memory of the server when nothing happens',
  unit: 'MB',
  peer: 'a bare Fastify handler with a connection to PostgreSQL',
  goal: { ratio: 'at most', of: 2.5 },
  async prepare(house, scope) {
    const { ours, peer } = await startBoth(house, scope)
    const idle = async ({ pid }: Subject) => {
      await delay(SETTLE_MS)
      return residentMb(pid)
    }
    return { ours: () => idle(ours), peer: () => idle(peer) }
  },
}

export const memoryLoaded: Benchmark = {
  name: 'memory-loaded',
  title: 'The most of it while messages are taken in as fast as possible',
  unit: 'MB',
  peer: 'that handler under the same load',
  goal: undefined,
  async prepare(house, scope) {
    const { ours, peer } = await startBoth(house, scope)
    const loaded = async ({ pid, load }: Subject) => {
      let most = 0
      const look = () => {
        most = Math.max(most, residentMb(pid))
      }
      const timer = setInterval(look, LOOK_EVERY_MS)
      await load.closed({ connections: CONNECTIONS, seconds: house.seconds })
      clearInterval(timer)
      look()
      return most
    }
    return { ours: () => loaded(ours), peer: () => loaded(peer) }
  },
}

type Subject = { pid: number; load: Load }

async function startBoth(house: House, scope: Scope): Promise<{ ours: Subject; peer: Subject }> {
  const world = await startWorld(house, scope, { carrier: 'silent' })
  const bare = await loadOnBareHandler(house, scope, world)
  const ours = { pid: world.server.pid, load: await loadOnServer(house, scope, world) }
  return { ours, peer: { pid: bare.pid, load: bare } }
}

/** As the kernel counts it, in what every `ps` gives: kilobytes. */
const residentMb = (pid: number) =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024
