import type pg from 'pg'
import { inBatches } from './batch.ts'

/** Of a leg's log, in characters: more than all statuses and tries of one leg take. */
export const MOST_LOGGED = 800

/**
 * What became of outbound legs: the carrier's answer to a send, or one of its reports, in whatever order they come; those
 * that come together share a commit. The status moves forward only, the ids are set once, nothing stays due once the leg
 * has ended, and a change is told to the customer by a callback that this same commit makes due. The caller's own leg ends
 * with the one that was made for it: as `completed` when somebody or something answered it, else as the other leg did.
 */
const text = `
with clock as (select now() as t),
move as (
  select *, string_to_array(superseded_list, ',') as superseded
  from unnest((select $2::text[]), (select $3::text[]), (select $4::text[]), (select $5::text[]), (select $6::text[]), (select $7::int[]), (select $8::text[]), (select $9::text[]), (select $10::boolean[]),
              (select $11::int[]))
    as m (sid, status, superseded_list, carrier_leg_id, resource_sid, error_code, callback_sid, carrier_sid, ends, duration_s)
),
leg as materialized (
  select m.*, i.outbound_resource_status is null or i.outbound_resource_status = any(m.superseded) as advances,
         m.status = 'completed' or s.greeting is not null or s.recording
           or s.voicemail is not null and m.status <> 'canceled' as was_answered
  from move m join interactions i on i.service_sid = $1 and i.sid = m.sid left join services s on s.sid = i.service_sid
  where i.outcome not in ('deleted', 'blocked') and (m.carrier_sid is null or i.outbound_carrier_sid = m.carrier_sid)
    and (m.carrier_leg_id is null or i.outbound_carrier_id is null or i.outbound_carrier_id = m.carrier_leg_id)
  order by i.sid
  for update of i
),
moved as (
  update interactions i
  set outbound_resource_status = case when leg.advances then leg.status else i.outbound_resource_status end,
      date_updated = case when leg.advances then clock.t else i.date_updated end,
      error_code = coalesce(leg.error_code, i.error_code),
      outbound_carrier_id = coalesce(i.outbound_carrier_id, leg.carrier_leg_id),
      outbound_resource_sid = coalesce(i.outbound_resource_sid, leg.resource_sid),
      inbound_resource_status = case when i.type = 'voice' and leg.ends and leg.advances
        then case when leg.was_answered then 'completed' else leg.status end else i.inbound_resource_status end,
      duration_s = coalesce(i.duration_s, leg.duration_s),
      leg_log = case when leg.advances then left(i.leg_log || leg.status || '@' || (extract(epoch from clock.t) * 1000)::bigint
        || coalesce(':' || leg.error_code, '') || ' ', ${MOST_LOGGED}) else i.leg_log end,
      stage = case when leg.ends then null else i.stage end, due_at = case when leg.ends then null else i.due_at end
  from leg, clock
  where i.service_sid = $1 and i.sid = leg.sid
  returning i.service_sid, i.sid, i.account_sid, i.session_sid, i.inbound_resource_status, i.outbound_resource_status,
            i.date_updated, leg.advances, leg.callback_sid
),
told as (
  insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, inbound_resource_status,
                         outbound_resource_status, interaction_date_updated, due_at, date_created)
  select moved.service_sid, moved.callback_sid, moved.account_sid, moved.sid, services.callback_url,
         moved.inbound_resource_status, moved.outbound_resource_status, moved.date_updated, clock.t, clock.t
  from moved join services on services.sid = moved.service_sid, clock
  where moved.advances and moved.session_sid is not null and services.callback_url is not null
)
select sid, account_sid, session_sid, advances, outbound_resource_status as status from moved`

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

export type MovedLeg = { account_sid: string; session_sid: string | null; advances: boolean; status: string }

/** Undefined when there is no such leg, or it is another carrier's or another message's. */
export const moveLegStatement: (pool: pg.Pool, move: LegMove) => Promise<MovedLeg | undefined> = inBatches({
  keyOf: ({ service_sid }) => service_sid,
  aboutOf: ({ sid }) => sid,
  lanes: 1,
  most: 64,
  async run(client, moves) {
    const [{ service_sid }] = moves
    const all = <Value>(value: (move: LegMove) => Value) => moves.map(value)
    const values = [
      service_sid,
      all((move) => move.sid),
      all((move) => move.status),
      all((move) => move.superseded.join(',')),
      all((move) => move.carrier_leg_id),
      all((move) => move.resource_sid),
      all((move) => move.error_code),
      all((move) => move.callback_sid),
      all((move) => move.carrier_sid),
      all((move) => move.ends),
      all((move) => move.duration_s),
    ]
    const { rows } = await client.query<MovedLeg & { sid: string }>({ name: 'move-leg', text, values })
    const moved = new Map(rows.map(({ sid, ...row }) => [sid, row]))
    return moves.map(({ sid }) => moved.get(sid))
  },
})
