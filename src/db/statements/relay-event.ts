import type pg from 'pg'
import type { Outcome } from '../schema.ts'
import { inBatches } from './batch.ts'
import { IS_LIVE } from './live-session.ts'

/**
 * Inbound messages and calls in one round trip and one commit, one or several that arrived together: whose each is, to whom
 * it goes, the interaction with its attachments, the session's clock. A call is not left to the workers: whoever took it in
 * answers the carrier, and it is due only so that somebody looks after it (`jobs/calls.ts`).
 * Locking the session's row in `sender` re-reads it, so a close that committed first is seen, and a close that comes later
 * waits and then finds this interaction; rows are locked in one order, so that two such statements never wait for each
 * other. A repeat of an event meets the unique index and changes nothing at all.
 * The clock is taken from a common table expression because a distributed write may not have now() inside CASE.
 */
const text = `
with clock as (select now() as t),
service as (
  select s.sid, s.account_sid, s.intercept_callback_url is not null as is_intercepted, s.is_guarded, s.opt_out_words,
         s.flood_limit, s.repeat_limit, coalesce(a.body_retention_days = 0, false) as is_brief
  from services s join accounts a on a.sid = s.account_sid where s.sid = $1
),
event as (
  select * from unnest((select $3::text[]), (select $4::bytea[]), (select $5::text[]), (select $6::text[]), (select $7::text[]), (select $8::bytea[]), (select $9::int[]), (select $10::int[]),
                       (select $11::boolean[]), (select $12::bytea[]), (select $13::text[]), (select $14::text[]), (select $15::int[]), (select $16::boolean[]))
    with ordinality as e (proxy_identifier, identifier_hash, event_id, interaction_sid, resource_sid, data_sealed, num_media,
                          num_segments, is_opt_out, sender_sealed, geography, type, watch_s, is_flood, nth)
),
sender as materialized (
  select e.nth, p.sid, p.session_sid, s.mode
  from event e
  join participants p on p.service_sid = $1 and p.proxy_identifier = e.proxy_identifier
    and p.identifier_hash = e.identifier_hash and p.date_released is null
  join sessions s on s.service_sid = p.service_sid and s.sid = p.session_sid
  where ${IS_LIVE}
  order by s.sid
  for no key update of s
),
partner as (
  select sender.nth, q.sid, q.proxy_identifier
  from sender join participants q
    on q.service_sid = $1 and q.session_sid = sender.session_sid and q.sid <> sender.sid and q.date_released is null
),
decision as (
  select event.*, service.account_sid, service.flood_limit, service.repeat_limit, service.is_brief, b.sid is not null as is_unwelcome,
         service.is_intercepted or service.is_guarded and event.type = 'message' as is_intercepted, sender.sid as sender_sid, sender.session_sid,
         partner.sid as partner_sid, partner.proxy_identifier as partner_number,
         (select n.carrier_sid from phone_numbers n where n.phone_number = split_part(partner.proxy_identifier, ':', -1))
           as partner_carrier,
         case when event.is_flood or b.sid is not null then 'blocked'
              when event.is_opt_out and service.opt_out_words then 'opt-out'
              when sender.sid is null then 'out-of-session'
              when partner.sid is null then 'no-partner'
              when sender.mode = case event.type when 'voice' then 'message-only' else 'voice-only' end then 'mode-mismatch'
              else 'relayed' end as outcome
  from event cross join service
  left join sender on sender.nth = event.nth left join partner on partner.nth = event.nth
  left join blocked_numbers b on b.service_sid = $1 and b.identifier_hash = event.identifier_hash
  -- Who believed that this service has the number may be out of date; a live participant on it settles that by itself.
  where sender.sid is not null or exists (
    select from phone_numbers n
    where n.phone_number = split_part(event.proxy_identifier, ':', -1) and n.service_sid = $1 and n.carrier_sid = $2)
),
inserted as (
  insert into interactions (
    service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed, num_media, num_segments,
    carrier_sid, event_id, dialled_number, sender_sealed, sender_hash, geography,
    inbound_participant_sid, inbound_resource_sid, inbound_resource_status,
    outbound_participant_sid, outbound_number, outbound_carrier_sid, stage, due_at, send_started_at,
    is_brief, date_created, date_updated)
  select $1, interaction_sid, account_sid, case when outcome in ('relayed', 'blocked') then session_sid end, type, 'inbound', outcome,
    data_sealed, num_media, num_segments, $2, event_id, proxy_identifier,
    case when is_outside then sender_sealed end, case when is_outside then identifier_hash end,
    case when is_outside then geography::jsonb end,
    case when not is_outside then sender_sid end, resource_sid,
    case when type = 'message' then 'delivered' when outcome = 'blocked' then 'failed' else 'in-progress' end,
    case when outcome = 'relayed' then partner_sid end, case when outcome = 'relayed' then partner_number end,
    -- A call is put through by the carrier that brought it.
    case when outcome = 'relayed' then case type when 'voice' then $2 else partner_carrier end end,
    case when outcome = 'relayed' then case when is_intercepted then 'intercept' else 'send' end
         when outcome in ('out-of-session', 'no-partner') then 'out-of-session' end,
    case when type = 'voice' and outcome = 'relayed' then clock.t + make_interval(secs => watch_s)
         when type = 'message' and outcome in ('relayed', 'out-of-session', 'no-partner') then clock.t end,
    case when type = 'voice' and outcome = 'relayed' and not is_intercepted then clock.t end,
    is_brief, clock.t, clock.t
  from decision, clock, lateral (select outcome <> 'relayed' and (outcome <> 'blocked' or session_sid is null) as is_outside) o
  order by nth
  on conflict (service_sid, carrier_sid, event_id) where event_id is not null do nothing
  returning sid, stage, session_sid
),
attached as (
  insert into media (service_sid, interaction_sid, position, token, state, source_url_sealed, content_type)
  select $1, inserted.sid, m.position, m.token, 'pending', m.source_url_sealed, m.content_type
  from unnest((select $17::text[]), (select $18::int[]), (select $19::text[]), (select $20::bytea[]), (select $21::text[]))
    as m (interaction_sid, position, token, source_url_sealed, content_type)
  join inserted on inserted.sid = m.interaction_sid
),
touched as (
  update sessions s
  set status = 'in-progress', date_started = coalesce(s.date_started, clock.t), date_last_interaction = clock.t,
      ttl_since = clock.t, date_updated = clock.t
  from inserted, clock
  where s.service_sid = $1 and s.sid = inserted.session_sid and inserted.stage = 'send'
)
select event.nth::int, decision.outcome, decision.account_sid, decision.session_sid, decision.sender_sid,
       inserted.sid is not null as is_new, decision.is_unwelcome, decision.flood_limit, decision.repeat_limit
from event join decision on decision.nth = event.nth left join inserted on inserted.sid = event.interaction_sid`

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
  /** Whether the sender has sent too much to this number lately (`core/flood.ts`). */
  is_flood: boolean
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
  /** Whether the service has blocked the sender's number. */
  is_unwelcome: boolean
  flood_limit: number | null
  repeat_limit: number | null
}

