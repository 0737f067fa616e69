import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CALL_STATUSES } from '../../src/core/carrier.ts'
import { createRandom } from '../random.ts'
import { createModel, isLive, type Model, present } from './model.ts'
import { sessionCommands } from './session-commands.ts'
import { assertSame } from './session-steps.ts'
import { trafficCommands } from './traffic-commands.ts'
import { lastStatus, workCommands } from './work-commands.ts'
import { endWorld, type Lane, startWorld, surroundings, sweepAll, type World } from './world.ts'

export type Anomaly = {
  /** Repeats the run that found it. */
  seed: number
  /** What is wrong. */
  error: string
  /** The smallest list of commands that was found to show it. */
  commands: string[]
}
export type Outcome = { commands: number; runs: number; anomaly: Anomaly | undefined }

export type CheckOptions = {
  commands: number
  seed: number
  /** Whether a failure is made small, which takes a hundred runs or so. */
  shrink: boolean
  progress: (commands: number) => void
  /** Whether somebody else has found an anomaly. */
  isOver: () => boolean
}

const RUNS = 20
const LONGEST = 200

/** Runs drawn commands on one lane until there were so many, or one showed something else than the model. */
export async function checkOnLane(lane: Lane, options: CheckOptions): Promise<Outcome> {
  const outcome: Outcome = { commands: 0, runs: 0, anomaly: undefined }
  const commands = fc.commands([fc.oneof(...sessionCommands, ...trafficCommands, ...workCommands)], {
    maxCommands: LONGEST,
    size: 'max',
  })
  for (let round = 0; outcome.commands < options.commands && !outcome.anomaly && !options.isOver(); round++) {
    const seed = (options.seed + round * 7919) | 0
    let isFailing = false
    const property = fc.asyncProperty(commands, async (list) => {
      // Not while a failure is being made small.
      if (!isFailing && (options.isOver() || outcome.commands >= options.commands)) return
      outcome.runs++
      const around = { random: chanceFrom(seed), clock_ms: 0 }
      await surroundings
        .run(around, () => runOnce(lane, list, outcome))
        .catch((error) => {
          isFailing = true
          throw error
        })
      options.progress(outcome.commands)
    })
    const details = await fc.check(property, { seed, numRuns: RUNS, endOnFailure: !options.shrink })
    if (details.failed) outcome.anomaly = describe(seed, details)
  }
  return outcome
}

function chanceFrom(seed: number): () => number {
  const random = createRandom(seed)
  return () => random.below(2 ** 32) / 2 ** 32
}

type Commands = Parameters<typeof fc.asyncModelRun<Model, World, false, Model>>[1]

async function runOnce(lane: Lane, list: Commands, outcome: Outcome): Promise<void> {
  const model = createModel()
  const world = await startWorld(lane)
  try {
    await fc.asyncModelRun(() => ({ model, real: world }), list)
    await assertEnd(model, world)
  } finally {
    outcome.commands += world.ran
    await endWorld(world)
  }
}

/** When all is done: who is live on which number, what became of every leg, and that nothing else is there. */
async function assertEnd(model: Model, world: World): Promise<void> {
  await sweepAll(world)
  for (const session of model.sessions) await assertSame(world, session)
  const sids = world.services.map(({ sid }) => sid)
  const { rows: live } = await world.store.pool.query(
    'select sid from participants where service_sid = any($1) and date_released is null order by sid',
    [sids],
  )
  const expected = model.sessions.filter(isLive).flatMap(present)
  assert.deepEqual(
    live.map(({ sid }) => sid),
    expected.map(({ sid }) => sid).sort(),
    'who holds a number',
  )
  const { rows: legs } = await world.store.pool.query(
    `select sid, outbound_resource_status as status from interactions
     where service_sid = any($1) and session_sid is not null`,
    [sids],
  )
  const statuses = new Map(legs.map(({ sid, status }) => [sid, status]))
  const kept = model.legs.filter(({ deleted }) => !deleted)
  assert.deepEqual([...statuses.keys()].sort(), kept.map(({ sid }) => sid).sort(), 'the interactions that are there')
  for (const { sid, kind, state, statuses: told } of kept) {
    if (state !== 'left') continue
    const last = kind === 'message' ? lastStatus(told) : (CALL_STATUSES.findLast((each) => told.includes(each)) ?? null)
    assert.equal(statuses.get(sid), last, 'how a leg ended')
  }
}

type Details = { error?: string | null; counterexample: unknown[] | null; errorInstance?: unknown }

function describe(seed: number, { counterexample, errorInstance }: Details): Anomaly {
  const error = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance)
  const commands = String(counterexample?.[0] ?? '').split(/,(?=[a-z ]+ \{)/)
  return { seed, error, commands }
}
