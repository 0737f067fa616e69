import { type SqlBool, sql } from 'kysely'
import type { Store } from './store.ts'

type Session = { service_sid: string; session_sid: string; sid?: string }
type Erased = Session | { service_sid: string; sids: string[] }

/**
 * Deletes a session's interactions, one of them, or some that have no session, with all that hangs on them. Of what a
 * carrier brought there remains that it came, without a word of what it was: carriers repeat events, and a repeat must not
 * count as new, least of all when somebody else has the pair by then. Returns how many there were.
 */
export async function eraseInteractions(db: Store['db'], what: Erased): Promise<number> {
  const remembered = await db
    .updateTable('interactions')
    .set({
      session_sid: null,
      outcome: 'deleted',
      data_sealed: null,
      sender_sealed: null,
      sender_hash: null,
      recipient_sealed: null,
      recipient_hash: null,
      geography: null,
      sent_data_sealed: null,
      content_found: null,
      num_media: 0,
      inbound_participant_sid: null,
      inbound_resource_sid: null,
      outbound_participant_sid: null,
      outbound_resource_sid: null,
      outbound_number: null,
      duration_s: null,
      answered_at: null,
      is_recorded: false,
      error_code: null,
      leg_log: '',
      stage: null,
      due_at: null,
      date_updated: sql`now()`,
    })
    .where(these(what))
    .where('event_id', 'is not', null)
    .returning('sid')
    .execute()
  const gone = db.deleteFrom('interactions').where(these(what)).where('outcome', '!=', 'deleted')
  const deleted = await gone.returning('sid').execute()
  await deleteBelongings(db, what.service_sid, [...remembered, ...deleted])
  return remembered.length + deleted.length
}

function these(what: Erased) {
  const ofService = sql<SqlBool>`service_sid = ${what.service_sid}`
  if ('sids' in what) return sql<SqlBool>`${ofService} and session_sid is null and sid in (${sql.join(what.sids)})`
  const inSession = sql<SqlBool>`${ofService} and session_sid = ${what.session_sid}`
  return what.sid === undefined ? inSession : sql<SqlBool>`${inSession} and sid = ${what.sid}`
}

/** The SIDs of rows, by the service that owns them: what is deleted together. */
export function byService(rows: { service_sid: string; sid: string }[]): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { service_sid, sid } of rows) {
    const sids = found.get(service_sid) ?? []
    sids.push(sid)
    found.set(service_sid, sids)
  }
  return found
}

/** What hangs on interactions that are gone. */
export async function deleteBelongings(db: Store['db'], service_sid: string, interactions: { sid: string }[]) {
  if (interactions.length === 0) return
  const sids = interactions.map((interaction) => interaction.sid)
  for (const table of ['media', 'callbacks', 'callback_attempts'] as const) {
    await db.deleteFrom(table).where('service_sid', '=', service_sid).where('interaction_sid', 'in', sids).execute()
  }
  await markForDeletion(db, service_sid, sids)
}

/** What an application answered may repeat what it was told. */
export async function forgetResponses(db: Store['db'], service_sid: string, interaction_sids: string[]) {
  await db
    .updateTable('callback_attempts')
    .set({ response_sealed: null })
    .where('service_sid', '=', service_sid)
    .where('interaction_sid', 'in', interaction_sids)
    .where('response_sealed', 'is not', null)
    .execute()
}

/**
 * Recordings lie at the carrier. Of those whose interaction is gone, or their whole service, a row stays until the
 * carrier's copy is gone too (`jobs/sweep.ts`). To be called after the interactions' rows are changed or deleted: whoever
 * stores a recording holds its interaction's row, and one that came in meanwhile is found only then.
 */
export async function markForDeletion(db: Store['db'], service_sid: string, interaction_sids?: string[]) {
  await db
    .updateTable('recordings')
    .set({ delete_at: sql`now()` })
    .where('service_sid', '=', service_sid)
    .$if(interaction_sids !== undefined, (query) => query.where('interaction_sid', 'in', interaction_sids ?? []))
    .execute()
}
