import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { lookAtRecords, provokeErrors, settleAll } from './s7/refusals.ts'
import { callOnSimulator } from './s7/simulator-calls.ts'
import { PLACES, type Tally } from './s7/taps.ts'
import { disturb, TWILIO_KINDS } from './s7/twilio-calls.ts'
import { startWorld, type World } from './s7/world.ts'
import { allOf, inLanes } from './support/scope.ts'

/**
 * Calls of every kind, at a stand-in for Twilio and on the simulated network, with an eye on every byte that reaches the
 * partner's side, every error, and everything that is told or kept about a call.
 */
const AT_ONCE = 12
/** Of calls in one world; then another is made, so that none grows large. */
const ROUND = 1000
const CONTROL = 200
const SIMULATED_SHARE = 0.3
const BATCH = 15

type Outcome = { tallies: Record<string, Tally>; examples: string[]; counts: Map<string, number>; calls: number }
type RunOptions = { calls: number; seed: number; leaks: 'none' | 'planted'; progress: (calls: number) => void }

export const s7Calls: Proof = {
  id: 'S7',
  name: 's7-calls',
  promise: 'no real number reaches the partner, or is in an error, by calls',
  goal: '0 occurrences',
  sizes: { short: 200, full: 10_000, unit: 'calls' },
  async run({ size, seed, progress }) {
    const told = (what: string, of: number) => (calls: number) => progress(`${what}: ${calls} of ${of} calls`)
    const measured = await runCalls({ calls: size, seed, leaks: 'none', progress: told('looking', size) })
    const planted = Math.min(size, CONTROL)
    const control = await runCalls({ calls: planted, seed, leaks: 'planted', progress: told('control', planted) })
    const leaks = leaksOf(measured)
    const unseen = PLACES.filter((place) => measured.tallies[place]?.texts === 0)
    const missed = PLANTED.filter((place) => control.tallies[place]?.leaks === 0)
    return {
      figure: `${leaks} occurrences in ${measured.calls} calls`,
      holds: leaks === 0 && unseen.length === 0,
      control: {
        figure: `${leaksOf(control)} in ${control.calls} calls of a server that leaks`,
        fails: missed.length === 0,
      },
      details: [
        ...describe('looked at', measured),
        ...describe('control', control),
        ...unseen.map((place) => `there was nothing to look at of ${place}`),
        ...missed.map((place) => `the control planted leaks in ${place} and none was found`),
      ],
    }
  },
}

/** Where the control leaks. */
const PLANTED = [
  ...['partners’ phones', 'answers about the partner’s leg', 'errors', 'status callbacks', 'intercept callbacks'],
  ...['carrier’s words about the partner’s leg', 'interactions', 'recordings', 'events'],
] as const

const leaksOf = ({ tallies }: Outcome) => Object.values(tallies).reduce((sum, { leaks }) => sum + leaks, 0)

const describe = (title: string, { tallies, counts, examples }: Outcome): string[] => [
  ...Object.entries(tallies).map(
    ([place, { texts, bytes, leaks }]) => `${title}: ${place}: ${texts} texts, ${bytes} characters, ${leaks} leaks`,
  ),
  ...[...counts].sort().map(([what, times]) => `${title}: ${what}: ${times}`),
  ...examples.map((example) => `${title}: for example ${example}`),
]

export async function runCalls({ calls, seed, leaks, progress }: RunOptions): Promise<Outcome> {
  const tallies = Object.fromEntries(PLACES.map((place) => [place, { texts: 0, bytes: 0, leaks: 0 }]))
  const outcome: Outcome = { tallies, examples: [], counts: new Map(), calls: 0 }
  for (let round = 0; outcome.calls < calls; round++) {
    const random = createRandom(seed + round)
    const size = Math.min(ROUND, calls - outcome.calls)
    const world = await startWorld(random, { people: size * 4 + 200, leaks })
    try {
      const before = outcome.calls
      await runRound(world, random, size, (done) => progress(before + done))
      add(outcome, world)
      outcome.calls += size
    } finally {
      await world.stop()
    }
  }
  return outcome
}

function add({ tallies, examples, counts }: Outcome, world: World) {
  for (const [place, { texts, bytes, leaks }] of Object.entries(world.taps.tallies)) {
    const sum = tallies[place]
    if (sum) Object.assign(sum, { texts: sum.texts + texts, bytes: sum.bytes + bytes, leaks: sum.leaks + leaks })
  }
  examples.push(...world.taps.examples.slice(0, 5 - examples.length))
  for (const [what, times] of world.counts) counts.set(what, (counts.get(what) ?? 0) + times)
}

/** What happens is drawn first, so that a seed draws the same again, whatever the order in which it then happens. */
async function runRound(world: World, random: Random, size: number, progress: (calls: number) => void) {
  let done = 0
  const made = (calls: number) => {
    done += calls
    progress(done)
  }
  const simulated = Array.from({ length: Math.floor(size * SIMULATED_SHARE) }, world.nextCase)
  const atTwilio = random
    .drawKinds(TWILIO_KINDS, size - simulated.length)
    .map((name) => ({ name, ...world.nextCase() }))
  disturb(world)
  await allOf([
    inLanes(batchesOf(simulated, BATCH), 1, async (batch) => {
      await callOnSimulator(world, batch)
      made(batch.length)
    }),
    inLanes(atTwilio, AT_ONCE, async ({ name, ...drawn }) => {
      await TWILIO_KINDS[name]?.run({ ...world, ...drawn })
      world.count(name)
      made(TWILIO_KINDS[name]?.makes ?? 0)
    }),
    provokeErrors(world),
  ])
  await settleAll(world)
  await lookAtRecords(world)
}

const batchesOf = <T>(list: T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size))
