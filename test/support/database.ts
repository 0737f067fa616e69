import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import pg from 'pg'

/** A database of its own for one test, made from the migrated template; gone afterwards. */
export async function createDatabase(t: Pick<TestContext, 'after'>): Promise<string> {
  const template = process.env.MASKLINE_TEST_POSTGRES
  if (!template)
    throw new Error('Run the tests with `npm test`, or `npm test -- test/name.test.ts`: it starts PostgreSQL.')
  const name = `test_${randomBytes(6).toString('hex')}`
  await onServer(template, `create database ${name} template maskline`)
  t.after(() => onServer(template, `drop database ${name} with (force)`))
  const url = new URL(template)
  url.pathname = `/${name}`
  return url.href
}

async function onServer(template: string, statement: string) {
  const url = new URL(template)
  url.pathname = '/postgres'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    // Only one database is made from the template at a time.
    await client.query('select pg_advisory_lock(1)')
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Connections to such a database. */
export async function openPool(t: Pick<TestContext, 'after'>, max: number): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: await createDatabase(t), max })
  // The database is dropped before the pool has ended.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  t.after(() => pool.end())
  return pool
}
