import { randomUUID } from 'node:crypto'
import {
  BadWebhook,
  type CallReport,
  type CallStatus,
  type FinishedRecording,
  type InboundCall,
} from '../core/carrier.ts'
import { isSid } from '../core/sid.ts'

/** Reads what a platform that speaks TwiML posts about calls: Twilio, and the simulated network, which does as it does. */
const GEOGRAPHY = ['From', 'To'].flatMap((end) => ['City', 'State', 'Zip', 'Country'].map((part) => end + part))

/**
 * What a customer's application is told beside who calls whom. What is not named here stays behind: an account of the
 * carrier's, tokens that carry an identity, and the names and numbers of people who are not part of the call.
 */
const DETAILS = [
  ...['CallStatus', 'Direction', 'StirVerstat', 'Digits', 'FinishedOnKey', 'SpeechResult', 'Confidence'],
  ...['DialCallSid', 'DialCallStatus', 'DialCallDuration', 'DialBridged'],
]

/** Nothing has happened on the call while it has one of these. */
const UNANSWERED = new Set(['queued', 'initiated', 'ringing'])
const ANSWERED = new Set(['in-progress', 'answered'])
const FINAL = new Set<CallStatus>(['completed', 'busy', 'failed', 'no-answer', 'canceled'])

/** A recording with one of these is not there yet, or never will be. */
const UNFINISHED = new Set(['in-progress', 'paused', 'stopped', 'processing', 'absent', 'failed', 'deleted'])

const MAX_SECONDS = 10_000_000

/**
 * https://www.twilio.com/docs/voice/twiml#request-parameters. A ringing call's webhook is repeated on a time-out and at
 * the fallback URL, so such an arrival is the call itself. One in progress was sent to us anew: that is another arrival,
 * told apart by `arrival`, which the platform repeats when it repeats the request.
 */
export function parseCallForm(form: URLSearchParams, arrival?: string): InboundCall {
  const callId = idOf(form, 'CallSid')
  const status = required(form, 'CallStatus')
  if (!UNANSWERED.has(status) && !ANSWERED.has(status)) {
    throw new BadWebhook('this is a status report, not a call: the URL for calls was given as a status callback')
  }

  const token = arrival !== undefined && isId(arrival) ? arrival : randomUUID()
  return {
    event_id: UNANSWERED.has(status) ? callId : `${callId}/${token}`,
    resource_sid: isSid('CA', callId) ? callId : undefined,
    from: present(form, 'From'),
    to: required(form, 'To'),
    geography: parseGeography(form),
    details: pick(form, DETAILS),
  }
}

/**
 * Reads a leg's own status callback, or the end of our `<Dial>`, which is told in the caller's name: there `CallSid` is
 * the caller's leg and the one that was dialled has names of its own.
 */
export function parseCallReportForm(form: URLSearchParams): CallReport {
  const isDial = form.has('DialCallStatus') || form.has('DialCallSid')
  const reported = required(form, isDial ? 'DialCallStatus' : 'CallStatus')
  const state = parseCallStatus(isDial && reported === 'answered' ? 'completed' : reported)
  if (!state) throw new BadWebhook(`unknown call status ${/^[a-z_-]{1,40}$/i.test(reported) ? reported : ''}`.trim())

  const hasLeg = !isDial || Boolean(form.get('DialCallSid'))
  const duration = form.get(isDial ? 'DialCallDuration' : 'CallDuration')
  return {
    carrier_call_id: hasLeg ? idOf(form, isDial ? 'DialCallSid' : 'CallSid') : undefined,
    ...state,
    duration_s: state.status === 'initiated' ? undefined : parseSeconds(duration),
    error_code: parseErrorCode(form.get('ErrorCode')),
  }
}

/** Reads a recording's status callback, or the end of a `<Record>`, which has no status. */
export function parseRecordingForm(form: URLSearchParams): FinishedRecording | undefined {
  const status = form.get('RecordingStatus') || 'completed'
  if (UNFINISHED.has(status)) return undefined
  if (status !== 'completed') throw new BadWebhook('unknown recording status')
  return {
    carrier_recording_id: idOf(form, 'RecordingSid'),
    url: required(form, 'RecordingUrl'),
    duration_s: parseSeconds(form.get('RecordingDuration')) ?? 0,
  }
}

/** What the platform's word for a leg's state means to us; undefined when it has no such word. */
export function parseCallStatus(reported: string): Pick<CallReport, 'status' | 'answered'> | undefined {
  if (UNANSWERED.has(reported)) return { status: 'initiated', answered: false }
  if (ANSWERED.has(reported)) return { status: 'initiated', answered: true }
  const status = [...FINAL].find((each) => each === reported)
  return status && { status, answered: status === 'completed' }
}

/** Whole seconds; a number no call or recording lasts for is none. */
export const parseSeconds = (value: string | null): number | undefined =>
  value !== null && /^\d{1,8}$/.test(value) && Number(value) <= MAX_SECONDS ? Number(value) : undefined

export function parseErrorCode(value: string | null): number | undefined {
  const code = Number(value)
  return Number.isSafeInteger(code) && code > 0 ? code : undefined
}

export const parseGeography = (form: URLSearchParams) => pick(form, GEOGRAPHY)

const pick = (form: URLSearchParams, names: string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (form.has(name) ? [[name, form.get(name) ?? '']] : [])))

/** The first of these fields that is filled in. */
export function required(form: URLSearchParams, ...names: string[]): string {
  const value = names.map((name) => form.get(name)).find(Boolean)
  if (!value) throw new BadWebhook(`${names.join(' or ')} is missing`)
  return value
}

/** A field that must be there but may be empty, as a withheld sender is. */
export function present(form: URLSearchParams, name: string): string {
  const value = form.get(name)
  if (value === null) throw new BadWebhook(`${name} is missing`)
  return value
}

/** Ids come as SIDs, UUIDs and in other shapes, but never long, nor with characters that a database would not take. */
const isId = (value: string) => /^[!-~]{1,100}$/.test(value)

function idOf(form: URLSearchParams, name: string): string {
  const id = required(form, name)
  if (!isId(id)) throw new BadWebhook(`${name} is not an id`)
  return id
}
