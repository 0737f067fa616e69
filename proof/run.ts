import { startPostgres } from '../test/support/postgres.ts'
import { c6Tarpit } from './c6-tarpit.ts'
import { d1Fsync } from './d1-fsync.ts'
import { d2Kills } from './d2-kills.ts'
import { d4DiskFull } from './d4-disk-full.ts'
import { d6DatabaseGone } from './d6-database-gone.ts'
import { d7Backup } from './d7-backup.ts'
import { i6Bodies } from './i6-bodies.ts'
import { o1Sigterm } from './o1-sigterm.ts'
import { o2RollingRestarts } from './o2-rolling-restarts.ts'
import type { Proof, Verdict } from './proof.ts'
import { s1Pairs } from './s1-pairs.ts'
import { s2Model } from './s2-model.ts'
import { s3History } from './s3-history.ts'
import { s4Closes } from './s4-closes.ts'
import { s5Expiry } from './s5-expiry.ts'
import { s6LateReply } from './s6-late-reply.ts'
import { s7Calls } from './s7-calls.ts'
import { s7Texts } from './s7-texts.ts'
import { s8Nowhere } from './s8-nowhere.ts'
import { s9Failures } from './s9-failures.ts'
import { s10Repeats } from './s10-repeats.ts'
import { readCommandLine, refuse } from './support/command-line.ts'
import { x1SignIn } from './x1-sign-in.ts'
import { x2NothingInClear } from './x2-nothing-in-clear.ts'
import { x3KeyRotation } from './x3-key-rotation.ts'
import { x4NothingInLogs } from './x4-nothing-in-logs.ts'
import { x6SlowSockets } from './x6-slow-sockets.ts'
import { x15Erasure } from './x15-erasure.ts'

/** Every proof there is, one file each. */
const PROOFS: Proof[] = [
  ...[
    s1Pairs,
    s2Model,
    s3History,
    s4Closes,
    s5Expiry,
    s6LateReply,
    s7Calls,
    s7Texts,
    s8Nowhere,
    s9Failures,
    s10Repeats,
  ],
  ...[d1Fsync, d2Kills, d4DiskFull, d6DatabaseGone, d7Backup],
  ...[i6Bodies, o1Sigterm, o2RollingRestarts, c6Tarpit],
  ...[x1SignIn, x2NothingInClear, x3KeyRotation, x4NothingInLogs, x6SlowSockets, x15Erasure],
]

const HELP = `Usage: npm run proof -- [ids] [options]

Measures what Maskline promises, and beside each figure the same of a server broken on purpose, which has to miss the goal.
Ends with 1 when a figure misses its goal, or a control does not.

  --full        the full figures, which take minutes; otherwise a short form of each
  --size n      so many cases of each instead
  --seed n      draws the same cases again
  --verbose     what was looked at, too
  --json        one JSON document
  --help        this text

Proofs:
${PROOFS.map(({ id, promise, sizes }) => `  ${id.padEnd(4)}  ${promise} (${sizes.short} or ${sizes.full} ${sizes.unit})`).join('\n')}

Examples:
  npm run proof                      the short form of all
  npm run proof -- S7                of one
  npm run proof -- S7 --full         its full figure
  npm run proof -- S7 --seed 42 --size 500 --verbose`

const COMMAND = 'npm run proof --'

const { values: options, positionals } = readCommandLine(COMMAND, {
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: false },
    size: { type: 'string' },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const named = positionals.map((id) => id.toUpperCase())

if (options.help) console.log(HELP)
else process.exitCode = await main()

async function main(): Promise<number> {
  const problem = findUsageProblem()
  if (problem) refuse(COMMAND, problem)
  const wanted = PROOFS.filter(({ id }) => named.length === 0 || named.includes(id))
  const server = await startPostgres()
  process.env.MASKLINE_TEST_POSTGRES = server.url
  // Whoever does not want to wait leaves no PostgreSQL behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server.stop().finally(() => process.exit(1)))
  }
  try {
    const results = []
    for (const proof of wanted) results.push(await measure(proof))
    if (options.json) console.log(JSON.stringify({ results }, undefined, 2))
    else for (const result of results) console.log(present(result))
    return results.every(({ passed }) => passed) ? 0 : 1
  } finally {
    await server.stop()
  }
}

function findUsageProblem(): string | undefined {
  const unknown = named.find((wanted) => !PROOFS.some(({ id }) => id === wanted))
  if (unknown) return `There is no proof ${unknown}.`
  if (options.size !== undefined && !/^[1-9]\d{0,6}$/.test(options.size)) return 'Give --size a whole number.'
  if (options.seed !== undefined && !/^\d{1,9}$/.test(options.seed)) return 'Give --seed a whole number.'
  return undefined
}

type Result = Verdict & { id: string; name: string; goal: string; seed: number; seconds: number; passed: boolean }

async function measure(proof: Proof): Promise<Result> {
  const { id, name, goal, sizes, run } = proof
  const size = Number(options.size ?? (options.full ? sizes.full : sizes.short))
  const seed = Number(options.seed ?? Math.floor(Math.random() * 1e9))
  const started = performance.now()
  // Known before the run, so that one that breaks can be repeated.
  console.error(`${id} ${name}: ${size} ${sizes.unit}, --seed ${seed}`)
  const verdict = await run({ size, seed, progress: (what) => showProgress(`${id} ${what}`) }).catch(brokenOff)
  showProgress('')
  const seconds = Math.round((performance.now() - started) / 1000)
  return { id, name, goal, seed, seconds, ...verdict, passed: verdict.holds && verdict.control.fails }
}

/** The measurement itself failed, which is no reason not to make the others. */
function brokenOff(error: unknown): Verdict {
  const details = [error instanceof Error ? (error.stack ?? error.message) : String(error)]
  return { figure: 'broken off', holds: false, control: { figure: 'not measured', fails: false }, details }
}

function showProgress(text: string) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

function present({ id, figure, goal, control, details, seconds, passed }: Result): string {
  const outcome = passed ? 'passed' : 'FAILED'
  const verdict = control.fails ? 'fails, as it must' : 'DOES NOT FAIL'
  const line = `${id}  ${outcome}  ${figure} (goal: ${goal})  control: ${verdict}, ${control.figure}  ${seconds} s`
  return options.verbose || !passed ? [...details.map((detail) => `  ${detail}`), line].join('\n') : line
}
