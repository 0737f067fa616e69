import { sql } from 'kysely'
import type { PhoneNumber, Service } from '../db/schema.ts'
import { audit } from './audit.ts'
import { CarrierError, type CarrierNumber } from './carrier.ts'
import type { Carriers } from './carriers.ts'
import { invalidParameter, ProxyError } from './errors.ts'
import { recordEvent } from './events.ts'
import { forgetPool } from './number-pools.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { closeExpiredSessions } from './session-state.ts'
import { isSid, newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/** The two resources that a pool holds; they differ in name and in little else. */
export type NumberKind = 'PN' | 'SC'

/** How many numbers a pool takes, as the vendor documents it, and the share from which it warns (event 80624). */
const POOL_LIMIT = { unreserved: 500, reserved: 5000 }
const POOL_WARNING = 0.85

/** A number of the account's inventory with the sessions that use it, as the API shows it. */
export type PoolMember = PhoneNumber & { in_use: number }

/** Under what a number serves as proxy identifier: itself, or with the channel it is registered for in front. */
export const proxyIdentifiers = (phone_number: string) =>
  ['', 'whatsapp:', 'messenger:'].map((channel) => channel + phone_number)

const pool = (store: Store, service_sid: string, kind: NumberKind) =>
  store.db
    .selectFrom('phone_numbers as n')
    .selectAll('n')
    .select(
      sql<number>`(select count(distinct p.session_sid)::int from participants p
        where p.service_sid = n.service_sid and p.date_released is null
          and p.proxy_identifier in (n.phone_number, 'whatsapp:' || n.phone_number, 'messenger:' || n.phone_number))`.as(
        'in_use',
      ),
    )
    .where('n.service_sid', '=', service_sid)
    .where('n.sid', 'like', `${kind}%`)

export const findPoolMember = (store: Store, service_sid: string, kind: NumberKind, sid: string) =>
  pool(store, service_sid, kind).where('n.sid', '=', sid).executeTakeFirst()

export async function listPool(
  store: Store,
  service_sid: string,
  kind: NumberKind,
  page: PageRequest,
): Promise<Page<PoolMember>> {
  return await readPage(pool(store, service_sid, kind) as never, 'n.sid' as never, page)
}

export const listInventory = (store: Store, account_sid: string) =>
  store.db.selectFrom('phone_numbers').selectAll().where('account_sid', '=', account_sid).orderBy('sid').execute()

export const findInventoryNumber = (
  store: Store,
  query: { sid?: string | undefined; phone_number?: string | undefined },
) =>
  store.db
    .selectFrom('phone_numbers')
    .selectAll()
    .where((is) => (query.sid ? is('sid', '=', query.sid) : is('phone_number', '=', query.phone_number ?? '')))
    .executeTakeFirst()

/** Takes a number that a carrier knows into the account's inventory. Throws 80101 when another account has it. */
export async function adoptNumber(
  store: Store,
  owner: { account_sid: string; carrier_sid: string },
  found: CarrierNumber,
): Promise<PhoneNumber> {
  const kind: NumberKind = found.phone_number.startsWith('+') ? 'PN' : 'SC'
  const theirs = found.carrier_number_sid
  const sid = theirs && isSid(kind, theirs) ? theirs : newSid(kind)
  const adopted = await inTransaction(store, async (trx) => {
    const row = await trx.db
      .insertInto('phone_numbers')
      .values({
        sid,
        ...owner,
        carrier_number_sid: theirs ?? sid,
        phone_number: found.phone_number,
        friendly_name: found.friendly_name,
        iso_country: found.iso_country,
        capabilities: JSON.stringify(found.capabilities) as never,
      })
      .onConflict((known) => known.doNothing())
      .returningAll()
      .executeTakeFirst()
    if (row) await audit(trx, { action: 'phone-number.create', account_sid: owner.account_sid, resource_sid: sid })
    return row
  })
  if (adopted) return adopted
  const known = await findInventoryNumber(store, { phone_number: found.phone_number })
  if (known?.account_sid !== owner.account_sid) throw new ProxyError(80101)
  return known
}

/**
 * The number a caller wants to add, with its webhooks pointed at us: from the inventory, or else from the first of the
 * account's carriers that knows it. Talks to the carrier, so never inside a transaction.
 */
export async function prepareNumber(
  store: Store,
  carriers: Carriers,
  service: Service,
  query: { kind: NumberKind; sid?: string | undefined; phone_number?: string | undefined },
): Promise<PhoneNumber> {
  const number = (await findInventoryNumber(store, query)) ?? (await findAtCarriers(store, carriers, service, query))
  if (!number || number.account_sid !== service.account_sid || !number.sid.startsWith(query.kind)) {
    throw new ProxyError(query.kind === 'SC' ? 80303 : 80301)
  }
  refuseTaken(number, service)
  await attach(store, carriers, number)
  return number
}

function refuseTaken(number: PhoneNumber, service: Service) {
  if (number.service_sid === service.sid) throw new ProxyError(number.sid.startsWith('SC') ? 80105 : 80104)
  if (number.service_sid) throw new ProxyError(80101)
}

async function findAtCarriers(
  store: Store,
  carriers: Carriers,
  service: Service,
  query: { sid?: string | undefined; phone_number?: string | undefined },
) {
  for (const { sid, carrier } of await carriers.list(service.account_sid)) {
    const found = await askCarrier(carrier.findNumber(definedOnly(query)))
    if (found) return await adoptNumber(store, { account_sid: service.account_sid, carrier_sid: sid }, found)
  }
  return undefined
}

const definedOnly = (query: { sid?: string | undefined; phone_number?: string | undefined }) => ({
  ...(query.sid ? { sid: query.sid } : {}),
  ...(query.phone_number ? { phone_number: query.phone_number } : {}),
})

/** The addresses a carrier calls for this number. */
export const webhooksOf = (store: Store, carrier_sid: string) => ({
  message_url: `${store.rules.public_url}/webhooks/${carrier_sid}/messages`,
  call_url: `${store.rules.public_url}/webhooks/${carrier_sid}/calls`,
})

async function attach(store: Store, carriers: Carriers, number: PhoneNumber) {
  const carrier = (await carriers.find(number.carrier_sid))?.carrier
  if (!carrier) throw invalidParameter('Sid', 'The carrier of this number does not run on this server.')
  const urls = webhooksOf(store, number.carrier_sid)
  const found = await askCarrier(
    carrier.findNumber({ sid: number.carrier_number_sid, phone_number: number.phone_number }),
  )
  if (!found) throw new ProxyError(number.sid.startsWith('SC') ? 80303 : 80301)
  // What it had before is kept first, or a crash in between would lose it, and is put back later if the adding that
  // follows fails. Ours is never taken for "before".
  const isOurs = Object.values(found.webhooks).includes(urls.message_url)
  await store.db
    .updateTable('phone_numbers')
    .set({
      ...(isOurs ? {} : { previous_webhooks: JSON.stringify(found.webhooks) as never }),
      restore_at: sql`now() + interval '5 minutes'`,
    })
    .where('sid', '=', number.sid)
    .where('service_sid', 'is', null)
    .execute()
  await askCarrier(carrier.attachNumber(number, urls))
}

/** A carrier's refusal is the caller's affair (80613); a carrier that cannot be reached is ours (20503). */
async function askCarrier<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof CarrierError)) throw error
    throw new ProxyError(error.outcome === 'refused' ? 80613 : 20503)
  }
}

