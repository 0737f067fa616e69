import { setTimeout as delay } from 'node:timers/promises'
import { dataFolder } from '../test/support/cli.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { compileProgram } from './support/compiled-program.ts'
import { findRate, startFixedRate } from './support/fixed-rate.ts'
import { probe } from './support/killable-server.ts'
import { createLedger, type Ledger } from './support/ledger.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { inScope } from './support/scope.ts'
import { untilNothingIsDue } from './support/settled-world.ts'

/**
 * The server is told to stop while texts come at a fixed rate, by a balancer that asks for readiness many times a second and
 * brings nothing more once it fails. Every request that was begun has to be answered 2xx; then the server is
 * started again, and all that was acknowledged held against what was sent.
 */
const RATE = 500
const PROBE_EVERY_MS = 50
/** As long as the door stays open after the signal. */
const UNREADY_MS = 1_000
const EXIT_MS = 10_000
/** So that there is something in flight at the signal, however fast or slow the machine is. */
export const BURST = 20
export const BURST_MS = 10

/** The first signal ends it, as the second does. */
export const ENDS_AT_ONCE: Break = {
  file: 'cli/serve.ts',
  passage: `      log.info({ signal }, 'stopping')\n`,
  becomes: '      process.exit(0)\n',
}

export const o1Sigterm: Proof = {
  id: 'O1',
  name: 'o1-sigterm',
  promise: 'a server that is told to stop fails no request and ends by itself',
  goal: '0 failed, unready at once, exit 0 within 10 s',
  sizes: { short: 2, full: 20, unit: 'stops' },
  async run({ size, progress }) {
    const found = await stopAgainAndAgain(size, progress)
    const control = await stopAgainAndAgain(1, () => progress('control'), [ENDS_AT_ONCE])
    const [unready, exit] = [Math.max(...found.unready), Math.max(...found.exit)]
    const wrong = found.failed + found.lost + found.doubled + found.statuses.filter((status) => status !== 0).length
    return {
      figure:
        `${found.failed} of ${found.requests} failed at ${found.rate}/s, unready within ${Math.round(unready)} ms, ` +
        `exit ${[...new Set(found.statuses)].join(', ')} within ${(exit / 1000).toFixed(1)} s`,
      holds: wrong === 0 && unready <= UNREADY_MS && exit <= EXIT_MS,
      control: {
        figure: `${control.failed} of ${control.requests} failed where the signal ends it at once`,
        fails: control.failed > 0,
      },
      details: [
        `${found.lost} lost, ${found.doubled} doubled afterwards`,
        `unready after, in ms: ${found.unready.map(Math.round).join(' ')}`,
        `ended after, in ms: ${found.exit.map(Math.round).join(' ')}`,
        ...found.first,
      ],
    }
  },
}

const stopAgainAndAgain = (stops: number, progress: (what: string) => void, breaks: Break[] = []) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope, breaks)
    const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) } })
    const ledger = createLedger(world)
    const rate = await findRate(ledger, world.server.port, RATE)
    const found = { rate, requests: 0, failed: 0, lost: 0, doubled: 0 }
    const [unready, exit]: [number[], number[]] = [[], []]
    const [statuses, first]: [(number | null)[], string[]] = [[], []]
    for (let stop = 0; stop < stops; stop++) {
      progress(`${stop} of ${stops} stops`)
      const one = await stopUnderLoad(world, ledger, rate)
      unready.push(one.unready_ms)
      exit.push(one.exit_ms)
      statuses.push(one.status)
      found.requests += one.requests
      found.failed += one.failed.length
      first.push(...one.failed.slice(0, 2).map((failed) => JSON.stringify(failed)))
      // What a control had in hand waits for its claim to run out, and nobody waits for that.
      if (breaks.length > 0) break
      world.server = await world.start()
      await untilNothingIsDue(world, 60_000)
      found.lost += ledger.audit().lost.length
      found.doubled += ledger.audit().doubled.length
      ledger.turnOver()
    }
    await ledger.close()
    return { ...found, unready, exit, statuses, first: first.slice(0, 4) }
  })

async function stopUnderLoad({ server }: MessageWorld, ledger: Ledger, rate: number) {
  let unready_at: number | undefined
  const load = startFixedRate(ledger, rate, () => (unready_at === undefined ? server.port : undefined))
  await load.keptUp()
  load.burst(BURST)
  // They are under way, but the least of them answered.
  await delay(BURST_MS)
  server.signal('SIGTERM')
  const told_at = performance.now()
  const probing = setInterval(async () => {
    if ((await probe(server.port, 'ready')) === 503) unready_at ??= performance.now()
  }, PROBE_EVERY_MS)
  const status = await server.ended
  const exit_ms = performance.now() - told_at
  clearInterval(probing)
  const unready_ms = (unready_at ?? Number.POSITIVE_INFINITY) - told_at
  const { failed } = await load.finish()
  return { unready_ms, exit_ms, status, failed, requests: load.tries.length }
}
