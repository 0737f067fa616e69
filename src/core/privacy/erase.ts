import { sql } from 'kysely'
import type { Session } from '../../db/schema.ts'
import { audit } from '../audit.ts'
import { maskLastFour } from '../e164.ts'
import { byService, eraseInteractions, forgetResponses, markForDeletion } from '../erase.ts'
import { refuseHeldSubject } from '../legal-hold.ts'
import { closeSession, isLive, lockSession } from '../session-state.ts'
import { inTransaction, type Store } from '../store.ts'
import {
  allOf,
  blockedRows,
  isTo,
  listInteractions,
  listNamingAnswers,
  listParticipants,
  listReceivedOutside,
  listSentOutside,
  type Place,
  pagesOf,
  releasedPairs,
} from './find.ts'
import { type Subject, subjectDetails } from './subject.ts'

/**
 * Erases a person from an account. Sessions they are in are closed first. Then the rows stay, as the bare fact that
 * somebody was in a session and something was said, and the person goes: number, blind index and name, what they wrote and
 * what was written to them, attachments, recordings, what cool-downs remember, and that they are blocked. Whoever is half erased is found again,
 * since the participant's own row comes last: after a crash it is asked for once more.
 */
export type ErasedCounts = {
  participants: number
  sessions_closed: number
  interactions: number
  strangers_messages: number
  released_pairs: number
  blocked_numbers: number
  kept_answers: number
}

const POOL_TROUBLE = [80206, 80208]

/** Throws 80404 for what is no identifier, 80615 when the account or the person is under legal hold. */
export async function erasePerson(store: Store, subject: Subject): Promise<ErasedCounts> {
  const { account_sid } = subject
  const about = { account_sid, resource_sid: account_sid }
  await refuseHeldSubject(store, subject)
  await audit(store, { action: 'privacy.erase', ...about, details: subjectDetails(subject) })
  const counts = noneErased()
  const participants = new Set<string>()
  for await (const place of allOf((after) => listParticipants(store, subject, after))) {
    participants.add(place.sid)
    await eraseParticipant(store, subject, place, counts)
  }
  await eraseOutside(store, subject, counts)
  await inTransaction(store, async (trx) => {
    await erasePairs(trx, subject, counts)
    await eraseBlocks(trx, subject, counts)
    await eraseAnswers(trx, subject, participants, counts)
    await eraseFromEvents(trx, subject)
    await audit(trx, { action: 'privacy.erased', ...about, details: { ...subjectDetails(subject), ...counts } })
  })
  return counts
}

/** What there is to erase, and nothing is. */
export async function countPerson(store: Store, subject: Subject): Promise<ErasedCounts> {
  const counts = noneErased()
  const participants = new Set<string>()
  for await (const { service_sid, session_sid, sid } of allOf((after) => listParticipants(store, subject, after))) {
    participants.add(sid)
    counts.participants++
    for await (const rows of pagesOf((after) => listInteractions(store, { service_sid, session_sid, sid }, after))) {
      counts.interactions += rows.length
    }
    const sessions = store.db.selectFrom('sessions').select('status').where('service_sid', '=', service_sid)
    const session = await sessions.where('sid', '=', session_sid).executeTakeFirst()
    if (session && session.status !== 'closed') counts.sessions_closed++
  }
  for await (const rows of pagesOf((after) => listSentOutside(store, subject, after))) {
    counts.strangers_messages += rows.length
  }
  for await (const row of allOf((after) => listReceivedOutside(store, subject, after))) {
    if (isTo(store, subject, row)) counts.strangers_messages++
  }
  counts.released_pairs = (await releasedPairs(store, subject, 'identifier').execute()).length
  counts.blocked_numbers = (await blockedRows(store, subject).execute()).length
  counts.kept_answers = (await listNamingAnswers(store, subject, participants)).length
  return counts
}

const noneErased = (): ErasedCounts => ({
  participants: 0,
  sessions_closed: 0,
  interactions: 0,
  strangers_messages: 0,
  released_pairs: 0,
  blocked_numbers: 0,
  kept_answers: 0,
})

async function eraseParticipant(store: Store, subject: Subject, place: Place, counts: ErasedCounts) {
  const { service_sid, session_sid } = place
  const close = async (trx: Store) => {
    const session = await lockSession(trx, service_sid, session_sid)
    if (!session) return false
    if (isLive(session)) {
      await closeSession(trx, session, 'api')
      counts.sessions_closed++
    }
    await renameAway(trx, subject, session)
    return true
  }
  const isThere = await inTransaction(store, close)
  if (!isThere) return
  for await (const rows of pagesOf((after) => listInteractions(store, place, after))) {
    await inTransaction(store, (trx) => emptyInteractions(trx, service_sid, rows))
    counts.interactions += rows.length
  }
  const erased = await inTransaction(store, async (trx) => {
    // Somebody may have opened it again meanwhile, and more may have been said.
    if (!(await close(trx))) return false
    for await (const rows of pagesOf((after) => listInteractions(trx, place, after))) {
      const rest = rows.filter((row) => row.data_sealed || row.sent_data_sealed || row.content_found || row.due_at)
      await emptyInteractions(trx, service_sid, rest)
    }
    await becomeNobody(trx, place)
    return true
  })
  if (erased) counts.participants++
}

