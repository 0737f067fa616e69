import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../src/db/open.ts'
import { createLogger } from '../src/log.ts'
import { dataFolder, isAlive, postgresOf } from './support/cli.ts'
import { eventually } from './support/server.ts'

test('an embedded PostgreSQL that ended by itself is started again with what it had', async (t) => {
  const data_dir = dataFolder(t)
  const log = createLogger('silent')
  const options = { database_url: undefined, data_dir, pool: 2, progress: () => undefined, log }
  const database = await openDatabase(options)
  t.after(database.stop)
  await database.pool.query('create table kept as select 1 as one')
  const first = postgresOf(data_dir) ?? 0
  // Its immediate shutdown, after which it has to recover.
  process.kill(first, 'SIGQUIT')
  await eventually(async () => !isAlive(first), 'it has ended')

  const read = () => database.pool.query('select one from kept').then(({ rows }) => rows)
  const found = await eventually(() => read().catch(() => undefined), 'it is there again', 30_000)
  assert.deepEqual(found, [{ one: 1 }])
  const second = postgresOf(data_dir) ?? 0
  assert.notEqual(second, first)
  await database.stop()
  assert.equal(isAlive(second), false)
})
