import type pg from 'pg'

/**
 * Tells the other servers what this one has let through lately, and asks what they have, in one round trip. Times pass as
 * ages by the database's clock, so that no server's own clock matters. A row that nobody counts any more is left to
 * `core/retention.ts`.
 */
const text = `
with told as (
  insert into request_counts (key, server, counts, slot_age_ms, date_told)
  select key, $1, counts::integer[], $4, now() from unnest($2::text[], $3::text[]) as t (key, counts)
  on conflict (key, server) do update
  set counts = excluded.counts, slot_age_ms = excluded.slot_age_ms, date_told = excluded.date_told
)
select key, counts, slot_age_ms, extract(epoch from now() - date_told)::float8 * 1000 as told_age_ms
from request_counts where key = any($2) and server <> $1 and date_told > now() - make_interval(secs => $5)`

export type ToldCount = { key: string; counts: number[] }
export type HeardCount = ToldCount & { slot_age_ms: number; told_age_ms: number }

export async function exchangeCounts(
  pool: pg.Pool,
  params: {
    server: string
    told: ToldCount[]
    /** Since the latest slot began. */
    slot_age_ms: number
    /** How old what others said may be. */
    window_ms: number
  },
): Promise<HeardCount[]> {
  const { server, told, slot_age_ms, window_ms } = params
  const counts = told.map((one) => `{${one.counts.join(',')}}`)
  const values = [server, told.map(({ key }) => key), counts, slot_age_ms, window_ms / 1000]
  return (await pool.query<HeardCount>({ name: 'exchange-counts', text, values })).rows
}
