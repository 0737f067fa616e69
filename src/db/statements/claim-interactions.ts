import type pg from 'pg'
import type { Interaction } from '../schema.ts'
import { IS_LIVE } from './live-session.ts'
import { longestDue } from './longest-due.ts'

/**
 * Takes interactions with something due: peek at them, move `due_at` past the lease where nobody else did, return what
 * was won. Whether the session is still live is judged here, in the claiming statement. A close that commits between our
 * reading and our write has cancelled the row, so that the write then finds it no longer due (`cancelQueuedMessages`).
 * Who was released is counted, since the index of the released serves no look-up by key and would be tried for one.
 */
const text = (these: string) => `
with clock as (select now() as t),
due as (
  select i.service_sid, i.sid, i.due_at, i.send_started_at as started_before,
    case when i.session_sid is null then i.stage <> 'send' or exists (
      select from phone_numbers n where n.service_sid = i.service_sid and n.phone_number = split_part(i.outbound_number, ':', -1)
    ) else (
      exists (select from sessions s where s.service_sid = i.service_sid and s.sid = i.session_sid
              and ${IS_LIVE})
      and (select count(p.date_released) from participants p where p.service_sid = i.service_sid
           and p.sid in (i.inbound_participant_sid, i.outbound_participant_sid)) = 0
    ) end as is_live
  from ${these}
),
claimed as (
  update interactions i
  set due_at = clock.t + make_interval(secs => $1), attempts = i.attempts + 1,
      send_started_at = case when i.stage = 'send' and due.is_live then coalesce(i.send_started_at, clock.t)
                             else i.send_started_at end
  from due, clock
  where i.service_sid = due.service_sid and i.sid = due.sid and i.due_at is not distinct from due.due_at
  returning i.*, due.started_before, due.is_live
)
select claimed.*, p.identifier_sealed as recipient_identifier_sealed, n.capabilities as outbound_capabilities
from claimed
left join participants p on p.service_sid = claimed.service_sid and p.sid = claimed.outbound_participant_sid
left join phone_numbers n on n.phone_number = split_part(claimed.outbound_number, ':', -1)`

export type ClaimedInteraction = Interaction & {
  /** Set when an earlier attempt to send ended in an unknown outcome. */
  started_before: Date | null
  is_live: boolean
  recipient_identifier_sealed: Buffer | null
  outbound_capabilities: { voice: boolean; sms: boolean; mms: boolean; fax: boolean } | null
}

/** Takes up to `limit` interactions that are due, longest due first. */
export async function claimInteractions(
  pool: pg.Pool,
  params: { limit: number; lease_s: number },
): Promise<ClaimedInteraction[]> {
  const values = [params.lease_s, params.limit]
  const due = text(`${longestDue('interactions')} i limit $2`)
  // A close updates the rows of its session in another order. Who loses to it has claimed nothing, and claims again.
  for (let attempt = 1; ; attempt++) {
    try {
      return (await pool.query<ClaimedInteraction>({ name: 'claim-interactions', text: due, values })).rows
    } catch (error) {
      if (attempt === 5 || (error as { code?: string }).code !== '40P01') throw error
    }
  }
}

/** Holds claimed interactions for longer; what is put off for longer than that, or finished, stays so. */
export async function renewClaims(
  pool: pg.Pool,
  claimed: { service_sid: string; sid: string }[],
  lease_s: number,
): Promise<void> {
  await pool.query({
    name: 'renew-claims',
    text: `
with clock as (select now() as t)
update interactions i set due_at = clock.t + make_interval(secs => $1)
from unnest($2::text[], $3::text[]) as held (service_sid, sid), clock
where i.service_sid = held.service_sid and i.sid = held.sid
  and i.due_at > clock.t and i.due_at < clock.t + make_interval(secs => $1)`,
    values: [lease_s, claimed.map((row) => row.service_sid), claimed.map((row) => row.sid)],
  })
}

/** Takes one interaction that its maker set aside for itself, though it is not due for others yet. */
export async function claimInteraction(
  pool: pg.Pool,
  params: { service_sid: string; sid: string; lease_s: number },
): Promise<ClaimedInteraction | undefined> {
  const values = [params.lease_s, params.service_sid, params.sid]
  const one = text('interactions i where i.service_sid = $2 and i.sid = $3 and i.due_at is not null')
  const { rows } = await pool.query<ClaimedInteraction>({ name: 'claim-interaction', text: one, values })
  return rows[0]
}

/** Whether a claimed message may still leave: its session is live and nobody in it was removed. */
export async function isStillLive(pool: pg.Pool, claimed: ClaimedInteraction): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: 'is-still-live',
    text: `
select from sessions s where s.service_sid = $1 and s.sid = $2
  and ${IS_LIVE}
  and (select count(p.date_released) from participants p where p.service_sid = $1 and p.sid in ($3, $4)) = 0`,
    values: [
      claimed.service_sid,
      claimed.session_sid,
      claimed.inbound_participant_sid,
      claimed.outbound_participant_sid,
    ],
  })
  return rowCount === 1
}
