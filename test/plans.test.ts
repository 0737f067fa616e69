import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, type TestContext, test } from 'node:test'
import pg from 'pg'
import { isSid } from '../src/core/sid.ts'
import { doEverything } from './support/everything.ts'
import { growTables } from './support/grown-tables.ts'
import { findGrowing, indexesOf, plansOf, type Statement, watchStatements } from './support/plans.ts'
import { rows } from './support/proxy-api.ts'
import { startServer } from './support/server.ts'

/** Those that have the more rows the more customers there are, or the more these do. */
const GROWING = [
  ...[
    'accounts',
    'api_keys',
    'carriers',
    'services',
    'phone_numbers',
    'sessions',
    'participants',
    'interactions',
    'media',
  ],
  ...['callbacks', 'callback_attempts', 'recordings', 'events', 'idempotency_keys', 'released_pairs'],
  ...['audit_entries', 'key_uses', 'blocked_numbers', 'users', 'user_sessions', 'sign_in_links'],
]

const EXCEPTIONS = [
  {
    pattern: /: (delete from|update) "\w+" (set .*)?where "service_sid" = \$\d+$/,
    why: 'a service goes with all it has',
  },
  { pattern: /: reads all of one owner by phone_numbers_service: /, why: 'a pool has at most 5,500 numbers' },
  {
    pattern: /: reads all of one owner by phone_numbers_account: /,
    why: 'an operator has the numbers of an account listed',
  },
  {
    pattern: /: reads all of one owner by participants_pair: select "proxy_identifier", count\(\*\) as "pairs"/,
    why: 'the pairs of a pool are counted in the background, which takes a fiftieth of the time (core/number-pools.ts)',
  },
]

/** Those of the tests themselves. */
const ASKED_BY_TESTS = /count\(\*\)::int as count from|\) as due$|ttl \+ 5/

const cleanups: (() => unknown)[] = []
let database_url: string
let client: pg.Client
let statements: Statement[]
let sizes: Map<string, number>

before(async () => {
  const t = { after: (clean?: unknown) => void cleanups.push(clean as () => unknown) } as TestContext
  const server = await startServer(t)
  const watched = watchStatements()
  await doEverything(t, server)
  const caught = watched.stop()
  await growTables(server)
  const [many] = await rows(server, `select sid, account_sid from services where unique_name like 'many-%'`)
  statements = caught.filter(({ text }) => !ASKED_BY_TESTS.test(text)).map((statement) => ofService(statement, many))
  await server.stop()
  database_url = server.database_url
  client = new pg.Client({ connectionString: database_url })
  await client.connect()
  cleanups.push(() => client.end())
  const found = await client.query('select relname, reltuples from pg_class where relname = any($1)', [GROWING])
  sizes = new Map(found.rows.map(({ relname, reltuples }) => [relname, reltuples]))
  await client.query('set plan_cache_mode = force_generic_plan')
})

after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

/** As if the service and the account that a statement is about were those with many rows. */
function ofService({ values, ...statement }: Statement, many: { sid: string; account_sid: string }): Statement {
  const replaced = values.map((value) => {
    if (typeof value !== 'string') return value
    return isSid('KS', value) ? many.sid : isSid('AC', value) ? many.account_sid : value
  })
  return { ...statement, values: replaced }
}

test('every statement finds what it needs by an index, at a cost that does not grow with the tables', async () => {
  const complaints = await allComplaints()
  const isExcepted = (complaint: string) => EXCEPTIONS.some(({ pattern }) => pattern.test(complaint))
  assert.deepEqual(
    complaints.filter((complaint) => !isExcepted(complaint)),
    [],
  )
  for (const { pattern, why } of EXCEPTIONS) {
    assert.ok(
      complaints.some((complaint) => pattern.test(complaint)),
      `no statement needs the exception any more that ${why}`,
    )
  }
})

test('no statement of src/db/statements was left out', () => {
  const folder = new URL('../src/db/statements/', import.meta.url)
  const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  const names = texts.flatMap((text) => [...text.matchAll(/\bname: '([a-z-]+)'/g)].map(([, name]) => name))
  assert.ok(names.length > 5)
  const seen = new Set(statements.map(({ name }) => name))
  assert.deepEqual(
    names.filter((name) => !seen.has(name)),
    [],
  )
})

test('what takes many at once is planned once, and control: with bare arrays it would be planned anew each time', async () => {
  const batched = statements.filter(({ text }) => /\(select \$\d+::\w+\[\]\)/.test(text))
  assert.ok(batched.length >= 5, `${batched.length}`)
  const bare = batched.map((statement) => ({
    ...statement,
    text: statement.text.replace(/\(select (\$\d+::\w+\[\])\)/g, '$1'),
  }))
  for (const { name, text, values } of batched) assert.ok((await timesPlanned({ text, values })) <= 5, name)
  const anew = await Promise.all(bare.map(async (statement) => (await timesPlanned(statement)) === TIMES))
  assert.ok(anew.includes(true))
})

test('every index is used by some plan, and control: without one of them some statement is complained about', async () => {
  const used = new Set<string>()
  for (const statement of statements) {
    for (const plan of Object.values(await plansOf(client, statement)))
      for (const name of indexesOf(plan)) used.add(name)
  }
  const { rows: indexes } = await client.query(
    `select i.relname as name from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
     where t.relname = any($1) and not x.indisunique order by 1`,
    [GROWING],
  )
  assert.deepEqual(
    indexes.map(({ name }) => name).filter((name) => !used.has(name)),
    [],
  )
  for (const name of [
    'interactions_due',
    'callbacks_due',
    'participants_identifier',
    'interactions_session',
    'events_code',
  ]) {
    await client.query('begin')
    await client.query(`drop index ${name}`)
    const complaints = await allComplaints()
    await client.query('rollback')
    assert.ok(
      complaints.some((complaint) => !EXCEPTIONS.some(({ pattern }) => pattern.test(complaint))),
      `nobody misses ${name}`,
    )
  }
})

const TIMES = 12

/** What was caught has been carried out before. */
function unlessThere(error: { code?: string }) {
  if (error.code !== '23505') throw error
}

/** When it is made so often on a connection, without anything of it staying. */
async function timesPlanned({ text, values }: Statement): Promise<number> {
  const other = new pg.Client({ connectionString: database_url })
  await other.connect()
  try {
    await other.query('begin')
    for (let time = 0; time < TIMES; time++) {
      await other.query('savepoint before')
      await other.query({ name: 'counted', text, values }).catch(unlessThere)
      await other.query('rollback to before')
    }
    const { rows: prepared } = await other.query('select custom_plans::int as plans from pg_prepared_statements')
    return prepared[0]?.plans
  } finally {
    await other.end()
  }
}

async function allComplaints(): Promise<string[]> {
  const complaints: string[] = []
  for (const statement of statements) complaints.push(...(await complaintsAbout(statement)))
  return complaints
}

async function complaintsAbout(statement: Statement): Promise<string[]> {
  const text = statement.text.replace(/\s+/g, ' ')
  return Object.entries(await plansOf(client, statement)).flatMap(([which, plan]) =>
    findGrowing(plan, sizes).map((complaint) => `${which}: ${complaint}: ${text}`),
  )
}
