/**
 * The numbers that one person has been released from within the cool-down, each with the last time: those of this service
 * within its own, those of any other within the hold on numbers that move. Where the person met nobody there but the
 * partner that is to come ($5, null when that is not known), nothing that comes late can reach somebody new, so such a
 * release does not count. A window of 0 is none, also for what was released a moment after this transaction began.
 */
export const READ_COOLING = `
with since as (
  select case when $3::float8 > 0 then now() - make_interval(secs => $3) else 'infinity' end as here,
         case when $4::float8 > 0 then now() - make_interval(secs => $4) else 'infinity' end as elsewhere
),
released as (
  select p.proxy_identifier, p.date_released
  from participants p, since
  where p.identifier_hash = $2 and p.date_released > least(since.here, since.elsewhere)
    and p.date_released > case when p.service_sid = $1 then since.here else since.elsewhere end
    and not coalesce((
      select bool_and(q.identifier_hash = $5::bytea) from participants q
      where q.service_sid = p.service_sid and q.session_sid = p.session_sid and q.sid <> p.sid), false)
  union all
  select r.proxy_identifier, r.date_released
  from released_pairs r, since
  where r.identifier_hash = $2 and r.date_released > least(since.here, since.elsewhere)
    and r.date_released > case when r.service_sid = $1 then since.here else since.elsewhere end
    and not coalesce(r.partner_hash = $5::bytea, false)
)
select proxy_identifier, max(date_released) as date_released from released group by proxy_identifier`
