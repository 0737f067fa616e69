import { sql } from 'kysely'
import type { Account } from '../db/schema.ts'
import type { User } from '../db/user-schema.ts'
import type { Caller } from './accounts.ts'
import { ALL_SCOPES, scopesOfRole } from './scopes.ts'
import { newToken } from './sign-in-links.ts'
import { inTransaction, type Store } from './store.ts'
import { auditUser } from './users.ts'

/**
 * What follows from a sign-in to the console. A session stands in the database by the digest of its token, ends by the
 * database's clock, and is kept in memory for some seconds, so that most requests cost no statement.
 */
export type UserSession = {
  token_digest: Buffer
  user: Pick<User, 'sid' | 'name' | 'role' | 'account_sid'> & { has_totp: boolean; has_password: boolean }
  account: Pick<Account, 'sid' | 'friendly_name' | 'status'>
  is_by_link: boolean
  date_idle_expiry: Date
  date_expiry: Date
}

export type UserSessions = {
  /** With `use` it is put down that it is used, so that it does not end for want of that. */
  find(token: string, purpose: 'use' | 'look'): Promise<UserSession | undefined>
  /** Begins one in the place of another; returns its token, which is kept nowhere. Undefined when there is no account. */
  begin(store: Store, user: User, how: Beginning): Promise<string | undefined>
  end(store: Store, session: UserSession): Promise<void>
  /** Something of it was changed here: it is read again when it is asked for. */
  forget(session: UserSession): void
}

export type Beginning = { by: 'password' | 'link'; origin: string; instead_of?: UserSession | undefined }

/** Who signed out elsewhere, or may do something else, is noticed here within this time. */
const CACHED_MS = 5_000
const MOST_CACHED = 10_000
/** That it is used is written down so often, no more. */
const USE_WRITTEN_MS = 60_000

type Cached = { session: UserSession; until: number; write_at: number }

export function createUserSessions(
  store: Store,
  { idle_s, absolute_s }: { idle_s: number; absolute_s: number },
  now: () => number = Date.now,
): UserSessions {
  const cache = new Map<string, Cached>()
  const read = async (key: string, digest: Buffer): Promise<Cached | undefined> => {
    const found = await readSession(store, digest, idle_s)
    if (!found) return undefined
    const { left_ms, unused_ms, session } = found
    const entry = { session, until: now() + Math.min(CACHED_MS, left_ms), write_at: now() + USE_WRITTEN_MS - unused_ms }
    if (cache.size >= MOST_CACHED) cache.clear()
    cache.set(key, entry)
    return entry
  }
  const keyOf = (digest: Buffer) => digest.toString('base64')
  const forget = ({ token_digest }: UserSession) => void cache.delete(keyOf(token_digest))
  return {
    forget,
    async find(token, purpose) {
      const digest = store.keys.digest(token)
      const key = keyOf(digest)
      let entry = cache.get(key)
      if (!entry || entry.until <= now()) {
        cache.delete(key)
        entry = await read(key, digest)
      }
      if (purpose === 'use' && entry && entry.write_at <= now()) {
        entry.write_at = now() + USE_WRITTEN_MS
        await writeUse(store, digest)
      }
      return entry?.session
    },
    async begin(given, user, { by, origin, instead_of }) {
      const token = newToken()
      const isMade = await inTransaction(given, async (trx) => {
        if (instead_of) await deleteSession(trx, instead_of)
        const account_sid = user.account_sid ?? (await firstAccount(trx))
        if (!account_sid) return false
        await trx.db
          .insertInto('user_sessions')
          .values({
            ...{ user_sid: user.sid, account_sid, origin },
            token_digest: store.keys.digest(token),
            is_by_link: by === 'link',
            date_expiry: sql`now() + make_interval(secs => ${absolute_s})`,
          })
          .execute()
        await auditUser(trx, 'user.sign-in', user, { by })
        return true
      })
      if (instead_of) forget(instead_of)
      return isMade ? token : undefined
    },
    async end(given, session) {
      await inTransaction(given, async (trx) => {
        await deleteSession(trx, session)
        await auditUser(trx, 'user.sign-out', session.user)
      })
      forget(session)
    },
  }
}

