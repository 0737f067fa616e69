import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { migrate } from '../../src/db/migrate.ts'
import { cleanEnv, commandLine, type Ended, type Env, runCli } from './cli.ts'

type Cleaning = Pick<TestContext, 'after'>

/** A database that no maskline has seen yet; gone afterwards. With `migrations`, those of an older version. */
export async function createEmptyDatabase(t: Cleaning, migrations = 0): Promise<string> {
  const url = new URL(process.env.MASKLINE_TEST_POSTGRES ?? '')
  url.pathname = '/postgres'
  const server = url.href
  const name = `test_${randomBytes(6).toString('hex')}`
  await query(server, `create database ${name} encoding 'UTF8' template template0`)
  t.after(async () => void (await query(server, `drop database ${name} with (force)`)))
  url.pathname = `/${name}`
  if (migrations > 0) await migrateAsOlder(url.href, migrations)
  return url.href
}

async function migrateAsOlder(url: string, migrations: number) {
  const source = fileURLToPath(new URL('../../src/db/migrations', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'maskline-older-'))
  const files = readdirSync(source).sort().slice(0, migrations)
  for (const file of files) cpSync(join(source, file), join(folder, file))
  const pool = new pg.Pool({ connectionString: url })
  await migrate(pool, { progress: () => undefined, folder })
  await pool.end()
  rmSync(folder, { recursive: true })
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into rows of every shape
export async function query(url: string, statement: string, values: unknown[] = []): Promise<any[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(statement, values)).rows
  } finally {
    await client.end()
  }
}

/** Without those that are emptied by a crash, too. */
export const listTableNames = async (url: string): Promise<string[]> =>
  (
    await query(
      url,
      `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
         and relpersistence = 'p' and relname <> 'schema_migrations' order by 1`,
    )
  ).map((row) => row.relname)

/** Of every table, how many rows it has and a digest of them all. */
export async function digestTables(url: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {}
  for (const table of await listTableNames(url)) {
    const [row] = await query(
      url,
      `select count(*) || ' ' || coalesce(md5(string_agg(r::text, e'\\n' order by r::text collate "C")), '') as digest
       from ${table} r`,
    )
    digests[table] = row.digest
  }
  return digests
}

export const countAllRows = async (url: string): Promise<number> =>
  Object.values(await digestTables(url)).reduce((sum, digest) => sum + Number(digest.split(' ')[0]), 0)

/** Runs a command that is expected to succeed, and gives what it prints as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into summaries of every shape
export async function runForJson(args: string[], env: Env): Promise<any> {
  const { code, stdout, stderr } = await runCli([...args, '--json'], env)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)[0]
}

export function assertRefusedBy({ code, stdout, stderr }: Ended, status: number, message: RegExp): void {
  assert.match(stderr, message)
  assert.deepEqual([code, stdout], [status, ''])
  assert.doesNotMatch(stderr, /^\s+at /m, 'a stack helps nobody here')
}

export const streamOf = (bytes: Buffer, size = 1000) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    })(),
  )

/** A line of shell in which "$@" is the program. */
export function runShell(line: string, env: Env): Promise<Ended> {
  return new Promise((resolve) => {
    const args = ['-c', line, 'sh', ...commandLine([])]
    const child = execFile('sh', args, { env: cleanEnv(env), timeout: 60_000 }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}
