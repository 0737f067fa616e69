import { randomUUID } from 'node:crypto'
import { parseDocument, TwimlProblem } from './twilio-call-document.ts'
import {
  assertGoingOn,
  type CallRequest,
  type Document,
  durationOf,
  hasEnded,
  type Leg,
  type StatusCallback,
  spawn,
  timeOf,
} from './twilio-call-legs.ts'
import type { AccountRecording } from './twilio-recordings.ts'

/** What Twilio requests during a call: documents to carry out, and callbacks about what became of a leg or recording. */
type Target = { url: string; method: 'GET' | 'POST' }

const GEOGRAPHY = { City: 'WASHINGTON', State: 'DC', Zip: '20001', Country: 'US' }

/** What every request about a leg carries: https://www.twilio.com/docs/voice/twiml#request-parameters */
export function legParams(leg: Leg): Record<string, string> {
  const { account } = leg.call.world
  const geography = ['From', 'To', 'Caller', 'Called'].flatMap((side) =>
    Object.entries(GEOGRAPHY).map(([name, value]) => [side + name, value]),
  )
  return {
    ...Object.fromEntries(geography),
    AccountSid: account.account_sid,
    ApiVersion: '2010-04-01',
    CallSid: leg.sid,
    CallStatus: leg.status,
    Called: leg.to,
    Caller: leg.from,
    Direction: leg.direction,
    From: leg.from,
    To: leg.to,
    ...(leg.parent && { ParentCallSid: leg.parent.sid }),
  }
}

/** Only the first request about a call that came in has these; the token carries the caller's number. */
export const arrivalParams = ({ from, to }: Leg): Record<string, string> => ({
  CallToken: JSON.stringify({
    parentCallInfoToken: Buffer.from(JSON.stringify({ from, to })).toString('base64url'),
    identityHeaderTokens: [],
  }),
  StirVerstat: 'TN-Validation-Passed-A',
})

const vendorDate = (date: Date) => date.toUTCString().replace('GMT', '+0000')

/** Posts once, and once more with the same token when nobody answered the first time. */
export async function request(
  leg: Leg,
  { url, method }: Target,
  params: Record<string, string>,
  token: string = randomUUID(),
): Promise<CallRequest> {
  const first = await attempt(leg, { url, method }, params, token)
  return first.status === 0 ? attempt(leg, { url, method }, params, token) : first
}

async function attempt(
  { call, sid }: Leg,
  { url, method }: Target,
  params: Record<string, string>,
  token: string,
): Promise<CallRequest> {
  const recorded = { method, url, token, call_sid: sid, params, error: undefined }
  const made: CallRequest = { ...recorded, status: 0, content_type: '', body: '' }
  call.requests.push(made)
  try {
    Object.assign(made, await call.world.webhooks.request(method, url, params, { token }))
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    made.error = String(cause ?? error)
  }
  return made
}

/**
 * The document at an address. One that cannot be had or read is looked for at the fallback, and when that fails too the
 * call is over.
 */
export async function fetchDocument(leg: Leg, target: Target, params: Record<string, string> = {}): Promise<Document> {
  const wanted = await tryDocument(leg, target, params)
  if (!(wanted instanceof TwimlProblem)) return wanted
  assertGoingOn(leg)
  if (!leg.fallback) throw wanted
  leg.call.warnings.push(`${wanted.code} ${wanted.message}`)
  const told = { ...params, ErrorCode: String(wanted.code), ErrorUrl: target.url }
  const instead = await tryDocument(leg, leg.fallback, told)
  if (!(instead instanceof TwimlProblem)) return instead
  assertGoingOn(leg)
  throw instead
}

async function tryDocument(leg: Leg, target: Target, params: Record<string, string>) {
  const answer = await request(leg, target, { ...legParams(leg), ...params })
  try {
    return readAnswer(answer)
  } catch (error) {
    if (error instanceof TwimlProblem) return error
    throw error
  }
}

function readAnswer({ url, method, status, content_type, body }: CallRequest): Document {
  if (status === 0) throw new TwimlProblem(11205, `${url} did not answer`)
  if (status >= 400) throw new TwimlProblem(11200, `${url} answered ${status}`)
  if (/^text\/plain\b/.test(content_type)) {
    return { verbs: [{ name: 'Say', attributes: {}, text: body, children: [] }], base: url, method }
  }
  if (!/^(text\/(xml|html)|application\/xml)\b/.test(content_type)) {
    throw new TwimlProblem(12300, `${url} answered ${content_type || 'without a content type'}`)
  }
  return { verbs: parseDocument(body), base: url, method }
}

/** Callbacks of a call leave in order, none before the one ahead is answered, and the call does not wait for them. */
function notifyAbout(leg: Leg, target: Target, params: Record<string, string>) {
  const { call } = leg
  const { webhooks, held } = call.world
  const fault = webhooks.callbackFaults({ url: target.url, params })
  if (fault === 'drop') return
  const token = randomUUID()
  const send = () => request(leg, target, params, token).then(() => undefined)
  if (fault === 'hold') return void held.push(send)
  const before = call.callbacks
  call.callbacks = before.then(send).then(fault === 'duplicate' ? send : undefined)
  spawn(call, () => call.callbacks)
}

const EVENTS: Partial<Record<Leg['status'], string>> = {
  initiated: 'initiated',
  ringing: 'ringing',
  'in-progress': 'answered',
}

/** https://www.twilio.com/docs/voice/twiml/number#attributes-status-callback-event */
export function reportStatus(leg: Leg) {
  const callback = leg.status_callback
  if (!callback?.events.includes(EVENTS[leg.status] ?? 'completed')) return
  notifyAbout(leg, callback, {
    ...legParams(leg),
    Timestamp: vendorDate(timeOf(leg.call)),
    SequenceNumber: String(leg.sequence++),
    CallbackSource: 'call-progress-events',
    ...(hasEnded(leg) && {
      CallDuration: String(durationOf(leg)),
      Duration: String(Math.ceil(durationOf(leg) / 60)),
    }),
  })
}

/** https://www.twilio.com/docs/voice/twiml/dial#attributes-recording-status-callback */
export function reportRecording(
  leg: Leg,
  callback: StatusCallback | undefined,
  { sid, duration_s, channels, source, date_created }: AccountRecording,
  status: 'completed' | 'absent',
) {
  if (!callback?.events.includes(status)) return
  notifyAbout(leg, callback, {
    AccountSid: leg.call.world.account.account_sid,
    CallSid: leg.sid,
    ErrorCode: '0',
    RecordingSid: sid,
    RecordingUrl: recordingUrl(leg, sid),
    RecordingStatus: status,
    RecordingDuration: String(duration_s),
    RecordingChannels: String(channels),
    RecordingSource: source,
    RecordingStartTime: vendorDate(date_created),
    RecordingTrack: 'both',
  })
}

export const recordingUrl = ({ call: { world } }: Leg, sid: string) =>
  `${world.origin()}/2010-04-01/Accounts/${world.account.account_sid}/Recordings/${sid}`
