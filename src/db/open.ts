import { totalmem } from 'node:os'
import pg from 'pg'
import type { Logger } from 'pino'
import { DatabaseError, errorCode } from './database-error.ts'
import { findRunningServer } from './embedded.ts'
import { startKeptServer } from './kept-server.ts'
import { parseTimestamp, typesWith } from './timestamps.ts'

export type Database = { pool: pg.Pool; url: string; embedded: boolean; stop(): Promise<void> }

export type OpenOptions = {
  /** Your own PostgreSQL; without it one is started with its data in `data_dir`. */
  database_url: string | undefined
  data_dir: string
  /** Whether to use the embedded server beside a maskline that runs on this data folder, as the tools of the CLI do. */
  share?: boolean
  /** How many connections at most. */
  pool: number
  progress: (step: string) => void
  log: Logger
  postgres_flags?: string[]
}

const OLDEST_VERSION = 150_000
const CONNECT_LIMIT_MS = 10_000
/** A connection that begins plans and prepares what others have ready, which a burst should not wait for. */
const IDLE_LIMIT_MS = 300_000
const DRAIN_LIMIT_MS = 5_000

export async function openDatabase(options: OpenOptions): Promise<Database> {
  const url = options.database_url ?? (options.share ? findRunningServer(options.data_dir) : undefined)
  if (url !== undefined) {
    const pool = await openPool(url, options)
    return { pool, url, embedded: false, stop: once(() => drain(pool)) }
  }
  const flags = [...embeddedFlags(options.pool), ...(options.postgres_flags ?? [])]
  let pool: pg.Pool | undefined
  const server = await startKeptServer({ ...options, postgres_flags: flags }, (url) => {
    if (pool) pool.options.connectionString = url
  })
  try {
    pool = await openPool(server.url, options)
    const opened = pool
    const stop = once(async () => {
      await drain(opened)
      await server.stop()
    })
    return { pool, url: server.url, embedded: true, stop }
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** What the embedded server is given besides what every one of its starts needs. */
export function embeddedFlags(pool: number): string[] {
  // PostgreSQL keeps some connections for itself, and `psql` should find one free too.
  return ['-c', `max_connections=${Math.max(100, pool + 20)}`, '-c', `shared_buffers=${sharedBuffers()}MB`]
}

/**
 * A quarter of the memory, as PostgreSQL's manual advises, and no less than its default. It is taken only as pages are
 * read; the keeping of accounts of it is not, hence a most.
 */
export function sharedBuffers(memory = Math.min(totalmem(), process.constrainedMemory() || Infinity)): number {
  return Math.min(8192, Math.max(128, Math.floor(memory / 4 / 2 ** 20)))
}

async function openPool(url: string, { pool: max, log }: OpenOptions): Promise<pg.Pool> {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    idleTimeoutMillis: IDLE_LIMIT_MS,
    application_name: 'maskline',
    types: typesWith(parseTimestamp),
  })
  // Without a listener, an idle connection that the server closes would end the process.
  pool.on('error', (error) => {
    if (!pool.ending) log.warn({ err: error }, 'an idle database connection was lost')
  })
  // One that is in use tells its query; it too would end the process if nobody listened besides.
  pool.on('connect', (client) => client.on('error', () => undefined))
  try {
    await checkServer(pool)
    return pool
  } catch (error) {
    await pool.end()
    throw error instanceof DatabaseError ? error : explain(error, url)
  }
}

async function checkServer(pool: pg.Pool) {
  const { rows } = await pool.query<{ number: number; version: string; encoding: string; standby: boolean }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
            current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby`,
  )
  const server = rows[0]
  if (!server || server.number < OLDEST_VERSION) {
    throw new DatabaseError(`PostgreSQL ${server?.version} is too old: maskline needs version 15 or newer.`)
  }
  if (server.encoding !== 'UTF8') {
    throw new DatabaseError(
      `The database has the encoding ${server.encoding}, and maskline needs UTF8: make one with ` +
        "`create database maskline encoding 'UTF8' template template0` and name it in DATABASE_URL.",
    )
  }
  if (server.standby) {
    throw new DatabaseError('The database is a read-only standby: name the primary in DATABASE_URL.')
  }
}

const UNREACHABLE = 'check that PostgreSQL runs there and that host and port in DATABASE_URL are right'
const ADVICE: Record<string, string> = {
  ECONNREFUSED: `nothing listens there; ${UNREACHABLE}`,
  ENOTFOUND: `the host name is not known; ${UNREACHABLE}`,
  EAI_AGAIN: `the host name could not be looked up; ${UNREACHABLE}`,
  EHOSTUNREACH: `the host cannot be reached; ${UNREACHABLE}`,
  ETIMEDOUT: `the host does not answer; ${UNREACHABLE}`,
  '28P01': 'the password is wrong; check user and password in DATABASE_URL',
  '28000': 'the server does not let this user in; check the user in DATABASE_URL and the pg_hba.conf of the server',
  '3D000': 'this database does not exist; make it with `createdb`, or correct its name in DATABASE_URL',
  '53300': 'the server has no connection left; lower MASKLINE_DB_POOL or raise max_connections there',
}

/** Says where we tried to connect, but never with which password. */
function explain(cause: unknown, url: string): DatabaseError {
  const target = URL.canParse(url) ? new URL(url) : undefined
  const where = target ? `${target.host || 'localhost'}${target.pathname}` : 'the address in DATABASE_URL'
  const advice = ADVICE[errorCode(cause) ?? ''] ?? `${cause instanceof Error ? cause.message : cause}; ${UNREACHABLE}`
  return new DatabaseError(`Cannot use the database at ${where}: ${advice}.`, { cause })
}

/** A second call, such as that of an impatient Ctrl-C, waits for the first. */
function once(stop: () => Promise<void>): () => Promise<void> {
  let stopped: Promise<void> | undefined
  return () => {
    stopped ??= stop()
    return stopped
  }
}

/** Waits for queries in progress, within reason; stopping the server ends what is left. */
async function drain(pool: pg.Pool) {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_LIMIT_MS)
  })
  await Promise.race([pool.end(), limit])
  clearTimeout(timer)
}
