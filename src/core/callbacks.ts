import { sql } from 'kysely'
import type { Callback } from '../db/schema.ts'
import { newSid } from './sid.ts'
import type { Store } from './store.ts'

/**
 * Status callbacks: informational, at least once, tried again with growing pauses for about a day. The row is the promise;
 * it remembers the moment it tells about, and everything else is read from the interaction when it is sent.
 */
const RETRY_S = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800] as const

/** The pause after an attempt, with up to a fifth more or less; undefined when it was the last. */
export function retryAfter(attempt: number, random: () => number): number | undefined {
  const pause = RETRY_S[attempt - 1]
  return pause && pause * (0.8 + 0.4 * random())
}

/** Longer than one attempt may take. */
const LEASE_S = 18

/** Takes callbacks that are due; see `claimInteractions` for how. */
export async function claimCallbacks(store: Store, limit: number): Promise<Callback[]> {
  const { rows } = await store.pool.query<Callback>({
    name: 'claim-callbacks',
    text: `
with clock as (select now() as t),
due as (select service_sid, sid from callbacks where due_at <= now() order by due_at limit $1)
update callbacks c set due_at = clock.t + make_interval(secs => $2), attempts = c.attempts + 1
from due, clock
where c.service_sid = due.service_sid and c.sid = due.sid and c.due_at <= clock.t
returning c.*`,
    values: [limit, LEASE_S],
  })
  return rows
}

/** The interaction may be gone: then there is nothing left to tell. */
export const findInteractionOf = (store: Store, callback: Callback) =>
  store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', callback.service_sid)
    .where('sid', '=', callback.interaction_sid)
    .executeTakeFirst()

export type CallbackOutcome = 'delivered' | 'given-up' | { retry_s: number }

export async function recordCallbackOutcome(store: Store, callback: Callback, outcome: CallbackOutcome): Promise<void> {
  const due_at = typeof outcome === 'object' ? sql<Date>`now() + make_interval(secs => ${outcome.retry_s})` : null
  await store.db
    .updateTable('callbacks')
    .set({ due_at, ...(outcome === 'delivered' ? { date_delivered: sql`now()` } : {}) })
    .where('service_sid', '=', callback.service_sid)
    .where('sid', '=', callback.sid)
    .execute()
}

export type Attempt = {
  kind: 'status' | 'intercept' | 'out-of-session'
  callback_sid?: string
  url: string
  attempt: number
  status_code: number | null
  error: string | null
  duration_ms: number
}

/** Every request to a customer's application is on record. */
export async function recordAttempt(
  store: Store,
  about: { service_sid: string; account_sid: string; sid: string },
  attempt: Attempt,
): Promise<void> {
  await store.db
    .insertInto('callback_attempts')
    .values({
      service_sid: about.service_sid,
      sid: newSid('CB'),
      account_sid: about.account_sid,
      interaction_sid: about.sid,
      ...attempt,
    })
    .execute()
}
