import type { PostgresPool, PostgresPoolClient } from 'kysely'
import type pg from 'pg'

/**
 * The same connections for a query builder, prepared: to parse and plan a short statement takes PostgreSQL longer than to run
 * it, so what has come often is prepared under a name, once per connection. Lists of any length make as many texts, so only
 * so many are.
 */
export const preparing = (pool: pg.Pool): PostgresPool => ({
  connect: async () => prepareOn(await pool.connect()),
  end: () => pool.end(),
})

const OFTEN = 3
const MOST_TEXTS = 1_000

/** How often each has come. Its place is its name, the same on every connection. */
const texts = new Map<string, { name: string; times: number }>()

function nameOf(text: string): string | undefined {
  const known = texts.get(text)
  if (known) return ++known.times < OFTEN ? undefined : known.name
  if (texts.size < MOST_TEXTS) texts.set(text, { name: `often-${texts.size}`, times: 1 })
  return undefined
}

/** PostgreSQL's words for what was prepared before a migration gave its table another column. */
const isOutdated = (error: unknown) => /cached plan must not change result type/.test((error as Error).message)

function prepareOn(client: pg.PoolClient): PostgresPoolClient {
  let isAlone = true
  let hasOutdated = false
  const query = async (text: string, values: unknown[]) => {
    // As begin and commit: nothing to gain.
    if (values.length === 0) {
      isAlone = false
      return await client.query(text)
    }
    const name = nameOf(text)
    if (!name) return await client.query(text, values)
    try {
      return await client.query({ name, text, values })
    } catch (error) {
      if (!isOutdated(error)) throw error
      hasOutdated = true
      // A transaction has failed with it, and is begun again on another connection (`inTransaction`).
      if (!isAlone) throw error
      return await client.query(text, values)
    }
  }
  return Object.assign(Object.create(client), { query, release: () => client.release(hasOutdated) })
}
