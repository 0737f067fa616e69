import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { startPostgres } from './support/postgres.ts'

// `npm test` runs every file, `npm test -- test/relay.test.ts …` those, and flags go to node: `npm test -- --test-only`.
// One PostgreSQL serves them all; each test file makes its databases from the template that is migrated here, once.

const args = process.argv.slice(2)
const named = args.filter((arg) => arg.endsWith('.test.ts'))
const flags = args.filter((arg) => !arg.endsWith('.test.ts'))
const all = readdirSync('test').filter((name) => name.endsWith('.test.ts'))
const files = named.length > 0 ? named : all.sort().map((name) => join('test', name))

const server = await startPostgres()
try {
  process.exitCode = await runTests()
} finally {
  await server.stop()
}

function runTests() {
  const reporter = ['--test-reporter', process.stdout.isTTY ? 'spec' : 'tap']
  const node = ['--import', 'tsx', '--test', '--test-concurrency=2', ...reporter, ...flags, ...files]
  const env = { ...process.env, MASKLINE_TEST_POSTGRES: server.url }
  const child = spawn(process.execPath, node, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
}
