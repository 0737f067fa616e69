import type { Proof, ProofOptions } from './proof.ts'
import type { Anomaly, Outcome } from './s2/check.ts'
import { MUTANTS, type Mutant } from './s2/mutants.ts'
import { runChild, runMutant } from './s2/run-child.ts'

/**
 * Commands in any order against the core and against a model of it that fits on a page: sessions made, joined, left, closed,
 * opened again, swapped and deleted, time that passes, a clock that jumps, events in and messages out. Whatever the two say
 * differently is an anomaly. The control breaks the rules one by one, and each time the model has to notice.
 */
const LANES = 8
/** A mutant that lives for so long has survived. */
const MUTANT_LIMIT = 20_000
const AT_ONCE = 2
/** Each of them alone is found within a few hundred commands, and then in parallel for as long. */
const MUTANT_LANES = 2

export const s2Model: Proof = {
  id: 'S2',
  name: 's2-model',
  promise: 'nothing happens but what the rules say, whatever the order',
  goal: '0 anomalies, and every broken rule noticed',
  sizes: { short: 20_000, full: 1_000_000, unit: 'commands' },
  async run({ size, seed, progress }) {
    const server = serverUrl()
    const started = performance.now()
    const measured = await runChild(
      { server, commands: size, lanes: LANES, seed, shrink: true },
      { progress: (commands) => progress(`${commands} of ${size} commands`) },
    )
    const rate = Math.round(measured.commands / ((performance.now() - started) / 1000))
    const tried = await tryMutants(server, { seed, progress })
    const killed = tried.filter(({ outcome }) => outcome.anomaly)
    return {
      figure: `${measured.anomaly ? 'an anomaly' : '0 anomalies'} in ${measured.commands} commands`,
      holds: !measured.anomaly,
      control: {
        figure: `${killed.length} of ${tried.length} broken rules noticed`,
        fails: killed.length === MUTANTS.length,
      },
      details: [
        `${measured.commands} commands in ${measured.runs} runs, ${rate} a second`,
        ...(measured.anomaly ? describe(measured.anomaly) : []),
        ...tried.map(({ mutant, outcome }) => `${mutant.name}: ${fate(outcome)}`),
      ],
    }
  },
}

export const serverUrl = () => {
  const url = process.env.MASKLINE_TEST_POSTGRES
  if (!url) throw new Error('MASKLINE_TEST_POSTGRES names the PostgreSQL to work on; npm run proof starts one.')
  return url
}

type Tried = { mutant: Mutant; outcome: Outcome }

async function tryMutants(server: string, { seed, progress }: Pick<ProofOptions, 'seed' | 'progress'>) {
  const waiting = MUTANTS.map((mutant, at) => ({ mutant, at }))
  const tried: (Tried & { at: number })[] = []
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const options = { server, commands: MUTANT_LIMIT, lanes: MUTANT_LANES, seed: seed + next.at, shrink: false }
      tried.push({ ...next, outcome: await runMutant(next.mutant, options) })
      progress(`${tried.length} of ${MUTANTS.length} mutants`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return tried.sort((one, other) => one.at - other.at)
}

const fate = ({ anomaly, commands }: Outcome) =>
  anomaly ? `noticed within ${commands} commands (${firstLine(anomaly.error)})` : `NOT NOTICED in ${commands} commands`

const firstLine = (text: string) => text.split('\n')[0]?.replace(/^\w*Error( \[\w+\])?: /, '') ?? ''

const describe = ({ seed, error, commands }: Anomaly) => [
  `the anomaly, found with the seed ${seed}: ${error}`,
  ...commands.map((command) => `  ${command}`),
]
