import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { inTransaction, openKysely, type Store } from '../src/core/store.ts'
import { openPool } from './support/database.ts'

async function openStore(t: Pick<TestContext, 'after'>, max: number) {
  const pool = await openPool(t, max)
  return { db: openKysely(pool), pool } as Store
}

const findService = ({ db }: Store, sid: string) =>
  db.selectFrom('services').selectAll().where('sid', '=', sid).executeTakeFirst()

const prepared = async ({ pool }: Store): Promise<number> =>
  (await pool.query(`select count(*)::int as n from pg_prepared_statements where statement like '%"services"%'`))
    .rows[0].n

test('what is asked often is prepared once', async (t) => {
  const store = await openStore(t, 1)
  await findService(store, 'KS1')
  assert.equal(await prepared(store), 0)
  for (const sid of ['KS2', 'KS3', 'KS4', 'KS5']) await findService(store, sid)
  assert.equal(await prepared(store), 1)
})

test('a migration of the table does not fail what was prepared before, in a transaction or out of one', async (t) => {
  const store = await openStore(t, 3)
  const findOnAll = () => Promise.all([1, 2, 3].map((at) => findService(store, `KS${at}`)))
  for (let time = 0; time < 4; time++) await findOnAll()
  assert.equal(store.pool.totalCount, 3)
  await store.pool.query('alter table services add column one int')
  await findOnAll()

  for (let time = 0; time < 4; time++) await findOnAll()
  await store.pool.query('alter table services add column other int')
  const found = await inTransaction(store, async (trx) => {
    await sql`select ${1}::int`.execute(trx.db)
    return [await findService(trx, 'KS1')]
  })
  assert.deepEqual(found, [undefined])
})
