import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCommandLine, refuse } from '../proof/support/command-line.ts'
import { inScope } from '../proof/support/scope.ts'
import type { Benchmark, House, Result } from './benchmark.ts'
import { acknowledgement } from './benchmarks/acknowledgement.ts'
import { callbacks } from './benchmarks/callbacks.ts'
import { create, createRate } from './benchmarks/create.ts'
import { endToEnd } from './benchmarks/end-to-end.ts'
import { growthCreate, growthInbound, growthPoolCreate, growthPoolInbound } from './benchmarks/growth.ts'
import { inbound } from './benchmarks/inbound.ts'
import { isolation } from './benchmarks/isolation.ts'
import { memory, memoryLoaded } from './benchmarks/memory.ts'
import { overload } from './benchmarks/overload.ts'
import { fetchSession, listSessions } from './benchmarks/reads.ts'
import { throughCarrier } from './benchmarks/through-carrier.ts'
import { summariseProfiles } from './cpu-profile.ts'
import { isMet, runRounds, summarise } from './figures.ts'
import { startBenchPostgres } from './postgres.ts'
import { compilePrograms } from './programs.ts'
import { describeMachine, findCommit, presentTable, type Run, withRun } from './report.ts'

/** Every benchmark there is. */
const BENCHMARKS: Benchmark[] = [
  ...[inbound, throughCarrier, acknowledgement, endToEnd, callbacks],
  ...[create, createRate, fetchSession, listSessions],
  ...[growthInbound, growthCreate, growthPoolInbound, growthPoolCreate],
  ...[overload, isolation, memory, memoryLoaded],
]

/** The full form, and a short one that shows whether every benchmark still measures; its figures say little. */
const FORMS = {
  full: {
    ...{ sessions: 100_000, interactions: 1_000_000, pool: 500 },
    growth: { sessions: [1_000, 100_000, 1_000_000], pools: [10, 500, 5_500] },
    ...{ rounds: 5, seconds: 4, concurrency: [4, 8, 16, 32, 64] as [number, ...number[]] },
  },
  short: {
    ...{ sessions: 1_000, interactions: 10_000, pool: 100 },
    growth: { sessions: [1_000, 10_000], pools: [10, 500] },
    ...{ rounds: 2, seconds: 1, concurrency: [8, 32] as [number, ...number[]] },
  },
}

const HELP = `Usage: npm run bench -- [names] [options]

Measures Maskline beside a peer or a ceiling, taking turns, on the same PostgreSQL with fsync. What counts is their ratio.
Ends with 1 when a benchmark is broken, never because of a figure.

  --short           the short form: whether everything still measures
  --rounds n        so many rounds instead of ${FORMS.full.rounds}
  --seconds n       how long each measurement lasts, instead of ${FORMS.full.seconds}
  --seed n          draws the same data set again; 1 unless given
  --data folder     where PostgreSQL and the data sets stay from run to run; data/bench unless given
  --profile folder  the server's processor time: sums, and there a profile and a flame graph of each
  --json            one JSON document
  --write           renews the table in docs/benchmarks.md: all benchmarks in their full form
  --help            this text

Benchmarks:
${BENCHMARKS.map(({ name, title }) => `  ${name.padEnd(19)}  ${title}`).join('\n')}

Examples:
  npm run bench                       all of them, which takes a while
  npm run bench -- inbound            one
  npm run bench -- inbound --profile data/profile --rounds 1`

const COMMAND = 'npm run bench --'

const { values: options, positionals } = readCommandLine(COMMAND, {
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    data: { type: 'string', default: fileURLToPath(new URL('../data/bench', import.meta.url)) },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const document = new URL('../docs/benchmarks.md', import.meta.url)

if (options.help) console.log(HELP)
else process.exitCode = await main()

async function main(): Promise<number> {
  const problem = findUsageProblem()
  if (problem) refuse(COMMAND, problem)
  const { rounds, seconds, concurrency, growth, ...size } = FORMS[options.short ? 'short' : 'full']
  const shape = { ...size, seed: Number(options.seed) }
  const wanted = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  const counted = Number(options.rounds ?? rounds)
  return await inScope(async (scope) => {
    const postgres = await startBenchPostgres(resolve(options.data), showProgress)
    scope.after(() => postgres.stop())
    // Whoever does not want to wait leaves no PostgreSQL behind.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void postgres.stop().finally(() => process.exit(1)))
    }
    showProgress('compiling')
    const programs = await compilePrograms(scope)
    const house = {
      ...{ postgres, programs, shape, growth, concurrency, seconds: Number(options.seconds ?? seconds) },
      ...{ profile: options.profile && resolve(options.profile), progress: showProgress },
    }
    if (house.profile) mkdirSync(house.profile, { recursive: true })
    const results: Result[] = []
    for (const benchmark of wanted) {
      const profile = house.profile && mkdtempSync(join(house.profile, `${benchmark.name}-`))
      const result = await measure(benchmark, { ...house, profile }, counted)
      console.error(presentRemarks(result))
      for (const summary of profile ? summariseProfiles(profile) : []) console.error(summary)
      results.push(result)
    }
    const date = new Date().toISOString().slice(0, 10)
    const machine = describeMachine(postgres.version)
    report({ date, commit: findCommit(), machine, data: shape, rounds: counted, results })
    return results.some(({ broken }) => broken !== undefined) ? 1 : 0
  })
}

function findUsageProblem(): string | undefined {
  const unknown = positionals.find((wanted) => !BENCHMARKS.some(({ name }) => name === wanted))
  if (unknown) return `There is no benchmark ${unknown}.`
  for (const name of ['rounds', 'seconds', 'seed'] as const) {
    const value = options[name]
    if (value !== undefined && !/^[1-9]\d{0,5}$/.test(value)) return `Give --${name} a whole number.`
  }
  if (options.write && (options.short || positionals.length > 0)) return '--write takes the full form of all.'
  return undefined
}

async function measure(benchmark: Benchmark, house: House, rounds: number): Promise<Result> {
  const { name, title, unit, peer, goal, prepare } = benchmark
  const began = performance.now()
  const progress = (what: string) => showProgress(`${name}: ${what}`)
  const about = { name, title, unit, peer, goal }
  const took = () => Math.round((performance.now() - began) / 1000)
  try {
    return await inScope(async (scope) => {
      const contest = await prepare({ ...house, progress }, scope)
      const figures = summarise(await runRounds(contest, rounds, progress))
      const remarks = contest.remarks?.() ?? []
      return { ...about, seconds: took(), remarks, ...figures, met: isMet(figures.ratio, goal) }
    })
  } catch (error) {
    const broken = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { ...about, seconds: took(), remarks: [], broken }
  } finally {
    showProgress('')
  }
}

function presentRemarks({ name, broken, remarks, seconds }: Result): string {
  if (broken !== undefined) return `${name} is broken: ${broken}`
  return `${name}: ${[...remarks, `${seconds} s in all`].join('; ')}`
}

function report(run: Run) {
  console.log(options.json ? JSON.stringify(run, undefined, 2) : `\n${presentTable(run.results)}`)
  if (options.write) writeFileSync(document, withRun(readFileSync(document, 'utf8'), run))
}

function showProgress(text: string) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}