/** Puts a prepared number into the pool. Throws 80101, 80104, 80105 when it is in one, 80622 when the pool is full. */
export async function addToPool(
  store: Store,
  service: Service,
  number: PhoneNumber,
  is_reserved: boolean,
): Promise<PoolMember> {
  const added = await inTransaction(store, async (trx) => {
    // Adding is serialised per service, so that the count below stays true until we commit.
    const held = await trx.db.selectFrom('services').select('sid').where('sid', '=', service.sid).forUpdate().execute()
    if (held.length === 0) throw new ProxyError(20404, { resource: `/Services/${service.sid}` })
    await checkRoom(trx, service, is_reserved)
    const added = await trx.db
      .updateTable('phone_numbers')
      .set({
        service_sid: service.sid,
        is_reserved,
        restore_at: null,
        date_created: sql`now()`,
        date_updated: sql`now()`,
      })
      .where('sid', '=', number.sid)
      .where('service_sid', 'is', null)
      .returning('sid')
      .executeTakeFirst()
    const member = await findInventoryNumber(trx, { sid: number.sid })
    if (!member) throw new ProxyError(80301)
    if (!added) refuseTaken(member, service)
    await audit(trx, { action: 'phone-number.add', ...deedOn(service, member), details: { is_reserved } })
    return { ...member, in_use: 0 }
  })
  forgetPool(store, service.sid)
  return added
}

