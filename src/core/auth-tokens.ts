import { randomBytes } from 'node:crypto'
import { audit } from './audit.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * An account changes its auth token as at the vendor: it is given a second one, which the REST API accepts beside the
 * first; when its clients use that and its applications know it, it is promoted, and the first one ends. Callbacks are
 * signed with the first, whichever that is at the moment.
 */
export const secondaryPlace = (sid: string) => `${sid}/secondary_auth_token`

/** One that was given, if it is long enough, else a new one. */
export function makeAuthToken(given?: string): string {
  const auth_token = given ?? randomBytes(16).toString('hex')
  if (auth_token.length < 16) throw new Error('An auth token has at least 16 characters')
  return auth_token
}

/** Returns the token, which is shown this once. Throws when there is one already. */
export async function createSecondaryToken(store: Store, sid: string, given?: string): Promise<string> {
  const auth_token = makeAuthToken(given)
  await inTransaction(store, async (inside) => {
    const made = await inside.db
      .updateTable('accounts')
      .set({
        secondary_auth_token_sealed: store.keys.seal(secondaryPlace(sid), auth_token),
        secondary_auth_token_digest: store.keys.digest(auth_token),
        date_updated: new Date(),
      })
      .where('sid', '=', sid)
      .where('secondary_auth_token_sealed', 'is', null)
      .executeTakeFirst()
    if (made.numUpdatedRows === 0n) throw new Error(`Account ${sid} has a secondary auth token: promote or delete it.`)
    await audit(inside, { action: 'auth-token.create-secondary', account_sid: sid, resource_sid: sid })
  })
  return auth_token
}

/** False when there was none. */
export async function deleteSecondaryToken(store: Store, sid: string): Promise<boolean> {
  return await inTransaction(store, async (inside) => {
    const deleted = await inside.db
      .updateTable('accounts')
      .set({ ...NONE, date_updated: new Date() })
      .where('sid', '=', sid)
      .where('secondary_auth_token_sealed', 'is not', null)
      .executeTakeFirst()
    if (deleted.numUpdatedRows === 0n) return false
    await audit(inside, { action: 'auth-token.delete-secondary', account_sid: sid, resource_sid: sid })
    return true
  })
}

/** The secondary token becomes the auth token, and the old one ends. False when there was none. */
export async function promoteSecondaryToken(store: Store, sid: string): Promise<boolean> {
  return await inTransaction(store, async (inside) => {
    const { db, keys } = inside
    const account = await db.selectFrom('accounts').selectAll().where('sid', '=', sid).forUpdate().executeTakeFirst()
    if (!account?.secondary_auth_token_sealed || !account.secondary_auth_token_digest) return false
    const auth_token = keys.open(secondaryPlace(sid), account.secondary_auth_token_sealed)
    await db
      .updateTable('accounts')
      .set({
        ...NONE,
        auth_token_sealed: keys.seal(`${sid}/auth_token`, auth_token),
        auth_token_digest: account.secondary_auth_token_digest,
        date_updated: new Date(),
      })
      .where('sid', '=', sid)
      .execute()
    await audit(inside, { action: 'auth-token.promote', account_sid: sid, resource_sid: sid })
    return true
  })
}

const NONE = { secondary_auth_token_sealed: null, secondary_auth_token_digest: null }
