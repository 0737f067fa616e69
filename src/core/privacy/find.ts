import { sql } from 'kysely'
import type { Interaction, Participant } from '../../db/schema.ts'
import type { Store } from '../store.ts'
import type { Subject } from './subject.ts'

/**
 * Where a person is: in every session of the account, over or not, by the blind index of their number; and in what they
 * sent, or were sent, outside of any. Read some at a time, in the order of SIDs, because it may be much.
 */
const PAGE = 200

/** Who was erased is somebody else from then on, and not found again. */
export const listParticipants = (store: Store, { account_sid, hashes }: Subject, after: string) =>
  store.db
    .selectFrom('services')
    .innerJoin('participants', 'participants.service_sid', 'services.sid')
    .selectAll('participants')
    .where('services.account_sid', '=', account_sid)
    .where('participants.identifier_hash', 'in', hashes)
    .where('participants.sid', '>', after)
    .orderBy('participants.sid')
    .limit(PAGE)
    .execute()

export type Place = Pick<Participant, 'service_sid' | 'session_sid' | 'sid'>

/** What one participant sent and was sent. */
export const listInteractions = (store: Store, { service_sid, session_sid, sid }: Place, after: string) =>
  store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('session_sid', '=', session_sid)
    .where('sid', '>', after)
    .where((is) => is.or([is('inbound_participant_sid', '=', sid), is('outbound_participant_sid', '=', sid)]))
    .orderBy('sid')
    .limit(PAGE)
    .execute()

const outside = (store: Store, { account_sid }: Subject, after: string) =>
  store.db
    .selectFrom('services')
    .innerJoin('interactions', 'interactions.service_sid', 'services.sid')
    .selectAll('interactions')
    .where('services.account_sid', '=', account_sid)
    .where('interactions.sid', '>', after)
    .orderBy('interactions.sid')
    .limit(PAGE)

/** What they sent to a number without being in a session there. */
export const listSentOutside = (store: Store, subject: Subject, after: string): Promise<Interaction[]> =>
  outside(store, subject, after).where('interactions.sender_hash', 'in', subject.hashes).execute()

/** What they were sent by a customer's TwiML. Rows of before recipients had a blind index may be theirs: see `isTo`. */
export const listReceivedOutside = (store: Store, subject: Subject, after: string): Promise<Interaction[]> =>
  outside(store, subject, after)
    .where('interactions.recipient_sealed', 'is not', null)
    .where((is) =>
      is.or([is('interactions.recipient_hash', 'in', subject.hashes), is('interactions.recipient_hash', 'is', null)]),
    )
    .execute()

export const isTo = ({ keys }: Store, { identifiers }: Subject, { sid, recipient_sealed }: Interaction): boolean =>
  recipient_sealed !== null && identifiers.includes(keys.open(`${sid}/recipient`, recipient_sealed))

/** Every row that `list` finds, one after the other. */
export async function* allOf<Row extends { sid: string }>(list: (after: string) => Promise<Row[]>) {
  for await (const rows of pagesOf(list)) yield* rows
}

export async function* pagesOf<Row extends { sid: string }>(list: (after: string) => Promise<Row[]>) {
  for (let after = ''; ; ) {
    const rows = await list(after)
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return
    after = last.sid
  }
}

/** What a cool-down remembers of them. Pairs of a service that is gone belong to no account. */
export const releasedPairs = (store: Store, { account_sid, hashes }: Subject, whose: 'identifier' | 'partner') =>
  store.db
    .selectFrom('released_pairs')
    .select(['service_sid', 'sid', 'proxy_identifier', 'date_released', 'kept_until'])
    .where(whose === 'identifier' ? 'identifier_hash' : 'partner_hash', 'in', hashes)
    .where(
      sql<boolean>`coalesce((select account_sid from services where sid = released_pairs.service_sid), ${account_sid})
        = ${account_sid}`,
    )
    .orderBy('sid')

/** Where they are blocked. */
export const blockedRows = (store: Store, { account_sid, hashes }: Subject) =>
  store.db
    .selectFrom('services')
    .innerJoin('blocked_numbers', 'blocked_numbers.service_sid', 'services.sid')
    .selectAll('blocked_numbers')
    .where('services.account_sid', '=', account_sid)
    .where('blocked_numbers.identifier_hash', 'in', hashes)
    .orderBy('blocked_numbers.sid')

/** Of answers that are kept for repeats of a request, those that name the person; they are kept for a day. */
export async function listNamingAnswers(
  { db, keys }: Store,
  { account_sid, identifiers }: Subject,
  participants: ReadonlySet<string>,
): Promise<string[]> {
  const found: string[] = []
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('idempotency_keys')
      .select(['key', 'body_sealed'])
      .where('account_sid', '=', account_sid)
      .where('key', '>', after)
      .orderBy('key')
      .limit(PAGE)
      .execute()
    for (const { key, body_sealed } of rows) {
      const body = body_sealed ? keys.open(`${account_sid}/idempotency/${key}`, body_sealed) : ''
      const names = [...body.matchAll(/KP[0-9a-f]{32}/g)].some(([sid]) => participants.has(sid))
      if (names || identifiers.some((identifier) => body.includes(identifier))) found.push(key)
    }
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return found
    after = last.key
  }
}
