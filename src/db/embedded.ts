import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { DatabaseError, errorCode } from './database-error.ts'
import { findBinaries } from './embedded-binaries.ts'
import { initialiseCluster, type Place, spawnServer } from './embedded-spawn.ts'
import { findServerUser } from './embedded-user.ts'
import { findOwner, findProcess, readIfThere, takeOwnership } from './owner-lock.ts'
import { readOrMakeSecret } from './secret-file.ts'

/**
 * PostgreSQL as a child process with its data in our data folder. It is not tied to our life: when we are killed it stays,
 * and the next start takes it over instead of waiting for it to end and recover.
 */
export type EmbeddedServer = { url: string; stop(): Promise<void> }

export type EmbeddedOptions = {
  data_dir: string
  /** Further arguments of the server, such as `['-c', 'fsync=off']` in tests. */
  postgres_flags: string[]
  progress: (step: string) => void
  log: Logger
}

/** A server that runs: ours to stop, whoever started it. */
type RunningServer = { pid: number; started: string; port: number; stopping: boolean }

const START_LIMIT_MS = 5 * 60_000
const TAKEOVER_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 10_000
const POLL_MS = 20

export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const data_dir = resolve(options.data_dir)
  const release = openDataFolder(data_dir)
  try {
    const place = findPlace(data_dir)
    const server = (await adoptServer(place, options)) ?? (await launchServer(place, options))
    const url = await createDatabase(serverUrl(server.port, place.password, 'postgres'))
    const stop = async () => {
      await stopServer(server)
      release()
    }
    return { url, stop }
  } catch (error) {
    release()
    throw error
  }
}

/** Where the PostgreSQL of a data folder listens whose owner is running; undefined when nobody owns the folder now. */
export function findRunningServer(data_dir: string): string | undefined {
  if (findOwner(join(data_dir, 'maskline.lock')) === undefined) return undefined
  const port = Number(readIfThere(join(data_dir, 'postgres', 'postmaster.pid'))?.split('\n')[3])
  const password = readIfThere(join(data_dir, 'postgres.password'))?.trim()
  return port > 0 && password ? serverUrl(port, password, 'maskline') : undefined
}

function openDataFolder(data_dir: string) {
  try {
    mkdirSync(data_dir, { recursive: true })
    return takeOwnership(join(data_dir, 'maskline.lock'))
  } catch (cause) {
    if (cause instanceof DatabaseError) throw cause
    throw new DatabaseError(
      `Cannot write to the data folder ${data_dir} (${errorCode(cause)}): make it writable for the user who starts ` +
        'maskline, or name another with MASKLINE_DATA_DIR.',
      { cause },
    )
  }
}

function findPlace(data_dir: string): Place {
  const cluster = join(data_dir, 'postgres')
  const user = findServerUser(cluster)
  const passwordFile = join(data_dir, 'postgres.password')
  if (existsSync(cluster) && !existsSync(passwordFile)) {
    throw new DatabaseError(
      `${passwordFile} is missing, and without it the data in ${cluster} cannot be opened: put the file back from a ` +
        'backup, or move the folder away to start with an empty database.',
    )
  }
  return {
    data_dir,
    cluster,
    user,
    log_file: join(data_dir, 'postgres.log'),
    password: readOrMakeSecret(passwordFile, () => randomBytes(24).toString('hex')),
    binaries: findBinaries(user, data_dir),
  }
}

/** Takes over a server that an owner who died left running; waits for one that is starting or shutting down. */
async function adoptServer(place: Place, options: EmbeddedOptions): Promise<RunningServer | undefined> {
  const pidFile = join(place.cluster, 'postmaster.pid')
  const file = readIfThere(pidFile)
  if (file === undefined) return undefined
  const pid = Number(file.split('\n')[0])
  const found = pid > 0 ? findProcess(pid) : undefined
  if (!found || (found.name !== '' && !found.name.startsWith('postgres'))) {
    // PostgreSQL takes a zombie for alive, and any program that has the id now. An id that is its parent's it takes for
    // stale, and unlike without a file it still makes sure that nobody uses the shared memory which the file names.
    writeFileSync(pidFile, file.replace(/^\d+/, String(process.pid)))
    return undefined
  }
  options.progress('taking over the running PostgreSQL')
  const port = () => Number(readIfThere(pidFile)?.split('\n')[3])
  const outcome = await waitUntilReady({ pid, started: found.started }, port, place.password, TAKEOVER_LIMIT_MS)
  // Looked at again, because one that crashed instead of shutting down leaves its file.
  if (outcome.state === 'ended') return adoptServer(place, options)
  if (outcome.state === 'ready') {
    options.log.info({ pid }, 'took over the PostgreSQL that an earlier maskline left running')
    return { pid, started: found.started, port: port(), stopping: false }
  }
  throw new DatabaseError(
    `Process ${pid} holds ${place.cluster} but does not let us in (${outcome.problem}): stop it with ` +
      `\`kill -INT ${pid}\` and start maskline again. If it is not a PostgreSQL of this folder, delete ${pidFile}.`,
  )
}

