import assert from 'node:assert/strict'
import test from 'node:test'
import { fillDatabase, withStore } from '../bench/data.ts'
import { poolNumberOf, type Shape, sidesOf } from '../bench/people.ts'
import { createDirectory } from '../src/core/directory.ts'
import { relayMessage } from '../src/core/relay.ts'
import type { Store } from '../src/core/store.ts'
import { createDatabase } from './support/database.ts'

// A row that is changed is written anew. Where nothing that an index holds has changed and its page has room, the indexes
// still find it and are left alone; of a million sessions each would be another page to read, change and log.

const SHAPE: Shape = { sessions: 300, interactions: 300, pool: 9, seed: 5 }

/** Whoever has a transaction open, in any database of the server, keeps old rows in their pages; then it is looked at again. */
const TRIES = 5

test('a message leaves the indexes of sessions alone, and control: not where one holds its time', async (t) => {
  for (let tries = 1; ; tries++) {
    const database_url = await createDatabase(t)
    await fillDatabase(database_url, SHAPE, () => undefined)
    const apart = await withStore(database_url, changedApart)
    if (apart <= 30) return
    assert.ok(tries < TRIES, `${apart} of 300 sessions changed their indexes`)
  }
})

async function changedApart(store: Store): Promise<number> {
  const { changed, apart } = await changes(store)
  assert.equal(changed, 300)

  await store.pool.query('create index by_last on sessions (date_last_interaction)')
  assert.deepEqual(await changes(store), { changed: 300, apart: 300 })
  return apart
}

/** Lets somebody text in every session: how many of their rows were changed, and of how many the indexes too. */
async function changes(store: Store) {
  const [owner] = await store.db.selectFrom('carriers').select(['sid', 'account_sid']).execute()
  assert.ok(owner)
  const before = await read(store)
  const directory = createDirectory(store)
  for (let session = 0; session < SHAPE.sessions; session++) {
    const { identifier: from, proxy } = sidesOf(SHAPE, session)[0]
    const event_id = `SM${before.changed}.${session}`
    const what = { body: 'On my way', media: [], num_segments: 1, geography: {}, resource_sid: undefined }
    const relayed = await relayMessage(store, directory, owner, { event_id, from, to: poolNumberOf(proxy), ...what })
    assert.equal(relayed.outcome, 'relayed')
  }
  const after = await read(store)
  return { changed: after.changed - before.changed, apart: after.apart - before.apart }
}

async function read({ pool }: Store) {
  // One after the other, so all on one connection, which tells what it has counted.
  assert.equal(pool.totalCount, 1)
  await pool.query('select pg_stat_force_next_flush()')
  const { rows } = await pool.query<{ changed: number; apart: number }>(
    `select n_tup_upd::int as changed, (n_tup_upd - n_tup_hot_upd)::int as apart
     from pg_stat_user_tables where relname = 'sessions'`,
  )
  assert.ok(rows[0])
  return rows[0]
}
