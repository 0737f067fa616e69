import assert from 'node:assert/strict'
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { sql } from 'kysely'
import type { Account, KeyType } from '../db/schema.ts'
import { audit } from './audit.ts'
import { makeAuthToken } from './auth-tokens.ts'
import { invalidParameter } from './errors.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { ALL_SCOPES, type Scopes, scopesOf } from './scopes.ts'
import { isSid, newSid } from './sid.ts'
import { type Actor, inTransaction, type Store } from './store.ts'

/**
 * Makes an account. It may keep the SID and auth token it already has at Twilio, so that its clients change nothing but
 * the host. Returns the auth token, which is shown this once.
 */
export async function createAccount(
  store: Store,
  params: { friendly_name: string; sid?: string | undefined; auth_token?: string | undefined },
): Promise<{ account: Account; auth_token: string }> {
  const sid = params.sid ?? newSid('AC')
  if (!isSid('AC', sid)) throw invalidParameter('Sid', `"${sid}" is not an account SID: AC and 32 hex digits.`)
  const auth_token = makeAuthToken(params.auth_token)
  return await inTransaction(store, async (trx) => {
    const account = await trx.db
      .insertInto('accounts')
      .values({
        sid,
        friendly_name: params.friendly_name,
        auth_token_sealed: store.keys.seal(`${sid}/auth_token`, auth_token),
        auth_token_digest: store.keys.digest(auth_token),
      })
      .onConflict((existing) => existing.column('sid').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!account) throw invalidParameter('Sid', `Account ${sid} exists already.`)
    await audit(trx, { action: 'account.create', account_sid: sid, resource_sid: sid })
    return { account, auth_token }
  })
}

export const findAccount = (store: Store, sid: string) =>
  store.db.selectFrom('accounts').selectAll().where('sid', '=', sid).executeTakeFirst()

export const listAccounts = (store: Store) =>
  store.db
    .selectFrom('accounts as a')
    .leftJoin('key_uses as u', 'u.sid', 'a.sid')
    .selectAll('a')
    .select(['u.date_last_used', 'u.address'])
    .orderBy('a.sid')
    .execute()

export type UsedAccount = Account & { date_last_used: Date | null }

const usedAccounts = ({ db }: Store) =>
  db
    .selectFrom('accounts')
    .selectAll()
    .select((row) =>
      row
        .selectFrom('key_uses')
        .select('date_last_used')
        .whereRef('key_uses.sid', '=', 'accounts.sid')
        .as('date_last_used'),
    )

/** Of all accounts, or the one that is named. */
export async function pageOfAccounts(store: Store, only: string | null, page: PageRequest): Promise<Page<UsedAccount>> {
  const query = only === null ? usedAccounts(store) : usedAccounts(store).where('sid', '=', only)
  return await readPage(query, 'sid', page)
}

export const findUsedAccount = (store: Store, sid: string): Promise<UsedAccount | undefined> =>
  usedAccounts(store).where('sid', '=', sid).executeTakeFirst()

export const hasAccounts = async (store: Store) =>
  (await store.db.selectFrom('accounts').select('sid').limit(1).executeTakeFirst()) !== undefined

/** The token that signs this account's callbacks. */
export async function authTokenOf(store: Store, account_sid: string): Promise<string> {
  const account = await store.db
    .selectFrom('accounts')
    .select('auth_token_sealed')
    .where('sid', '=', account_sid)
    .executeTakeFirstOrThrow()
  return store.keys.open(`${account_sid}/auth_token`, account.auth_token_sealed)
}

const TOKENS_KEPT = 10_000

/** Opens tokens that were read together with something else, and keeps the last of each account. */
export function createTokenOpener(store: Store) {
  const kept = new Map<string, { sealed: Buffer; token: string }>()
  return (account_sid: string, sealed: Buffer): string => {
    const known = kept.get(account_sid)
    if (known?.sealed.equals(sealed)) return known.token
    const token = store.keys.open(`${account_sid}/auth_token`, sealed)
    if (kept.size >= TOKENS_KEPT) kept.clear()
    kept.set(account_sid, { sealed, token })
    return token
  }
}

export const renameAccount = (store: Store, sid: string, friendly_name: string): Promise<void> =>
  inTransaction(store, async (trx) => {
    await trx.db
      .updateTable('accounts')
      .set({ friendly_name, date_updated: new Date() })
      .where('sid', '=', sid)
      .execute()
    await audit(trx, { action: 'account.rename', account_sid: sid, resource_sid: sid })
  })

