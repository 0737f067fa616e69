import { setTimeout as delay } from 'node:timers/promises'
import { createDatabase } from '../test/support/database.ts'
import { BURST, BURST_MS, ENDS_AT_ONCE } from './o1-sigterm.ts'
import type { Proof } from './proof.ts'
import { startBalancer } from './support/balancer.ts'
import type { Break } from './support/broken-copy.ts'
import { compileProgram } from './support/compiled-program.ts'
import { findRate, startFixedRate } from './support/fixed-rate.ts'
import { freePort, type KillableServer } from './support/killable-server.ts'
import { createLedger } from './support/ledger.ts'
import { startMessageWorld } from './support/message-world.ts'
import { inScope } from './support/scope.ts'
import { untilNothingIsDue } from './support/settled-world.ts'

/**
 * Two servers on one database behind a balancer are restarted one after the other while texts come at a fixed rate, and
 * a burst of them at each signal. Every one is brought once: it has to be answered 2xx, and sent once.
 */
const RATE = 200
const SETTLE_MS = 500

export const o2RollingRestarts: Proof = {
  id: 'O2',
  name: 'o2-rolling-restarts',
  promise: 'two servers are restarted in turn and nobody notices',
  goal: '0 failed, 0 lost, 0 doubled',
  sizes: { short: 2, full: 10, unit: 'rolling restarts of two servers' },
  async run({ size, progress }) {
    const found = await restart(size, progress)
    const control = await restart(1, () => progress('control'), [ENDS_AT_ONCE])
    const wrong = found.failed + found.lost + found.doubled + found.astray + found.badExits
    return {
      figure: `${found.failed} of ${found.requests} failed at ${found.rate}/s, ${found.lost} lost, ${found.doubled} doubled`,
      holds: wrong === 0,
      control: {
        figure: `${control.failed} of ${control.requests} failed where the signal ends a server at once`,
        fails: control.failed > 0,
      },
      details: [
        `${found.badExits} servers ended with another status than 0, ${found.astray} sent astray`,
        ...found.first,
      ],
    }
  },
}

const restart = (times: number, progress: (what: string) => void, breaks: Break[] = []) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope, breaks)
    const database_url = await createDatabase(scope)
    const ports = [await freePort(), await freePort()]
    const balancer = await startBalancer(scope, ports)
    const public_url = `http://127.0.0.1:${balancer.port}`
    const world = await startMessageWorld(scope, { cli, data: { database_url }, port: ports[0], public_url })
    const servers = [world.server, await world.start({ port: ports[1] ?? 0 })]
    const isBalanced = () => balancer.ready.size === servers.length
    while (!isBalanced()) await delay(20)

    const ledger = createLedger(world)
    const rate = await findRate(ledger, balancer.port, RATE)
    const load = startFixedRate(ledger, rate, () => balancer.port)
    let badExits = 0
    for (let time = 0; time < times; time++) {
      for (const [at, server] of servers.entries()) {
        progress(`${time} of ${times} rolling restarts`)
        await delay(SETTLE_MS)
        load.burst(BURST)
        await delay(BURST_MS)
        badExits += (await endInOrder(server)) === 0 ? 0 : 1
        servers[at] = await world.start({ port: server.port })
        while (!isBalanced()) await delay(20)
      }
    }
    const { failed } = await load.finish()
    // What a control had in hand waits for its claim to run out, and nobody waits for that.
    if (breaks.length === 0) await untilNothingIsDue(world, 60_000)
    const audit = ledger.audit()
    await ledger.close()
    return {
      ...{ rate, requests: load.tries.length, failed: failed.length, badExits },
      ...{ lost: audit.lost.length, doubled: audit.doubled.length, astray: audit.astray.length },
      first: failed.slice(0, 4).map((one) => JSON.stringify(one)),
    }
  })

async function endInOrder(server: KillableServer): Promise<number | null> {
  server.signal('SIGTERM')
  return await server.ended
}
