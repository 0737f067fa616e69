import type pg from 'pg'
import type { Outcome } from '../schema.ts'
import { IS_LIVE } from './live-session.ts'

/**
 * An inbound message or call in one round trip and one commit: whose it is, to whom it goes, the interaction with its
 * attachments, the session's clock. A call is not left to the workers: whoever took it in answers the carrier, and
 * it is due only so that somebody looks after it (`jobs/calls.ts`).
 * Locking the session's row in `sender` re-reads it, so a close that committed first is seen, and a close that comes later
 * waits and then finds this interaction. A repeat of the event meets the unique index and changes nothing at all.
 * The clock is taken from a common table expression because a distributed write may not have now() inside CASE.
 */
const text = `
with clock as (select now() as t),
service as (
  select sid, account_sid, intercept_callback_url is not null as is_intercepted, opt_out_words from services where sid = $1
),
sender as materialized (
  select p.sid, p.session_sid, s.mode
  from participants p
  join sessions s on s.service_sid = p.service_sid and s.sid = p.session_sid
  where p.service_sid = $1 and p.proxy_identifier = $2 and p.identifier_hash = $3 and p.date_released is null
    and ${IS_LIVE}
  for no key update of s
),
partner as (
  select q.sid, q.proxy_identifier
  from sender join participants q
    on q.service_sid = $1 and q.session_sid = sender.session_sid and q.sid <> sender.sid and q.date_released is null
),
decision as (
  select service.account_sid, service.is_intercepted, sender.sid as sender_sid, sender.session_sid,
         partner.sid as partner_sid, partner.proxy_identifier as partner_number,
         (select n.carrier_sid from phone_numbers n where n.phone_number = split_part(partner.proxy_identifier, ':', -1))
           as partner_carrier,
         case when $11 and service.opt_out_words then 'opt-out'
              when sender.sid is null then 'out-of-session'
              when partner.sid is null then 'no-partner'
              when sender.mode = case $17::text when 'voice' then 'message-only' else 'voice-only' end then 'mode-mismatch'
              else 'relayed' end as outcome
  from service left join sender on true left join partner on true
  -- Who believed that this service has the number may be out of date; a live participant on it settles that by itself.
  where sender.sid is not null or exists (
    select from phone_numbers n where n.phone_number = split_part($2, ':', -1) and n.service_sid = $1 and n.carrier_sid = $4)
),
inserted as (
  insert into interactions (
    service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed, num_media, num_segments,
    carrier_sid, event_id, dialled_number, sender_sealed, sender_hash, geography,
    inbound_participant_sid, inbound_resource_sid, inbound_resource_status,
    outbound_participant_sid, outbound_number, outbound_carrier_sid, stage, due_at, send_started_at,
    date_created, date_updated)
  select $1, $6, account_sid, case when outcome = 'relayed' then session_sid end, $17::text, 'inbound', outcome,
    $8, $9, $10, $4, $5, $2,
    case when outcome <> 'relayed' then $12::bytea end, case when outcome <> 'relayed' then $3::bytea end,
    case when outcome <> 'relayed' then $13::jsonb end,
    case when outcome = 'relayed' then sender_sid end, $7, case $17::text when 'voice' then 'in-progress' else 'delivered' end,
    case when outcome = 'relayed' then partner_sid end, case when outcome = 'relayed' then partner_number end,
    -- A call is put through by the carrier that brought it.
    case when outcome = 'relayed' then case $17::text when 'voice' then $4 else partner_carrier end end,
    case when outcome = 'relayed' then case when is_intercepted then 'intercept' else 'send' end
         when outcome in ('out-of-session', 'no-partner') then 'out-of-session' end,
    case when $17::text = 'voice' and outcome = 'relayed' then clock.t + make_interval(secs => $18::int)
         when $17::text = 'message' and outcome in ('relayed', 'out-of-session', 'no-partner') then clock.t end,
    case when $17::text = 'voice' and outcome = 'relayed' and not is_intercepted then clock.t end,
    clock.t, clock.t
  from decision, clock
  on conflict (service_sid, carrier_sid, event_id) where event_id is not null do nothing
  returning sid, stage, session_sid
),
attached as (
  insert into media (service_sid, interaction_sid, position, token, state, source_url_sealed, content_type)
  select $1, inserted.sid, m.position - 1, m.token, 'pending', m.source_url_sealed, m.content_type
  from inserted, unnest($14::text[], $15::bytea[], $16::text[]) with ordinality
    as m (token, source_url_sealed, content_type, position)
),
touched as (
  update sessions s
  set status = 'in-progress', date_started = coalesce(s.date_started, clock.t), date_last_interaction = clock.t,
      ttl_since = clock.t, date_updated = clock.t
  from inserted, clock
  where s.service_sid = $1 and s.sid = inserted.session_sid and inserted.stage = 'send'
)
select decision.outcome, decision.account_sid, decision.session_sid, decision.sender_sid, inserted.sid is not null as is_new
from decision left join inserted on true`

export type RelayParams = {
  type: 'message' | 'voice'
  /** For a call: how soon somebody looks after it. */
  watch_s: number
  service_sid: string
  proxy_identifier: string
  identifier_hash: Buffer
  carrier_sid: string
  event_id: string
  interaction_sid: string
  resource_sid: string
  /** Null for a call. */
  data_sealed: Buffer | null
  num_media: number
  num_segments: number
  is_opt_out: boolean
  sender_sealed: Buffer
  geography: Record<string, string>
  media: { token: string; source_url_sealed: Buffer; content_type: string | undefined }[]
}

export type RelayRow = {
  outcome: Outcome
  account_sid: string
  session_sid: string | null
  sender_sid: string | null
  /** False when the carrier had told us of this event before. */
  is_new: boolean
}

/** Undefined when the service is gone, or the number has left it. */
export async function relayEventStatement(pool: pg.Pool, params: RelayParams): Promise<RelayRow | undefined> {
  const { rows } = await pool.query<RelayRow>({
    name: 'relay-event',
    text,
    values: [
      params.service_sid,
      params.proxy_identifier,
      params.identifier_hash,
      params.carrier_sid,
      params.event_id,
      params.interaction_sid,
      params.resource_sid,
      params.data_sealed,
      params.num_media,
      params.num_segments,
      params.is_opt_out,
      params.sender_sealed,
      // PostgreSQL's JSON cannot hold a NUL, and a carrier may send one.
      JSON.stringify(params.geography).replaceAll('\\u0000', ''),
      params.media.map((item) => item.token),
      params.media.map((item) => item.source_url_sealed),
      params.media.map((item) => item.content_type ?? null),
      params.type,
      params.watch_s,
    ],
  })
  return rows[0]
}
