import type { Event, Interaction, Outcome } from '../../db/schema.ts'
import { CALL_STATUSES, type CallStatus, MESSAGE_STATUSES, type MessageStatus } from '../carrier.ts'
import { CATALOGUE, type ErrorCode } from '../errors.ts'
import { NOT_PASSED } from '../relay.ts'
import { MAX_ATTEMPTS } from '../send.ts'
import { type LegWord, readLegLog } from './leg-log.ts'
import { VERDICTS, type VerdictCode, type VerdictState, type Words } from './verdicts.ts'

/**
 * What became of an interaction, in one word and one sentence: from its row, and what the row alone does not say. Whatever a
 * row can be has a verdict; what no version of ours writes is `incomplete`.
 */
export type Verdict = { state: VerdictState; code: VerdictCode; text: string }

/** What is known beside the row; `events` are those of the interaction, oldest first. */
export type Facts = {
  now: Date
  events: Pick<Event, 'error_code' | 'message'>[]
  closed_reason: 'api' | 'ttl' | 'date-expiry' | null
  /** One of the two was removed from the session. */
  is_parted: boolean
  /** As long as the service lets a call last. */
  max_duration_s: number | null
}

export const NO_FACTS: Omit<Facts, 'now'> = {
  ...{ events: [], closed_reason: null, is_parted: false, max_duration_s: null },
}

type Judge = (row: Interaction, facts: Facts) => VerdictCode

export function verdictOf(row: Interaction, facts: Facts): Verdict {
  const code = BY_OUTCOME[row.outcome](row, facts)
  const { state, text } = VERDICTS[code]
  return { state, code, text: typeof text === 'string' ? text : text(row, wordsFor(row, facts)) }
}

const BY_OUTCOME: Record<Outcome, Judge> = {
  relayed: judgeLeg,
  sent: judgeLeg,
  blocked: judgeBlocked,
  'out-of-session': judgeOutside,
  'no-partner': judgeOutside,
  'opt-out': () => 'opt-out',
  'mode-mismatch': ({ type }) => (type === 'voice' ? 'calls-not-allowed' : 'messages-not-allowed'),
  deleted: () => 'deleted',
}

function judgeLeg(row: Interaction, facts: Facts): VerdictCode {
  const { type, outbound_resource_status: status } = row
  if (status === null) return row.due_at === null ? 'incomplete' : judgeWaiting(row)
  if (type === 'voice') return isCallStatus(status) ? BY_CALL_STATUS[status](row, facts) : 'incomplete'
  return isMessageStatus(status) ? BY_MESSAGE_STATUS[status](row, facts) : 'incomplete'
}

const isMessageStatus = (text: string): text is MessageStatus => MESSAGE_STATUSES.some((status) => status === text)
const isCallStatus = (text: string): text is CallStatus => CALL_STATUSES.some((status) => status === text)

/** The carrier has not been heard of. */
function judgeWaiting(row: Interaction): VerdictCode {
  if (row.type === 'voice') return row.stage === 'intercept' ? 'being-judged' : 'call-connecting'
  const tries = readLegLog(row.leg_log).filter(({ word }) => UNDONE.has(word))
  // A claim counts an attempt and ends with an entry, so one more than there are entries is under way.
  const isWaiting = tries.length > 0 && row.attempts <= tries.length
  if (isWaiting) return tries.at(-1)?.word === 'unknown' ? 'outcome-unknown' : 'waiting-for-retry'
  if (row.stage === 'intercept') return 'being-judged'
  return row.attempts === 0 ? 'queued' : 'being-sent'
}

const UNDONE: ReadonlySet<LegWord> = new Set<LegWord>(['later', 'unknown'])

/** A carrier that reports at all does so within three days. */
const SILENT_AFTER_MS = 3 * 86_400_000
const isSilent = (row: Interaction, { now }: Facts) => now.getTime() - row.date_updated.getTime() > SILENT_AFTER_MS

const judgeTaken: Judge = (row, facts) => (isSilent(row, facts) ? 'never-reported' : 'with-carrier')

const BY_MESSAGE_STATUS: Record<MessageStatus, Judge> = {
  accepted: judgeTaken,
  scheduled: judgeTaken,
  queued: judgeTaken,
  sending: judgeTaken,
  sent: (row, facts) => (isSilent(row, facts) ? 'never-reported' : 'sent'),
  'delivery-unknown': () => 'delivery-unknown',
  canceled: (row, facts) => (row.outbound_carrier_id === null ? judgeCanceled(facts) : 'carrier-canceled'),
  failed: judgeFailed,
  undelivered: () => 'undelivered',
  delivered: () => 'delivered',
}

