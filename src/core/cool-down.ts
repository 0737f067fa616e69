import { CompiledQuery, sql } from 'kysely'
import type { CoolDownMode, Participant, Service } from '../db/schema.ts'
import { type PeopleParams, type PersonRow, peopleQuery, readPeopleStatement } from '../db/statements/read-people.ts'
import { maskLastFour, withoutChannel } from './e164.ts'
import { ProxyError } from './errors.ts'
import { STILL_COOLING } from './number-selection.ts'
import type { Store } from './store.ts'

/**
 * People answer late: what somebody sends to the number of a session that is over must not reach whoever they are with on
 * that number by then. So a person who was released from a number is kept from having it with another partner: tried
 * last (best effort), or not at all (strict), until the cool-down is over. Those who meet again may have it at once.
 */
export type CoolDown = { cool_down_s: number; cool_down_mode: CoolDownMode }

const DEFAULT: CoolDown = { cool_down_s: 3 * 86_400, cool_down_mode: 'best-effort' }

export const coolDownOf = (service: Pick<Service, keyof CoolDown>): CoolDown => ({
  cool_down_s: service.cool_down_s ?? DEFAULT.cool_down_s,
  cool_down_mode: service.cool_down_mode ?? DEFAULT.cool_down_mode,
})

/** How long what happened in another service counts: numbers move between services, and people do not know. */
const holdOf = (store: Pick<Store, 'rules'>) => store.rules.number_hold_days * 86_400

/** Undefined is a partner who is not known yet: any may come, so all are taken for new. */
export type Meeting = { identifier: string; identifier_hash: Buffer; partner_hash: Buffer | undefined }

/** What counts of somebody who is to be given a number. */
export type History = {
  /** Whether their number is one of the service's own. */
  is_own: boolean
  /** Whether they hold a pair of a session that has run out and was not swept yet. */
  outlived: boolean
  /** The numbers they hold now. */
  taken: Set<string>
  /** When each number was last given to them, in ms. */
  last_used: Map<string, number>
  /** The numbers that are cooling down for them with this partner, and when each was released, in ms. */
  cooling: Map<string, number>
}

/** As many as people, whose order they have, in one round trip; outside a transaction others may share it. */
type HistoriesOf<People extends Meeting[]> = { [At in keyof People]: History }

export async function readHistories<const People extends Meeting[]>(
  store: Store,
  service: Service,
  people: People,
): Promise<HistoriesOf<People>> {
  const params = {
    service_sid: service.sid,
    cool_down_s: coolDownOf(service).cool_down_s,
    hold_s: holdOf(store),
    people: people.map(({ identifier, ...person }) => ({ ...person, number: withoutChannel(identifier) })),
  }
  const rows = store.db.isTransaction ? await readHere(store, params) : await readPeopleStatement(store.pool, params)
  return rows.map(historyOf) as HistoriesOf<People>
}

async function readHere({ db }: Store, params: PeopleParams): Promise<PersonRow[]> {
  const { text, values } = peopleQuery(params)
  return (await db.executeQuery<PersonRow>(CompiledQuery.raw(text, values))).rows
}

const historyOf = ({ is_own, outlived, used, cooling }: PersonRow): History => ({
  is_own,
  outlived,
  taken: new Set((used ?? []).filter(([, , is_live]) => is_live).map(([number]) => number)),
  last_used: new Map((used ?? []).map(([number, at]) => [number, at])),
  cooling: new Map(cooling),
})

/** A participant with a number, who is to be judged with the partner they have there or will have. */
export type Judged = Pick<Participant, 'sid' | 'identifier_sealed' | 'identifier_hash' | 'proxy_identifier'> & {
  partner_hash: Buffer | undefined
}

/**
 * Strict mode's last word, 80208, on pairs that this transaction holds: however they came about, and with what has been
 * released since the pool was ranked.
 */
export async function refuseCooling(trx: Store, service: Service, people: Judged[]): Promise<void> {
  if (coolDownOf(service).cool_down_mode !== 'strict') return
  for (const { sid, proxy_identifier, ...person } of people) {
    const identifier = trx.keys.open(`${sid}/identifier`, person.identifier_sealed)
    const [history] = await readHistories(trx, service, [{ ...person, identifier }])
    if (!history.cooling.has(proxy_identifier)) continue
    throw new ProxyError(80208, { identifier: maskLastFour(identifier), reason: STILL_COOLING })
  }
}

/**
 * Before participants are deleted with their session, or with all of their service: what a cool-down still has to know
 * of them. Pairs that are live are released by that.
 */
export async function rememberPairs(trx: Store, of: { service_sid: string; session_sid?: string }): Promise<void> {
  await sql`
    with clock as (select now() as t),
    gone as (
      select p.*, coalesce(p.date_released, clock.t) as released,
             greatest(coalesce(s.cool_down_s, ${DEFAULT.cool_down_s}), ${holdOf(trx)}::float8) as window_s
      from clock, participants p join services s on s.sid = p.service_sid
      where p.service_sid = ${of.service_sid} and (${of.session_sid ?? null}::text is null or p.session_sid = ${of.session_sid ?? null})
    )
    insert into released_pairs (service_sid, sid, identifier_hash, partner_hash, proxy_identifier, date_released, kept_until)
    select g.service_sid, g.sid, g.identifier_hash,
           (select case when count(*) = 1 then (array_agg(q.identifier_hash))[1] end from participants q
            where q.service_sid = g.service_sid and q.session_sid = g.session_sid and q.sid <> g.sid),
           g.proxy_identifier, g.released, g.released + make_interval(secs => g.window_s)
    from gone g, clock
    where g.released + make_interval(secs => g.window_s) > clock.t`.execute(trx.db)
}

/** The sweeper's step. */
export async function forgetPairs(store: Store): Promise<void> {
  await store.db.deleteFrom('released_pairs').where('kept_until', '<', sql<Date>`now()`).execute()
}
