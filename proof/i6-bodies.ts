import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { dataFolder } from '../test/support/cli.ts'
import type { Proof } from './proof.ts'
import { createRandom } from './random.ts'
import type { Break } from './support/broken-copy.ts'
import { compileProgram } from './support/compiled-program.ts'
import { type Doors, type Fuzzed, fuzzedAt, poisonous, sendFuzzed } from './support/fuzzed.ts'
import { p99, startLanes } from './support/lanes.ts'
import { createLedger } from './support/ledger.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'

/**
 * Bodies of bytes that mean nothing, and of words that nearly mean something, are brought to every door: webhooks for
 * messages, reports and calls, most of them with a signature that fits; the REST API; attachments; the simulated phones. Who
 * is told to come again does, as a carrier would: a machine that is too busy takes it then, and a fault stays one. Then real
 * texts come beside others of which one in a hundred is poisonous, and without, in turns. The control takes in what the
 * database refuses.
 */
const LANES = 8
const DRAWN = 250
const TRIES = 4
const AGAIN_MS = 500
/** Where more are told to come again, that says more of the machine than of the bodies. */
const MOST_AGAIN = 0.02
const CONTROL = 1_000
/** How many of those the control has to get wrong at least. */
const MISSED = 0.005
const NEIGHBOURS = 4
const TURNS = 72
const DEALS = 300
const TURN_MS = 300
const MOST_RATIO = 1.2
const POISON_IN = 100

const TAKES_ALL: Break = {
  file: 'http/genuine.ts',
  passage: `if (texts.some((text) => text.includes('\\0')))`,
  becomes: 'if (texts.length < 0)',
}

export const i6Bodies: Proof = {
  id: 'I6',
  name: 'i6-bodies',
  promise: 'nothing that anybody sends is a fault of ours, and one poisonous event spoils none of its neighbours',
  goal: '0 answers of 500 or more, 0 crashes, p99 beside poison at most 1.2 ×',
  sizes: { short: 2_000, full: 1_000_000, unit: 'bodies' },
  async run({ size, seed, progress }) {
    const found = await inScope(async (scope) => {
      const world = await startWorld(scope)
      const bodies = await bringBodies(world, { size, seed, tries: TRIES }, progress)
      progress('beside poison')
      return { ...bodies, ...(await besidePoison(world, seed)) }
    })
    const control = await inScope(async (scope) =>
      bringBodies(await startWorld(scope, [TAKES_ALL]), { size: CONTROL, seed, tries: 1 }, () => progress('control')),
    )
    const isBusy = found.again > Math.max(3, size * MOST_AGAIN)
    // What turns differ by, whichever of them are called poisoned, is not the poison's doing.
    const { ratio, noise } = found
    const beside = `p99 beside poison ${ratio.toFixed(2)} ×`
    return {
      figure: `${found.faults} answers of 500 or more and ${found.silent} without any to ${size} bodies, ${
        ratio > MOST_RATIO && ratio <= noise ? `${beside}, which this machine is too busy to judge` : beside
      }${isBusy ? `; too busy: ${found.again} had to come again` : ''}`,
      holds:
        found.faults + found.silent + found.failed === 0 &&
        found.isAlive &&
        !isBusy &&
        ratio <= Math.max(MOST_RATIO, noise),
      control: {
        figure: `${control.faults} of ${CONTROL} where texts go to the database as they come`,
        fails: control.faults >= CONTROL * MISSED,
      },
      details: [
        `answers: ${JSON.stringify(Object.fromEntries([...found.statuses].sort()))}; ${found.again} came again and were taken`,
        `by chance it could be ${noise.toFixed(2)} ×; ${found.failed} of ${found.texts} real texts failed`,
        ...found.first,
      ],
    }
  },
}

async function startWorld(scope: Scope, breaks: Break[] = []): Promise<MessageWorld> {
  const cli = await compileProgram(scope, breaks)
  return await startMessageWorld(scope, {
    cli,
    data: { data_dir: dataFolder(scope) },
    env: { MASKLINE_SIMULATOR: 'true', MASKLINE_LOG_LEVEL: 'fatal' },
  })
}

type Bodies = { size: number; seed: number; tries: number }

async function bringBodies(world: MessageWorld, { size, seed, tries }: Bodies, progress: (what: string) => void) {
  const statuses = new Map<number, number>()
  const first: string[] = []
  let [faults, silent, again] = [0, 0, 0]
  const doors: Doors = { ...world, account: await accountOf(world) }
  const bring = async (body: Fuzzed) => {
    let status = await sendFuzzed(doors, body)
    const isToldToComeAgain = status === 503
    for (let tried = 1; status === 503 && tried < tries; tried++) {
      await delay(AGAIN_MS)
      status = await sendFuzzed(doors, body)
    }
    if (isToldToComeAgain && status < 500) again++
    return status
  }
  for (let drawn = 0; drawn < size; drawn += DRAWN) {
    const count = Math.min(DRAWN, size - drawn)
    const bodies: Fuzzed[] = fc.sample(fuzzedAt(doors), { numRuns: count, seed: seed + drawn })
    await inLanes(bodies, LANES, async (body) => {
      const status = await bring(body)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      if (status === 0) silent++
      if (status >= 500) faults++
      if ((status === 0 || status >= 500) && first.length < 4) first.push(`${status}: ${JSON.stringify(body)}`)
    })
    progress(`${drawn + count} of ${size} bodies`)
  }
  return { statuses, faults, silent, again, first, isAlive: !world.server.isOver() }
}

const accountOf = async ({ api }: MessageWorld): Promise<string> =>
  String((await api.ask('GET', '/v1/Services')).body.services[0].account_sid)

async function besidePoison(world: MessageWorld, seed: number) {
  const ledger = createLedger(world)
  const poison = fc.sample(poisonous(world), { numRuns: 200, seed })
  let [brought, failed] = [0, 0]
  const turn = async (isPoisoned: boolean) => {
    const real = startLanes(NEIGHBOURS, async () => {
      const { outcome } = await ledger.bring(ledger.next())
      const body = poison[++brought % poison.length]
      if (isPoisoned && brought % POISON_IN === 0 && body)
        void ledger.post(`${world.door}/messages`, body, world.server.port)
      return outcome === 'acknowledged'
    })
    const found = await real.forMs(TURN_MS)
    failed += found.failed
    return found.took_ms
  }
  for (let at = 0; at < 4; at++) await turn(true)
  // Short turns, one kind after the other: whatever else the machine does meets both.
  const turns: number[][] = []
  for (let at = 0; at < TURNS; at++) turns.push(await turn(at % 3 === 2))
  await ledger.close()
  const isPoisoned = turns.map((_, at) => at % 3 === 2)
  const random = createRandom(seed)
  const deal = () => {
    const cards = turns.map(() => random.below(1e9))
    const limit = cards.toSorted((a, b) => a - b)[TURNS / 3] ?? 0
    return cards.map((card) => card < limit)
  }
  const chances = Array.from({ length: DEALS }, () => ratioOf(turns, deal()))
  const noise = chances.toSorted((a, b) => a - b)[Math.floor(DEALS * 0.99)] ?? Number.NaN
  return { ratio: ratioOf(turns, isPoisoned), noise, texts: turns.flat().length, failed }
}

function ratioOf(turns: number[][], isPoisoned: boolean[]): number {
  const beside = turns.filter((_, at) => isPoisoned[at])
  const without = turns.filter((_, at) => !isPoisoned[at])
  return p99(beside.flat()) / p99(without.flat())
}
