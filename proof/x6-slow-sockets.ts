import { dataFolder } from '../test/support/cli.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { compileProgram } from './support/compiled-program.ts'
import { median, p99, startLanes } from './support/lanes.ts'
import { createLedger } from './support/ledger.ts'
import { startMessageWorld } from './support/message-world.ts'
import { inScope } from './support/scope.ts'
import { startSlowSockets } from './support/slow-sockets.ts'

/**
 * Sockets that are slow in every way there is (heads and bodies that come bit by bit, connections on which nothing comes,
 * answers that nobody reads) are opened over some seconds, and again a second after the server has ended them. Meanwhile
 * texts and requests of others come, as they did before: in turns, so that the machine is the same. The control has no bound
 * for those who are slow.
 */
const TURNS = 3
const TURN_MS = 1_500
const LANES = 8
const MOST_RATIO = 2

const BOUNDLESS: Break = {
  file: 'http/slow-sockets.ts',
  passage: 'SLOW_SHARE = 0.25',
  becomes: 'SLOW_SHARE = 1e9',
}

export const x6SlowSockets: Proof = {
  id: 'X6',
  name: 'x6-slow-sockets',
  promise: 'whoever is slow at sending or reading holds up nobody else',
  goal: '0 of the others failed, their p99 at most twice that without slow sockets',
  sizes: { short: 400, full: 2_000, unit: 'slow sockets' },
  async run({ size, progress }) {
    const found = await besideSlowSockets(size, TURNS, progress)
    const control = await besideSlowSockets(size, 1, () => progress('control'), [BOUNDLESS])
    const isPressed = found.ended >= (size * TURNS) / 8
    return {
      figure: `${found.failed} of ${found.requests} failed, p99 ${found.ratio.toFixed(2)} ×, beside ${size} slow sockets${isPressed ? '' : ' that did not press the server: too busy to say'}`,
      holds: found.failed === 0 && found.ratio <= MOST_RATIO && isPressed,
      control: {
        figure: `${control.failed} of ${control.requests} failed where those who are slow have no bound`,
        fails: control.failed > 0,
      },
      details: [
        `p99 without and beside them, by turn: ${found.turns.map((times) => times.map((ms) => `${ms.toFixed(1)} ms`).join(' and ')).join(', ')}`,
        `the server ended ${found.ended} of them`,
      ],
    }
  },
}

const besideSlowSockets = (size: number, turns: number, progress: (what: string) => void, breaks: Break[] = []) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope, breaks)
    // Half of the sockets send bodies, so without a bound they would have every place.
    const env = { MASKLINE_MAX_REQUESTS: String(Math.ceil(size * 0.45)) }
    const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) }, env })
    const ledger = createLedger(world)
    const lanes = () =>
      startLanes(LANES, async (at) => {
        if (at % 2 === 0) return (await ledger.bring(ledger.next())).outcome === 'acknowledged'
        return (await world.api.ask('GET', '/v1/Services')).status === 200
      })
    // A server that has just started is slow by itself.
    await lanes().forMs(TURN_MS)
    const found: [without: number, beside: number][] = []
    let [failed, ended, requests] = [0, 0, 0]
    for (let turn = 0; turn < turns; turn++) {
      progress(`${turn} of ${turns} turns`)
      const before = await lanes().forMs(TURN_MS)
      const sockets = startSlowSockets(world.server.port, size)
      const beside = lanes()
      await sockets.opened
      await sockets.noticed()
      const during = await beside.forMs(TURN_MS)
      ended += await sockets.stop()
      found.push([p99(before.took_ms), p99(during.took_ms)])
      failed += before.failed + during.failed
      requests += before.took_ms.length + during.took_ms.length
    }
    await ledger.close()
    return { failed, ended, requests, turns: found, ratio: median(found.map(([without, beside]) => beside / without)) }
  })
