import { resolveTarget } from './twilio-call-document.ts'
import {
  assertGoingOn,
  connect,
  type Document,
  durationOf,
  emit,
  hasEnded,
  hear,
  Interrupted,
  type Leg,
  type LegStatus,
  newLeg,
  notify,
  part,
  type StatusCallback,
  spawn,
  type TwimlElement,
  timeOf,
  waitFor,
} from './twilio-call-legs.ts'
import { endLeg, pickUp } from './twilio-call-progress.ts'
import {
  fetchDocument,
  legParams,
  recordingUrl,
  reportRecording,
  reportStatus,
  request,
} from './twilio-call-webhooks.ts'
import { type AccountRecording, newRecording } from './twilio-recordings.ts'

/** The verb that makes further legs: https://www.twilio.com/docs/voice/twiml/dial */
export type Step = { leg: Leg; verb: TwimlElement; document: Document; isFirst: boolean }

/** How documents are carried out, which is also how the legs that are made here live. */
export type Interpreter = {
  runLeg: (leg: Leg, first: () => Promise<Document | undefined>) => Promise<void>
  carryOutAll: (leg: Leg, first: Document) => Promise<void>
}

type Outcome = {
  status: LegStatus | 'answered'
  leg?: Leg
  bridged_s?: number
  recording?: AccountRecording
}

export async function dial(step: Step, interpreter: Interpreter): Promise<Document | undefined> {
  const { leg, verb, document } = step
  const room = verb.children.find(({ name }) => name === 'Conference')
  for (const { name } of verb.children) {
    if (!['Number', 'Conference'].includes(name)) leg.call.warnings.push(`Dial ${name} is not carried out`)
  }
  const outcome: Outcome = { status: 'failed' }
  try {
    if (room) await confer(step, room, outcome)
    else await dialNumbers(step, interpreter, outcome)
  } catch (error) {
    if (error instanceof Interrupted) await finishInterrupted(step, outcome)
    throw error
  }

  finishRecording(step, outcome)
  const { action, method } = verb.attributes
  // Only a Dial with an address for it asks what is next; without one the document goes on.
  const next = action === undefined ? undefined : resolveTarget(document, action, method)
  try {
    if (!next) return undefined
    await leg.call.callbacks
    return await fetchDocument(leg, next, actionParams(leg, outcome))
  } finally {
    reportDialRecording(step, outcome)
  }
}

/** A caller who hangs up ends the Dial, whose action is requested all the same and its answer thrown away. */
async function finishInterrupted(step: Step, outcome: Outcome) {
  const { leg, verb, document } = step
  const { action, method } = verb.attributes
  if (outcome.leg && hasEnded(outcome.leg)) outcome.status = outcome.leg.status
  finishRecording(step, outcome)
  if (hasEnded(leg) && action !== undefined) {
    await leg.call.callbacks
    const params = { ...legParams(leg), ...actionParams(leg, outcome) }
    await request(leg, resolveTarget(document, action, method), params)
  }
  reportDialRecording(step, outcome)
}

async function dialNumbers({ leg, verb, document }: Step, interpreter: Interpreter, outcome: Outcome) {
  const { call } = leg
  const { callerId, answerOnBridge, timeout = '30', timeLimit = '14400' } = verb.attributes
  if (answerOnBridge !== 'true') pickUp(leg)
  // Without a caller ID the person who is called sees the number of whoever calls.
  const from = callerId ?? leg.from
  if (!isAllowed(leg, from)) {
    call.warnings.push(`13214 ${from} is no caller ID of this account`)
    leg.dial_status = 'failed'
    return
  }
  const text = verb.text.trim()
  const numbers = verb.children.filter(({ name }) => name === 'Number')
  if (text !== '') numbers.push({ name: 'Number', attributes: {}, text, children: [] })
  const children = numbers.slice(0, 10).map((number) => startChild(leg, from, number, document, interpreter))
  outcome.leg = children[0]!
  try {
    const winner = await firstReady(leg, children, call.seconds + Number(timeout))
    outcome.leg = winner ?? children.at(-1)!
    for (const child of children) if (child !== winner) endLeg(child, 'canceled')
    if (winner) await talk(leg, winner, call.seconds + Number(timeLimit), outcome)
  } finally {
    for (const child of children) {
      if (child.isDialled) endLeg(child, child.answered_s === undefined ? 'canceled' : 'completed')
    }
  }
  outcome.status = hasEnded(outcome.leg) ? outcome.leg.status : 'completed'
  leg.dial_status = outcome.status
}

function isAllowed(leg: Leg, from: string) {
  const { numbers } = leg.call.world.account
  return from === leg.from || numbers.some(({ phone_number }) => phone_number === from)
}

