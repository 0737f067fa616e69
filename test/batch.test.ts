import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inBatches } from '../src/db/statements/batch.ts'
import { openPool } from './support/database.ts'

/** Divides 100 by each number, in one statement for all, and remembers which went together. */
function divisions(batching: { lanes?: number; most?: number; aboutOf?: (params: Division) => string } = {}) {
  const together: number[][] = []
  const divide = inBatches<Division, number>({
    keyOf: ({ key }) => key,
    lanes: 1,
    most: 10,
    ...batching,
    async run(client, calls) {
      together.push(calls.map(({ by }) => by))
      const { rows } = await client.query<{ result: number }>('select 100 / n as result from unnest($1::int[]) n', [
        calls.map(({ by }) => by),
      ])
      return rows.map(({ result }) => result)
    },
  })
  return { divide, together }
}
type Division = { key: string; by: number }

test('the first does not wait, and who comes meanwhile goes together, as many as fit', async (t) => {
  const pool = await openPool(t, 4)
  const { divide, together } = divisions()
  const results = await Promise.all(Array.from({ length: 24 }, (_, at) => divide(pool, { key: 'a', by: at + 1 })))
  assert.deepEqual(
    results,
    Array.from({ length: 24 }, (_, at) => Math.floor(100 / (at + 1))),
  )
  assert.ok(together.length <= 4 && Math.max(...together.map(({ length }) => length)) === 10, `${together}`)
  await divide(pool, { key: 'a', by: 1 })
  assert.deepEqual(together.at(-1), [1])
})

test('calls of two keys never share a statement', async (t) => {
  const pool = await openPool(t, 4)
  const { divide, together } = divisions()
  await Promise.all([1, 2, 3, 4, 5, 6].map((by) => divide(pool, { key: by % 2 ? 'odd' : 'even', by })))
  for (const some of together) assert.equal(new Set(some.map((by) => by % 2)).size, 1, `${some}`)
})

test('one that cannot be done fails alone, and its neighbours are done', async (t) => {
  const pool = await openPool(t, 1)
  const { divide, together } = divisions()
  const asked = [1, 0, 2, 4].map((by) => divide(pool, { key: 'a', by }))
  const [, failed] = await Promise.allSettled(asked)
  assert.equal((failed as PromiseRejectedResult).reason.code, '22012')
  assert.deepEqual(await Promise.all(asked.filter((_, at) => at !== 1)), [100, 50, 25])
  assert.ok(
    together.some((some) => some.includes(0) && some.length > 1),
    'it was with others first',
  )
})

test('two calls about one thing go one after the other', async (t) => {
  const pool = await openPool(t, 4)
  const { divide, together } = divisions({ aboutOf: ({ by }) => String(by) })
  await Promise.all([7, 5, 5, 3, 5].map((by) => divide(pool, { key: 'a', by })))
  for (const some of together) assert.equal(new Set(some).size, some.length, `${some}`)
  assert.deepEqual(together.flat().sort(), [3, 5, 5, 5, 7])
})

test('all who wait hear that the database has failed, and the next one is served again', async (t) => {
  const pool = await openPool(t, 1)
  let fails = true
  const statement = inBatches<string, number>({
    keyOf: () => 'a',
    lanes: 1,
    most: 2,
    async run(client, calls) {
      if (fails) await client.query('select pg_terminate_backend(pg_backend_pid())')
      return calls.map(() => 1)
    },
  })
  const results = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((name) => statement(pool, name)))
  assert.deepEqual(new Set(results.map(({ status }) => status)), new Set(['rejected']))
  fails = false
  assert.equal(await statement(pool, 'f'), 1)
})

test('whose calls never end does not keep the connections from others', async (t) => {
  const pool = await openPool(t, 1)
  const { divide } = divisions()
  let busy = true
  const goOn = async () => {
    while (busy) await divide(pool, { key: 'busy', by: 1 })
  }
  const others = [goOn(), goOn(), goOn()]
  assert.equal(await divide(pool, { key: 'quiet', by: 2 }), 50)
  assert.equal((await pool.query('select 3 as three')).rows[0].three, 3)
  busy = false
  await Promise.all(others)
})