/** A session that is named after them. */
async function renameAway(trx: Store, { identifiers }: Subject, session: Session) {
  const digits = identifiers[0]?.replace(/\D/g, '') ?? ''
  const name = session.unique_name?.replace(/\D/g, '') ?? ''
  if (digits.length < 7 || !name.includes(digits)) return
  const sessions = trx.db.updateTable('sessions').set({ unique_name: null })
  await sessions.where('service_sid', '=', session.service_sid).where('sid', '=', session.sid).execute()
}

async function emptyInteractions({ db }: Store, service_sid: string, rows: { sid: string }[]) {
  if (rows.length === 0) return
  const sids = rows.map(({ sid }) => sid)
  await db
    .updateTable('interactions')
    .set({
      data_sealed: null,
      sent_data_sealed: null,
      content_found: null,
      stage: sql`case when type = 'voice' then stage end`,
      due_at: sql`case when type = 'voice' then due_at end`,
    })
    .where('service_sid', '=', service_sid)
    .where('sid', 'in', sids)
    .execute()
  await db.deleteFrom('media').where('service_sid', '=', service_sid).where('interaction_sid', 'in', sids).execute()
  await forgetResponses(db, service_sid, sids)
  await markForDeletion(db, service_sid, sids)
}

/** A row must hold an identifier, and one that nobody has cannot be led back to anybody. */
async function becomeNobody({ db, keys }: Store, { service_sid, session_sid, sid }: Place) {
  const nobody = `erased:${sid}`
  await db
    .updateTable('participants')
    .set({
      identifier_sealed: keys.seal(`${sid}/identifier`, nobody),
      identifier_hash: keys.blindIndex(nobody),
      friendly_name: null,
      date_deleted: sql`coalesce(date_deleted, now())`,
      date_released: sql`coalesce(date_released, now())`,
      date_erased: sql`now()`,
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', service_sid)
    .where('session_sid', '=', session_sid)
    .where('sid', '=', sid)
    .execute()
}

async function eraseOutside(store: Store, subject: Subject, counts: ErasedCounts) {
  const erase = async (rows: { service_sid: string; sid: string }[]) => {
    for (const [service_sid, sids] of byService(rows)) {
      await inTransaction(store, async ({ db }) => {
        counts.strangers_messages += await eraseInteractions(db, { service_sid, sids })
      })
    }
  }
  for await (const rows of pagesOf((after) => listSentOutside(store, subject, after))) await erase(rows)
  for await (const rows of pagesOf((after) => listReceivedOutside(store, subject, after))) {
    await erase(rows.filter((row) => isTo(store, subject, row)))
  }
}

async function erasePairs(trx: Store, subject: Subject, counts: ErasedCounts) {
  const these = async (whose: 'identifier' | 'partner') => byService(await releasedPairs(trx, subject, whose).execute())
  for (const [service_sid, sids] of await these('identifier')) {
    const gone = trx.db.deleteFrom('released_pairs').where('service_sid', '=', service_sid).where('sid', 'in', sids)
    counts.released_pairs += Number((await gone.executeTakeFirst()).numDeletedRows)
  }
  // A partner whom nobody knows any more is anybody, and the number cools down for all.
  for (const [service_sid, sids] of await these('partner')) {
    const pairs = trx.db.updateTable('released_pairs').set({ partner_hash: null })
    await pairs.where('service_sid', '=', service_sid).where('sid', 'in', sids).execute()
  }
}

/** A block is the customer's to set again, should it have to outlast the person's wish. */
async function eraseBlocks(trx: Store, subject: Subject, counts: ErasedCounts) {
  for (const [service_sid, sids] of byService(await blockedRows(trx, subject).execute())) {
    const gone = trx.db.deleteFrom('blocked_numbers').where('service_sid', '=', service_sid).where('sid', 'in', sids)
    counts.blocked_numbers += Number((await gone.executeTakeFirst()).numDeletedRows)
  }
}

async function eraseAnswers(trx: Store, subject: Subject, participants: Set<string>, counts: ErasedCounts) {
  const keys = await listNamingAnswers(trx, subject, participants)
  if (keys.length === 0) return
  const answers = trx.db.deleteFrom('idempotency_keys').where('account_sid', '=', subject.account_sid)
  await answers.where('key', 'in', keys).execute()
  counts.kept_answers = keys.length
}

/** A refusal that is on record shows a number but for its last four digits. */
async function eraseFromEvents({ db }: Store, { account_sid, identifiers }: Subject) {
  for (const shown of identifiers.map(maskLastFour)) {
    await db
      .updateTable('events')
      .set({ message: sql`replace(message, ${shown}, 'somebody')` })
      .where('account_sid', '=', account_sid)
      .where('error_code', 'in', POOL_TROUBLE)
      .where(sql<boolean>`strpos(message, ${shown}) > 0`)
      .execute()
  }
}
