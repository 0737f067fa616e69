import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, type TestContext, test } from 'node:test'
import pg from 'pg'
import type { Look } from '../src/core/doctor/check.ts'
import { UNIQUE_INDEXES } from '../src/core/doctor/database.ts'
import { CHECKS, type Depth, type Diagnosis, examine } from '../src/core/doctor.ts'
import { openKeyring } from '../src/core/keys.ts'
import { openKysely } from '../src/core/store.ts'
import { applicationProbe } from '../src/serve.ts'
import { dataFolder, runCli } from './support/cli.ts'
import type { Place } from './support/damage.ts'
import { DAMAGES_TO_ROWS } from './support/damages-to-rows.ts'
import { DAMAGES_TO_THE_REST } from './support/damages-to-the-rest.ts'
import { createDatabase } from './support/database.ts'
import { type LivedIn, liveIn } from './support/lived-in.ts'
import { fillWithMany } from './support/many-rows.ts'
import { rows } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

const cleanups: (() => unknown)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

type Healthy = {
  life: Place['life']
  keys: NonNullable<Look['keys']>
  database_url: string
  master_key: string
  whileServed: Diagnosis
  /** What the server these tests run on leaves out for speed. */
  settings: string[]
}

/** One database that was lived in, and that its server has left; each test damages a copy of its own. */
let healthy: Promise<Healthy> | undefined
const getHealthy = () => (healthy ??= makeHealthy())

async function makeHealthy(): Promise<Healthy> {
  const hooks = { after: (clean: unknown) => cleanups.push(clean as () => unknown) } as unknown as TestContext
  const server = await startServer(hooks)
  const life = await liveIn(hooks, server)
  const whileServed = await examineWith(server.store.pool, server.store.keys)
  const off = await rows(
    server,
    `select name from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) name
     where current_setting(name) = 'off' order by 1`,
  )
  const named = { ...life, ...(await nameRows(server, life)) }
  await server.stop()
  const { database_url, master_key, store } = server
  const settings = off.map(({ name }) => `${name} = off`)
  return { life: named, keys: store.keys, database_url, master_key, whileServed, settings }
}

/** Two messages of the session that was talked in, and a stranger's. */
async function nameRows(server: TestServer, { talk, service }: LivedIn) {
  const said = await rows(
    server,
    "select sid from interactions where session_sid = $1 and outcome = 'relayed' order by sid",
    [talk.session.sid],
  )
  const [stranger] = await rows(
    server,
    "select sid from interactions where outcome = 'out-of-session' and type = 'message' and service_sid <> $1",
    [service.sid],
  )
  assert.equal(said.length, 2)
  return { message: String(said[0].sid), second: String(said[1].sid), stranger: String(stranger.sid) }
}

function examineWith(pool: pg.Pool, keys: Look['keys'], options: Partial<Parameters<typeof examine>[1]> = {}) {
  const usual = { depth: 'usual' as Depth, migrations: { pending: [] }, now: Date.now, progress: () => undefined }
  return examine(pool, { ...usual, keys, ...options })
}

const idsOf = ({ checks }: Diagnosis) => checks.filter(({ status }) => status === 'found').map(({ id }) => id)

const checkOf = ({ checks }: Diagnosis, id: string) => {
  const check = checks.find((one) => one.id === id)
  assert(check, id)
  return check
}

