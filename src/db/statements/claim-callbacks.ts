import type pg from 'pg'
import type { Account, Callback, Interaction } from '../schema.ts'
import { longestDue } from './longest-due.ts'

/**
 * Takes callbacks that are due, as `claimInteractions` does, each with what it tells and what signs it. `$3` are hosts that
 * have enough to do.
 */
const text = `
with clock as (select now() as t),
due as (
  select service_sid, sid, due_at from ${longestDue('callbacks', "split_part(url, '/', 3) <> all($3::text[])")} c limit $1
),
claimed as (
  update callbacks c set due_at = clock.t + make_interval(secs => $2), attempts = c.attempts + 1
  from due, clock
  where c.service_sid = due.service_sid and c.sid = due.sid and c.due_at = due.due_at
  returning c.service_sid, c.sid, c.account_sid, c.interaction_sid, c.url, c.attempts, c.inbound_resource_status,
            c.outbound_resource_status, c.interaction_date_updated
)
select claimed.*, (select auth_token_sealed from accounts where sid = claimed.account_sid), i.session_sid, i.type,
       i.date_created, i.data_sealed, i.num_media, i.duration_s, i.inbound_participant_sid, i.inbound_resource_sid,
       i.outbound_participant_sid, i.outbound_resource_sid
from claimed left join interactions i on i.service_sid = claimed.service_sid and i.sid = claimed.interaction_sid`

/** `sid` is the callback's; without a `type` the interaction is gone, and so is all that was to be told of it. */
export type ClaimedCallback = Omit<Callback, 'due_at' | 'date_delivered' | 'date_created'> &
  Pick<Account, 'auth_token_sealed'> &
  Pick<
    Interaction,
    | 'session_sid'
    | 'date_created'
    | 'data_sealed'
    | 'num_media'
    | 'duration_s'
    | 'inbound_participant_sid'
    | 'inbound_resource_sid'
    | 'outbound_participant_sid'
    | 'outbound_resource_sid'
  > & { type: Interaction['type'] | null }

export async function claimCallbacks(
  pool: pg.Pool,
  params: { limit: number; lease_s: number; busy_hosts: string[] },
): Promise<ClaimedCallback[]> {
  const values = [params.limit, params.lease_s, params.busy_hosts]
  // Not prepared: what was planned while there were no callbacks yet, in a new database, reads all of them by and by, until
  // PostgreSQL has looked at the table again, which may take a minute.
  return (await pool.query<ClaimedCallback>({ text, values })).rows
}
