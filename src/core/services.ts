import { sql } from 'kysely'
import type { GeoMatchLevel, InterceptFailure, NumberSelectionBehavior, Service } from '../db/schema.ts'
import { findServiceStatement } from '../db/statements/find-service.ts'
import { audit, namesOf } from './audit.ts'
import { type CallSettingChanges, checkCallSettings, checkLastMinute } from './call-settings.ts'
import { checkCallbackUrl } from './callback-url.ts'
import { checkContentGuard } from './content-settings.ts'
import { type CoolDown, rememberPairs } from './cool-down.ts'
import { markForDeletion } from './erase.ts'
import { ProxyError } from './errors.ts'
import { heldService, refuseHeld } from './legal-hold.ts'
import { forgetPool } from './number-pools.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

export type ServiceParams = {
  unique_name?: string | undefined
  default_ttl?: number | undefined
  callback_url?: string | null | undefined
  geo_match_level?: GeoMatchLevel | undefined
  number_selection_behavior?: NumberSelectionBehavior | undefined
  intercept_callback_url?: string | null | undefined
  out_of_session_callback_url?: string | null | undefined
  chat_instance_sid?: string | null | undefined
}

/** Throws 80602 when the account has a service of that name, 80701 for a callback URL that cannot work. */
export async function createService(
  store: Store,
  account_sid: string,
  params: ServiceParams & { unique_name: string },
): Promise<Service> {
  checkCallbackUrls(store, params)
  return await inTransaction(store, async (trx) => {
    const service = await trx.db
      .insertInto('services')
      .values({
        sid: newSid('KS'),
        account_sid,
        default_ttl: 0,
        geo_match_level: 'country',
        number_selection_behavior: 'prefer-sticky',
        ...params,
      })
      .onConflict((named) => named.columns(['account_sid', 'unique_name']).doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!service) throw new ProxyError(80602)
    await audit(trx, { action: 'service.create', ...deedOn(service), details: { fields: namesOf(params) } })
    return service
  })
}

export async function findService(store: Store, account_sid: string, sid: string): Promise<Service | undefined> {
  const service = await findServiceStatement(store.pool, sid)
  return service?.account_sid === account_sid ? service : undefined
}

/** The service that a row belongs to. What a client names is found by the account, too: `findService`. */
export const serviceOf = (store: Store, { service_sid }: { service_sid: string }): Promise<Service | undefined> =>
  store.db.selectFrom('services').selectAll().where('sid', '=', service_sid).executeTakeFirst()

/** As at the vendor, unless the service is set otherwise. */
export const interceptFailureOf = (service: Pick<Service, 'intercept_failure'>): InterceptFailure =>
  service.intercept_failure ?? 'proceed'

export const findServiceByName = (store: Store, account_sid: string, unique_name: string) =>
  store.db
    .selectFrom('services')
    .selectAll()
    .where('account_sid', '=', account_sid)
    .where('unique_name', '=', unique_name)
    .executeTakeFirst()

export async function listServices(store: Store, account_sid: string, page: PageRequest): Promise<Page<Service>> {
  return await readPage(store.db.selectFrom('services').selectAll().where('account_sid', '=', account_sid), 'sid', page)
}

/**
 * Holds a service for this transaction against being deleted, which would otherwise miss what is being added to it.
 * Throws 20404 when it is gone.
 */
export async function holdService(trx: Store, service: Service): Promise<void> {
  const held = await trx.db
    .selectFrom('services')
    .select('sid')
    .where('sid', '=', service.sid)
    .forKeyShare()
    .executeTakeFirst()
  if (!held) throw new ProxyError(20404, { resource: `/Services/${service.sid}` })
}

/** Null is the default of the program. */
type Cleared<Settings> = { [Name in keyof Settings]?: Settings[Name] | null | undefined }
type OtherChanges = Cleared<
  CoolDown &
    Pick<Service, 'intercept_failure' | 'flood_limit' | 'repeat_limit' | 'content_guard_own_number'> &
    Pick<Service, 'content_guard_other_numbers' | 'content_guard_email_addresses' | 'content_guard_links'> &
    Pick<Service, 'content_guard_payment_words' | 'content_guard_notice' | 'allowed_domains' | 'payment_words'>
> & { opt_out_words?: boolean | undefined; allow_vcards?: boolean | undefined }

/** Changes what is given; throws as `createService`. */
export async function updateService(
  store: Store,
  service: Service,
  params: ServiceParams & CallSettingChanges & OtherChanges,
): Promise<Service> {
  checkCallbackUrls(store, params)
  checkCallSettings(store, params)
  checkContentGuard(params)
  const changes = Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined))
  if (Object.keys(changes).length === 0) return service
  return await inTransaction(store, async (trx) => {
    const { db } = trx
    if (params.unique_name !== undefined) {
      const namesake = await db
        .selectFrom('services')
        .select('sid')
        .where('account_sid', '=', service.account_sid)
        .where('unique_name', '=', params.unique_name)
        .where('sid', '!=', service.sid)
        .executeTakeFirst()
      if (namesake) throw new ProxyError(80602)
    }
    const updated = await db
      .updateTable('services')
      .set({ ...changes, date_updated: sql`now()` })
      .where('sid', '=', service.sid)
      .returningAll()
      .executeTakeFirst()
    if (!updated) throw new ProxyError(80503)
    // Of the row as it is now, under our lock: the other half may have come in another request at the same moment.
    checkLastMinute(store, params, updated)
    await audit(trx, { action: 'service.update', ...deedOn(service), details: { fields: namesOf(changes) } })
    return updated
  }).catch((error) => {
    // Two requests took the name at once: the index let one of them.
    if ((error as { constraint?: string }).constraint === 'services_unique_name') throw new ProxyError(80602)
    throw error
  })
}

const OWNED = [
  'sessions',
  'participants',
  'interactions',
  'media',
  'callbacks',
  'callback_attempts',
  'blocked_numbers',
] as const

/**
 * Deletes a service with all that is in it, open sessions included, as the vendor does. Its numbers go back to the
 * account, and the webhooks they had before are restored; of recordings the carrier's copies are deleted (`jobs/sweep.ts`).
 */
export async function deleteService(store: Store, service: Service): Promise<void> {
  await inTransaction(store, async (trx) => {
    const { db } = trx
    const [there] = await db.selectFrom('services').select('sid').where('sid', '=', service.sid).forUpdate().execute()
    if (!there) return
    await refuseHeld(db.selectFrom('services').select('sid').where('sid', '=', service.sid).where(heldService))
    await rememberPairs(trx, { service_sid: service.sid })
    for (const table of OWNED) await db.deleteFrom(table).where('service_sid', '=', service.sid).execute()
    await markForDeletion(db, service.sid)
    await db
      .updateTable('phone_numbers')
      .set({ service_sid: null, is_reserved: false, restore_at: sql`now()` })
      .where('service_sid', '=', service.sid)
      .execute()
    await db.deleteFrom('services').where('sid', '=', service.sid).execute()
    await audit(trx, { action: 'service.delete', ...deedOn(service) })
  })
  forgetPool(store, service.sid)
}

const deedOn = ({ account_sid, sid }: Service) => ({ account_sid, service_sid: sid, resource_sid: sid })

function checkCallbackUrls(store: Store, params: ServiceParams) {
  const urls = {
    CallbackUrl: params.callback_url,
    InterceptCallbackUrl: params.intercept_callback_url,
    OutOfSessionCallbackUrl: params.out_of_session_callback_url,
  }
  for (const [name, value] of Object.entries(urls)) if (value) checkCallbackUrl(store, name, value)
}
