import type pg from 'pg'
import type { CallbackAttemptRow } from '../schema.ts'
import { inBatches } from './batch.ts'

/**
 * What became of callbacks: each attempt goes on record, and its callback is delivered, due again or given up. Those that
 * come together share a commit. Of a callback that was deleted meanwhile nothing is kept.
 */
const text = `
with clock as (select now() as t),
made as (
  select * from unnest((select $1::text[]), (select $2::text[]), (select $3::text[]), (select $4::text[]), (select $5::text[]), (select $6::text[]), (select $7::int[]), (select $8::int[]),
                       (select $9::text[]), (select $10::int[]), (select $11::boolean[]), (select $12::float8[]),
                       (select $13::int[]), (select $14::bytea[]), (select $15::text[]))
    as m (service_sid, sid, account_sid, interaction_sid, callback_sid, url, attempt, status_code, error, duration_ms,
          is_delivered, retry_s, tries, response_sealed, response_type)
),
told as (
  update callbacks c
  set due_at = clock.t + make_interval(secs => made.retry_s),
      date_delivered = case when made.is_delivered then clock.t end
  from made, clock
  where c.service_sid = made.service_sid and c.sid = made.callback_sid
  returning c.service_sid, c.sid
)
insert into callback_attempts (service_sid, sid, account_sid, interaction_sid, callback_sid, kind, url, attempt, status_code,
                               error, duration_ms, date_created, tries, response_sealed, response_type)
select made.service_sid, made.sid, account_sid, interaction_sid, callback_sid, 'status', url, attempt, status_code, error,
       duration_ms, clock.t, tries, response_sealed, response_type
from made join told on told.service_sid = made.service_sid and told.sid = made.callback_sid, clock`

export type CallbackResult = Omit<CallbackAttemptRow, 'kind' | 'date_created'> & {
  is_delivered: boolean
  /** Null when it is not to be tried again. */
  retry_s: number | null
}

export const recordCallbackStatement: (pool: pg.Pool, result: CallbackResult) => Promise<void> = inBatches({
  keyOf: () => 'all',
  lanes: 1,
  most: 64,
  async run(client, results) {
    const all = <Value>(value: (result: CallbackResult) => Value) => results.map(value)
    const values = [
      all((result) => result.service_sid),
      all((result) => result.sid),
      all((result) => result.account_sid),
      all((result) => result.interaction_sid),
      all((result) => result.callback_sid),
      all((result) => result.url),
      all((result) => result.attempt),
      all((result) => result.status_code),
      all((result) => result.error),
      all((result) => result.duration_ms),
      all((result) => result.is_delivered),
      all((result) => result.retry_s),
      all((result) => result.tries),
      all((result) => result.response_sealed),
      all((result) => result.response_type),
    ]
    await client.query({ name: 'record-callback', text, values })
    return results.map(() => undefined)
  },
})