const deleteSession = ({ db }: Store, { token_digest }: UserSession) =>
  db.deleteFrom('user_sessions').where('token_digest', '=', token_digest).execute()

const firstAccount = async ({ db }: Store) =>
  (await db.selectFrom('accounts').select('sid').orderBy('sid').limit(1).executeTakeFirst())?.sid

async function writeUse({ db }: Store, token_digest: Buffer): Promise<void> {
  await sql`update user_sessions set date_last_used = now() where token_digest = ${token_digest}
            and date_last_used < now() - make_interval(secs => ${USE_WRITTEN_MS / 1000 - 1})`.execute(db)
}

/** For users of all accounts: this is the one they work for from now on. False when there is no such account. */
export async function switchAccount(
  { db }: Store,
  { token_digest }: UserSession,
  account_sid: string,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update user_sessions set account_sid = accounts.sid from accounts
    where token_digest = ${token_digest} and accounts.sid = ${account_sid}`.execute(db)
  return numAffectedRows === 1n
}

/** What is over, for good. */
export async function forgetEndedSessions({ db }: Store): Promise<void> {
  await sql`delete from user_sessions where date_expiry < now()`.execute(db)
  await sql`delete from sign_in_links where date_expiry < now()`.execute(db)
}

type Row = Pick<User, 'name' | 'role'> & {
  user_sid: string
  of_account: string | null
  has_totp: boolean
  has_password: boolean
  account_sid: string
  friendly_name: string
  status: Account['status']
  is_by_link: boolean
  date_idle_expiry: Date
  date_expiry: Date
  left_ms: number
  unused_ms: number
}

async function readSession({ db }: Store, token_digest: Buffer, idle_s: number) {
  const { rows } = await sql<Row>`
    select u.sid as user_sid, u.name, u.role, u.account_sid as of_account, u.totp_sealed is not null as has_totp,
           u.password_hash is not null as has_password, s.account_sid, a.friendly_name, a.status, s.is_by_link,
           idle.ends as date_idle_expiry, s.date_expiry,
           extract(epoch from least(s.date_expiry, idle.ends) - now())::float8 * 1000 as left_ms,
           extract(epoch from now() - s.date_last_used)::float8 * 1000 as unused_ms
    from user_sessions s
    join users u on u.sid = s.user_sid
    cross join lateral (select friendly_name, status from accounts where sid = s.account_sid limit 1) a
    cross join lateral (select s.date_last_used + make_interval(secs => ${idle_s}) as ends) idle
    where s.token_digest = ${token_digest} and s.date_expiry > now() and idle.ends > now() and not u.is_disabled`.execute(
    db,
  )
  const [row] = rows
  if (!row) return undefined
  const { name, role, of_account, has_totp, has_password, friendly_name, status } = row
  const session: UserSession = {
    token_digest,
    user: { sid: row.user_sid, name, role, account_sid: of_account, has_totp, has_password },
    account: { sid: row.account_sid, friendly_name, status },
    is_by_link: row.is_by_link,
    date_idle_expiry: row.date_idle_expiry,
    date_expiry: row.date_expiry,
  }
  return { session, left_ms: row.left_ms, unused_ms: row.unused_ms }
}

/** What a session may do, in the account it works for. */
export const callerOfSession = ({ user, account }: UserSession): Caller => ({
  account_sid: account.sid,
  account_status: account.status,
  kind: 'user',
  sid: user.sid,
  scopes: scopesOfRole(user),
  is_of_all: user.account_sid === null,
  ...(user.role === 'admin' && { gives: ALL_SCOPES }),
})
