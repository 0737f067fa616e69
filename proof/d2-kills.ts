import { setTimeout as delay } from 'node:timers/promises'
import { dataFolder } from '../test/support/cli.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { ANSWERS_BEFORE_COMMIT, compileProgram } from './support/compiled-program.ts'
import { startKillLoad } from './support/kill-load.ts'
import { createLedger } from './support/ledger.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { signalPostgres } from './support/postgres-processes.ts'
import { inScope } from './support/scope.ts'
import { untilNothingIsDue } from './support/settled-world.ts'

/**
 * The server is killed while texts come in and go out and reports come in, every fourth time with its PostgreSQL, and
 * started again. What the carrier was told is held against what it was then asked to send, and against what
 * became of the reports. The load goes on through a round of kills, so that work is in hand at each, and then pauses
 * until nothing is due: from the last kill of the round until then is how long resuming took.
 */
const READY_MS = 5_000
const RESUMED_MS = 30_000
const ROUND = 8
const WITH_POSTGRES = 4
const CONTROL_KILLS = 3

export const d2Kills: Proof = {
  id: 'D2',
  name: 'd2-kills',
  promise: 'a kill loses nothing that was acknowledged, and what was in hand goes on',
  goal: '0 lost or doubled, resumed within 30 s, ready within 5 s',
  sizes: { short: 8, full: 200, unit: 'kills' },
  async run({ size, seed, progress }) {
    const random = createRandom(seed)
    const found = await inScope(async (scope) => {
      const cli = await compileProgram(scope)
      const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) } })
      return await killAgainAndAgain(world, { random, kills: size, progress })
    })
    const control = await inScope(async (scope) => {
      const cli = await compileProgram(scope, [ANSWERS_BEFORE_COMMIT])
      const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) } })
      return await countForgotten(world, { random, kills: Math.min(size, CONTROL_KILLS), progress })
    })
    const [ready, resumed] = [Math.max(...found.own), Math.max(...found.resumed)]
    const wrong = found.lost + found.doubled + found.astray + found.forgotten
    return {
      figure:
        `${found.lost} of ${found.acknowledged} lost, ${found.doubled} doubled, ` +
        `resumed within ${seconds(resumed)}, ready within ${seconds(ready)}`,
      holds: wrong === 0 && ready <= READY_MS && resumed <= RESUMED_MS,
      control: {
        figure: `${control.lost} of ${control.acknowledged} lost when the answer comes before the commit`,
        fails: control.lost > 0,
      },
      details: [
        `${found.astray} sent to or from another number, ${found.forgotten} of ${found.reports} acknowledged reports forgotten`,
        `ready after, in ms: ${found.own.map(Math.round).join(' ')}; every fourth time PostgreSQL was killed as well`,
        `with the time for which others had the processors: ${found.ready.map(Math.round).join(' ')}`,
        `resumed after the last kill of each round, in ms: ${found.resumed.map(Math.round).join(' ')}`,
        ...found.first,
      ],
    }
  },
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`

type Kills = { random: Random; kills: number; progress: (what: string) => void }

async function killAgainAndAgain(world: MessageWorld, { random, kills, progress }: Kills) {
  const ledger = createLedger(world)
  const found = { acknowledged: 0, reports: 0, lost: 0, doubled: 0, astray: 0, forgotten: 0 }
  const [ready, own, resumed]: [number[], number[], number[]] = [[], [], []]
  const first: string[] = []
  for (let kill = 0; kill < kills; ) {
    const load = startKillLoad(world, ledger)
    let killed_at = 0
    for (const last = Math.min(kill + ROUND, kills); kill < last; kill++) {
      progress(`${kill} of ${kills} kills`)
      await load.untilAcknowledged(50 + random.below(250))
      killed_at = performance.now()
      world.server.signal('SIGKILL')
      if (kill % WITH_POSTGRES === WITH_POSTGRES - 1) signalPostgres(world.data_dir, 'SIGKILL')
      await world.server.ended
      world.server = await world.start()
      ready.push(world.server.ready_ms)
      own.push(world.server.ready_ms - world.server.waited_ms)
    }
    await load.finish()
    progress(`${kill} of ${kills} kills, waiting for what was in hand`)
    await untilNothingIsDue(world, 2 * RESUMED_MS)
    // Without the time for which others had the processors while it started, as with being ready.
    resumed.push(performance.now() - killed_at - world.server.waited_ms)

    const audit = ledger.audit()
    found.acknowledged += ledger.acknowledged()
    found.reports += load.reported.size
    found.forgotten += await countForgottenReports(world, [...load.reported])
    for (const what of ['lost', 'doubled', 'astray'] as const) {
      found[what] += audit[what].length
      first.push(...audit[what].slice(0, 2).map((text) => `${what}: ${JSON.stringify(text)}`))
    }
    ledger.turnOver()
  }
  await ledger.close()
  return { ...found, ready, own, resumed, first: first.slice(0, 6) }
}

async function countForgottenReports(world: MessageWorld, sids: string[]): Promise<number> {
  const kept = "select sid from interactions where sid = any($1) and outbound_resource_status = 'delivered'"
  return sids.length - (await world.query(kept, [sids])).length
}

/** What was acknowledged and is not in the database: it will never be sent, however long one waits. */
async function countForgotten(world: MessageWorld, { random, kills, progress }: Kills) {
  const ledger = createLedger(world)
  const load = startKillLoad(world, ledger)
  for (let kill = 0; kill < kills; kill++) {
    progress(`control: ${kill} of ${kills} kills`)
    await load.untilAcknowledged(50 + random.below(100))
    world.server.signal('SIGKILL')
    await world.server.ended
    world.server = await world.start()
  }
  await load.finish()
  const sids = ledger.texts.filter((text) => text.acknowledged).map(({ sid }) => sid)
  // The last ones may still be on their way into it.
  await delay(1_000)
  const kept = await world.query('select from interactions where event_id = any($1)', [sids])
  await ledger.close()
  return { acknowledged: sids.length, lost: sids.length - kept.length }
}
