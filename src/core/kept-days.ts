import { sql } from 'kysely'
import type { Account } from '../db/schema.ts'
import { findAccount } from './accounts.ts'
import { audit } from './audit.ts'
import { inTransaction, type Store } from './store.ts'

/** How long an account keeps closed sessions and all else that is purged by age, and how long the texts in it. */

const PAGE = 500

/** The days that hold: those of the account, else the deployment's. 0 is for ever. */
export const keptDays = ({ rules }: Pick<Store, 'rules'>, account: Pick<Account, 'retention_days'>) =>
  account.retention_days ?? rules.retention_days

/** The accounts that keep nothing for ever and are under no hold, each a row `a` with `sid` and `days`, some at a time. */
export async function* keepingAccounts({ db, rules }: Store) {
  for (let after = ''; ; ) {
    const { rows } = await sql<{ sid: string; days: number; is_held: boolean }>`
      select sid, coalesce(retention_days, ${rules.retention_days}::int) as days,
             exists (select from legal_holds h where h.account_sid = accounts.sid and h.identifier_hash = '') as is_held
      from accounts where sid > ${after} order by sid limit ${PAGE}`.execute(db)
    const due = rows.filter(({ days, is_held }) => days > 0 && !is_held)
    const [sids, days] = [due.map(({ sid }) => sid), due.map((account) => account.days)]
    if (due.length > 0) yield sql`unnest(${sids}::text[], ${days}::int[]) as a (sid, days)`
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return
    after = last.sid
  }
}

export type KeptDays = { retention_days?: number | null | undefined; body_retention_days?: number | null | undefined }

/** Changes what is given; null is the deployment's number of days, or as long as the session. Undefined without account. */
export async function setKeptDays(store: Store, account_sid: string, days: KeptDays): Promise<Account | undefined> {
  const changes = Object.fromEntries(Object.entries(days).filter(([, value]) => value !== undefined))
  if (Object.keys(changes).length === 0) return await findAccount(store, account_sid)
  return await inTransaction(store, async (trx) => {
    const account = await trx.db
      .updateTable('accounts')
      .set({ ...changes, date_updated: sql`now()` })
      .where('sid', '=', account_sid)
      .returningAll()
      .executeTakeFirst()
    if (!account) return undefined
    const { retention_days, body_retention_days } = account
    const details = { retention_days, body_retention_days }
    await audit(trx, { action: 'account.retention', account_sid, resource_sid: account_sid, details })
    return account
  })
}
