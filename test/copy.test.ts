import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { copyOut } from '../src/db/copy.ts'
import { createDatabase } from './support/database.ts'

/** Around what a stream holds before it asks for a pause, and what makes a chunk of rows. */
const SIZES = [0, 1_000, 17_000, 40_000, 66_000, 100_000, 140_000]
const ANSWER_MS = 5_000

test('a connection answers again after rows were copied out of it, however many the last ones were', async (t) => {
  const client = new pg.Client({ connectionString: await createDatabase(t) })
  // Its database is dropped first.
  client.on('error', () => undefined)
  await client.connect()
  t.after(() => client.end())
  for (const bytes of SIZES) {
    let rows = 0
    let read = 0
    const copied = copyOut(
      client,
      `copy (select repeat('x', 99) from generate_series(1, ${bytes / 100})) to stdout`,
      (count) => {
        rows = count
      },
    )
    for await (const chunk of copied) read += chunk.length
    assert.deepEqual([rows, read], [bytes / 100, bytes])
    const late = new Promise((_resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing is answered after ${bytes} bytes`)), ANSWER_MS)
      t.after(() => clearTimeout(timer))
    })
    const answer = await Promise.race([client.query('select 1 as one'), late])
    assert.deepEqual((answer as pg.QueryResult).rows, [{ one: 1 }])
  }
})
