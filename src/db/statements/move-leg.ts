import type pg from 'pg'

/**
 * What became of an outbound leg: the carrier's answer to the send, or one of its reports, in whatever order they come.
 * The status moves forward only, the ids are set once, nothing stays due, and a change is told to the customer by a
 * callback that this same commit makes due.
 */
const text = `
with clock as (select now() as t),
leg as (
  select i.service_sid, i.sid, i.account_sid, i.session_sid,
         i.outbound_resource_status is null or i.outbound_resource_status = any($4::text[]) as advances
  from interactions i
  where i.service_sid = $1 and i.sid = $2 and ($9::text is null or i.outbound_carrier_sid = $9)
    and ($5::text is null or i.outbound_carrier_id is null or i.outbound_carrier_id = $5)
  for update
),
moved as (
  update interactions i
  set outbound_resource_status = case when leg.advances then $3 else i.outbound_resource_status end,
      date_updated = case when leg.advances then clock.t else i.date_updated end,
      error_code = coalesce($7::int, i.error_code),
      outbound_carrier_id = coalesce(i.outbound_carrier_id, $5),
      outbound_resource_sid = coalesce(i.outbound_resource_sid, $6),
      stage = null, due_at = null
  from leg, clock
  where i.service_sid = leg.service_sid and i.sid = leg.sid
  returning i.service_sid, i.sid, i.account_sid, i.session_sid, i.inbound_resource_status, i.outbound_resource_status,
            i.date_updated, leg.advances
),
told as (
  insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, inbound_resource_status,
                         outbound_resource_status, interaction_date_updated, due_at, date_created)
  select moved.service_sid, $8, moved.account_sid, moved.sid, services.callback_url, moved.inbound_resource_status,
         moved.outbound_resource_status, moved.date_updated, clock.t, clock.t
  from moved join services on services.sid = moved.service_sid, clock
  where moved.advances and moved.session_sid is not null and services.callback_url is not null
)
select account_sid, session_sid, advances from moved`

export type LegMove = {
  service_sid: string
  sid: string
  status: string
  /** The statuses that this one may follow. */
  superseded: string[]
  carrier_message_id: string | null
  resource_sid: string | null
  error_code: number | null
  callback_sid: string
  /** Set for reports: the carrier that speaks must be the one that sent. */
  carrier_sid: string | null
}

/** Undefined when there is no such leg, or it is another carrier's or another message's. */
export async function moveLegStatement(
  pool: pg.Pool,
  move: LegMove,
): Promise<{ account_sid: string; session_sid: string | null; advances: boolean } | undefined> {
  const { rows } = await pool.query({
    name: 'move-leg',
    text,
    values: [
      move.service_sid,
      move.sid,
      move.status,
      move.superseded,
      move.carrier_message_id,
      move.resource_sid,
      move.error_code,
      move.callback_sid,
      move.carrier_sid,
    ],
  })
  return rows[0]
}
