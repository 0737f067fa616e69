import { sql } from 'kysely'
import type { User } from '../db/user-schema.ts'
import { invalidParameter } from './errors.ts'
import { type Passwords, requireGoodPassword } from './passwords.ts'
import { endLinksOf } from './sign-in-links.ts'
import { inTransaction, type Store } from './store.ts'
import { takeTotp, totpPlace, totpStep } from './totp.ts'
import type { UserSession } from './user-sessions.ts'
import { auditUser, endSessionsOf, findUserByName } from './users.ts'

/** What users sign in by. */
export type Given = { name: string; password: string; totp: string | undefined }

/** Whoever it is. Undefined for a wrong name as for a wrong password or code, in the same time. */
export async function findByPassword(store: Store, passwords: Passwords, given: Given): Promise<User | undefined> {
  const user = await findUserByName(store, given.name)
  const fits = await passwords.verify(user?.password_hash ?? null, given.password)
  if (!user || !fits || user.is_disabled) return undefined
  if (user.totp_sealed && !(await takeTotp(store, user, given.totp ?? ''))) return undefined
  return user
}

/** Every other session of the user ends, and every link. Throws 80701 for a password that is easily guessed. */
export async function setPassword(store: Store, passwords: Passwords, session: UserSession, password: string) {
  const { user } = session
  requireGoodPassword(password, user.name)
  const password_hash = await passwords.hash(password)
  await inTransaction(store, async (trx) => {
    await trx.db
      .updateTable('users')
      .set({ password_hash, date_updated: sql`now()` })
      .where('sid', '=', user.sid)
      .execute()
    await trx.db
      .updateTable('user_sessions')
      .set({ is_by_link: false })
      .where('token_digest', '=', session.token_digest)
      .execute()
    await endSessionsOf(trx, user.sid, session.token_digest)
    await endLinksOf(trx, user.sid)
    await auditUser(trx, 'user.set-password', user)
  })
}

/** From now on a code is asked for, too. The first one shows that the app has the secret. Throws 80701. */
export async function setTotp(store: Store, session: UserSession, given: { secret: string; code: string }) {
  const { user } = session
  const step = totpStep(given.secret, given.code)
  if (step === undefined) throw invalidParameter('Totp', 'It is not the code of the moment.')
  await inTransaction(store, async (trx) => {
    const set = await trx.db
      .updateTable('users')
      .set({
        totp_sealed: store.keys.seal(totpPlace(user.sid), given.secret),
        totp_step: String(step),
        date_updated: sql`now()`,
      })
      .where('sid', '=', user.sid)
      .where('totp_sealed', 'is', null)
      .executeTakeFirst()
    // Or a session that was left open would be enough to put another app in the place of this one.
    if (set.numUpdatedRows === 0n) throw invalidParameter('Totp', 'Codes are asked for already: take that off first.')
    await endSessionsOf(trx, user.sid, session.token_digest)
    await auditUser(trx, 'user.set-totp', user)
  })
}

/** No code is asked for any more. False when the one that is given is wrong. */
export async function removeTotp(store: Store, session: UserSession, code: string): Promise<boolean> {
  const { user } = session
  return await inTransaction(store, async (trx) => {
    const known = await trx.db.selectFrom('users').selectAll().where('sid', '=', user.sid).executeTakeFirst()
    if (!known || !(await takeTotp(trx, known, code))) return false
    const none = { totp_sealed: null, totp_step: null }
    await trx.db
      .updateTable('users')
      .set({ ...none, date_updated: sql`now()` })
      .where('sid', '=', user.sid)
      .execute()
    await endSessionsOf(trx, user.sid, session.token_digest)
    await auditUser(trx, 'user.remove-totp', user)
    return true
  })
}

/** Whether it is the user's password. */
export async function isPassword(store: Store, passwords: Passwords, user_sid: string, password: string) {
  const known = await store.db
    .selectFrom('users')
    .select('password_hash')
    .where('sid', '=', user_sid)
    .executeTakeFirst()
  return await passwords.verify(known?.password_hash ?? null, password)
}
