import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLogger } from '../src/log.ts'

// `npm test` runs every file, `npm test -- test/relay.test.ts …` those, and flags go to node: `npm test -- --test-only`.
// One PostgreSQL serves them all; each test file makes its databases from the template that is migrated here, once. It is
// the embedded one, or an empty server of your own that MASKLINE_TEST_SERVER names, by the URL of one who may do anything.

const args = process.argv.slice(2)
const named = args.filter((arg) => arg.endsWith('.test.ts'))
const flags = args.filter((arg) => !arg.endsWith('.test.ts'))
const all = readdirSync('test').filter((name) => name.endsWith('.test.ts'))
const files = named.length > 0 ? named : all.sort().map((name) => join('test', name))

const own = process.env.MASKLINE_TEST_SERVER
const server = own ? await prepareServer(own) : await startServer()
try {
  const pool = new pg.Pool({ connectionString: server.url })
  await migrate(pool, { progress: () => undefined })
  await pool.end()
  process.exitCode = await runTests()
} finally {
  await server.stop()
}

async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-test-'))
  const server = await startEmbedded({
    data_dir: folder,
    postgres_flags: ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=300'],
    progress: () => undefined,
    log: createLogger('error'),
  })
  const stop = async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url: server.url, stop }
}

/** Fails when there is a database `maskline` already, which may be somebody's. */
async function prepareServer(address: string) {
  const query = async (statement: string) => {
    const client = new pg.Client({ connectionString: address })
    await client.connect()
    const { rows } = await client.query(statement).finally(() => client.end())
    return rows
  }
  const [{ version }] = await query("select current_setting('server_version') as version")
  console.log(`# on PostgreSQL ${version}`)
  await query("create database maskline encoding 'UTF8' template template0")
  const url = new URL(address)
  url.pathname = '/maskline'
  return { url: url.href, stop: () => query('drop database maskline') }
}

function runTests() {
  const reporter = ['--test-reporter', process.stdout.isTTY ? 'spec' : 'tap']
  const node = ['--import', 'tsx', '--test', '--test-concurrency=2', ...reporter, ...flags, ...files]
  const env = { ...process.env, MASKLINE_TEST_POSTGRES: server.url }
  const child = spawn(process.execPath, node, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
