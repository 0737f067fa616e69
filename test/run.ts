import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { createLogger } from '../src/log.ts'

// `npm test` runs every file, `npm test -- test/relay.test.ts …` those, and flags go to node: `npm test -- --test-only`.
// One PostgreSQL serves them all; each test file makes its databases from the template that is migrated here, once.

const args = process.argv.slice(2)
const named = args.filter((arg) => arg.endsWith('.test.ts'))
const flags = args.filter((arg) => !arg.endsWith('.test.ts'))
const all = readdirSync('test').filter((name) => name.endsWith('.test.ts'))
const files = named.length > 0 ? named : all.sort().map((name) => join('test', name))

const folder = mkdtempSync(join(tmpdir(), 'maskline-test-'))
const log = createLogger('error')
const server = await startEmbedded({
  data_dir: folder,
  postgres_flags: ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=300'],
  progress: () => undefined,
  log,
})
try {
  const pool = new pg.Pool({ connectionString: server.url })
  await migrate(pool, { progress: () => undefined })
  await pool.end()
  process.exitCode = await runTests()
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

function runTests() {
  const reporter = ['--test-reporter', process.stdout.isTTY ? 'spec' : 'tap']
  const node = ['--import', 'tsx', '--test', '--test-concurrency=2', ...reporter, ...flags, ...files]
  const env = { ...process.env, MASKLINE_TEST_POSTGRES: server.url }
  const child = spawn(process.execPath, node, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
