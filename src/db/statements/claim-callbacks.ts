import type pg from 'pg'
import type { Account, Callback, Interaction } from '../schema.ts'
import { longestDue } from './longest-due.ts'

/** Each with what it tells and what signs it. */
const told = `
select claimed.*, (select auth_token_sealed from accounts where sid = claimed.account_sid),
       (select coalesce(body_retention_days = 0, false) from accounts where sid = claimed.account_sid) as is_brief, i.session_sid, i.type,
       i.date_created, i.data_sealed, i.num_media, i.duration_s, i.inbound_participant_sid, i.inbound_resource_sid,
       i.outbound_participant_sid, i.outbound_resource_sid
from claimed left join interactions i on i.service_sid = claimed.service_sid and i.sid = claimed.interaction_sid`

const claimed = `c.service_sid, c.sid, c.account_sid, c.interaction_sid, c.url, c.attempts, c.inbound_resource_status,
            c.outbound_resource_status, c.interaction_date_updated`

/**
 * Takes callbacks that are due, as `claimInteractions` does. `$3` are hosts that have enough to do. Where `$4` says that
 * some endpoint is out of order, what is for such a one is put off instead, untried; or given up when it is too old by now.
 */
const text = `
with clock as (select now() as t),
due as (
  select service_sid, sid, due_at, $4 and exists (
    select from callback_endpoints e
    where e.account_sid = c.account_sid and e.endpoint = callback_endpoint(c.url) and e.date_opened is not null
  ) as waits, coalesce(date_replayed, date_created) < now() - make_interval(secs => $6) as is_old
  from ${longestDue('callbacks', "split_part(url, '/', 3) <> all($3::text[])")} c limit $1
),
claimed as (
  update callbacks c
  set is_put_off = due.waits and not due.is_old, attempts = c.attempts + case when due.waits then 0 else 1 end,
      due_at = case
        when not due.waits then clock.t + make_interval(secs => $2)
        when not due.is_old then clock.t + make_interval(secs => $5 * (0.9 + 0.2 * random())) end
  from due, clock
  where c.service_sid = due.service_sid and c.sid = due.sid and c.due_at = due.due_at
  returning ${claimed}, due.waits as is_put_off
)${told}`

/**
 * Takes one callback that waits for its endpoint, to find out whether that answers again. Nobody else gets one for that
 * endpoint until `$3` is over.
 */
const probeText = `
with clock as (select now() as t),
next as (
  select service_sid, sid, due_at from callbacks
  where is_put_off and account_sid = $1 and callback_endpoint(url) = $2 order by due_at limit 1
),
won as (
  update callback_endpoints e set probe_at = clock.t + make_interval(secs => $3)
  from clock, next
  where e.account_sid = $1 and e.endpoint = $2 and e.date_opened is not null and e.probe_at <= clock.t
  returning e.endpoint
),
claimed as (
  update callbacks c
  set is_put_off = false, attempts = c.attempts + 1, due_at = clock.t + make_interval(secs => $3)
  from won, next, clock
  where c.service_sid = next.service_sid and c.sid = next.sid and c.due_at = next.due_at
  returning ${claimed}, false as is_put_off
)${told}`

/** `sid` is the callback's; without a `type` the interaction is gone, and so is all that was to be told of it. */
export type ClaimedCallback = Omit<Callback, 'due_at' | 'date_delivered' | 'date_created' | 'date_replayed'> &
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
  > & { type: Interaction['type'] | null /** Its account keeps nothing that may be said. */; is_brief: boolean }

export async function claimCallbacks(
  pool: pg.Pool,
  params: {
    limit: number
    lease_s: number
    busy_hosts: string[]
    some_wait: boolean
    put_off_s: number
    /** For how long a callback may wait in all. */
    patience_s: number
  },
): Promise<ClaimedCallback[]> {
  const { limit, lease_s, busy_hosts, some_wait, put_off_s, patience_s } = params
  const values = [limit, lease_s, busy_hosts, some_wait, put_off_s, patience_s]
  // Not prepared: what was planned while there were no callbacks yet, in a new database, reads all of them by and by, until
  // PostgreSQL has looked at the table again, which may take a minute.
  return (await pool.query<ClaimedCallback>({ text, values })).rows
}

export async function claimProbe(
  pool: pg.Pool,
  params: { account_sid: string; endpoint: string; lease_s: number },
): Promise<ClaimedCallback | undefined> {
  const values = [params.account_sid, params.endpoint, params.lease_s]
  return (await pool.query<ClaimedCallback>({ text: probeText, values })).rows[0]
}
