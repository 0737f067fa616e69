import { sql } from 'kysely'
import type { ClosedReason, Interaction, Participant, Session } from '../../db/schema.ts'
import type { Store } from '../store.ts'

/**
 * Everybody by whom an event could have been taken: who has or had this sender's number on this proxy number, and why each
 * was live at that moment or was not. A session that was closed and opened again was not live in between, which only the audit
 * log still tells.
 */
export type Candidate = {
  participant_sid: string
  session_sid: string
  session_unique_name: string | null
  proxy_identifier: string
  live: boolean
  reason: CandidateReason
  text: string
}

export const CANDIDATE_REASONS = [
  ...(['chosen', 'matched-later', 'live', 'joined-later', 'removed'] as const),
  ...(['session-closed', 'session-expired', 'released'] as const),
] as const
export type CandidateReason = (typeof CANDIDATE_REASONS)[number]

const TEXTS: Record<CandidateReason, (at: string) => string> = {
  chosen: () => 'The only live one at that moment, so it was taken as theirs.',
  'matched-later': (at) => `Joined at ${at}, when the application was asked about it, and it was taken as theirs.`,
  live: () => 'Live at that moment.',
  'joined-later': (at) => `Joined only at ${at}.`,
  removed: (at) => `Had been removed from the session at ${at}.`,
  'session-closed': (at) => `The session had been closed at ${at}.`,
  'session-expired': (at) => `The session had run out at ${at}.`,
  released: (at) => `Had been released from the number at ${at}.`,
}

const MOST = 50

type Pair = Pick<
  Participant,
  'sid' | 'session_sid' | 'proxy_identifier' | 'date_created' | 'date_deleted' | 'date_released'
> &
  Pick<Session, 'unique_name' | 'status' | 'closed_reason' | 'date_ended' | 'expires_at' | 'ttl_since' | 'date_expiry'>

/** Oldest first. None for what the customer sent, which nobody had to be found for. */
export async function readCandidates(store: Store, row: Interaction): Promise<Candidate[]> {
  const sender_hash = row.sender_hash ?? (await readHash(store, row))
  if (!sender_hash || row.dialled_number === null || row.outcome === 'deleted') return []
  const pairs: Pair[] = await store.db
    .selectFrom('participants as p')
    .innerJoin('sessions as s', (join) =>
      join.onRef('s.service_sid', '=', 'p.service_sid').onRef('s.sid', '=', 'p.session_sid'),
    )
    .select(['p.sid', 'p.session_sid', 'p.proxy_identifier', 'p.date_created', 'p.date_deleted', 'p.date_released'])
    .select(['s.unique_name', 's.status', 's.closed_reason', 's.date_ended', 's.expires_at', 's.ttl_since'])
    .select('s.date_expiry')
    .where('p.service_sid', '=', row.service_sid)
    .where('p.identifier_hash', '=', sender_hash)
    .where('p.proxy_identifier', '=', row.dialled_number)
    .orderBy('p.date_created', 'desc')
    .limit(MOST)
    .execute()
  const closures = await readClosures(store, row, pairs)
  return pairs.reverse().map((pair) => {
    const { reason, at } = judge(pair, row, closures.get(pair.session_sid) ?? [])
    return {
      participant_sid: pair.sid,
      session_sid: pair.session_sid,
      session_unique_name: pair.unique_name,
      proxy_identifier: pair.proxy_identifier,
      live: reason === 'chosen' || reason === 'matched-later' || reason === 'live',
      reason,
      text: TEXTS[reason](`${at.toISOString().slice(0, 19)}Z`),
    }
  })
}

async function readHash({ db }: Store, { service_sid, inbound_participant_sid: sid }: Interaction) {
  if (sid === null) return undefined
  const people = db.selectFrom('participants').select('identifier_hash').where('service_sid', '=', service_sid)
  return (await people.where('sid', '=', sid).executeTakeFirst())?.identifier_hash
}

type Closure = { from: Date; until: Date | undefined; reason: ClosedReason }

/** When each session was closed, by the audit log. */
async function readClosures(
  { db }: Store,
  { account_sid }: Interaction,
  pairs: Pair[],
): Promise<Map<string, Closure[]>> {
  const sids = [...new Set(pairs.map(({ session_sid }) => session_sid))]
  const closures = new Map<string, Closure[]>()
  if (sids.length === 0) return closures
  const deeds = await db
    .selectFrom('audit_log')
    .select(['resource_sid', 'action', 'details', 'date_created'])
    .where('account_sid', '=', account_sid)
    .where('resource_sid', 'in', sids)
    .where('action', 'in', ['session.close', 'session.reopen'])
    .orderBy(sql`sid`)
    .limit(1_000)
    .execute()
  for (const { resource_sid, action, details, date_created } of deeds) {
    const those = closures.get(resource_sid ?? '') ?? []
    closures.set(resource_sid ?? '', those)
    const last = those.at(-1)
    if (action === 'session.close') {
      those.push({ from: date_created, until: undefined, reason: (details.reason ?? 'api') as ClosedReason })
    } else if (last) last.until = date_created
  }
  return closures
}

function judge(pair: Pair, row: Interaction, closures: Closure[]): { reason: CandidateReason; at: Date } {
  const moment = row.date_created
  const { date_created, date_deleted, date_released, date_ended, expires_at } = pair
  const joinedLater = date_created > moment
  if (pair.sid === row.inbound_participant_sid) {
    return { reason: joinedLater ? 'matched-later' : 'chosen', at: date_created }
  }
  if (joinedLater) return { reason: 'joined-later', at: date_created }
  if (date_deleted && date_deleted <= moment) return { reason: 'removed', at: date_deleted }
  const closed = closures.find(({ from, until }) => from <= moment && (!until || until > moment))
  if (closed) return { reason: reasonOf(closed.reason), at: closed.from }
  // It ended when it ran out, and was closed when somebody came across it.
  if (pair.closed_reason && date_ended && date_ended <= moment) {
    return { reason: reasonOf(pair.closed_reason), at: date_ended }
  }
  if (expires_at && expires_at <= moment && pair.ttl_since <= moment) {
    return { reason: 'session-expired', at: expires_at }
  }
  if (date_released && date_released <= moment) return { reason: 'released', at: date_released }
  return { reason: 'live', at: moment }
}

const reasonOf = (closed: ClosedReason): CandidateReason => (closed === 'api' ? 'session-closed' : 'session-expired')
