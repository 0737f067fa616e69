import type { CallLeg, DialOptions, DialResult, Recorded, StatusCallback } from '../../twiml/call.ts'
import { type CalledBehaviour, calledBehaviourOf, callRefusalOf, ringsFor } from './behaviours.ts'
import { type Call, describeLeg, type Exchange, notify, requestsOf } from './call.ts'
import {
  createLeg,
  endLeg,
  hear,
  isOver,
  type Leg,
  type LegStatus,
  setStatus,
  statusOf,
  talkSeconds,
  waitFor,
} from './legs.ts'

/** Brings another handset into the call, and resolves when that is over and the server has been told so. */
export async function dial(
  exchange: Exchange,
  call: Call,
  options: DialOptions,
  speakTo: (leg: Leg) => CallLeg,
): Promise<DialResult> {
  const { caller } = call
  if (isOver(caller)) return { call_sid: undefined, status: 'canceled', duration_s: 0, recording: undefined }
  if (!options.answer_on_bridge) setStatus(caller, 'in-progress')
  const callee = createLeg(exchange.clock, {
    direction: 'outbound',
    number: options.to,
    caller_id: options.caller_id ?? caller.number,
    status: 'initiated',
  })
  call.legs.push(callee)
  const reports = reportStatuses(exchange, call, callee, options.status_callback)
  const followCaller = () => {
    if (isOver(caller)) endLeg(callee, 'canceled')
  }
  caller.watchers.add(followCaller)

  await ring(caller, callee, options.timeout_s)
  if (!isOver(callee)) await talk(exchange, call, callee, options, speakTo)

  caller.watchers.delete(followCaller)
  const recording = options.record ? recordTalk(exchange, call, callee, options) : undefined
  await reports.told()
  return {
    call_sid: callee.sid,
    status: statusOf(callee) as DialResult['status'],
    duration_s: talkSeconds(callee) ?? 0,
    recording,
  }
}

/** Resolves when it is answered or over. */
async function ring(caller: Leg, callee: Leg, timeout_s: number): Promise<void> {
  const refusal = callRefusalOf({ from: callee.caller_id, to: callee.number })
  if (refusal !== undefined) {
    callee.error_code = refusal
    return setStatus(callee, 'failed')
  }
  const behaviour = calledBehaviourOf(callee.number)
  if (behaviour.is === 'busy') return setStatus(callee, 'busy')
  setStatus(callee, 'ringing')
  hear(caller, { kind: 'ring' })
  if (behaviour.is === 'rejecting') return setStatus(callee, 'busy')
  if (behaviour.is === 'answering') void answerByItself(callee, behaviour)

  const isAnswered = () => statusOf(callee) !== 'ringing'
  const patience_ms = ringsFor(caller.number)
  if (patience_ms !== undefined && patience_ms <= timeout_s * 1000) {
    await waitFor([callee], isAnswered, patience_ms)
    if (!isAnswered()) endLeg(caller, 'canceled')
  }
  await waitFor([callee], isAnswered, timeout_s * 1000)
  if (!isAnswered()) setStatus(callee, 'no-answer')
}

async function answerByItself(callee: Leg, behaviour: CalledBehaviour & { is: 'answering' }): Promise<void> {
  const { after_ms, talks_ms } = behaviour
  if (after_ms > 0) await waitFor([callee], () => statusOf(callee) !== 'ringing', after_ms)
  setStatus(callee, 'in-progress')
  if (talks_ms === undefined) return
  await waitFor([callee], () => isOver(callee), talks_ms)
  setStatus(callee, 'completed')
}

/** From the moment one answered until the two are parted. */
async function talk(
  exchange: Exchange,
  call: Call,
  callee: Leg,
  options: DialOptions,
  speakTo: (leg: Leg) => CallLeg,
): Promise<void> {
  const { caller } = call
  if (options.whisper) {
    await options.whisper(speakTo(callee), requestsOf(exchange, call, callee))
  }
  if (isOver(callee)) return
  setStatus(caller, 'in-progress')
  call.partner = callee
  hear(caller, { kind: 'voice' })
  hear(callee, { kind: 'voice' })
  const behaviour = calledBehaviourOf(callee.number)
  if (behaviour.is === 'answering' && behaviour.greeting !== undefined) {
    hear(caller, { kind: 'voice', text: behaviour.greeting })
    hear(caller, { kind: 'beep' })
  }
  await waitFor([callee], () => isOver(callee), options.time_limit_s * 1000)
  setStatus(callee, 'completed')
  call.partner = undefined
}

function recordTalk(exchange: Exchange, call: Call, callee: Leg, options: DialOptions): Recorded | undefined {
  const duration_s = talkSeconds(callee) ?? 0
  if (duration_s === 0) return undefined
  return { ...keepRecording(exchange, call, 'DialVerb', duration_s, options.recording_status_callback), digits: '' }
}

/** Makes a recording of the call and tells whoever asked to be told. */
export function keepRecording(
  exchange: Exchange,
  call: Call,
  source: 'DialVerb' | 'RecordVerb',
  duration_s: number,
  callback: Pick<StatusCallback, 'url' | 'method'> | undefined,
): Omit<Recorded, 'digits'> {
  const { recording_sid, url } = exchange.recordings.add(call.account_sid, duration_s)
  call.recordings.push(recording_sid)
  if (callback) {
    void notify(exchange, callback, {
      AccountSid: call.account_sid,
      CallSid: call.sid,
      RecordingSid: recording_sid,
      RecordingUrl: url,
      RecordingStatus: 'completed',
      RecordingDuration: String(duration_s),
      RecordingChannels: source === 'DialVerb' ? '2' : '1',
      RecordingSource: source,
    })
  }
  return { recording_sid, url, duration_s }
}

const eventOf = (status: LegStatus) =>
  status === 'in-progress' ? 'answered' : status === 'initiated' || status === 'ringing' ? status : 'completed'

/** Posts each status the leg takes, one after the other. https://www.twilio.com/docs/voice/twiml/number#statuscallback */
function reportStatuses(exchange: Exchange, call: Call, leg: Leg, callback: StatusCallback | undefined) {
  let last = Promise.resolve()
  let told = 0
  const report = () => {
    for (const { status, date } of leg.statuses.slice(told)) {
      const sequence = told++
      if (!callback?.events.includes(eventOf(status))) continue
      const params = {
        ...describeLeg(call, leg),
        CallStatus: status,
        SequenceNumber: String(sequence),
        Timestamp: date.toUTCString(),
        CallbackSource: 'call-progress-events',
        ...(eventOf(status) === 'completed' ? { CallDuration: String(talkSeconds(leg) ?? 0) } : {}),
        ...(leg.error_code === undefined ? {} : { ErrorCode: String(leg.error_code) }),
      }
      last = last.then(() => notify(exchange, callback, params))
    }
    if (isOver(leg)) leg.watchers.delete(report)
  }
  leg.watchers.add(report)
  report()
  return { told: () => last }
}
