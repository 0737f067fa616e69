import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { ApiKey, KeyType } from '../db/schema.ts'
import { audit } from './audit.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { type Scope, ScopeRefusal, type Scopes, scopesOf } from './scopes.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

export type NewApiKey = {
  account_sid: string
  friendly_name: string
  type?: KeyType | undefined
  /** Of a restricted key. */
  scopes?: Scope[] | undefined
}

/** Returns the secret, shown this once and kept only as a digest: letters and digits, all that one official client sends. */
export async function createApiKey(
  store: Store,
  { type = 'standard', scopes = [], ...params }: NewApiKey,
): Promise<{ key: ApiKey; secret: string }> {
  const secret = randomBytes(16).toString('hex')
  const key = await inTransaction(store, async (trx) => {
    const made = await trx.db
      .insertInto('api_keys')
      .values({ ...params, type, scopes, sid: newSid('SK'), secret_digest: store.keys.digest(secret) })
      .returningAll()
      .executeTakeFirstOrThrow()
    await auditKey(trx, 'api-key.create', made)
    return made
  })
  return { key, secret }
}

/** Revoked ones too, and when each was last used. */
export const listApiKeys = (store: Store, account_sid: string) =>
  store.db
    .selectFrom('api_keys as k')
    .leftJoin('key_uses as u', 'u.sid', 'k.sid')
    .selectAll('k')
    .select(['u.date_last_used', 'u.address'])
    .where('k.account_sid', '=', account_sid)
    .orderBy('k.sid')
    .execute()

export type UsedApiKey = ApiKey & { date_last_used: Date | null }

const activeKeys = (store: Store, account_sid: string) =>
  store.db
    .selectFrom('api_keys')
    .selectAll()
    .select((key) =>
      key
        .selectFrom('key_uses')
        .select('date_last_used')
        .whereRef('key_uses.sid', '=', 'api_keys.sid')
        .as('date_last_used'),
    )
    .where('account_sid', '=', account_sid)
    .where('date_revoked', 'is', null)

export const pageOfApiKeys = (store: Store, account_sid: string, page: PageRequest): Promise<Page<UsedApiKey>> =>
  readPage(activeKeys(store, account_sid), 'sid', page)

export const findApiKey = (store: Store, account_sid: string, sid: string): Promise<UsedApiKey | undefined> =>
  activeKeys(store, account_sid).where('sid', '=', sid).executeTakeFirst()

/** What it may do from now on; servers notice within seconds. Undefined when it was revoked meanwhile. */
export async function updateApiKey(
  store: Store,
  key: ApiKey,
  changes: { friendly_name?: string | undefined; type?: KeyType | undefined; scopes?: Scope[] | undefined },
): Promise<ApiKey | undefined> {
  return await inTransaction(store, async (trx) => {
    const changed = await trx.db
      .updateTable('api_keys')
      .set({ ...changes, date_updated: sql`now()` })
      .where('sid', '=', key.sid)
      .where('date_revoked', 'is', null)
      .returningAll()
      .executeTakeFirst()
    if (changed) await auditKey(trx, 'api-key.update', changed)
    return changed
  })
}

/** False when there is no such key, or it was revoked before. */
export async function revokeApiKey(store: Store, sid: string): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    const revoked = await trx.db
      .updateTable('api_keys')
      .set({ date_revoked: new Date() })
      .where('sid', '=', sid)
      .where('date_revoked', 'is', null)
      .returningAll()
      .executeTakeFirst()
    if (revoked) await auditKey(trx, 'api-key.revoke', revoked)
    return revoked !== undefined
  })
}

/** Nobody makes or touches a key that may do more than they may. Throws 20006. */
export function requireCovered(caller: Scopes, key: { type: KeyType; scopes: string[] }): void {
  const missing = [...scopesOf(key)].filter((scope) => !caller.has(scope))
  if (missing.length > 0) throw new ScopeRefusal(missing)
}

const auditKey = (trx: Store, action: string, { account_sid, sid, type, scopes }: ApiKey) =>
  audit(trx, { action, account_sid, resource_sid: sid, details: { type, scopes: scopes.join(' ') } })
