import type { Callback, CallbackAttemptRow, Event, Interaction } from '../../db/schema.ts'
import type { Candidate } from './candidates.ts'
import { type LegEntry, readLegLog } from './leg-log.ts'
import type { InteractionRecord } from './records.ts'
import { reasonOf } from './verdict.ts'

/** What happened to an interaction, one thing after the other. */
export const STEP_KINDS = [
  ...([
    'received',
    'looked-up',
    'decided',
    'intercept',
    'content-guard',
    'send',
    'report',
    'callback',
    'event',
  ] as const),
  ...(['dialled', 'answered', 'ended'] as const),
] as const
export const ACTORS = ['sender', 'maskline', 'application', 'carrier', 'recipient'] as const
export const RESULTS = ['ok', 'waiting', 'failed', 'stopped', 'info'] as const

/** What a step may name besides its sentence; nobody's number is among it. */
export const DETAIL_TEXTS = [
  ...(['dialled_number', 'outbound_number', 'resource_sid', 'participant_sid', 'session_sid', 'outcome'] as const),
  ...(['status', 'url', 'asked_as', 'callback_sid'] as const),
  ...(['own_number', 'other_numbers', 'email_addresses', 'links', 'payment_words'] as const),
] as const
export const DETAIL_NUMBERS = [
  'num_media',
  'live',
  'known',
  'error_code',
  'status_code',
  'attempt',
  'attempts',
] as const
type Details = Partial<
  Record<(typeof DETAIL_TEXTS)[number], string | null> & Record<(typeof DETAIL_NUMBERS)[number], number | null>
>

export type Step = {
  at: Date
  kind: (typeof STEP_KINDS)[number]
  actor: (typeof ACTORS)[number]
  text: string
  duration_ms: number | null
  result: (typeof RESULTS)[number]
  details: Details
}

export type Told = Callback & { attempts_made: CallbackAttemptRow[] }

type Known = { candidates: Candidate[]; events: Event[]; attempts: CallbackAttemptRow[]; callbacks: Told[] }

/** In the order of time; what happened at one moment, in the order in which it follows from each other. */
export function stepsOf(row: InteractionRecord, known: Known): Step[] {
  const steps = [
    received(row),
    ...lookedUp(row, known.candidates),
    decided(row, known.candidates),
    ...guarded(row, known.events),
    ...known.attempts.filter(({ kind }) => kind !== 'status').map((attempt) => asked(row, attempt)),
    ...sending(row),
    ...readLegLog(row.leg_log).flatMap((entry) => logged(row, entry)),
    ...waiting(row),
    ...known.callbacks.flatMap(toldSteps),
    ...known.events.map(happened),
  ]
  return steps.sort((one, other) => one.at.getTime() - other.at.getTime())
}

const step = (
  at: Date,
  [kind, actor]: [Step['kind'], Step['actor']],
  result: Step['result'],
  text: string,
  details: Details = {},
  duration_ms: number | null = null,
): Step => ({ at, kind, actor, text, duration_ms, result, details })

const nounOf = ({ type }: Interaction) => (type === 'voice' ? 'call' : 'message')

function received(row: InteractionRecord): Step {
  const { dialled_number, num_media, inbound_resource_sid: resource_sid, date_created } = row
  const isGone = row.type === 'message' && row.data === '{}' && row.outcome !== 'deleted'
  const gone = isGone ? ' What it said is not kept any more.' : ''
  if (row.origin !== 'inbound') {
    const by = row.origin === 'api' ? 'by a request to the API' : 'by the TwiML of the application'
    return step(date_created, ['received', 'application'], 'ok', `A message was ordered ${by}.${gone}`, { num_media })
  }
  // The number stands in the details: in a sentence it would be hidden, as any number is.
  const text = `A ${nounOf(row)} came to a proxy number.${gone}`
  return step(date_created, ['received', 'sender'], 'ok', text, { dialled_number, num_media, resource_sid })
}

