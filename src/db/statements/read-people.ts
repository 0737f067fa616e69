import type pg from 'pg'
import { inBatches } from './batch.ts'

/**
 * What has to be known of people before they are given numbers of a service: whether the number is one of ours, which
 * numbers each has had and when it was last given to them, which are live, and whether of those one is held only by a
 * session that has run out, unswept yet.
 *
 * `cooling` are the numbers that a person has been released from within the cool-down, each with the last time: those of
 * this service within its own, those of any other within the hold on numbers that move. Where the person met nobody there
 * but the partner that is to come (null when that is not known), nothing that comes late can reach somebody new, so such
 * a release does not count. A window of 0 is none, also for what was released a moment after this transaction began.
 */
const text = `
with since as (
  select case when $2::float8 > 0 then now() - make_interval(secs => $2) else 'infinity' end as here,
         case when $3::float8 > 0 then now() - make_interval(secs => $3) else 'infinity' end as elsewhere
),
person as (
  select * from unnest((select $4::text[]), (select $5::bytea[]), (select $6::bytea[])) with ordinality as e (number, identifier_hash, partner_hash, nth)
)
select exists (select from phone_numbers n where n.phone_number = person.number and n.service_sid = $1) as is_own,
       coalesce(history.outlived, false) as outlived, history.used, released.cooling
from since, person
cross join lateral (
  select bool_or(u.outlived) as outlived,
         json_agg(json_build_array(u.proxy_identifier, u.last_used, u.is_live)) as used
  from (
    select p.proxy_identifier, extract(epoch from max(p.date_created)) * 1000 as last_used,
           bool_or(p.date_released is null) as is_live,
           bool_or(p.date_released is null and exists (
             select from sessions s where s.service_sid = p.service_sid and s.sid = p.session_sid
               and s.status in ('open', 'in-progress') and s.expires_at <= now())) as outlived
    from participants p
    where p.service_sid = $1 and p.identifier_hash = person.identifier_hash
    group by p.proxy_identifier) u
) history
cross join lateral (
  select json_agg(json_build_array(r.proxy_identifier, r.last_released)) as cooling
  from (
    select proxy_identifier, extract(epoch from max(date_released)) * 1000 as last_released
    from (
      select p.proxy_identifier, p.date_released
      from participants p
      where p.identifier_hash = person.identifier_hash and p.date_released > least(since.here, since.elsewhere)
        and p.date_released > case when p.service_sid = $1 then since.here else since.elsewhere end
        and not coalesce((
          select bool_and(q.identifier_hash = person.partner_hash) from participants q
          where q.service_sid = p.service_sid and q.session_sid = p.session_sid and q.sid <> p.sid), false)
      union all
      select g.proxy_identifier, g.date_released
      from released_pairs g
      where g.identifier_hash = person.identifier_hash and g.date_released > least(since.here, since.elsewhere)
        and g.date_released > case when g.service_sid = $1 then since.here else since.elsewhere end
        and not coalesce(g.partner_hash = person.partner_hash, false)
    ) each_release
    group by proxy_identifier) r
) released
order by person.nth`

export type PeopleParams = {
  service_sid: string
  cool_down_s: number
  /** The same for what happened in another service. */
  hold_s: number
  people: { number: string; identifier_hash: Buffer; partner_hash: Buffer | undefined }[]
}

export type PersonRow = {
  is_own: boolean
  outlived: boolean
  used: [proxy_identifier: string, at_ms: number, is_live: boolean][] | null
  cooling: [proxy_identifier: string, at_ms: number][] | null
}

export const peopleQuery = ({ service_sid, cool_down_s, hold_s, people }: PeopleParams) => ({
  name: 'read-people',
  text,
  values: [
    service_sid,
    cool_down_s,
    hold_s,
    people.map((person) => person.number),
    people.map((person) => person.identifier_hash),
    people.map((person) => person.partner_hash ?? null),
  ],
})

/** Those of one create, in their order. */
export const readPeopleStatement: (pool: pg.Pool, params: PeopleParams) => Promise<PersonRow[]> = inBatches({
  keyOf: ({ service_sid, cool_down_s, hold_s }) => `${service_sid}/${cool_down_s}/${hold_s}`,
  lanes: 2,
  most: 32,
  async run(client, calls) {
    const people = calls.flatMap((call) => call.people)
    const { rows } = await client.query<PersonRow>(peopleQuery({ ...calls[0], people }))
    return calls.map((call) => rows.splice(0, call.people.length))
  },
})
