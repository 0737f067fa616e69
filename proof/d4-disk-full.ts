import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { ANSWERS_BEFORE_COMMIT, compileProgram } from './support/compiled-program.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { type Outage, outage } from './support/outage.ts'
import { endPostgres, postgresProcesses } from './support/postgres-processes.ts'
import { inScope } from './support/scope.ts'
import { mountSmallDisk } from './support/small-disk.ts'

/**
 * The disk under the embedded PostgreSQL is filled while a carrier brings texts, and emptied again. A table that cannot
 * grow fails a statement; a write-ahead log that cannot grow ends PostgreSQL itself, which then cannot even recover
 * before there is space. Both are done. What was acknowledged at any time is held against what was sent.
 */
const DISK_MB = 256
const FULL_S = 3
const LOG_ENDED_MS = 20_000
const BACK_MS = 5_000

export const d4DiskFull: Proof = {
  id: 'D4',
  name: 'd4-disk-full',
  promise: 'on a full disk nothing is acknowledged that is not stored, and space is enough to go on',
  goal: '0 lost, 503 instead, live throughout, taken within 5 s of space returning',
  sizes: { short: 1, full: 10, unit: 'times full, for tables and for the log' },
  async run({ size, progress }) {
    const found: { how: string; outage: Outage }[] = []
    for (let time = 0; time < size; time++) {
      progress(`${time} of ${size} times full`)
      found.push({ how: 'tables', outage: await whileFull('tables') })
      found.push({ how: 'log', outage: await whileFull('log') })
    }
    progress('control')
    const control = await whileFull('tables', [ANSWERS_BEFORE_COMMIT])
    const sum = (what: 'lost' | 'taken' | 'refusals' | 'odd' | 'dead' | 'doubled') =>
      found.reduce((total, { outage }) => total + outage[what], 0)
    const back = Math.max(...found.map(({ outage }) => outage.back_ms))
    const wrong = sum('lost') + sum('odd') + sum('dead') + sum('doubled')
    return {
      figure:
        `${sum('lost')} of ${sum('taken')} lost, ${sum('refusals')} times 503, ` +
        `${sum('odd')} other answers, taken ${(back / 1000).toFixed(2)} s after there was space`,
      holds: wrong === 0 && back <= BACK_MS && found.every(({ outage }) => outage.refusals > 0),
      control: {
        figure: `${control.lost} of ${control.taken} lost when the answer comes before the commit`,
        fails: control.lost > 0,
      },
      details: [
        ...found.map(({ how, outage }) => `${how}: ${JSON.stringify(outage)}`),
        'there is no door for metrics yet, so only liveness was asked',
      ],
    }
  },
}

const whileFull = (what: 'tables' | 'log', breaks: Break[] = []) =>
  inScope(async (scope) => {
    const cli = await compileProgram(scope, breaks)
    const disk = mountSmallDisk(scope, DISK_MB)
    const data_dir = join(disk.folder, 'data')
    scope.after(() => endPostgres(data_dir))
    const world = await startMessageWorld(scope, { cli, data: { data_dir } })
    return await outage(world, {
      seconds: FULL_S,
      begin: async () => {
        disk.fill()
        if (what === 'log') await fillLog(world)
      },
      end: disk.free,
    })
  })

/** Writes to the log and to nothing else, until PostgreSQL has ended by it. */
async function fillLog(world: MessageWorld) {
  const first = postgresProcesses(world.data_dir)[0]
  const deadline = performance.now() + LOG_ENDED_MS
  while (postgresProcesses(world.data_dir)[0] === first) {
    if (performance.now() > deadline) throw new Error('PostgreSQL did not end by a log that cannot grow')
    await world.query("select pg_logical_emit_message(true, 'proof', repeat('x', 4000000))").catch(() => delay(50))
  }
}