const BY_CALL_STATUS: Record<CallStatus, Judge> = {
  initiated: ({ answered_at }) => (answered_at === null ? 'call-rings' : 'call-lasts'),
  'no-answer': () => 'call-not-answered',
  canceled: (row, facts) => (isStopped(row, facts) ? judgeCanceled(facts) : 'caller-gave-up'),
  failed: ({ error_code, outbound_carrier_id }) =>
    error_code === 80613 && outbound_carrier_id === null ? 'call-over-other-carrier' : 'call-failed',
  busy: () => 'call-busy',
  completed: ({ duration_s }, { max_duration_s }) =>
    max_duration_s !== null && (duration_s ?? 0) >= max_duration_s ? 'call-at-limit' : 'call-completed',
}

/** Its session ended before there was a leg; else the caller hung up. */
const isStopped = ({ send_started_at, outbound_carrier_id }: Interaction, facts: Facts) =>
  outbound_carrier_id === null && (send_started_at === null || facts.closed_reason !== null || facts.is_parted)

function judgeCanceled({ is_parted, closed_reason }: Facts): VerdictCode {
  if (is_parted) return 'participant-removed'
  return closed_reason === 'ttl' || closed_reason === 'date-expiry' ? 'session-expired' : 'session-closed'
}

function judgeFailed({ error_code, attempts, num_media, outbound_carrier_id }: Interaction): VerdictCode {
  if (outbound_carrier_id !== null) return 'carrier-failed'
  if (error_code === 80613 && attempts >= MAX_ATTEMPTS) return 'given-up'
  if (error_code === 21620 && num_media > 0) return 'nothing-left'
  return 'carrier-refused'
}

/** A number that is blocked and a flood are stopped before the partner is decided on, all else after. */
function judgeBlocked(row: Interaction, { events }: Facts): VerdictCode {
  if (row.outbound_number === null) {
    if (events.some(({ message }) => message === NOT_PASSED.blocked)) return 'number-blocked'
    return events.some(({ message }) => message === NOT_PASSED.flood) ? 'flood' : 'not-let-in'
  }
  const by = readLegLog(row.leg_log).find(({ word }) => word === 'blocked-by-guard' || word === 'blocked-by-customer')
  const isGuard = by?.word === 'blocked-by-guard' || Object.values(row.content_found ?? {}).includes('block')
  if (isGuard) return 'content-guard'
  const hasFailed = by?.error_code === 11200 || events.some(({ error_code }) => error_code === 11200)
  return hasFailed ? 'intercept-failed' : 'intercepted'
}

/** What is on record of a stranger, whatever the application answered. */
const NEUTRAL: ReadonlySet<number> = new Set<ErrorCode>([80902, 80904, 80614, 12200, 80914])

function judgeOutside(row: Interaction, { events }: Facts): VerdictCode {
  if (row.due_at !== null) return 'application-asked'
  const answer = events.findLast(({ error_code }) => !NEUTRAL.has(error_code))?.error_code
  if (answer === 80905) return 'not-handled'
  if (answer === 80913 || answer === 11200) return 'application-failed'
  if (answer === 12100 || answer === 12300) return 'answer-unusable'
  if (answer !== undefined) return 'session-refused'
  if (row.outcome === 'no-partner') return 'no-partner'
  return events.length > 0 ? 'application-answered' : 'out-of-session'
}

function wordsFor(row: Interaction, { events }: Facts): Words {
  const hasRunOut = events.some(({ error_code }) => error_code === 80904)
  const ended = hasRunOut ? "The sender's session had run out" : 'The sender was in no live session on this number'
  return {
    who: row.outcome === 'no-partner' ? "The sender's session had no partner" : ended,
    reason: reasonOf(row.error_code),
    until: row.due_at ? `${row.due_at.toISOString().slice(0, 19)}Z` : 'once',
    code: String(events.findLast(({ error_code }) => !NEUTRAL.has(error_code))?.error_code ?? ''),
    tries: row.attempts === 1 ? 'one try' : `${row.attempts} tries`,
  }
}

/** Our words for a carrier's code, without the advice that follows in the catalogue. */
export function reasonOf(error_code: number | null): string {
  if (error_code === null) return 'it gave no reason'
  const known = error_code in CATALOGUE ? CATALOGUE[error_code as ErrorCode].message : ''
  const [sentence = ''] = known.split(/(?<=\.) /)
  if (sentence === '' || sentence.includes('{')) return `its code is ${error_code}`
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/\.$/, '')} (${error_code})`
}
