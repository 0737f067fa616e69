import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'
import type { Schema } from '../db/schema.ts'
import { preparing } from '../db/statements/prepared.ts'
import type { Keyring } from './seal.ts'

export type Db = Kysely<Schema>

/** What every function of the core is given first: the database (or a transaction), the keys, the deployment's rules. */
export type Store = {
  db: Db
  /** For the hot statements, which are prepared once per connection; never inside a transaction of `db`. */
  pool: pg.Pool
  keys: Keyring
  rules: Rules
  /** Whoever changes something with it; the server itself where nobody is named. */
  actor?: Actor
}

/**
 * Who acts: with an account's auth token, with an API key, in the console, on the command line, the server by itself, or we do
 * not know.
 */
export type Actor = {
  kind: 'account' | 'api-key' | 'user' | 'operator' | 'server' | 'unknown'
  sid?: string | undefined
  /** The address a request came from; of an operator, the operating system's user and host; of a server, its host. */
  origin?: string | undefined
  request_sid?: string | undefined
}

/** Choices the operator makes for the whole deployment. */
export type Rules = {
  public_url: string
  number_validation: 'valid' | 'possible'
  radius_miles: number
  match_calling_code: boolean
  retention_days: number
  /** How long a number is kept from those who used it in another service. */
  number_hold_days: number
  /** How long a partner's phone rings, where the service says nothing of its own. */
  ring_timeout_s: number
  /** The same of how long a call may last. */
  max_call_s: number
  /** How many texts a minute one person may send to one proxy number, where the service says nothing; 0 for any number. */
  flood_limit: number
  /** How many of the same text in a row. */
  repeat_limit: number
}

export const openKysely = (pool: pg.Pool): Db =>
  new Kysely<Schema>({ dialect: new PostgresDialect({ pool: preparing(pool) }) })

/** Deadlocks, serialisation failures, and statements prepared before a migration (`db/statements/prepared.ts`). */
const RETRYABLE = new Set(['40P01', '40001', '0A000'])

/** Whether a statement failed in a way that it need not fail in again. */
export const isRetryable = (error: unknown) => RETRYABLE.has(String((error as { code?: unknown }).code))
const ATTEMPTS = 8

/**
 * Runs `work` in a transaction, or in the one that is already open. A deadlock or serialisation failure starts it over
 * (two creates that add the same two people in opposite order do meet), a bounded number of times.
 */
export async function inTransaction<T>(store: Store, work: (store: Store) => Promise<T>): Promise<T> {
  if (store.db.isTransaction) return await work(store)
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.db.transaction().execute((db) => work({ ...store, db }))
    } catch (error) {
      if (attempt === ATTEMPTS || !isRetryable(error)) throw error
    }
  }
}