function startChild(leg: Leg, from: string, number: TwimlElement, document: Document, interpreter: Interpreter): Leg {
  const { url, method, sendDigits, statusCallback, statusCallbackMethod, statusCallbackEvent } = number.attributes
  const status_callback: StatusCallback | undefined = statusCallback
    ? {
        ...resolveTarget(document, statusCallback, statusCallbackMethod ?? 'POST'),
        events: (statusCallbackEvent ?? 'completed').split(/\s+/),
      }
    : undefined
  const to = number.text.trim()
  const made = { parent: leg, from, to, direction: 'outbound-dial', status: 'initiated' } as const
  const child = newLeg(leg.call, { ...made, isDialled: true, status_callback })
  reportStatus(child)
  child.status = 'ringing'
  reportStatus(child)
  notify(leg.call)
  const live = async () => {
    await waitFor(child, (event) => (event.kind === 'answered' && event.leg === child ? true : undefined))
    if (sendDigits) hear(child, `[digits ${sendDigits}]`)
    if (url) {
      const whisper = await fetchDocument(child, resolveTarget(document, url, method ?? 'POST'))
      await interpreter.carryOutAll(child, whisper)
    }
    child.isReady = true
    emit(child.call.world, { kind: 'ready', leg: child })
    return waitFor<undefined>(child, () => undefined)
  }
  spawn(leg.call, () => interpreter.runLeg(child, live))
  return child
}

/** The first child that is ready to talk, or undefined when there will be none. */
async function firstReady(leg: Leg, children: Leg[], at_s: number): Promise<Leg | undefined> {
  const over = (child: Leg) => hasEnded(child) || !child.isDialled
  let limit: { at_s: number; otherwise: 'late' } | undefined = { at_s, otherwise: 'late' }
  for (;;) {
    const ready = children.find((child) => child.isReady && !over(child))
    if (ready) return ready
    if (children.every(over)) return undefined
    const what = await waitFor<'late' | 'news'>(
      leg,
      (event) => ('leg' in event && event.kind !== 'key' && children.includes(event.leg) ? 'news' : undefined),
      limit,
    )
    if (what === 'news') continue
    limit = undefined
    for (const child of children) if (child.answered_s === undefined) endLeg(child, 'no-answer')
  }
}

async function talk(leg: Leg, child: Leg, at_s: number, outcome: Outcome) {
  pickUp(leg)
  connect(leg, child)
  outcome.bridged_s = leg.call.seconds
  try {
    await waitFor(
      leg,
      (event) =>
        (event.kind === 'ended' || event.kind === 'redirected') && event.leg === child ? ('over' as const) : undefined,
      { at_s, otherwise: 'over' },
    )
  } finally {
    part(leg)
  }
}

/** https://www.twilio.com/docs/voice/twiml/conference */
async function confer({ leg, verb }: Step, conference: TwimlElement, outcome: Outcome) {
  const { world, seconds } = leg.call
  const { beep = 'true', endConferenceOnExit = 'false', waitUrl = 'music' } = conference.attributes
  const name = conference.text.trim()
  pickUp(leg)
  const room = world.rooms.get(name) ?? new Set<Leg>()
  world.rooms.set(name, room)
  for (const other of room) {
    connect(leg, other)
    if (beep === 'true' || beep === 'onEnter') hear(other, '[beep]')
  }
  if (room.size === 0 && waitUrl !== '') hear(leg, '[music]')
  room.add(leg)
  outcome.status = 'answered'
  const over = (event: Parameters<Parameters<typeof waitFor>[1]>[0]) =>
    event.kind === 'room-over' && event.room === room ? true : undefined
  try {
    await waitFor(leg, over, { at_s: seconds + Number(verb.attributes.timeLimit ?? 14400), otherwise: true })
  } finally {
    room.delete(leg)
    part(leg)
    const isOver = endConferenceOnExit === 'true' || room.size === 0
    if (isOver && world.rooms.get(name) === room) world.rooms.delete(name)
    if (endConferenceOnExit === 'true') emit(world, { kind: 'room-over', room })
  }
  assertGoingOn(leg)
}

const RECORDS: Record<string, 1 | 2> = {
  true: 1,
  'record-from-answer': 1,
  'record-from-ringing': 1,
  'record-from-answer-dual': 2,
  'record-from-ringing-dual': 2,
}

function finishRecording({ leg, verb }: Step, outcome: Outcome) {
  const channels = RECORDS[verb.attributes.record ?? '']
  if (!channels || outcome.bridged_s === undefined || outcome.recording) return
  const { world, seconds } = leg.call
  const duration_s = (outcome.leg?.ended_s ?? seconds) - outcome.bridged_s
  const date_created = timeOf(leg.call, outcome.bridged_s)
  outcome.recording = newRecording({ call_sid: leg.sid, duration_s, channels, source: 'DialVerb', date_created })
  world.account.addRecording(outcome.recording)
}

function reportDialRecording({ leg, verb, document }: Step, { recording }: Outcome) {
  const { recordingStatusCallback, recordingStatusCallbackMethod, recordingStatusCallbackEvent } = verb.attributes
  if (!recording || !recordingStatusCallback) return
  const target = resolveTarget(document, recordingStatusCallback, recordingStatusCallbackMethod ?? 'POST')
  const events = (recordingStatusCallbackEvent ?? 'completed').split(/\s+/)
  reportRecording(leg, { ...target, events }, recording, 'completed')
}

/** https://www.twilio.com/docs/voice/twiml/dial#action */
function actionParams(parent: Leg, { status, leg, bridged_s, recording }: Outcome): Record<string, string> {
  return {
    DialCallStatus: status,
    ...(leg && { DialCallSid: leg.sid, DialBridged: String(bridged_s !== undefined) }),
    ...(leg?.answered_s !== undefined && { DialCallDuration: String(durationOf(leg)) }),
    ...(recording && {
      RecordingSid: recording.sid,
      RecordingUrl: recordingUrl(parent, recording.sid),
      RecordingDuration: String(recording.duration_s),
    }),
  }
}