async function launchServer(place: Place, options: EmbeddedOptions): Promise<RunningServer> {
  await initialiseCluster(place, options.progress)
  options.progress('starting PostgreSQL')
  const deadline = Date.now() + START_LIMIT_MS
  for (;;) {
    const { child, pid, port, output } = await spawnServer(place, options.postgres_flags)
    const server = { pid, started: findProcess(pid)?.started ?? '', port, stopping: false }
    const outcome = await waitUntilReady(server, () => port, place.password, deadline - Date.now())
    if (outcome.state === 'ready') {
      child.once('exit', (code, signal) => {
        const how = { pid, code, signal, log_file: place.log_file }
        if (!server.stopping) options.log.error(how, 'PostgreSQL ended by itself')
      })
      return server
    }
    if (outcome.state !== 'ended') await stopServer(server)
    // Somebody took the port between our choosing and its use, or the processes of a killed server are still ending.
    const passing = /could not create any TCP\/IP sockets|pre-existing shared memory block/.test(output())
    if (outcome.state === 'ended' && passing && Date.now() < deadline) {
      await delay(100)
      continue
    }
    throw new DatabaseError(`PostgreSQL did not start (${outcome.problem}); ${place.log_file} says:\n${output()}`)
  }
}

type Readiness = { state: 'ready' | 'ended' | 'not-ready' | 'refused'; problem: string }

async function waitUntilReady(
  server: { pid: number; started: string },
  port: () => number,
  password: string,
  limit_ms: number,
): Promise<Readiness> {
  const deadline = Date.now() + limit_ms
  for (;;) {
    const problem = port() > 0 ? await knock(serverUrl(port(), password, 'postgres')) : 'no port yet'
    if (problem === undefined) return { state: 'ready', problem: '' }
    if (problem.startsWith('28'))
      return { state: 'refused', problem: `${problem}: it does not accept the password in postgres.password` }
    if (hasEnded(server)) return { state: 'ended', problem }
    if (Date.now() > deadline) return { state: 'not-ready', problem: `${problem} after ${limit_ms / 1000} s` }
    await delay(POLL_MS)
  }
}

/** What keeps us from connecting: PostgreSQL's or the system's code for it. */
async function knock(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return undefined
  } catch (error) {
    return errorCode(error) ?? String(error)
  } finally {
    await client.end()
  }
}

async function createDatabase(maintenanceUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: maintenanceUrl, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    const { rowCount } = await client.query("select from pg_database where datname = 'maskline'")
    if (rowCount === 0) await client.query('create database maskline')
  } finally {
    await client.end()
  }
  const url = new URL(maintenanceUrl)
  url.pathname = '/maskline'
  return url.href
}

const serverUrl = (port: number, password: string, database: string) =>
  `postgres://maskline:${password}@127.0.0.1:${port}/${database}`

const hasEnded = (server: { pid: number; started: string }) => findProcess(server.pid)?.started !== server.started

/** PostgreSQL's fast shutdown; when that hangs, its immediate one, after which the next start recovers. */
async function stopServer(server: RunningServer) {
  server.stopping = true
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    const deadline = Date.now() + STOP_LIMIT_MS
    if (!hasEnded(server)) sendSignal(server.pid, signal)
    while (!hasEnded(server) && Date.now() < deadline) await delay(POLL_MS)
    if (hasEnded(server)) return
  }
  throw new DatabaseError(`PostgreSQL (process ${server.pid}) does not stop: stop it by hand before the next start.`)
}

function sendSignal(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error
  }
}
