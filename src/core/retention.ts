import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { audit } from './audit.ts'
import { forgetPairs } from './cool-down.ts'
import { byService, deleteBelongings } from './erase.ts'
import { keepingAccounts } from './kept-days.ts'
import { heldInteraction } from './legal-hold.ts'
import { inTransaction, type Store } from './store.ts'

const BATCH = 1000
/** A client that repeats a request later than this is not retrying it. */
const IDEMPOTENCY_KEYS_KEPT = '24 hours'

/** Carriers repeat an event for a day at most; that a deleted one came is remembered for longer than that. */
const REPEATS_END = '7 days'

/** Far longer than any server counts them. */
const COUNTS_KEPT = '1 minute'

/** No callback waits for an endpoint for so long. */
const ENDPOINTS_KEPT = '7 days'

/** What no session owns, and what of it is over: messages of strangers first, with what hangs on them. */
const OWNERLESS: {
  table: 'interactions' | 'callbacks' | 'callback_attempts' | 'events'
  isOver: RawBuilder<SqlBool>
}[] = [
  {
    table: 'interactions',
    isOver: sql`session_sid is null and due_at is null and not ${heldInteraction('interactions')}`,
  },
  { table: 'callbacks', isOver: sql`due_at is null` },
  { table: 'callback_attempts', isOver: sql`true` },
  { table: 'events', isOver: sql`true` },
]

/**
 * Deletes what no session owns once it is as old as closed sessions of its account may get: events, attempts, messages of
 * strangers. Returns how many rows of these it found, which is a batch of each at most.
 */
export async function purgeOldRecords(store: Store): Promise<number> {
  const { db } = store
  await sql`delete from idempotency_keys where date_created < now() - ${IDEMPOTENCY_KEYS_KEPT}::interval`.execute(db)
  await sql`delete from interactions where outcome = 'deleted' and session_sid is null
            and date_created < now() - ${REPEATS_END}::interval`.execute(db)
  await sql`delete from request_counts where date_told < now() - ${COUNTS_KEPT}::interval`.execute(db)
  await sql`delete from callback_endpoints where date_updated < now() - ${ENDPOINTS_KEPT}::interval`.execute(db)
  await forgetPairs(store)
  const found = new Map(OWNERLESS.map(({ table }) => [table, 0]))
  for await (const accounts of keepingAccounts(store)) {
    for (const { table, isOver } of OWNERLESS) {
      const room = BATCH - (found.get(table) ?? 0)
      if (room <= 0) continue
      const { rows } = await sql<{ service_sid: string; sid: string }>`
        select old.service_sid, old.sid from ${accounts}, lateral (
          select service_sid, sid from ${sql.table(table)}
          where account_sid = a.sid and ${isOver} and date_created < now() - make_interval(days => a.days)
          order by date_created limit ${BATCH}) old
        limit ${room}`.execute(db)
      for (const [service_sid, sids] of byService(rows)) await deleteRows(store, table, service_sid, sids)
      found.set(table, BATCH - room + rows.length)
    }
  }
  return Math.max(...found.values())
}

const deleteRows = (store: Store, table: (typeof OWNERLESS)[number]['table'], service_sid: string, sids: string[]) =>
  inTransaction(store, async (trx) => {
    const { db } = trx
    await db.deleteFrom(table).where('service_sid', '=', service_sid).where('sid', 'in', sids).execute()
    const gone = sids.map((sid) => ({ sid }))
    if (table === 'interactions') await deleteBelongings(db, service_sid, gone)
    await audit(trx, { action: 'records.purge', service_sid, details: { [table]: sids.length } })
  })
