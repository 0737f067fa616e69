import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { User } from '../db/user-schema.ts'
import { inTransaction, type Store } from './store.ts'
import { auditUser } from './users.ts'

/** A link signs in once, whoever has it, so it is handed over like a password. */
const LINK_VALID = '24 hours'

/** An address that signs this user in once; what was made before it for them ends. What follows a # is in no log. */
export async function createLink(store: Store, user: Pick<User, 'sid' | 'account_sid'>): Promise<string> {
  const token = newToken()
  await inTransaction(store, async (trx) => {
    await endLinksOf(trx, user.sid)
    await trx.db
      .insertInto('sign_in_links')
      .values({
        token_digest: store.keys.digest(token),
        user_sid: user.sid,
        date_expiry: sql`now() + ${LINK_VALID}::interval`,
      })
      .execute()
    await auditUser(trx, 'user.create-link', user)
  })
  return `${store.rules.public_url}/console/#link=${token}`
}

/** Whose link it is, the first time it is asked. */
export async function takeLink(store: Store, token: string): Promise<User | undefined> {
  const { rows } = await sql<User>`
    with taken as (
      update sign_in_links set date_used = now()
      where token_digest = ${store.keys.digest(token)} and date_used is null and date_expiry > now()
      returning user_sid
    )
    select users.* from users join taken on taken.user_sid = users.sid where not is_disabled`.execute(store.db)
  return rows[0]
}

export const endLinksOf = ({ db }: Store, user_sid: string) =>
  db.deleteFrom('sign_in_links').where('user_sid', '=', user_sid).execute()

/** 256 random bits. */
export const newToken = () => randomBytes(32).toString('base64url')