function lookedUp(row: Interaction, candidates: Candidate[]): Step[] {
  if (row.origin !== 'inbound' || row.outcome === 'deleted') return []
  const live = candidates.filter((candidate) => candidate.live).length
  const known = candidates.length
  const text = `Participants who ever had this pair of numbers: ${known}; live at that moment: ${live}.`
  const result = live === 1 ? 'ok' : 'info'
  return [step(row.date_created, ['looked-up', 'maskline'], result, text, { live, known })]
}

/** A refusal after the decision is a step of its own. */
function decided(row: InteractionRecord, candidates: Candidate[]): Step {
  const { verdict, outcome, session_sid, outbound_number, outbound_participant_sid: participant_sid } = row
  const details = { outcome, session_sid, participant_sid, outbound_number }
  const matched = readLegLog(row.leg_log).find(({ word }) => word === 'matched')
  const at = matched?.at ?? row.date_created
  const passed = outcome === 'relayed' || (outcome === 'blocked' && outbound_number !== null)
  if (passed) {
    const text = matched
      ? 'The application made or named a session for it, so it goes to the partner there.'
      : 'One live participant has this pair of numbers, so it goes to their partner.'
    return step(at, ['decided', 'maskline'], 'ok', text, details)
  }
  if (outcome === 'sent') {
    return step(at, ['decided', 'maskline'], 'ok', 'It goes to the one it was ordered for.', details)
  }
  if (outcome === 'deleted') return step(at, ['decided', 'maskline'], 'info', verdict.text, details)
  if (outcome === 'out-of-session' || outcome === 'no-partner') {
    const live = candidates.some((candidate) => candidate.live)
    const text = live ? 'The session has no partner for it.' : 'No live session has this pair of numbers.'
    return step(at, ['decided', 'maskline'], 'stopped', `${text} It goes to nobody else.`, details)
  }
  return step(at, ['decided', 'maskline'], 'stopped', verdict.text, details)
}

/** When the guard judged is on record with its event. */
function guarded(row: Interaction, events: Event[]): Step[] {
  if (row.content_found === null) return []
  const event = events.find(({ error_code }) => error_code === 80914 || error_code === 80909)
  const at = event?.date_created ?? row.send_started_at ?? row.date_updated
  const blocked = Object.values(row.content_found).includes('block')
  const found = 'The content guard found contact details in it'
  const text = blocked ? `${found} and stopped it.` : `${found}${row.sent_data_sealed ? ' and took them out.' : '.'}`
  return [step(at, ['content-guard', 'maskline'], blocked ? 'stopped' : 'info', text, row.content_found)]
}

/** The customer's application, asked about the interaction. */
function asked(row: Interaction, attempt: CallbackAttemptRow): Step {
  const { kind, status_code, duration_ms, url, error, date_created } = attempt
  const at = new Date(date_created.getTime() - duration_ms)
  const details = { url, status_code, asked_as: kind }
  const answered =
    status_code === null ? `did not answer: ${error ?? 'no reason is known.'}` : `answered ${status_code}.`
  const isGood = status_code !== null && status_code >= 200 && status_code <= 299
  if (kind === 'out-of-session') {
    const text = `The application was asked what to do with it and ${answered}`
    return step(at, ['callback', 'application'], isGood ? 'ok' : 'failed', text, details, duration_ms)
  }
  const passes = row.outcome !== 'blocked' || readLegLog(row.leg_log).some(({ word }) => word === 'blocked-by-guard')
  const result = passes ? (isGood ? 'ok' : 'info') : status_code === 403 ? 'stopped' : 'failed'
  const follows = passes ? 'It passes.' : 'It is blocked.'
  const text = `The InterceptCallbackUrl was asked about it and ${answered} ${follows}`
  return step(at, ['intercept', 'application'], result, text, details, duration_ms)
}

