import { sql } from 'kysely'
import type { Service } from '../../db/schema.ts'
import { IS_LIVE } from '../../db/statements/live-session.ts'
import { readPool } from '../number-pools.ts'
import { type PoolMember, proxyIdentifiers } from '../phone-numbers.ts'
import type { Store } from '../store.ts'
import { readFigures } from './pool-picture.ts'

/** What reserving a number or taking it out of its pool would do, in figures and in sentences. */
export type NumberEffect = {
  live_sessions: number
  live_participants: number
  queued_interactions: number
  cooling_people: number
  last_of_country: boolean
  can_remove_quietly: boolean
  texts: string[]
}

type Use = Pick<NumberEffect, 'live_sessions' | 'live_participants' | 'queued_interactions'>

/** What waits is among a session's newest. */
const NEWEST = 100

export async function readEffect(store: Store, service: Service, member: PoolMember): Promise<NumberEffect> {
  const use = await readUse(store, service, member)
  const { cooling } = await readFigures(store, service)
  const cooling_people = cooling.get(member.phone_number) ?? 0
  const last_of_country = await isLastOfCountry(store, service, member)
  const effect = { ...use, cooling_people, last_of_country }
  const can_remove_quietly = use.live_sessions === 0 && cooling_people === 0 && !last_of_country
  return { ...effect, can_remove_quietly, texts: textsOf(member, effect) }
}

/** Sessions that have run out do not count: a removal closes them first. */
async function readUse({ db }: Store, service: Service, member: PoolMember): Promise<Use> {
  const { rows } = await sql<Use>`
    with live as (
      select p.sid, p.session_sid, p.proxy_identifier from participants p
      join sessions s on s.service_sid = p.service_sid and s.sid = p.session_sid
      where p.service_sid = ${service.sid} and p.date_released is null
        and p.proxy_identifier = any(${proxyIdentifiers(member.phone_number)}::text[]) and ${sql.raw(IS_LIVE)}
    )
    select (select count(distinct session_sid)::int from live) as live_sessions,
           (select count(*)::int from live) as live_participants,
           (select count(*)::int from live cross join lateral (
              select due_at, type, outbound_participant_sid from interactions i
              where i.service_sid = ${service.sid} and i.session_sid = live.session_sid order by i.sid desc limit ${NEWEST}) i
            where i.due_at is not null and i.type = 'message' and i.outbound_participant_sid = live.sid) as queued_interactions`.execute(
    db,
  )
  return rows[0] ?? { live_sessions: 0, live_participants: 0, queued_interactions: 0 }
}

async function isLastOfCountry(store: Store, { sid }: Service, member: PoolMember): Promise<boolean> {
  if (member.is_reserved) return false
  const { groups } = await readPool(store, sid)
  const numbers = groups.flatMap((group) => group.numbers)
  return !numbers.some(
    ({ sid: other, is_reserved, iso_country }) =>
      other !== member.sid && !is_reserved && iso_country === member.iso_country,
  )
}

function textsOf(
  { is_reserved, iso_country }: PoolMember,
  use: Omit<NumberEffect, 'texts' | 'can_remove_quietly'>,
): string[] {
  const { live_sessions, live_participants, queued_interactions, cooling_people, last_of_country } = use
  const sessions = many(live_sessions, 'session is', 'sessions are')
  const people = many(live_participants, 'person has', 'people have')
  return [
    live_sessions > 0 &&
      `${sessions} live on it, in which ${people} this number: it cannot be removed until they are over.`,
    live_sessions > 0 && !is_reserved && 'Reserve it, and these go on while no new session is given it.',
    live_sessions > 0 && is_reserved && 'It is reserved: these go on, and new sessions get it only where they name it.',
    live_sessions === 0 && 'No session is live on it: removing it ends nothing.',
    queued_interactions > 0 &&
      `${many(queued_interactions, 'message waits', 'messages wait')} to be sent from it, and will be sent all the same.`,
    cooling_people > 0 &&
      `${many(cooling_people, 'person was', 'people were')} released from it within the cool-down: once it is removed, what they still send to it does not come here any more.`,
    last_of_country &&
      `It is the last number ${iso_country ? `of ${iso_country}` : 'without a country'} that is given out: without it, people there get one that shares their calling code, or are refused.`,
    'Removed, it goes back to the account, and its carrier is told to do with it what it did before.',
  ].filter((text) => text !== false)
}

const many = (count: number, one: string, more: string) => `${count} ${count === 1 ? one : more}`
