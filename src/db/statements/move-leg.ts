import type pg from 'pg'

/**
 * What became of an outbound leg: the carrier's answer to the send, or one of its reports, in whatever order they come.
 * The status moves forward only, the ids are set once, nothing stays due once the leg has ended, and a change is told to
 * the customer by a callback that this same commit makes due. The caller's own leg ends with the one that was made for
 * it: as `completed` when somebody or something answered it, else as the other leg did.
 */
const text = `
with clock as (select now() as t),
leg as (
  select i.service_sid, i.sid, i.account_sid, i.session_sid,
         i.outbound_resource_status is null or i.outbound_resource_status = any($4::text[]) as advances,
         $3 = 'completed' or s.greeting is not null or s.recording
           or s.voicemail is not null and $3 <> 'canceled' as was_answered
  from interactions i left join services s on s.sid = i.service_sid
  where i.service_sid = $1 and i.sid = $2 and i.outcome <> 'deleted' and ($9::text is null or i.outbound_carrier_sid = $9)
    and ($5::text is null or i.outbound_carrier_id is null or i.outbound_carrier_id = $5)
  for update of i
),
moved as (
  update interactions i
  set outbound_resource_status = case when leg.advances then $3 else i.outbound_resource_status end,
      date_updated = case when leg.advances then clock.t else i.date_updated end,
      error_code = coalesce($7::int, i.error_code),
      outbound_carrier_id = coalesce(i.outbound_carrier_id, $5),
      outbound_resource_sid = coalesce(i.outbound_resource_sid, $6),
      inbound_resource_status = case when i.type = 'voice' and $10 and leg.advances
        then case when leg.was_answered then 'completed' else $3 end else i.inbound_resource_status end,
      duration_s = coalesce(i.duration_s, $11::int),
      stage = case when $10 then null else i.stage end, due_at = case when $10 then null else i.due_at end
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
select account_sid, session_sid, advances, outbound_resource_status as status from moved`

export type LegMove = {
  service_sid: string
  sid: string
  status: string
  /** The statuses that this one may follow. */
  superseded: string[]
  carrier_leg_id: string | null
  resource_sid: string | null
  error_code: number | null
  callback_sid: string
  /** Set for reports: the carrier that speaks must be the one that sent. */
  carrier_sid: string | null
  /** Whether nothing more is to be done for the leg: with a message always, with a call once it is over. */
  ends: boolean
  /** Of a call that is over, in seconds. */
  duration_s: number | null
}

/** Undefined when there is no such leg, or it is another carrier's or another message's. */
export async function moveLegStatement(
  pool: pg.Pool,
  move: LegMove,
): Promise<{ account_sid: string; session_sid: string | null; advances: boolean; status: string } | undefined> {
  const { rows } = await pool.query({
    name: 'move-leg',
    text,
    values: [
      move.service_sid,
      move.sid,
      move.status,
      move.superseded,
      move.carrier_leg_id,
      move.resource_sid,
      move.error_code,
      move.callback_sid,
      move.carrier_sid,
      move.ends,
      move.duration_s,
    ],
  })
  return rows[0]
}