async function copyOf({ database_url }: Healthy, t: TestContext) {
  const name = `copy_${randomBytes(6).toString('hex')}`
  const url = new URL(database_url)
  const original = url.pathname.slice(1)
  const onServer = async (statement: string) => {
    const client = new pg.Client({ connectionString: Object.assign(new URL(url), { pathname: '/postgres' }).href })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  await onServer(`create database ${name} template ${original}`)
  url.pathname = `/${name}`
  t.after(() => onServer(`drop database ${name} with (force)`))
  const pool = poolOn(url.href, t)
  return { pool, url: url.href }
}

/** What is found in any case: settings of the test's own PostgreSQL, and an application that fails. */
const always = ({ settings }: Healthy) => [...(settings.length > 0 ? ['durability'] : []), 'callbacks-fail']

test('a database in which everything has happened that may happen has no fault, also while servers run', async (t) => {
  const home = await getHealthy()
  const { pool } = await copyOf(home, t)
  for (const diagnosis of [home.whileServed, await examineWith(pool, home.keys, { depth: 'deep' })]) {
    assert.deepEqual(idsOf(diagnosis), always(home))
    assert.deepEqual(checkOf(diagnosis, 'durability').examples, home.settings)
    assert.deepEqual(checkOf(diagnosis, 'callbacks-fail').examples, [`${home.life.service.sid} status`])
    assert.deepEqual([diagnosis.unfinished, diagnosis.warnings], [0, 1])
    const other = diagnosis.checks.filter(({ status }) => status !== 'good' && status !== 'found')
    assert.deepEqual(other, [])
  }
})

for (const { finds, how, do: damage } of [...DAMAGES_TO_ROWS, ...DAMAGES_TO_THE_REST]) {
  test(`doctor finds by ${finds[0]} that ${how}`, async (t) => {
    const home = await getHealthy()
    const { pool } = await copyOf(home, t)
    const statement = await damage({ pool, keys: home.keys, life: home.life })
    if (typeof statement === 'string') await pool.query(statement)
    const diagnosis = await examineWith(pool, home.keys)
    assert.deepEqual(idsOf(diagnosis).sort(), [...finds, ...always(home)].sort())
    const { count, examples } = checkOf(diagnosis, finds[0] ?? '')
    assert(count > 0 && examples.length === Math.min(count, 5))
    assert.doesNotMatch(JSON.stringify(diagnosis), /\+1\d{10}/, 'no number stands in clear')
    assert.equal(diagnosis.unfinished, 0)
  })
}

test('every check is damaged by something here, or has a test of its own', () => {
  const ofTheirOwn = ['migrations', 'migration-history', 'durability', 'clock', 'data-keys', 'callbacks-fail']
  const damaged = [...DAMAGES_TO_ROWS, ...DAMAGES_TO_THE_REST].map(({ finds }) => finds[0])
  assert.deepEqual([...new Set([...damaged, ...ofTheirOwn])].sort(), CHECKS.map(({ id }) => id).sort())
})

/** Its connections are cut when the database is dropped, which may be before the pool ends. */
function poolOn(url: string, t: TestContext, options = {}) {
  const pool = new pg.Pool({ connectionString: url, max: 2, ...options })
  pool.on('error', () => undefined)
  t.after(() => pool.end())
  return pool
}

test('every unique index that the migrations make is one that doctor looks for', async (t) => {
  const pool = poolOn(await createDatabase(t), t)
  const { rows: made } = await pool.query(
    `select c.relname as name from pg_index x join pg_class c on c.oid = x.indexrelid
     where x.indisunique and c.relnamespace = current_schema::regnamespace and c.relname <> 'schema_migrations_pkey'`,
  )
  assert.deepEqual(made.map(({ name }) => name).sort(), Object.keys(UNIQUE_INDEXES).sort())
})

test('settings, clocks, migrations and keys that are wrong are named', async (t) => {
  const home = await getHealthy()
  const { pool, url } = await copyOf(home, t)
  const clock = await examineWith(pool, home.keys, { now: () => Date.now() - 5_000 })
  assert.deepEqual(idsOf(clock).sort(), ['clock', ...always(home)].sort())
  assert.match(checkOf(clock, 'clock').note ?? '', /^The database is [45]\.\d s ahead\.$/)
  assert.deepEqual(idsOf(await examineWith(pool, home.keys, { now: () => Date.now() + 1_000 })), always(home))

  const pending = await examineWith(pool, home.keys, { migrations: { pending: ['0099-later'] } })
  assert.deepEqual([idsOf(pending)[0], checkOf(pending, 'migrations').examples], ['migrations', ['0099-later']])
  const edited = await examineWith(pool, home.keys, { migrations: { pending: [], problem: 'It was edited.' } })
  assert.equal(checkOf(edited, 'migration-history').note, 'It was edited.')

  const locked = await examineWith(pool, undefined)
  assert.equal(idsOf(locked).includes('data-keys'), true)
  assert.equal(checkOf(locked, 'sealed-accounts').status, 'skipped')

  const careless = poolOn(url, t, { options: '-c synchronous_commit=off' })
  const found = checkOf(await examineWith(careless, home.keys), 'durability')
  assert.equal(found.examples.includes('synchronous_commit = off'), true)
})

test('a check that cannot be finished vouches for nothing, and the others go on', async (t) => {
  const home = await getHealthy()
  const { pool } = await copyOf(home, t)
  await pool.query('alter table recordings rename column delete_at to deleted_at')
  const diagnosis = await examineWith(pool, home.keys)
  assert.equal(checkOf(diagnosis, 'recording-overdue').status, 'unfinished')
  assert.match(checkOf(diagnosis, 'recording-overdue').note ?? '', /not migrated/)
  assert.equal(diagnosis.unfinished, 3)
  assert.equal(checkOf(diagnosis, 'pair-twice').status, 'good')
})

test('an application that cannot be reached is told of where that is asked for', async (t) => {
  const home = await getHealthy()
  const { pool } = await copyOf(home, t)
  // Nobody listens at port 1.
  await pool.query("update services set callback_url = 'http://127.0.0.1:1/x' where sid = $1", [home.life.service.sid])
  const tried: string[] = []
  const connectTo = applicationProbe({ callback_allow: ['0.0.0.0/0'] })
  const probe = (origin: string) => {
    tried.push(origin)
    return connectTo(origin)
  }
  const diagnosis = await examineWith(pool, home.keys, { probe })
  const { status, level, examples } = checkOf(diagnosis, 'callback-unreachable')
  assert.deepEqual([status, level], ['found', 'warning'])
  assert.equal(examples.includes(`${home.life.service.sid} (The connection was refused.)`), true)
  assert.equal(new Set(tried).size, tried.length, 'each address is tried once')
  const inside = applicationProbe({ callback_allow: [] })
  assert.match((await inside('http://127.0.0.1:1')) ?? '', /may not reach an address of this kind/)
})

test('the command tells faults by its status, as text and as JSON, and changes nothing', async (t) => {
  const home = await getHealthy()
  const { pool, url } = await copyOf(home, t)
  const env = { DATABASE_URL: url, MASKLINE_MASTER_KEY: home.master_key }
  await pool.query(`update interactions set stage = 'send' where sid = '${home.life.message}'`)
  const text = await runCli(['doctor'], env)
  assert.deepEqual([text.code, text.stderr], [1, ''])
  assert.match(text.stdout, new RegExp(`^✗ stage-without-due .*\\n {4}${home.life.message}\\n {4}→ Set due_at`, 'm'))
  assert.match(text.stdout, /^! callbacks-fail /m)
  assert.match(text.stdout, /^✓ pair-twice /m)
  assert.match(text.stdout, /^\d+ checks in \d+\.\d s: \d faults?, 1 warning\.$/m)

  const json = await runCli(['doctor', '--json', '--quick'], env)
  const diagnosis: Diagnosis = JSON.parse(json.stdout)
  assert.equal(json.code, 1)
  assert.deepEqual(idsOf(diagnosis).sort(), ['stage-without-due', ...always(home)].sort())
  assert.deepEqual(checkOf(diagnosis, 'stage-without-due').examples, [home.life.message])
  assert.deepEqual(
    [checkOf(diagnosis, 'blind-index').status, checkOf(diagnosis, 'sealed-accounts').status],
    ['skipped', 'good'],
  )

  const strange = await runCli(['doctor'], { ...env, MASKLINE_MASTER_KEY: randomBytes(32).toString('hex') })
  assert.equal(strange.code, 1)
  assert.match(strange.stdout, /^✗ data-keys /m)
})

test('the command ends with 0 where nothing is wrong, with 2 where it is used wrongly, and makes nothing', async (t) => {
  const env = { MASKLINE_DATA_DIR: dataFolder(t), MASKLINE_MASTER_KEY: randomBytes(32).toString('hex') }
  const absent = await runCli(['doctor'], env)
  assert.equal(absent.code, 2)
  assert.match(absent.stderr, /There is no database in/)
  for (const args of [['--quick', '--deep'], ['--loud'], ['extra']]) {
    assert.equal((await runCli(['doctor', ...args], env)).code, 2, args.join(' '))
  }
  const help = await runCli(['doctor', '--help'], env)
  assert.equal(help.code, 0)
  assert.match(help.stdout, /Examples:\n {2}maskline doctor\n/)

  assert.equal((await runCli(['migrate'], env)).code, 0)
  const { code, stdout } = await runCli(['doctor'], env)
  assert.equal(code, 0)
  assert.match(stdout, /: 0 faults, 0 warnings\.$/m)
})

test('a database without any table is told as not migrated, and stays so', async (t) => {
  const url = await createDatabase(t)
  const pool = poolOn(url, t)
  await pool.query('drop schema public cascade; create schema public')
  const env = { DATABASE_URL: url, MASKLINE_MASTER_KEY: randomBytes(32).toString('hex') }
  const { code, stdout } = await runCli(['doctor'], env)
  assert.equal(code, 1)
  assert.match(stdout, /^! migrations .*\n {4}0001-proxy, 0002-calls/m)
  const { rows: tables } = await pool.query("select from pg_tables where schemaname = 'public'")
  assert.deepEqual(tables, [])
})

test('twenty thousand interactions are looked through in a moment', async (t) => {
  const pool = poolOn(await createDatabase(t), t)
  const db = openKysely(pool)
  const keys = await openKeyring(db, [randomBytes(32)])
  await fillWithMany({ db, pool, keys } as Parameters<typeof fillWithMany>[0], {
    sessions: 2_000,
    interactions: 20_000,
  })
  const diagnosis = await examineWith(pool, keys, { depth: 'deep' })
  t.diagnostic(`${diagnosis.took_ms} ms`)
  assert.deepEqual(
    idsOf(diagnosis).filter((id) => id !== 'durability'),
    [],
  )
  assert(diagnosis.took_ms < 10_000, `it took ${diagnosis.took_ms} ms`)
})
