import { mkdirSync, statfsSync } from 'node:fs'
import pg from 'pg'
import type { Scope } from '../proof/support/scope.ts'
import { startEmbedded } from '../src/db/embedded.ts'
import { embeddedFlags } from '../src/db/open.ts'
import { createLogger } from '../src/log.ts'

/**
 * The one PostgreSQL that ours and the peers use: the embedded one, started with what `maskline serve` gives it, so with
 * fsync. Its folder stays from run to run, and with it the data sets.
 */
export type BenchPostgres = {
  version: string
  /** Of a database on it. */
  urlOf: (database: string) => string
  /** On its maintenance database. */
  query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>
  stop: () => Promise<void>
}

/** Connections, as in production, and as the peer has. */
export const POOL = 10

/** Without these a commit that was answered may be lost, and would cost next to nothing. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' }

const IN_MEMORY = new Set([0x01021994, 0x858458f6])

export async function startBenchPostgres(folder: string, progress: (step: string) => void): Promise<BenchPostgres> {
  mkdirSync(folder, { recursive: true })
  if (IN_MEMORY.has(statfsSync(folder).type)) {
    throw new Error(`${folder} is in memory, where a commit waits for no disk: give --data a folder on one.`)
  }
  const postgres_flags = embeddedFlags(POOL)
  const server = await startEmbedded({ data_dir: folder, postgres_flags, progress, log: createLogger('error') })
  const urlOf = (database: string) => Object.assign(new URL(server.url), { pathname: `/${database}` }).href
  const pool = new pg.Pool({ connectionString: urlOf('postgres'), max: 2 })
  pool.on('error', () => undefined)
  const query = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<Row>(text, values)).rows
  const stop = async () => {
    await pool.end()
    await server.stop()
  }
  try {
    const version = await checkSettings(query)
    await dropCopies(query)
    return { version, urlOf, query, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function checkSettings(query: BenchPostgres['query']): Promise<string> {
  const rows = await query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any($1)',
    [['server_version', ...Object.keys(DURABLE)]],
  )
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
  for (const [name, wanted] of Object.entries(DURABLE)) {
    if (settings[name] !== wanted) throw new Error(`PostgreSQL runs with ${name} = ${settings[name]}, not ${wanted}.`)
  }
  return settings.server_version ?? 'unknown'
}

export const COPIES = 'bench_copy'
let copied = 0

/** What a run that was killed left behind. */
async function dropCopies(query: BenchPostgres['query']) {
  const copies = await query<{ datname: string }>('select datname from pg_database where starts_with(datname, $1)', [
    COPIES,
  ])
  for (const { datname } of copies) await query(`drop database ${datname} with (force)`)
}

/** A database made from another, gone afterwards. */
export async function copyDatabase(postgres: BenchPostgres, scope: Scope, template: string): Promise<string> {
  const name = `${COPIES}_${copied++}`
  await postgres.query(`create database ${name} template ${template} strategy file_copy`)
  scope.after(() => postgres.query(`drop database if exists ${name} with (force)`))
  return postgres.urlOf(name)
}
