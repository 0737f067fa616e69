import { type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Schema } from '../db/schema.ts'
import { audit } from './audit.ts'
import { ProxyError } from './errors.ts'
import { type Subject, subjectDetails } from './privacy/subject.ts'
import type { Store } from './store.ts'

/**
 * What is under legal hold is not deleted, by the API or by age, until the hold is lifted: an account with all it has, or
 * the sessions that a person was in, and what they sent outside of any.
 */
const WHOLE = Buffer.alloc(0)

/** The people of a session, as an array: of an `exists` the planner may make a reading of all participants. */
const peopleOf = (row: string, session: string) =>
  sql`array(select p.identifier_hash from participants p where p.service_sid = ${sql.ref(`${row}.service_sid`)}
    and p.session_sid = ${sql.ref(`${row}.${session}`)})`

/** Whether a row of `sessions` is held. */
export const heldSession = sql<SqlBool>`exists (select from legal_holds h where h.account_sid = sessions.account_sid
  and (h.identifier_hash = '' or h.identifier_hash = any(${peopleOf('sessions', 'sid')})))`

/** The same of a row of interactions, under the name it has in the statement. */
export const heldInteraction = (row: string) =>
  sql<SqlBool>`exists (select from legal_holds h where h.account_sid = ${sql.ref(`${row}.account_sid`)}
    and (h.identifier_hash in ('', ${sql.ref(`${row}.sender_hash`)}, ${sql.ref(`${row}.recipient_hash`)})
         or h.identifier_hash = any(${peopleOf(row, 'session_sid')})))`

/** Whether anything in a row of `services` is held. */
export const heldService = sql<SqlBool>`exists (select from legal_holds h where h.account_sid = services.account_sid
  and (h.identifier_hash = ''
       or exists (select from participants p where p.service_sid = services.sid and p.identifier_hash = h.identifier_hash)
       or exists (select from interactions i where i.service_sid = services.sid and i.sender_hash = h.identifier_hash)
       or exists (select from interactions i where i.service_sid = services.sid and i.recipient_sealed is not null
                  and i.recipient_hash = h.identifier_hash)))`

/** Throws 80615 when the query, of what is held, finds anything. */
export async function refuseHeld<Tables extends keyof Schema, Row>(
  held: SelectQueryBuilder<Schema, Tables, Row>,
): Promise<void> {
  if (await held.limit(1).executeTakeFirst()) throw new ProxyError(80615)
}

/** Throws 80615 when the account or the person is under hold. */
export async function refuseHeldSubject(store: Store, { account_sid, hashes }: Subject): Promise<void> {
  const holds = store.db.selectFrom('legal_holds').select('account_sid').where('account_sid', '=', account_sid)
  await refuseHeld(holds.where('identifier_hash', 'in', [WHOLE, ...hashes]))
}

export const isAccountHeld = async (store: Store, account_sid: string): Promise<boolean> =>
  (await store.db
    .selectFrom('legal_holds')
    .select('account_sid')
    .where('account_sid', '=', account_sid)
    .where('identifier_hash', '=', WHOLE)
    .executeTakeFirst()) !== undefined

/** Puts an account under legal hold, or one person in it, or lifts that. */
export async function setLegalHold(
  trx: Store,
  account_sid: string,
  whose: Subject | 'everybody',
  hold: 'on' | 'off',
): Promise<void> {
  const hashes = whose === 'everybody' ? [WHOLE] : whose.hashes
  if (hold === 'on') {
    const holds = hashes.map((identifier_hash) => ({ account_sid, identifier_hash }))
    await trx.db
      .insertInto('legal_holds')
      .values(holds)
      .onConflict((held) => held.doNothing())
      .execute()
  } else {
    const holds = trx.db.deleteFrom('legal_holds').where('account_sid', '=', account_sid)
    await holds.where('identifier_hash', 'in', hashes).execute()
    // What was passed over meanwhile is looked at once more.
    await trx.db.updateTable('services').set({ bodies_purged_to: '' }).where('account_sid', '=', account_sid).execute()
  }
  const details = whose === 'everybody' ? {} : subjectDetails(whose)
  await audit(trx, { action: `legal-hold.${hold}`, account_sid, resource_sid: account_sid, details })
}
