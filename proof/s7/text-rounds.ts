import { createRandom, type Random } from '../random.ts'
import { allOf, inLanes } from '../support/scope.ts'
import { lookAtRecords } from './refusals.ts'
import type { Tally } from './taps.ts'
import { TEXT_KINDS } from './text-kinds.ts'
import { lookAtHandsets, watchPhones } from './text-phones.ts'
import { provokeTextErrors } from './text-refusals.ts'
import { TEXT_PLACES, type TextPlace } from './text-taps.ts'
import { settleTexts, startTextWorld, type TextWorld } from './text-world.ts'

const AT_ONCE = 20
/** Of interactions in one world; then another is made, so that none grows large. */
const ROUND = 4500
const SIMULATED_SHARE = 0.5
const LOOK_EVERY_MS = 40

export type TextOutcome = {
  interactions: number
  tallies: Record<TextPlace, Tally>
  examples: string[]
  counts: [what: string, times: number][]
  /** Texts that reached somebody they were not for, or in other words. */
  wrong: string[]
  /** Texts that reached a phone. */
  arrived: number
}

export type RoundsOptions = { interactions: number; seed: number }

export const emptyOutcome = (): TextOutcome => ({
  interactions: 0,
  tallies: Object.fromEntries(TEXT_PLACES.map((place) => [place, { texts: 0, bytes: 0, leaks: 0 }])) as never,
  examples: [],
  counts: [],
  wrong: [],
  arrived: 0,
})

/** World after world, until so many interactions have been. */
export async function runRounds(
  { interactions, seed }: RoundsOptions,
  progress: (interactions: number) => void,
): Promise<TextOutcome> {
  let outcome = emptyOutcome()
  for (let round = 0; outcome.interactions < interactions; round++) {
    const random = createRandom(seed + round)
    const size = Math.min(ROUND, interactions - outcome.interactions)
    const texts = await startTextWorld(random, size + 600)
    try {
      const before = outcome.interactions
      // What is refused is refused alike in every world.
      const provoke = round === 0 ? provokeTextErrors : undefined
      await runRound(texts, random, { size, provoke }, (done) => progress(before + done))
      outcome = addOutcomes(outcome, outcomeOf(texts, size))
    } finally {
      await texts.stop()
    }
  }
  return outcome
}

type Round = { size: number; provoke: typeof provokeTextErrors | undefined }

/** What happens is drawn first, so that a seed draws the same again, whatever the order in which it then happens. */
async function runRound(texts: TextWorld, random: Random, { size, provoke }: Round, progress: (done: number) => void) {
  const { world, atTwilio, atSimulator } = texts
  const drawn = random.drawKinds(TEXT_KINDS, size).map((name) => ({
    name,
    side: random.chance(SIMULATED_SHARE) ? atSimulator : atTwilio,
    one: world.nextCase(),
  }))
  const phones = watchPhones(texts, createRandom(random.below(2 ** 31)))
  let isOver = false
  const watch = async () => {
    while (!isOver) {
      await phones.look()
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
  let done = 0
  const talking = inLanes(drawn, AT_ONCE, async ({ name, side, one }) => {
    const kind = TEXT_KINDS[name]
    await kind?.run({ texts, side, one })
    world.count(`${name}, ${side.kind}`)
    done += kind?.makes ?? 0
    progress(done)
  })
  const all = allOf([talking, provoke?.(texts) ?? Promise.resolve()]).finally(() => {
    isOver = true
  })
  await allOf([all, watch()])
  await settleTexts(texts, phones.look)
  await lookAtHandsets(texts)
  await lookAtRecords(world)
}

/** The world's own taps look at what the server answers, and at what is on record. */
const AS_TEXTS: Partial<Record<string, TextPlace>> = {
  'answers about the caller’s leg': 'answers to the carrier',
  'answers about the partner’s leg': 'answers to the carrier',
  'status callbacks': 'status callbacks',
  'intercept callbacks': 'intercept callbacks',
  errors: 'errors',
  interactions: 'interactions',
  events: 'events',
  log: 'log',
}

function outcomeOf({ world, taps, wrong, arrived }: TextWorld, interactions: number): TextOutcome {
  const outcome: TextOutcome = {
    ...{ interactions, wrong, arrived: arrived.size, counts: [...world.counts] },
    tallies: taps.tallies,
    examples: [...taps.examples, ...world.taps.examples],
  }
  for (const [place, tally] of Object.entries(world.taps.tallies)) {
    const as = AS_TEXTS[place]
    if (as) outcome.tallies[as] = sum(outcome.tallies[as], tally)
    else if (tally.leaks > 0) throw new Error(`a number was found in ${place}, which texts have nothing to do with`)
  }
  return outcome
}

const sum = (one: Tally, other: Tally): Tally => ({
  texts: one.texts + other.texts,
  bytes: one.bytes + other.bytes,
  leaks: one.leaks + other.leaks,
})

const MOST_EXAMPLES = 8

export function addOutcomes(one: TextOutcome, other: TextOutcome): TextOutcome {
  const counts = new Map(one.counts)
  for (const [what, times] of other.counts) counts.set(what, (counts.get(what) ?? 0) + times)
  const tallies = TEXT_PLACES.map((place) => [place, sum(one.tallies[place], other.tallies[place])])
  return {
    interactions: one.interactions + other.interactions,
    tallies: Object.fromEntries(tallies),
    examples: [...one.examples, ...other.examples].slice(0, MOST_EXAMPLES),
    counts: [...counts],
    wrong: [...one.wrong, ...other.wrong],
    arrived: one.arrived + other.arrived,
  }
}