function sending(row: Interaction): Step[] {
  const { send_started_at: at, outbound_number, outbound_participant_sid: participant_sid, type, attempts } = row
  if (!at || row.outcome === 'deleted') return []
  const details = { outbound_number, participant_sid, attempts }
  if (type === 'voice') {
    return [step(at, ['send', 'maskline'], 'ok', 'The carrier was told to call the partner.', details)]
  }
  return [step(at, ['send', 'maskline'], 'ok', 'It is handed to the carrier.', details)]
}

const PAST: Record<string, Step['result']> = {
  ...{ delivered: 'ok', completed: 'ok', sent: 'ok', failed: 'failed', undelivered: 'failed', busy: 'failed' },
  ...{ 'no-answer': 'failed', canceled: 'stopped' },
}

/** An entry of the leg's log; what was decided about the interaction has steps of its own. */
function logged(row: Interaction, { word, at, error_code }: LegEntry): Step[] {
  const { outbound_resource_sid: resource_sid } = row
  const why = error_code === null ? '' : ` Its reason: ${reasonOf(error_code)}.`
  if (word === 'matched' || word === 'blocked-by-customer' || word === 'blocked-by-guard') return []
  if (word === 'later' || word === 'unknown') {
    const text = word === 'later' ? 'The carrier did not take it.' : 'It is not known whether the carrier took it.'
    return [step(at, ['send', 'carrier'], 'waiting', `${text}${why}`, { error_code })]
  }
  const details = { status: word, resource_sid, error_code }
  const result = PAST[word] ?? 'info'
  if (row.type === 'voice') {
    if (word === 'initiated') {
      return [step(at, ['dialled', 'carrier'], 'ok', "The carrier is calling the partner's phone.", details)]
    }
    const lasted = row.duration_s ? ` It lasted ${row.duration_s} seconds.` : ''
    return [step(at, ['ended', 'carrier'], result, `The call ended as ${word}.${lasted}${why}`, details)]
  }
  if (word === 'canceled' && row.outbound_carrier_id === null) {
    return [step(at, ['send', 'maskline'], 'stopped', 'It is not sent any more, since its session is over.', details)]
  }
  if (row.outbound_carrier_id === null) {
    return [step(at, ['send', 'carrier'], result, `It was not sent.${why}`, details)]
  }
  return [step(at, ['report', 'carrier'], result, `The carrier says: ${word}.${why}`, details)]
}

/** What is still to come, and a talk that has begun. */
function waiting(row: Interaction): Step[] {
  const steps: Step[] = []
  if (row.answered_at) {
    steps.push(step(row.answered_at, ['answered', 'recipient'], 'ok', 'The partner answered.'))
  }
  if (row.type === 'message' && row.due_at) {
    const { attempts } = row
    steps.push(step(row.due_at, ['send', 'maskline'], 'waiting', 'It is due to be worked on.', { attempts }))
  }
  return steps
}

function toldSteps({ sid, outbound_resource_status: status, due_at, url, attempts_made }: Told): Step[] {
  const about = status ? `that it is ${status}` : 'of it'
  const steps = attempts_made.map(({ status_code, error, duration_ms, attempt, date_created }) => {
    const isGood = status_code !== null && status_code >= 200 && status_code <= 299
    const answer = status_code === null ? (error ?? 'There was no answer.') : `It answered ${status_code}.`
    const at = new Date(date_created.getTime() - duration_ms)
    const details = { callback_sid: sid, url, status_code, attempt }
    const text = `The application was told ${about}. ${answer}`
    return step(at, ['callback', 'application'], isGood ? 'ok' : 'failed', text, details, duration_ms)
  })
  if (due_at) {
    const text = `The application is to be told ${about}.`
    steps.push(step(due_at, ['callback', 'maskline'], 'waiting', text, { callback_sid: sid, url }))
  }
  return steps
}

const happened = ({ date_created, level, message, error_code }: Event): Step =>
  step(date_created, ['event', 'maskline'], level === 'error' ? 'failed' : 'info', message, { error_code })
