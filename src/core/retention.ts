import { sql } from 'kysely'
import { audit } from './audit.ts'
import { forgetPairs } from './cool-down.ts'
import { deleteBelongings } from './erase.ts'
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

/** Deletes what no session owns once it is as old as closed sessions may get: events, attempts, messages of strangers. */
export async function purgeOldRecords(store: Store): Promise<void> {
  const { db } = store
  await sql`delete from idempotency_keys where date_created < now() - ${IDEMPOTENCY_KEYS_KEPT}::interval`.execute(db)
  await sql`delete from interactions where outcome = 'deleted' and session_sid is null
            and date_created < now() - ${REPEATS_END}::interval`.execute(db)
  await sql`delete from request_counts where date_told < now() - ${COUNTS_KEPT}::interval`.execute(db)
  await sql`delete from callback_endpoints where date_updated < now() - ${ENDPOINTS_KEPT}::interval`.execute(db)
  await forgetPairs(store)
  const { retention_days } = store.rules
  if (retention_days === 0) return
  const old = sql<Date>`now() - make_interval(days => ${retention_days})`
  const strangers = await db
    .selectFrom('interactions')
    .select(['account_sid', 'service_sid', 'sid'])
    .where('session_sid', 'is', null)
    .where('due_at', 'is', null)
    .where('date_created', '<', old)
    .limit(BATCH)
    .execute()
  for (const { account_sid, service_sid, sid } of strangers) {
    await inTransaction(store, async (trx) => {
      const { db } = trx
      await db.deleteFrom('interactions').where('service_sid', '=', service_sid).where('sid', '=', sid).execute()
      await deleteBelongings(db, service_sid, [{ sid }])
      await audit(trx, { action: 'interaction.delete', account_sid, service_sid, resource_sid: sid })
    })
  }
  await inTransaction(store, async (trx) => {
    const isOld = trx.db.deleteFrom('callbacks').where('due_at', 'is', null).where('date_created', '<', old)
    const details = { callbacks: await howMany(isOld), callback_attempts: 0, events: 0 }
    for (const table of ['callback_attempts', 'events'] as const) {
      details[table] = await howMany(trx.db.deleteFrom(table).where('date_created', '<', old))
    }
    if (Object.values(details).some((many) => many > 0)) await audit(trx, { action: 'records.purge', details })
  })
}

const howMany = async (deletion: { executeTakeFirst(): Promise<{ numDeletedRows: bigint }> }) =>
  Number((await deletion.executeTakeFirst()).numDeletedRows)
