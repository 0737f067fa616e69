import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import pg from 'pg'
import pino from 'pino'
import { migrate, pendingMigrations } from '../src/db/migrate.ts'
import { type Database, openDatabase } from '../src/db/open.ts'

const root = mkdtempSync(join(tmpdir(), 'maskline-migrate-'))
const progress = () => {}
let server: Database
let count = 0

before(async () => {
  server = await openDatabase({
    database_url: undefined,
    data_dir: join(root, 'data'),
    pool: 1,
    progress,
    log: pino({ level: 'silent' }),
    postgres_flags: ['-c', 'fsync=off'],
  })
})
after(async () => {
  await server.stop()
  rmSync(root, { recursive: true })
})

test('migrations are applied in order, once, and reported', async (t) => {
  const { pool, folder } = await setUp(t, {
    '0001-people.sql': 'create table people (name text); create index on people (name);',
    '0002-ada.sql': "insert into people values ('Ada')",
  })
  assert.deepEqual(namesOf(await pendingMigrations(pool, folder)), ['0001-people', '0002-ada'])
  const steps: string[] = []
  const applied = await migrate(pool, { progress: (step) => steps.push(step), folder })
  assert.deepEqual(namesOf(applied), ['0001-people', '0002-ada'])
  assert.deepEqual(steps, ['applying migration 0001-people', 'applying migration 0002-ada'])
  assert.deepEqual(await pendingMigrations(pool, folder), [])

  write(folder, { '0003-bob.sql': "insert into people values ('Bob')" })
  assert.deepEqual(namesOf(await pendingMigrations(pool, folder)), ['0003-bob'])
  assert.deepEqual(namesOf(await migrate(pool, { progress, folder })), ['0003-bob'])
  assert.deepEqual(await migrate(pool, { progress, folder }), [])
  assert.deepEqual(await column(pool, 'select name from people order by name'), ['Ada', 'Bob'])
  assert.deepEqual(await column(pool, 'select version || name || length(sha256) from schema_migrations order by 1'), [
    '10001-people64',
    '20002-ada64',
    '30003-bob64',
  ])
})

test('servers that start at once apply each migration once', async (t) => {
  const { pool, folder } = await setUp(t, {
    '0001-people.sql': 'create table people (name text)',
    '0002-ada.sql': "insert into people values ('Ada'); select pg_sleep(0.05)",
    '0003-bob.sql': "insert into people values ('Bob')",
  })
  const runs = await Promise.all(Array.from({ length: 4 }, () => migrate(pool, { progress, folder })))
  assert.deepEqual(namesOf(runs.flat()).sort(), ['0001-people', '0002-ada', '0003-bob'])
  assert.deepEqual(await column(pool, 'select name from people order by name'), ['Ada', 'Bob'])
})

test('a migration that fails leaves nothing behind, keeps those before it, and can be mended', async (t) => {
  const { pool, folder } = await setUp(t, {
    '0001-people.sql': 'create table people (name text)',
    '0002-broken.sql': "insert into people values ('Ada');\n\nselect nonsense",
    '0003-bob.sql': "insert into people values ('Bob')",
  })
  await assert.rejects(
    migrate(pool, { progress, folder }),
    /Migration 0002-broken failed and was rolled back, in line 3: column "nonsense" does not exist$/,
  )
  assert.deepEqual(await column(pool, 'select name from people'), [])
  assert.deepEqual(namesOf(await pendingMigrations(pool, folder)), ['0002-broken', '0003-bob'])
  write(folder, { '0002-broken.sql': "insert into people values ('Ada')" })
  assert.deepEqual(namesOf(await migrate(pool, { progress, folder })), ['0002-broken', '0003-bob'])
})

test('a migration that was edited after it was applied is refused, but not one with other line ends', async (t) => {
  const { pool, folder } = await setUp(t, { '0001-people.sql': 'create table people (\n  name text\n)\n' })
  await migrate(pool, { progress, folder })
  write(folder, { '0001-people.sql': 'create table people (\r\n  name text\r\n)\r\n' })
  assert.deepEqual(await migrate(pool, { progress, folder }), [])
  write(folder, { '0001-people.sql': 'create table people (\n  name text not null\n)\n', '0002-x.sql': 'select 1' })
  const edited = /Migration 0001-people was edited .* new migration/
  await assert.rejects(migrate(pool, { progress, folder }), edited)
  await assert.rejects(pendingMigrations(pool, folder), edited)
})

test('a database that is newer than the program is refused', async (t) => {
  const { pool, folder } = await setUp(t, { '0001-one.sql': 'select 1', '0002-two.sql': 'select 2' })
  await migrate(pool, { progress, folder })
  rmSync(join(folder, '0002-two.sql'))
  const newer = /newer than this maskline: it has migration 0002-two, .* knows 0001-one as its last/
  await assert.rejects(migrate(pool, { progress, folder }), newer)
  await assert.rejects(pendingMigrations(pool, folder), newer)
})

test('a database that lacks a migration in between is refused', async (t) => {
  const { pool, folder } = await setUp(t, { '0001-one.sql': 'select 1', '0002-two.sql': 'select 2' })
  await migrate(pool, { progress, folder })
  await pool.query('delete from schema_migrations where version = 1')
  await assert.rejects(pendingMigrations(pool, folder), /lacks migration 0001-one but has 0002-two/)
})

test('files that are not numbered one by one are refused before anything happens', async (t) => {
  for (const name of ['0003-three.sql', '0001-again.sql', '2-two.sql', '0002_two.sql']) {
    const { pool, folder } = await setUp(t, { '0001-one.sql': 'select 1', [name]: 'select 2' })
    await assert.rejects(migrate(pool, { progress, folder }), /should be called 000[12]-name\.sql/, name)
    assert.deepEqual(await column(pool, "select to_regclass('schema_migrations')::text"), [null])
  }
})

test("the program's own migrations are found and applied to an empty database", async (t) => {
  const { pool } = await setUp(t, {})
  const own = await pendingMigrations(pool)
  assert.ok(own.length > 0)
  assert.deepEqual(namesOf(await migrate(pool, { progress })), namesOf(own))
  assert.deepEqual(await pendingMigrations(pool), [])
})

/** An empty database, and a folder with these migrations. */
async function setUp(t: TestContext, files: Record<string, string>) {
  const name = `migrate_${++count}`
  await server.pool.query(`create database ${name}`)
  const url = new URL(server.url)
  url.pathname = name
  const pool = new pg.Pool({ connectionString: url.href, max: 4 })
  t.after(() => {
    // A pool ends before its connections are closed, so the server, when it stops, may still find one to terminate.
    pool.on('error', () => undefined)
    return pool.end()
  })
  const folder = join(root, name)
  mkdirSync(folder)
  write(folder, files)
  return { pool, folder }
}

function write(folder: string, files: Record<string, string>) {
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(folder, name), sql)
}

const namesOf = (migrations: { name: string }[]) => migrations.map(({ name }) => name)

const column = async (pool: pg.Pool, sql: string) =>
  (await pool.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0])