/** Undefined when the service is gone, or the number has left it. */
export const relayEventStatement: (pool: pg.Pool, params: RelayParams) => Promise<RelayRow | undefined> = inBatches({
  // A service is one shard, and a carrier speaks for its own numbers.
  keyOf: ({ service_sid, carrier_sid }) => `${service_sid}/${carrier_sid}`,
  lanes: 2,
  most: 64,
  async run(client, events) {
    const { rows } = await client.query<RelayRow & { nth: number }>({
      name: 'relay-event',
      text,
      values: valuesOf(events),
    })
    const found = new Map(rows.map(({ nth, ...row }) => [nth, row]))
    return events.map((_event, at) => found.get(at + 1))
  },
})

function valuesOf(events: [RelayParams, ...RelayParams[]]): unknown[] {
  const [{ service_sid, carrier_sid }] = events
  const all = <Value>(value: (event: RelayParams) => Value) => events.map(value)
  const media = events.flatMap(({ interaction_sid, media }) =>
    media.map((item, position) => ({ ...item, interaction_sid, position })),
  )
  return [
    service_sid,
    carrier_sid,
    all((event) => event.proxy_identifier),
    all((event) => event.identifier_hash),
    all((event) => event.event_id),
    all((event) => event.interaction_sid),
    all((event) => event.resource_sid),
    all((event) => event.data_sealed),
    all((event) => event.num_media),
    all((event) => event.num_segments),
    all((event) => event.is_opt_out),
    all((event) => event.sender_sealed),
    // PostgreSQL's JSON cannot hold a NUL, and a carrier may send one.
    all((event) => JSON.stringify(event.geography).replaceAll('\\u0000', '')),
    all((event) => event.type),
    all((event) => event.watch_s),
    all((event) => event.is_flood),
    media.map((item) => item.interaction_sid),
    media.map((item) => item.position),
    media.map((item) => item.token),
    media.map((item) => item.source_url_sealed),
    media.map((item) => item.content_type ?? null),
  ]
}
