import { sql } from 'kysely'
import type { PhoneNumber, Service } from '../../db/schema.ts'
import { coolDownOf } from '../cool-down.ts'
import { areaCodeOf } from '../e164.ts'
import { readPool } from '../number-pools.ts'
import type { NumberPool } from '../pool-groups.ts'
import type { Store } from '../store.ts'
import { readSends } from './number-sends.ts'
import { readPairHistory, replayAll } from './pair-history.ts'
import { createReplay } from './replay.ts'
import { createShared } from './shared.ts'

/** A whole pool at once, with what each number does: sessions, people it cools down for, and what went out from it. */
export type NumberState = 'free' | 'used' | 'reserved' | 'draining' | 'failing'

type Member = Pick<
  PhoneNumber,
  'sid' | 'phone_number' | 'iso_country' | 'capabilities' | 'is_reserved' | 'date_created'
> & {
  live_sessions: number
}
type Figures = {
  cooling: Map<string, number>
  sends: Map<string, { sent: number; failed: number }>
  is_sample: boolean
}

export type PictureNumber = Member & {
  area_code: string | null
  cooling_people: number
  sent_24h: number
  failed_24h: number
  state: NumberState
}
export type PoolPicture = { numbers: PictureNumber[]; read_at: Date; is_sample: boolean }

const LEAST_FAILED = 3

export async function readPoolPicture(store: Store, service: Service): Promise<PoolPicture> {
  const { members, read_at } = await readMembers(store, service)
  const figures = await readFigures(store, service)
  const numbers = members.map((member) => {
    const { sent, failed } = figures.sends.get(member.phone_number) ?? { sent: 0, failed: 0 }
    return {
      ...member,
      area_code: areaCodeOf(member.phone_number) ?? null,
      cooling_people: figures.cooling.get(member.phone_number) ?? 0,
      sent_24h: sent,
      failed_24h: failed,
      state: stateOf(member, sent, failed),
    }
  })
  return { numbers, read_at, is_sample: figures.is_sample }
}

function stateOf({ is_reserved, live_sessions }: Member, sent: number, failed: number): NumberState {
  if (failed >= LEAST_FAILED && failed > sent) return 'failing'
  if (is_reserved) return live_sessions > 0 ? 'draining' : 'reserved'
  return live_sessions > 0 ? 'used' : 'free'
}

type Reading = { members: Member[]; read_at: Date }

/** For each reading of the pool in memory, which is never old and known to be over when this server changes the pool. */
const readings = new WeakMap<NumberPool, Promise<Reading>>()

async function readMembers(store: Store, service: Service): Promise<Reading> {
  const pool = await readPool(store, service.sid)
  const reading = readings.get(pool) ?? readAnew(store, service)
  readings.set(pool, reading)
  reading.catch(() => readings.delete(pool))
  return await reading
}

async function readAnew({ db }: Store, service: Service): Promise<Reading> {
  const read_at = new Date()
  const members = await db
    .selectFrom('phone_numbers as n')
    .select(['n.sid', 'n.phone_number', 'n.iso_country', 'n.capabilities', 'n.is_reserved', 'n.date_created'])
    .select(
      sql<number>`(select count(distinct p.session_sid)::int from participants p
        where p.service_sid = n.service_sid and p.date_released is null
          and p.proxy_identifier in (n.phone_number, 'whatsapp:' || n.phone_number, 'messenger:' || n.phone_number))`.as(
        'live_sessions',
      ),
    )
    .where('n.service_sid', '=', service.sid)
    .orderBy('n.sid')
    .execute()
  return { members, read_at }
}

const share = createShared<Figures>()

export const readFigures = (store: Store, service: Service): Promise<Figures> =>
  share(store, service.sid, async () => {
    const { cool_down_s } = coolDownOf(service)
    const numbers = [...(await readPool(store, service.sid)).places.keys()]
    const places = new Map(numbers.map((number, at) => [number, at]))
    const history = await readPairHistory(store, service, places, { seconds: cool_down_s, live: false, ttl: false })
    const replay = createReplay(
      numbers.map(() => undefined),
      { default_ttl: service.default_ttl, cool_down_s },
      { from: history.now, step: 0, steps: 0 },
    )
    const replayed = await replayAll(history, replay)
    const sends = await readSends(store, service.sid)
    const cooling = new Map(numbers.map((number, at) => [number, replayed.cooling[at] ?? 0]))
    return { cooling, sends: sends.of, is_sample: sends.is_sample || history.whole_since !== undefined }
  })
