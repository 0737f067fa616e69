import { sql } from 'kysely'
import { byService, forgetResponses, markForDeletion } from './erase.ts'
import { heldInteraction } from './legal-hold.ts'
import { sidAt } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * What people wrote goes before the session does where the account says so: text and attachments, and by days recordings
 * too. What remains is that something was sent. Rows of an account that keeps no bodies are marked when they are made
 * (`is_brief`), so that a small index has just those that are to go; by days, each service's rows are gone through once, in
 * the order of their SIDs, which is that of time.
 */
const BATCH = 1_000
const SERVICES = 500

/** Whether the account keeps bodies no longer than their delivery needs. */
export const isBrief = (account_sid: string) =>
  sql<boolean>`(select coalesce(body_retention_days = 0, false) from accounts where sid = ${account_sid})`

/**
 * Takes the bodies of what is over, of accounts that keep none. A carrier fetches an attachment after it took the message,
 * so one with attachments stays until its end is known, or `purgeBodies` comes by. Returns how many there were.
 */
export async function forgetBriefBodies(store: Store): Promise<number> {
  const { rows } = await sql<{ service_sid: string; sid: string }>`
    select service_sid, sid from interactions
    where is_brief and due_at is null and data_sealed is not null
      and (num_media = 0 or outbound_resource_status is null
           or outbound_resource_status in ('canceled', 'failed', 'undelivered', 'delivered'))
      and not ${heldInteraction('interactions')}
    order by date_created limit ${BATCH}`.execute(store.db)
  for (const [service_sid, sids] of byService(rows)) {
    await inTransaction(store, ({ db }) => forgetBodies(db, service_sid, sids))
  }
  return rows.length
}

/** Takes the bodies of interactions, and their attachments. One that is still due is left, to go when it is over. */
export async function forgetBodies(db: Store['db'], service_sid: string, sids: string[]): Promise<void> {
  if (sids.length === 0) return
  const changed = await db
    .updateTable('interactions')
    .set({
      data_sealed: sql`case when due_at is not null then data_sealed end`,
      sent_data_sealed: sql`case when due_at is not null then sent_data_sealed end`,
      is_brief: sql`due_at is not null`,
    })
    .where('service_sid', '=', service_sid)
    .where('sid', 'in', sids)
    .returning(['sid', 'is_brief'])
    .execute()
  const over = changed.filter((row) => !row.is_brief).map(({ sid }) => sid)
  if (over.length === 0) return
  await db.deleteFrom('media').where('service_sid', '=', service_sid).where('interaction_sid', 'in', over).execute()
  await forgetResponses(db, service_sid, over)
}

/** Goes through the bodies that are older than their account keeps them, one batch of each service. Returns how many rows it saw. */
export async function purgeBodies(store: Store, now = Date.now()): Promise<number> {
  let seen = 0
  for (let after = { account_sid: '', sid: '' }; ; ) {
    const { rows } = await sql<{ sid: string; account_sid: string; days: number; bodies_purged_to: string }>`
      select a.sid as account_sid, s.sid, s.bodies_purged_to, a.body_retention_days as days
      from accounts a join services s on s.account_sid = a.sid
      where a.body_retention_days is not null and a.sid >= ${after.account_sid}
        and (a.sid, s.sid) > (${after.account_sid}, ${after.sid})
        and not exists (select from legal_holds h where h.account_sid = a.sid and h.identifier_hash = '')
      order by a.sid, s.sid limit ${SERVICES}`.execute(store.db)
    for (const service of rows) {
      seen += await purgeServiceBodies(store, service, sidAt('KI', now - Math.max(1, service.days) * 86_400_000))
    }
    const last = rows.at(-1)
    if (!last || rows.length < SERVICES) return seen
    after = last
  }
}

async function purgeServiceBodies(store: Store, service: { sid: string; bodies_purged_to: string }, before: string) {
  return await inTransaction(store, async ({ db }) => {
    const rows = await db
      .selectFrom('interactions')
      .select('sid')
      .select(heldInteraction('interactions').as('is_held'))
      .where('service_sid', '=', service.sid)
      .where('sid', '>', service.bodies_purged_to)
      .where('sid', '<', before)
      .orderBy('sid')
      .limit(BATCH)
      .execute()
    const last = rows.at(-1)
    if (!last) return 0
    const sids = rows.filter(({ is_held }) => !is_held).map(({ sid }) => sid)
    await forgetBodies(db, service.sid, sids)
    if (sids.length > 0) await markForDeletion(db, service.sid, sids)
    await db.updateTable('services').set({ bodies_purged_to: last.sid }).where('sid', '=', service.sid).execute()
    return rows.length
  })
}
