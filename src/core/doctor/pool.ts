import { type Check, EXAMPLES, type Look } from './check.ts'

/** Whether the pools last. A person takes any number once, so what is counted is pairs, not sessions. */

/** How many live pairs a number should carry at most. */
const PAIRS_PER_NUMBER = 100
const NEARLY = 0.85

export const POOL_CHECKS: Check[] = [
  {
    id: 'pool-empty',
    level: 'warning',
    means: 'Every service has a number.',
    advice: 'Add numbers to these services: no session can be opened in them.',
    find: {
      rows: 'select v.sid from services v where not exists (select from phone_numbers n where n.service_sid = v.sid)',
    },
  },
  {
    id: 'pool-nearly-full',
    level: 'warning',
    means: 'No pool is near its limit of 500 numbers, or 5,000 reserved ones.',
    advice: 'Open another service before these pools are full.',
    find: {
      rows: `select service_sid as sid from phone_numbers where service_sid is not null group by service_sid, is_reserved
             having count(*) >= ${NEARLY} * case when is_reserved then 5000 else 500 end`,
    },
  },
  {
    id: 'number-crowded',
    level: 'warning',
    means: `No number carries more than ${PAIRS_PER_NUMBER} live pairs.`,
    advice: 'Add numbers of that country to the pool, or reserve the crowded one to drain it.',
    find: {
      rows: `select proxy_identifier_sid as sid from participants where date_released is null
             group by service_sid, proxy_identifier_sid having count(*) > ${PAIRS_PER_NUMBER}`,
    },
  },
  {
    id: 'pool-head-room',
    level: 'warning',
    means: `In every service and country a pair is free in seven, at ${PAIRS_PER_NUMBER} a number.`,
    advice: 'Add numbers of that country to the pool.',
    find: { read: async (look) => ({ 'pool-head-room': await readHeadRoom(look) }) },
  },
]

type Room = { service_sid: string; country: string | null; numbers: number; live_pairs: number; free_pairs: number }

async function readHeadRoom({ query }: Look) {
  const rooms = await query<Room>(`
with live as (
  select proxy_identifier_sid, count(*)::int as pairs from participants where date_released is null
  group by proxy_identifier_sid
)
select n.service_sid, n.iso_country as country, count(*)::int as numbers, coalesce(sum(live.pairs), 0)::int as live_pairs,
       greatest(0, count(*) * ${PAIRS_PER_NUMBER} - coalesce(sum(live.pairs), 0))::int as free_pairs
from phone_numbers n left join live on live.proxy_identifier_sid = n.sid
where n.service_sid is not null and not n.is_reserved
group by n.service_sid, n.iso_country
order by free_pairs, n.service_sid, country`)
  const tight = rooms.filter(({ numbers, live_pairs }) => live_pairs > numbers * PAIRS_PER_NUMBER * NEARLY)
  const examples = tight.map(
    ({ service_sid, country, numbers, free_pairs }) =>
      `${service_sid} ${country ?? 'no country'}: ${free_pairs} free of ${numbers * PAIRS_PER_NUMBER}`,
  )
  return { count: tight.length, examples: examples.slice(0, EXAMPLES), details: rooms }
}
