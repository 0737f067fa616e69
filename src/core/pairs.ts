import { sql } from 'kysely'
import type { Participant, Service, Session } from '../db/schema.ts'
import { coolDownOf, readCooling } from './cool-down.ts'
import type { Identifier } from './e164.ts'
import { invalidParameter, ProxyError } from './errors.ts'
import { checkCapabilities, type PoolNumber, rankNumbers } from './number-selection.ts'
import type { Store } from './store.ts'

/**
 * How a person comes to a proxy number: the caller names one, or the best of the pool is taken. Either way the unique
 * index over live (number, person) pairs decides, and nothing read before counts.
 */
export type NamedNumber = { proxy_identifier?: string | undefined; proxy_identifier_sid?: string | undefined }

/** A participant but for the number. */
export type NumberlessParticipant = Omit<
  Participant,
  'proxy_identifier' | 'proxy_identifier_sid' | 'date_deleted' | 'date_released' | 'date_created' | 'date_updated'
>

/**
 * Tries to take a (number, person) pair: the unique index decides. The number's row is held against leaving the pool
 * until we commit. Undefined when the pair is taken or the number has left.
 */
async function claimPair(trx: Store, row: NumberlessParticipant, number: { sid: string }, proxy_identifier: string) {
  const { rows } = await sql<Participant>`
    insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash, friendly_name,
                              proxy_identifier, proxy_identifier_sid)
    select ${row.service_sid}::text, ${row.sid}::text, ${row.session_sid}::text, ${row.account_sid}::text,
           ${row.identifier_sealed}::bytea, ${row.identifier_hash}::bytea, ${row.friendly_name}::text,
           ${proxy_identifier}::text, n.sid
    from phone_numbers n where n.sid = ${number.sid} and n.service_sid = ${row.service_sid}
    for key share of n
    on conflict do nothing
    returning *`.execute(trx.db)
  return rows[0]
}

/** The number the caller named; it may be reserved, and geography does not matter. */
export async function claimNamedNumber(
  trx: Store,
  service: Service,
  session: Session,
  person: Identifier,
  row: NumberlessParticipant,
  named: NamedNumber,
): Promise<Participant> {
  const number = await findNamedNumber(trx, service, person, named)
  checkChannel(person, session)
  checkCapabilities(number, session.mode)
  const proxy_identifier = person.channel ? `${person.channel}:${number.phone_number}` : number.phone_number
  const claimed = await claimPair(trx, row, number, proxy_identifier)
  if (!claimed) throw new ProxyError(80604)
  return claimed
}

async function findNamedNumber(trx: Store, service: Service, person: Identifier, named: NamedNumber) {
  const { proxy_identifier, proxy_identifier_sid } = named
  const [channel, address] = splitChannel(proxy_identifier?.replace(/^ (?=\d+$)/, '+'))
  const number = await trx.db
    .selectFrom('phone_numbers')
    .selectAll()
    .where((is) =>
      proxy_identifier_sid ? is('sid', '=', proxy_identifier_sid) : is('phone_number', '=', address ?? ''),
    )
    .executeTakeFirst()
  if (!number) throw new ProxyError(proxy_identifier_sid ? 80305 : 80304)
  if (number.account_sid !== service.account_sid) throw new ProxyError(80606)
  if (number.service_sid !== service.sid) throw new ProxyError(80605)
  if (proxy_identifier_sid && address && address !== number.phone_number) {
    throw invalidParameter('ProxyIdentifier', 'It is not the number that ProxyIdentifierSid names.')
  }
  if (proxy_identifier && channel !== person.channel) throw new ProxyError(80304)
  return number
}

function splitChannel(text: string | undefined): [channel: string | undefined, address: string | undefined] {
  const at = text?.indexOf(':') ?? -1
  return at < 0 ? [undefined, text] : [text?.slice(0, at).toLowerCase(), text?.slice(at + 1)]
}

/** A channel carries messages only. */
function checkChannel(person: Identifier, session: Session) {
  if (person.channel && session.mode === 'voice-only') {
    throw new ProxyError(80616, { identifier: `A ${person.channel} address`, session: session.sid })
  }
}

/** The best number of the pool that nobody takes first. `partner_hash` is whom the person is to meet, where known. */
export async function claimBestNumber(
  trx: Store,
  service: Service,
  session: Session,
  person: Identifier,
  row: NumberlessParticipant,
  others: { proxy_identifier: string }[],
  partner_hash: Buffer | undefined,
): Promise<Participant> {
  checkChannel(person, session)
  // A channel address has no number of its own kind to be matched with: one has to be named.
  if (person.channel) throw new ProxyError(80305)
  const pool = await readPool(trx, service.sid)
  const { taken, last_used } = await readHistory(trx, service.sid, row.identifier_hash)
  const request = {
    identifier: person.identifier,
    mode: session.mode,
    geo_match_level: service.geo_match_level,
    number_selection_behavior: service.number_selection_behavior,
    pool,
    taken,
    last_used,
    cooling: await readCooling(trx, service, { identifier_hash: row.identifier_hash, partner_hash }),
    cool_down_mode: coolDownOf(service).cool_down_mode,
    avoid: new Set(others.map((other) => other.proxy_identifier)),
    radius_miles: trx.rules.radius_miles,
    match_calling_code: trx.rules.match_calling_code,
    random: Math.random,
  }
  // Each refusal of the index means that somebody else was given that number for this person: rank what is left.
  for (;;) {
    for (const number of rankNumbers(request)) {
      const claimed = await claimPair(trx, row, number, number.phone_number)
      if (claimed) return claimed
      taken.add(number.phone_number)
    }
  }
}

async function readPool(trx: Store, service_sid: string): Promise<PoolNumber[]> {
  return await trx.db
    .selectFrom('phone_numbers as n')
    .select(['n.sid', 'n.phone_number', 'n.iso_country', 'n.capabilities', 'n.is_reserved'])
    .select(
      sql<number>`(select count(*)::int from participants p
        where p.service_sid = n.service_sid and p.proxy_identifier = n.phone_number and p.date_released is null)`.as(
        'pairs',
      ),
    )
    .where('n.service_sid', '=', service_sid)
    .orderBy('n.sid')
    .execute()
}

/** Which numbers this person holds now, and when each was last given to them. */
async function readHistory(trx: Store, service_sid: string, identifier_hash: Buffer) {
  const rows = await trx.db
    .selectFrom('participants')
    .select([
      'proxy_identifier',
      sql<Date>`max(date_created)`.as('last_used'),
      sql<boolean>`bool_or(date_released is null)`.as('is_live'),
    ])
    .where('service_sid', '=', service_sid)
    .where('identifier_hash', '=', identifier_hash)
    .groupBy('proxy_identifier')
    .execute()
  return {
    taken: new Set(rows.filter((row) => row.is_live).map((row) => row.proxy_identifier)),
    last_used: new Map(rows.map((row) => [row.proxy_identifier, row.last_used.getTime()])),
  }
}
