import { type RawBuilder, sql } from 'kysely'
import { MOST_LOGGED } from '../../db/statements/move-leg.ts'
import type { CallStatus, MessageStatus } from '../carrier.ts'

/**
 * What became of an interaction's leg and when, a word after the other in one column: the statuses, and what went before
 * them. `later`: a try that certainly did not send it; `unknown`: one that nobody knows the end of; `matched`: it came to no
 * session, and the customer's application made or named one.
 */
export type LegWord =
  | MessageStatus
  | CallStatus
  | 'later'
  | 'unknown'
  | 'matched'
  | 'blocked-by-customer'
  | 'blocked-by-guard'

export type LegEntry = { word: LegWord; at: Date; error_code: number | null }

/** The log with one more entry, for a statement that changes the row; `statements/move-leg.ts` writes the same. */
export const logged = (word: LegWord, error_code?: number): RawBuilder<string> =>
  sql<string>`left(leg_log || ${`${word}@`}::text || (extract(epoch from now()) * 1000)::bigint || ${
    error_code === undefined ? ' ' : `:${error_code} `
  }::text, ${sql.lit(MOST_LOGGED)})`

/** What was cut off at the end is no entry. */
export const readLegLog = (log: string): LegEntry[] =>
  [...log.matchAll(/([a-z-]+)@(\d+)(?::(\d+))? /g)].map(([, word, ms, code]) => ({
    word: word as LegWord,
    at: new Date(Number(ms)),
    error_code: code === undefined ? null : Number(code),
  }))
