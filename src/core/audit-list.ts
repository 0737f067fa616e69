import { sql } from 'kysely'
import type { AuditRow } from '../db/schema.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { sidAt } from './sid.ts'
import type { Store } from './store.ts'

export type AuditFilter = {
  action?: string | undefined
  resource_sid?: string | undefined
  actor_sid?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** SIDs begin with the time on the clock of a server, dates are the database's. */
const SKEW_MS = 3_600_000

function filtered(store: Store, { since, until, ...equal }: AuditFilter & { account_sid?: string | undefined }) {
  let query = store.db.selectFrom('audit_log').selectAll()
  for (const [name, value] of Object.entries(equal) as [keyof typeof equal, string | undefined][]) {
    if (value) query = query.where(name, '=', value)
  }
  if (since) query = query.where('sid', '>=', sidAt('AU', since.getTime() - SKEW_MS)).where('date_created', '>=', since)
  if (until) query = query.where('sid', '<', sidAt('AU', until.getTime() + SKEW_MS)).where('date_created', '<', until)
  return query
}

export async function listAuditLog(
  store: Store,
  account_sid: string,
  filter: AuditFilter,
  page: PageRequest,
): Promise<Page<AuditRow>> {
  return await readPage(filtered(store, { ...filter, account_sid }), 'sid', page)
}

/** The last so many, the oldest of them first; of all accounts unless one is named. */
export async function listNewest(
  store: Store,
  filter: AuditFilter & { account_sid?: string | undefined },
  limit: number,
): Promise<AuditRow[]> {
  const query = filtered(store, filter).limit(limit)
  const newest = filter.account_sid ? query.orderBy('sid', 'desc') : query.orderBy(sql`position desc nulls first`)
  return (await newest.execute()).reverse()
}

const PAGE = 1_000

/** Everything, in the order of the chain, and then what is not in it yet. */
export async function* readWholeLog(store: Store): AsyncGenerator<AuditRow> {
  // What waits is read first: it may be in the chain before we are at its end.
  const pending = store.db.selectFrom('audit_log').selectAll().where('position', 'is', null).orderBy('sid')
  const waiting = new Map((await pending.execute()).map((row) => [row.sid, row]))
  for (let after = '-1'; ; ) {
    const rows = await store.db
      .selectFrom('audit_entries')
      .selectAll()
      .where('position', '>', after)
      .orderBy('position')
      .limit(PAGE)
      .execute()
    for (const row of rows) {
      waiting.delete(row.sid)
      yield row
    }
    if (rows.length < PAGE) break
    after = rows.at(-1)?.position ?? after
  }
  yield* waiting.values()
}
