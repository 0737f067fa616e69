import { sql } from 'kysely'
import { sidAt } from '../sid.ts'
import type { Store } from '../store.ts'

/**
 * What was sent from each number in the last 24 hours, and what of it failed. Where an hour has more than so many, its newest
 * stand for all of it.
 */
const MOST_OF_AN_HOUR = 4_000
const HOURS = 24
const HOUR_MS = 3_600_000

export type NumberSends = {
  of: Map<string, { sent: number; failed: number }>
  /** Whether only a part was counted. */
  is_sample: boolean
}

type Row = { number: string | null; hour: number | null; sent: number; failed: number; seen: number }

/** Busy, no answer and the like are the partner's doing, and not the number's. */
export async function readSends(store: Store, service_sid: string, now = Date.now()): Promise<NumberSends> {
  const hours = Array.from({ length: HOURS }, (_, at) => at)
  const starts = hours.map((at) => sidAt('KI', now - (at + 1) * HOUR_MS))
  const ends = hours.map((at) => sidAt('KI', now - at * HOUR_MS))
  const { rows } = await sql<Row>`
    select number, hour, count(*)::int as seen, count(*) filter (where is_failed)::int as failed,
           count(*) filter (where is_sent and not is_failed)::int as sent
    from unnest(${starts}::text[], ${ends}::text[]) with ordinality as h (starts, ends, hour)
    cross join lateral (
      select split_part(i.outbound_number, ':', -1) as number,
             i.outbound_resource_status in ('failed', 'undelivered') as is_failed,
             i.outbound_resource_status not in ('accepted', 'scheduled', 'queued', 'sending', 'canceled') as is_sent
      from interactions i
      where i.service_sid = ${service_sid} and i.sid >= h.starts and i.sid < h.ends
      order by i.sid desc limit ${MOST_OF_AN_HOUR}) one
    group by grouping sets ((number), (hour))`.execute(store.db)
  const of = new Map<string, { sent: number; failed: number }>()
  for (const { number, sent, failed } of rows) if (number !== null) of.set(number, { sent, failed })
  return { of, is_sample: rows.some(({ hour, seen }) => hour !== null && seen >= MOST_OF_AN_HOUR) }
}
