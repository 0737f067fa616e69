import { sql } from 'kysely'
import type { Participant, Service, Session } from '../db/schema.ts'
import { coolDownOf, type History } from './cool-down.ts'
import type { Identifier } from './e164.ts'
import { invalidParameter, ProxyError } from './errors.ts'
import { readPool } from './number-pools.ts'
import { checkCapabilities, type NumberRequest, rankNumbers } from './number-selection.ts'
import { countPairs, type NumberPool } from './pool-groups.ts'
import type { Store } from './store.ts'

/**
 * How a person comes to a proxy number: the caller names one, or the best of the pool is taken. Either way the unique
 * index over live (number, person) pairs decides, and nothing read before counts.
 */
export type NamedNumber = { proxy_identifier?: string | undefined; proxy_identifier_sid?: string | undefined }

/** A participant but for the number. */
export type NumberlessParticipant = Omit<Participant, 'proxy_identifier' | 'proxy_identifier_sid' | `date_${string}`>

/**
 * Tries to take a (number, person) pair: the unique index decides. The number's row is held against leaving the pool
 * until we commit. Undefined when the pair is taken or the number has left, or is reserved and nobody named it.
 */
async function claimPair(
  trx: Store,
  row: NumberlessParticipant,
  number: { sid: string },
  proxy_identifier: string,
  by: 'name' | 'rank',
) {
  const { rows } = await sql<Participant>`
    insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash, friendly_name,
                              proxy_identifier, proxy_identifier_sid)
    select ${row.service_sid}::text, ${row.sid}::text, ${row.session_sid}::text, ${row.account_sid}::text,
           ${row.identifier_sealed}::bytea, ${row.identifier_hash}::bytea, ${row.friendly_name}::text,
           ${proxy_identifier}::text, n.sid
    from phone_numbers n where n.sid = ${number.sid} and n.service_sid = ${row.service_sid}
      and (${by === 'name'} or not n.is_reserved)
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
  const claimed = await claimPair(trx, row, number, proxy_identifier, 'name')
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

/** A person with what is known of them, and of their partner where they have one. */
export type Seeker = { person: Identifier; history: History; partner: { proxy_identifier: string } | undefined }

/** What the numbers of a pool are ranked by for this person in a session of this mode. */
export const numberRequest = (
  store: Store,
  service: Service,
  mode: Session['mode'],
  { person, history, partner }: Seeker,
  pool: NumberPool,
): NumberRequest => ({
  identifier: person.identifier,
  country: person.country,
  calling_code: person.calling_code,
  mode,
  geo_match_level: service.geo_match_level,
  number_selection_behavior: service.number_selection_behavior,
  pool,
  taken: history.taken,
  last_used: history.last_used,
  cooling: history.cooling,
  cool_down_mode: coolDownOf(service).cool_down_mode,
  avoid: new Set(partner && [partner.proxy_identifier]),
  radius_miles: store.rules.radius_miles,
  match_calling_code: store.rules.match_calling_code,
  random: Math.random,
})

/** The best number of the pool that nobody takes first. */
export async function claimBestNumber(
  trx: Store,
  service: Service,
  session: Session,
  row: NumberlessParticipant,
  seeker: Seeker,
): Promise<Participant> {
  checkChannel(seeker.person, session)
  // A channel address has no number of its own kind to be matched with: one has to be named.
  if (seeker.person.channel) throw new ProxyError(80305)
  // Each refusal of the index means that somebody else was given that number for this person: rank what is left, and
  // refuse only by what the pool is now.
  for (let pool = await readPool(trx, service.sid), isFresh = false; ; ) {
    const request = numberRequest(trx, service, session.mode, seeker, pool)
    try {
      for (const number of rankNumbers(request)) {
        const claimed = await claimPair(trx, row, number, number.phone_number, 'rank')
        countPairs(pool, number.phone_number, 1)
        if (claimed) return claimed
        seeker.history.taken.add(number.phone_number)
      }
    } catch (refusal) {
      if (isFresh || !(refusal instanceof ProxyError)) throw refusal
      pool = await readPool(trx, service.sid, 'fresh')
      isFresh = true
    }
  }
}
