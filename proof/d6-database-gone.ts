import { dataFolder } from '../test/support/cli.ts'
import { startCuttableLine } from '../test/support/cuttable-line.ts'
import { createDatabase } from '../test/support/database.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { compileProgram } from './support/compiled-program.ts'
import { startMessageWorld } from './support/message-world.ts'
import { type Outage, outage } from './support/outage.ts'
import { signalPostgres } from './support/postgres-processes.ts'
import { inScope } from './support/scope.ts'

/**
 * PostgreSQL goes away while a carrier brings texts and brings again what was not taken, once by being stopped, so that
 * nothing answers, and once by a line that is cut. Meanwhile readiness and liveness are asked. Afterwards all
 * that was acknowledged, before, during and after, is held against what was sent. The control waits for the database without a limit.
 */
const REFUSED_MS = 1_000
const BACK_MS = 5_000
const UNREADY_MS = 2_000

const WAITS_FOREVER: Break = {
  file: 'http/genuine.ts',
  passage: 'DATABASE_LIMIT_MS = 750',
  becomes: 'DATABASE_LIMIT_MS = 600_000',
}
const CONTROL_S = 3

export const d6DatabaseGone: Proof = {
  id: 'D6',
  name: 'd6-database-gone',
  promise: 'without its database the server refuses at once, and goes on by itself when it is back',
  goal: '503 within 1 s, taken within 5 s of its return, 0 lost, unready within 2 s, live throughout',
  sizes: { short: 5, full: 30, unit: 'seconds without the database' },
  async run({ size, progress }) {
    progress('PostgreSQL is stopped')
    const stopped = await withStopped(size)
    progress('the line is cut')
    const cut = await withLineCut(size)
    progress('control')
    const control = await withStopped(Math.min(size, CONTROL_S), [WAITS_FOREVER])
    const both = [stopped, cut]
    const [refused, back, unready] = (['refused_ms', 'back_ms', 'unready_ms'] as const).map((what) =>
      Math.max(...both.map((found) => found[what])),
    ) as [number, number, number]
    const wrong = both.reduce((sum, { lost, doubled, odd, dead }) => sum + lost + doubled + odd + dead, 0)
    return {
      figure:
        `503 within ${seconds(refused)}, taken ${seconds(back)} after its return, ` +
        `${stopped.lost + cut.lost} of ${stopped.taken + cut.taken} lost, unready within ${seconds(unready)}`,
      holds: wrong === 0 && refused <= REFUSED_MS && back <= BACK_MS && unready <= UNREADY_MS && stopped.refusals > 0,
      control: {
        figure: `${seconds(control.refused_ms)} where the wait for the database has no limit`,
        fails: control.refused_ms > REFUSED_MS,
      },
      details: [describe('stopped', stopped), describe('line cut', cut)],
    }
  },
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`

const describe = (how: string, found: Outage) =>
  `${how}: ${found.refusals} refusals, the slowest after ${Math.round(found.refused_ms)} ms; unready after ` +
  `${Math.round(found.unready_ms)} ms; back after ${Math.round(found.back_ms)} ms; ${found.doubled} doubled, ` +
  `${found.odd} answers that were neither 200 nor 503, liveness failed ${found.dead} times`

const withStopped = (seconds: number, breaks: Break[] = []) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope, breaks)
    const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) } })
    scope.after(() => signalPostgres(world.data_dir, 'SIGCONT'))
    return await outage(world, {
      seconds,
      begin: () => signalPostgres(world.data_dir, 'SIGSTOP'),
      end: () => signalPostgres(world.data_dir, 'SIGCONT'),
    })
  })

const withLineCut = (seconds: number) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope)
    const database_url = await createDatabase(scope)
    const line = await startCuttableLine(scope, new URL(database_url))
    const seen_as = new URL(database_url)
    seen_as.port = String(line.port)
    const world = await startMessageWorld(scope, { cli, data: { database_url, seen_as: seen_as.href } })
    return await outage(world, { seconds, begin: line.cut, end: line.mend })
  })
