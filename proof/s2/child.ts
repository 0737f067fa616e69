/**
 * Runs the model against the core that lies beside it, in a process of its own: the real one, or a copy with a mutant. Lanes
 * are databases, made here with the migrations that lie here, and run side by side. Its argument is a JSON document, and it
 * writes JSON lines.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { migrate } from '../../src/db/migrate.ts'
import { checkOnLane, type Outcome } from './check.ts'
import { openLane, takeOverClockAndChance } from './world.ts'

export type ChildOptions = { server: string; commands: number; lanes: number; seed: number; shrink: boolean }
export type ChildLine = { commands: number; outcome?: Outcome }

const options: ChildOptions = JSON.parse(process.argv[2] ?? '{}')
const say = (line: ChildLine) => process.stdout.write(`${JSON.stringify(line)}\n`)

const names: string[] = []
const onServer = async (statement: string) => {
  const client = new pg.Client({ connectionString: at('postgres') })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}

function at(database: string): string {
  const url = new URL(options.server)
  url.pathname = `/${database}`
  return url.href
}

async function makeDatabase(): Promise<string> {
  const name = `model_${randomBytes(6).toString('hex')}`
  await onServer(`create database ${name} encoding 'UTF8' template ${names[0] ?? 'template0'}`)
  names.push(name)
  if (names.length > 1) return at(name)
  const pool = new pg.Pool({ connectionString: at(name) })
  await migrate(pool, { progress: () => undefined })
  await pool.end()
  return at(name)
}

takeOverClockAndChance()
try {
  const urls: string[] = []
  for (let lane = 0; lane < options.lanes; lane++) urls.push(await makeDatabase())
  const done = urls.map(() => 0)
  const share = Math.ceil(options.commands / urls.length)
  let told = performance.now()
  let found = false
  const isOver = () => found
  const outcomes = await Promise.all(
    urls.map(async (url, at) => {
      const lane = await openLane(url)
      const progress = (commands: number) => {
        done[at] = commands
        if (performance.now() - told < 500) return
        told = performance.now()
        say({ commands: done.reduce((sum, each) => sum + each, 0) })
      }
      const { shrink } = options
      const seed = options.seed + at * 1_000_003
      const outcome = await checkOnLane(lane, { commands: share, seed, shrink, progress, isOver }).finally(lane.stop)
      if (outcome.anomaly) found = true
      return outcome
    }),
  )
  const anomalies = outcomes.flatMap(({ anomaly }) => anomaly ?? [])
  const outcome: Outcome = {
    commands: outcomes.reduce((sum, { commands }) => sum + commands, 0),
    runs: outcomes.reduce((sum, { runs }) => sum + runs, 0),
    anomaly: anomalies.sort((one, other) => one.commands.length - other.commands.length)[0],
  }
  say({ commands: outcome.commands, outcome })
} finally {
  for (const name of names.reverse()) await onServer(`drop database if exists ${name} with (force)`)
}
