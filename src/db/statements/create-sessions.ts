import type pg from 'pg'
import type { Session } from '../schema.ts'
import { inBatches } from './batch.ts'

/**
 * Sessions with their participants, one or several that are created at the same moment, in one round trip and one commit.
 * A session comes into being whole or not at all, and not where the service is gone, the name is taken, the expiry is past,
 * or a number has left the pool or been reserved since it was chosen. A pair that is taken fails the statement by the
 * unique index.
 * Its entry in the audit log has the session's own SID behind its prefix, by whoever asked for it.
 * The rows of the service and of the numbers are held against leaving until we commit. What others may wait for is taken
 * in one order, the service, numbers, names and then pairs, so that two such statements never wait for each other.
 */
const text = `
with clock as (select now() as t),
held as materialized (select sid from services where sid = $1 for key share),
wanted as (
  select * from unnest((select $3::text[]), (select $4::text[]), (select $5::text[]), (select $6::text[]), (select $7::int[]), (select $8::timestamptz[]),
                       (select $16::text[]), (select $17::text[]), (select $18::text[]), (select $19::text[]), (select $20::int[]))
    as e (sid, unique_name, status, mode, ttl, date_expiry, actor, actor_sid, origin, request_sid, participants)
),
person as (
  select * from unnest((select $9::text[]), (select $10::text[]), (select $11::bytea[]), (select $12::bytea[]), (select $13::text[]), (select $14::text[]), (select $15::text[]))
    as e (session_sid, sid, identifier_sealed, identifier_hash, friendly_name, proxy_identifier, proxy_identifier_sid)
),
number as materialized (
  select n.sid from held cross join phone_numbers n
  where n.sid = any($15::text[]) and n.service_sid = $1 and not n.is_reserved
  order by n.sid
  for key share of n
),
made as (
  insert into sessions (service_sid, sid, account_sid, unique_name, status, mode, ttl, date_expiry, date_started)
  select $1, w.sid, $2, w.unique_name, w.status, w.mode, w.ttl, w.date_expiry, case w.status when 'in-progress' then clock.t end
  from wanted w cross join clock cross join held
  where (w.date_expiry is null or w.date_expiry > clock.t)
    and not exists (
      select from person where person.session_sid = w.sid and person.proxy_identifier_sid not in (select number.sid from number))
  order by w.unique_name
  on conflict (service_sid, unique_name) where unique_name is not null do nothing
  returning *
),
joined as (
  insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash, friendly_name,
                            proxy_identifier, proxy_identifier_sid)
  select $1, p.sid, p.session_sid, $2, p.identifier_sealed, p.identifier_hash, p.friendly_name, p.proxy_identifier,
         p.proxy_identifier_sid
  from person p join made on made.sid = p.session_sid
  order by p.proxy_identifier, p.identifier_hash
),
audited as (
  insert into audit_pending (sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid, resource_sid, details)
  select 'AU' || substr(sid, 3), $2, w.actor, w.actor_sid, w.origin, w.request_sid, 'session.create', $1, sid,
         jsonb_build_object('participants', w.participants)
  from wanted w join made using (sid)
)
select * from made`

export type SessionParams = Pick<
  Session,
  'service_sid' | 'account_sid' | 'sid' | 'unique_name' | 'status' | 'mode' | 'ttl' | 'date_expiry'
> & {
  people: {
    sid: string
    identifier_sealed: Buffer
    identifier_hash: Buffer
    friendly_name: string | null
    proxy_identifier: string
    proxy_identifier_sid: string
  }[]
  by: { kind: string; sid?: string | undefined; origin?: string | undefined; request_sid?: string | undefined }
}

/** Undefined when it was not to be; throws 23505 for a pair that somebody else has. */
export const createSessionStatement: (pool: pg.Pool, params: SessionParams) => Promise<Session | undefined> = inBatches(
  {
    keyOf: ({ service_sid }) => service_sid,
    lanes: 2,
    most: 32,
    async run(client, sessions) {
      const values = valuesOf(sessions)
      const { rows } = await client.query<Session>({ name: 'create-sessions', text, values })
      const made = new Map(rows.map((row) => [row.sid, row]))
      return sessions.map(({ sid }) => made.get(sid))
    },
  },
)

function valuesOf(sessions: [SessionParams, ...SessionParams[]]): unknown[] {
  const [{ service_sid, account_sid }] = sessions
  const all = <Value>(value: (session: SessionParams) => Value) => sessions.map(value)
  const people = sessions.flatMap(({ sid: session_sid, people }) =>
    people.map((person) => ({ ...person, session_sid })),
  )
  return [
    service_sid,
    account_sid,
    all(({ sid }) => sid),
    all(({ unique_name }) => unique_name),
    all(({ status }) => status),
    all(({ mode }) => mode),
    all(({ ttl }) => ttl),
    all(({ date_expiry }) => date_expiry),
    people.map(({ session_sid }) => session_sid),
    people.map(({ sid }) => sid),
    people.map(({ identifier_sealed }) => identifier_sealed),
    people.map(({ identifier_hash }) => identifier_hash),
    people.map(({ friendly_name }) => friendly_name),
    people.map(({ proxy_identifier }) => proxy_identifier),
    people.map(({ proxy_identifier_sid }) => proxy_identifier_sid),
    all(({ by }) => by.kind),
    all(({ by }) => by.sid),
    all(({ by }) => by.origin),
    all(({ by }) => by.request_sid),
    all(({ people }) => people.length),
  ]
}