async function checkRoom(store: Store, service: Service, is_reserved: boolean) {
  const { count } = await store.db
    .selectFrom('phone_numbers')
    .select(sql<number>`count(*)::int`.as('count'))
    .where('service_sid', '=', service.sid)
    .where('is_reserved', '=', is_reserved)
    .executeTakeFirstOrThrow()
  const kind = is_reserved ? 'reserved' : 'unreserved'
  const limit = POOL_LIMIT[kind]
  if (count >= limit) throw new ProxyError(80622, { limit, kind })
  if (count + 1 !== Math.ceil(limit * POOL_WARNING)) return
  const { account_sid, sid: service_sid } = service
  await recordEvent(store, { error_code: 80624, account_sid, service_sid, values: { count: count + 1, limit, kind } })
}

/** Reserving does not disturb sessions that use the number: it is the way to drain one. */
export async function setReserved(store: Store, member: PoolMember, is_reserved: boolean): Promise<PoolMember> {
  if (member.is_reserved === is_reserved) return member
  const changed = await inTransaction(store, async (trx) => {
    const service = await trx.db
      .selectFrom('services')
      .selectAll()
      .where('sid', '=', member.service_sid ?? '')
      .forUpdate()
      .executeTakeFirst()
    if (!service) throw new ProxyError(80503)
    await checkRoom(trx, service, is_reserved)
    const updated = await trx.db
      .updateTable('phone_numbers')
      .set({ is_reserved, date_updated: sql`now()` })
      .where('sid', '=', member.sid)
      .where('service_sid', '=', service.sid)
      .returningAll()
      .executeTakeFirst()
    if (!updated) throw new ProxyError(80503)
    await audit(trx, {
      action: is_reserved ? 'phone-number.reserve' : 'phone-number.release',
      ...deedOn(service, member),
    })
    return { ...updated, in_use: member.in_use }
  })
  forgetPool(store, member.service_sid ?? '')
  return changed
}

/**
 * Takes a number out of its pool; throws 80611 while an active session uses it. A participant being added holds the
 * number's row, so a pair cannot come into being on a number that is leaving.
 */
export async function removeFromPool(store: Store, service: Service, member: PoolMember): Promise<void> {
  await inTransaction(store, async (trx) => {
    await trx.db.selectFrom('phone_numbers').select('sid').where('sid', '=', member.sid).forUpdate().execute()
    await closeExpiredSessions(trx, {
      service_sid: service.sid,
      proxy_identifiers: proxyIdentifiers(member.phone_number),
    })
    const used = await trx.db
      .selectFrom('participants')
      .select('sid')
      .where('service_sid', '=', service.sid)
      .where('proxy_identifier', 'in', proxyIdentifiers(member.phone_number))
      .where('date_released', 'is', null)
      .executeTakeFirst()
    if (used) throw new ProxyError(80611)
    const { numUpdatedRows } = await trx.db
      .updateTable('phone_numbers')
      .set({ service_sid: null, is_reserved: false, restore_at: sql`now()` })
      .where('sid', '=', member.sid)
      .where('service_sid', '=', service.sid)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) await audit(trx, { action: 'phone-number.remove', ...deedOn(service, member) })
  })
  forgetPool(store, service.sid)
}

const deedOn = ({ account_sid, sid }: Service, number: { sid: string }) => ({
  account_sid,
  service_sid: sid,
  resource_sid: number.sid,
})

/** Numbers that left their pool and whose webhooks are to be put back now. */
export const listToRestore = (store: Store, limit: number) =>
  store.db.selectFrom('phone_numbers').selectAll().where('restore_at', '<=', sql<Date>`now()`).limit(limit).execute()

/** `retry_s` says that it failed and when to try again; undefined that the number is as it was before us. */
export async function recordRestored(store: Store, sid: string, retry_s?: number): Promise<boolean> {
  const changes =
    retry_s === undefined
      ? { restore_at: null, previous_webhooks: null }
      : { restore_at: sql<Date>`now() + make_interval(secs => ${retry_s})` }
  const { numUpdatedRows } = await store.db
    .updateTable('phone_numbers')
    .set(changes)
    .where('sid', '=', sid)
    .where('service_sid', 'is', null)
    .where('restore_at', '<=', sql<Date>`now()`)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
