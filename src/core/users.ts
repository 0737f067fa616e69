import { sql } from 'kysely'
import type { Role, User } from '../db/user-schema.ts'
import { audit } from './audit.ts'
import { invalidParameter } from './errors.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/** People who use the console, of one account or, without one, of all. They sign in by name, so one name is one person. */
export type NewUser = { name: string; role: Role; account_sid: string | null }
export type ListedUser = User & { date_last_used: Date | null }

export const MAX_NAME = 64

/** Throws 80701 when somebody has the name. */
export async function createUser(store: Store, { name, ...user }: NewUser): Promise<User> {
  return await inTransaction(store, async (trx) => {
    const made = await trx.db
      .insertInto('users')
      .values({ ...user, name: readName(name), sid: newSid('US') })
      .onConflict((same) => same.doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!made) throw invalidParameter('Name', 'Somebody has it already: add what tells them apart.')
    await auditUser(trx, 'user.create', made, { role: made.role })
    return made
  })
}

function readName(name: string): string {
  const read = name.normalize('NFC').trim()
  if (/^[^\p{C}]{1,64}$/u.test(read)) return read
  throw invalidParameter('Name', `Give 1 to ${MAX_NAME} letters and other signs.`)
}

const listed = ({ db }: Store) =>
  db
    .selectFrom('users')
    .selectAll()
    .select((row) =>
      row
        .selectFrom('key_uses')
        .select('date_last_used')
        .whereRef('key_uses.sid', '=', 'users.sid')
        .as('date_last_used'),
    )

export const listUsers = (store: Store): Promise<ListedUser[]> => listed(store).orderBy('sid').execute()

export const hasUsers = async ({ db }: Store) =>
  (await db.selectFrom('users').select('sid').limit(1).executeTakeFirst()) !== undefined

/** Of one account, or all there are. */
export async function pageOfUsers(
  store: Store,
  account_sid: string | null,
  page: PageRequest,
): Promise<Page<ListedUser>> {
  const query = account_sid === null ? listed(store) : listed(store).where('account_sid', '=', account_sid)
  return await readPage(query, 'sid', page)
}

export const findUser = (store: Store, sid: string): Promise<ListedUser | undefined> =>
  listed(store).where('sid', '=', sid).executeTakeFirst()

export const findUserByName = ({ db }: Store, name: string): Promise<User | undefined> =>
  db
    .selectFrom('users')
    .selectAll()
    .where(sql<boolean>`lower(name) = lower(${name.normalize('NFC').trim()})`)
    .executeTakeFirst()

/** Of those who are still there. */
export async function namesOfUsers({ db }: Store, sids: string[]): Promise<Map<string, string>> {
  if (sids.length === 0) return new Map()
  const found = await db.selectFrom('users').select(['sid', 'name']).where('sid', 'in', sids).execute()
  return new Map(found.map(({ sid, name }) => [sid, name]))
}

/** Whether somebody of this name came from there last. */
export async function isKnownAddress({ db }: Store, name: string, address: string): Promise<boolean> {
  const found = await db
    .selectFrom('users')
    .innerJoin('key_uses as used', 'used.sid', 'users.sid')
    .select('users.sid')
    .where(sql<boolean>`lower(users.name) = lower(${name.normalize('NFC').trim()})`)
    .where('used.address', '=', address)
    .executeTakeFirst()
  return found !== undefined
}

export type UserChanges = {
  role?: Role | undefined
  is_disabled?: boolean | undefined
  reset_totp?: boolean | undefined
}

/** What a user may do, or whether they may come in at all. Their sessions end. Undefined when they are gone. */
export async function updateUser(store: Store, sid: string, changes: UserChanges): Promise<User | undefined> {
  const { role, is_disabled, reset_totp } = changes
  return await inTransaction(store, async (trx) => {
    const set = {
      ...(role && { role }),
      ...(is_disabled !== undefined && { is_disabled }),
      ...(reset_totp && { totp_sealed: null, totp_step: null }),
    }
    const fields = Object.keys(set).filter((name) => name !== 'totp_step')
    if (fields.length === 0) return await findUser(trx, sid)
    const changed = await trx.db
      .updateTable('users')
      .set({ ...set, date_updated: sql`now()` })
      .where('sid', '=', sid)
      .returningAll()
      .executeTakeFirst()
    if (!changed) return undefined
    await endSessionsOf(trx, sid)
    await auditUser(trx, 'user.update', changed, {
      fields: fields.sort().join(' '),
      role: changed.role,
      is_disabled: changed.is_disabled,
    })
    return changed
  })
}

/** False when they are gone already. */
export async function deleteUser(store: Store, sid: string): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    const gone = await trx.db.deleteFrom('users').where('sid', '=', sid).returningAll().executeTakeFirst()
    if (gone) await auditUser(trx, 'user.delete', gone)
    return gone !== undefined
  })
}

/** Their sessions, but for the one that goes on. Servers notice within seconds. */
export async function endSessionsOf({ db }: Store, user_sid: string, kept: Buffer = Buffer.alloc(0)): Promise<void> {
  await db.deleteFrom('user_sessions').where('user_sid', '=', user_sid).where('token_digest', '<>', kept).execute()
}

export const auditUser = (
  store: Store,
  action: string,
  { sid, account_sid }: Pick<User, 'sid' | 'account_sid'>,
  details?: Record<string, string | boolean>,
) => audit(store, { action, account_sid: account_sid ?? undefined, resource_sid: sid, ...(details && { details }) })