/** Gives an account another auth token. Callbacks are signed with it from now on. */
export async function setAuthToken(store: Store, sid: string, auth_token: string): Promise<void> {
  await inTransaction(store, async (trx) => {
    const { numUpdatedRows } = await trx.db
      .updateTable('accounts')
      .set({
        auth_token_sealed: store.keys.seal(`${sid}/auth_token`, auth_token),
        auth_token_digest: store.keys.digest(auth_token),
      })
      .where('sid', '=', sid)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) await audit(trx, { action: 'account.set-token', account_sid: sid, resource_sid: sid })
  })
}

/** Refuses all that an account asks and all that comes in to its numbers, or no longer. False when it is so already. */
export async function setAccountStatus(store: Store, sid: string, status: Account['status']): Promise<boolean> {
  return await inTransaction(store, async (inside) => {
    const changed = await inside.db
      .updateTable('accounts')
      .set({ status, date_updated: new Date() })
      .where('sid', '=', sid)
      .where('status', '<>', status)
      .executeTakeFirst()
    if (changed.numUpdatedRows === 0n) return false
    const action = status === 'suspended' ? 'account.suspend' : 'account.resume'
    await audit(inside, { action, account_sid: sid, resource_sid: sid })
    return true
  })
}

/** Whose request it is, by which credentials, those of the account itself or a key, and what these may do. */
export type Caller = {
  account_sid: string
  account_status: Account['status']
  kind: Actor['kind']
  sid: string
  scopes: Scopes
  /** A user of all accounts, who works for this one at the moment. */
  is_of_all?: boolean
  /** What they may let others do, where that is more: an admin makes keys for applications, which have to see people. */
  gives?: Scopes
}

/** A revoked key or a changed token is refused everywhere within this time. */
const CREDENTIALS_CACHED_MS = 5_000
const CREDENTIALS_CACHED = 10_000

/**
 * Checks Basic credentials: account SID and either of its auth tokens, or API key SID and secret. An unknown name costs what
 * a wrong secret does. What the database said of a name is kept for a few seconds, so that a busy caller costs one digest.
 */
export function createAuthenticator(store: Store, now: () => number = Date.now) {
  const cache = new Map<string, { known: Known; until: number }>()
  const nobody = store.keys.digest(randomBytes(16).toString('hex'))

  return async function authenticate(username: string, password: string): Promise<Caller | undefined> {
    let cached = cache.get(username)
    if (!cached || cached.until <= now()) {
      if (cache.size >= CREDENTIALS_CACHED) cache.clear()
      cached = { known: await findCredentials(store, username, nobody), until: now() + CREDENTIALS_CACHED_MS }
      cache.set(username, cached)
    }
    const { caller, digests } = cached.known
    const digest = store.keys.digest(password)
    // Each of them is compared, whichever fits, and also for a name that nobody has.
    return digests.map((known) => timingSafeEqual(digest, known)).includes(true) ? caller : undefined
  }
}

type Known = { caller: Caller; digests: [Buffer, Buffer] }

/**
 * For a name that nobody has, the one before it is read, and a row of the same size comes back with digests that nothing fits:
 * a row that is found can be told from none by the time it takes.
 */
async function findCredentials(store: Store, username: string, nobody: Buffer): Promise<Known> {
  type Row = { sid: string; status: Account['status']; first: Buffer; second: Buffer; type: KeyType; scopes: string[] }
  const asked = sql`(select ${username}::text as name, ${nobody}::bytea as digest) asked`
  const isKey = isSid('SK', username)
  const found = isKey
    ? sql<Row>`
        select case when fits then a.sid else asked.name end as sid, coalesce(a.status, 'suspended') as status,
          case when fits then k.secret_digest else asked.digest end as first, asked.digest as second,
          coalesce(k.type, 'restricted') as type, coalesce(k.scopes, '{}') as scopes
        from ${asked}
        left join lateral (select *, sid = asked.name and date_revoked is null as fits from api_keys
          where sid <= asked.name order by sid desc limit 1) k on true
        left join accounts a on a.sid = k.account_sid`
    : sql<Row>`
        select asked.name as sid, coalesce(a.status, 'suspended') as status,
          case when fits then a.auth_token_digest else asked.digest end as first,
          coalesce(case when fits then a.secondary_auth_token_digest end, asked.digest) as second,
          'main' as type, '{}'::text[] as scopes
        from ${asked}
        left join lateral (select *, sid = asked.name as fits from accounts
          where sid <= asked.name order by sid desc limit 1) a on true`
  const [row] = (await found.execute(store.db)).rows
  assert(row)
  const known: Caller = {
    account_sid: row.sid,
    account_status: row.status,
    kind: isKey ? 'api-key' : 'account',
    sid: username,
    scopes: isKey ? scopesOf(row) : ALL_SCOPES,
  }
  return { caller: known, digests: [row.first, row.second] }
}
