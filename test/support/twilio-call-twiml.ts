import { dial, type Step } from './twilio-call-dial.ts'
import { resolveTarget, TwimlProblem } from './twilio-call-document.ts'
import {
  assertGoingOn,
  type CallEvent,
  type Document,
  hasEnded,
  hear,
  Interrupted,
  type Leg,
  timeOf,
  waitFor,
} from './twilio-call-legs.ts'
import { endCall, endLeg, pickUp } from './twilio-call-progress.ts'
import { fetchDocument, legParams, recordingUrl, reportRecording, request } from './twilio-call-webhooks.ts'
import { type AccountRecording, newRecording } from './twilio-recordings.ts'

/** Carries TwiML out on a leg: https://www.twilio.com/docs/voice/twiml. What it cannot do it says in the warnings. */
type Next = Document | undefined

const MOST_DOCUMENTS = 50

/** A leg's whole life, as its documents have it and REST changes it. */
export async function runLeg(leg: Leg, first: () => Promise<Next>) {
  let begin = first
  for (;;) {
    try {
      const document = await begin()
      if (document) await carryOutAll(leg, document)
      if (!leg.redirect) break
    } catch (error) {
      if (error instanceof TwimlProblem) return endFailed(leg, error)
      if (!(error instanceof Interrupted)) throw error
    }
    if (hasEnded(leg) || !leg.redirect) return
    begin = leg.redirect
    leg.redirect = undefined
  }
  endCall(leg)
}

/** Whoever is on the line hears of an application error; the debugger says which. */
function endFailed(leg: Leg, { code, message }: TwimlProblem) {
  leg.call.warnings.push(`${code} ${message}`)
  if (hasEnded(leg)) return
  hear(leg, '[application error]')
  endLeg(leg, leg.answered_s === undefined ? 'failed' : 'completed')
}

export async function carryOutAll(leg: Leg, first: Document) {
  let document: Next = first
  for (let count = 0; document; count++) {
    if (count === MOST_DOCUMENTS) throw new TwimlProblem(11200, 'the documents of this call do not end')
    document = await carryOut(leg, document)
  }
}

async function carryOut(leg: Leg, document: Document): Promise<Next> {
  for (const [at, verb] of document.verbs.entries()) {
    assertGoingOn(leg)
    const perform = VERBS[verb.name]
    warnOfIgnored(leg, verb.name, Object.keys(verb.attributes))
    if (!perform) continue
    const next = await perform({ leg, verb, document, isFirst: at === 0 })
    if (next) return next
  }
  return undefined
}

const VERBS: Record<string, (step: Step) => Promise<Next> | Next> = {
  Say: (step) => prompt(step),
  Play: (step) => prompt(step),
  Pause: ({ leg, verb }) => pause(leg, verb.attributes.length),
  Gather: gather,
  Record: record,
  Dial(step) {
    if (!step.leg.isDialled) return dial(step, { runLeg, carryOutAll })
    step.leg.call.warnings.push('Dial is not allowed before the two are connected')
    return undefined
  },
  Redirect: ({ leg, verb, document }) =>
    fetchDocument(leg, resolveTarget(document, verb.text, verb.attributes.method ?? 'POST')),
  Hangup({ leg }) {
    endCall(leg)
    throw new Interrupted()
  },
  Reject: reject,
}

const CARRIED_OUT: Record<string, string> = {
  Say: 'voice language loop',
  Play: 'loop digits',
  Pause: 'length',
  Gather: 'input action method timeout numDigits finishOnKey actionOnEmptyResult language',
  Record:
    'action method timeout finishOnKey maxLength playBeep trim recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent',
  Dial: 'callerId answerOnBridge timeout timeLimit action method record recordingStatusCallback recordingStatusCallbackMethod recordingStatusCallbackEvent',
  Redirect: 'method',
  Hangup: '',
  Reject: 'reason',
}

function warnOfIgnored(leg: Leg, name: string, attributes: string[]) {
  const known = CARRIED_OUT[name]?.split(' ')
  if (!known) return void leg.call.warnings.push(`12200 ${name} is not carried out`)
  for (const each of attributes) {
    if (!known.includes(each)) leg.call.warnings.push(`${name} ${each} is not carried out`)
  }
}

/** Speech takes no time here. */
function prompt({ leg, verb }: Pick<Step, 'leg' | 'verb'>): undefined {
  pickUp(leg)
  const { digits, loop = '1' } = verb.attributes
  const played = digits === undefined ? `[play ${verb.text.trim()}]` : `[digits ${digits}]`
  for (let times = Number(loop) || 1; times > 0; times--) hear(leg, verb.name === 'Say' ? verb.text.trim() : played)
}

/** As the first verb it puts off answering. */
const pause = (leg: Leg, length = '1') =>
  waitFor<undefined>(leg, () => undefined, { at_s: leg.call.seconds + Number(length), otherwise: undefined })

const keyOf = (leg: Leg) => (event: CallEvent) => (event.kind === 'key' && event.leg === leg ? event.key : undefined)

/** https://www.twilio.com/docs/voice/twiml/gather */
async function gather({ leg, verb, document }: Step): Promise<Next> {
  const { numDigits, finishOnKey = '#', timeout = '5', actionOnEmptyResult, action, method } = verb.attributes
  const { call } = leg
  if (!(verb.attributes.input ?? 'dtmf').includes('dtmf')) call.warnings.push('Gather hears no speech')
  pickUp(leg)
  const nextKey = (seconds: number) => waitFor(leg, keyOf(leg), { at_s: call.seconds + seconds, otherwise: '' })
  let key = ''
  for (const each of verb.children) {
    if (key !== '') break
    if (each.name === 'Pause') key = await nextKey(Number(each.attributes.length ?? 1))
    else if (each.name === 'Say' || each.name === 'Play') prompt({ leg, verb: each })
  }
  let digits = ''
  key ||= await nextKey(Number(timeout))
  while (key !== '' && key !== finishOnKey) {
    digits += key
    key = digits.length === Number(numDigits) ? '' : await nextKey(Number(timeout))
  }
  if (digits === '' && actionOnEmptyResult !== 'true') return undefined
  const params = { Digits: digits, FinishedOnKey: key, msg: 'Gather End' }
  return fetchDocument(leg, resolveTarget(document, action, method), params)
}

/** https://www.twilio.com/docs/voice/twiml/record. One in which nobody speaks is none, and the document goes on. */
async function record(step: Step): Promise<Next> {
  const { leg, verb, document } = step
  const { action, method, playBeep, finishOnKey = '1234567890*#' } = verb.attributes
  pickUp(leg)
  if (playBeep !== 'false') hear(leg, '[beep]')
  const start_s = leg.call.seconds
  const spoken = { until_s: start_s, digits: '' }
  try {
    await listen(step, finishOnKey, spoken)
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error
    spoken.digits = hasEnded(leg) ? 'hangup' : ''
    const made = saveRecording(step, start_s, spoken.until_s)
    if (made && hasEnded(leg)) {
      const params = { ...legParams(leg), ...recordingParams(leg, made, spoken.digits) }
      await request(leg, resolveTarget(document, action, method), params)
    }
    reportMade(step, made)
    throw error
  }
  const made = saveRecording(step, start_s, spoken.until_s)
  try {
    if (!made) return undefined
    return await fetchDocument(leg, resolveTarget(document, action, method), recordingParams(leg, made, spoken.digits))
  } finally {
    reportMade(step, made)
  }
}

async function listen({ leg, verb }: Step, finishOnKey: string, spoken: { until_s: number; digits: string }) {
  const { call } = leg
  const { timeout = '5', maxLength = '3600' } = verb.attributes
  const most_s = call.seconds + Number(maxLength)
  while (spoken.digits === '' && call.seconds < most_s) {
    const at_s = Math.min(most_s, spoken.until_s + Number(timeout))
    const what = await waitFor<CallEvent | 'over'>(leg, (event) => heardFrom(leg, event, finishOnKey), {
      at_s,
      otherwise: 'over',
    })
    if (what === 'over') return
    if (what.kind === 'spoke') spoken.until_s = Math.min(most_s, what.until_s)
    if (what.kind === 'key') spoken.digits = what.key
  }
}

function heardFrom(leg: Leg, event: CallEvent, keys: string): CallEvent | undefined {
  if (!('leg' in event) || event.leg !== leg) return undefined
  return event.kind === 'spoke' || (event.kind === 'key' && keys.includes(event.key)) ? event : undefined
}

/** Silence at the end is no part of it. */
function saveRecording({ leg }: Step, start_s: number, until_s: number): AccountRecording | undefined {
  const duration_s = Math.min(until_s, leg.call.seconds) - start_s
  if (duration_s <= 0) return undefined
  const date_created = timeOf(leg.call, start_s)
  const made = newRecording({ call_sid: leg.sid, duration_s, channels: 1, source: 'RecordVerb', date_created })
  leg.call.world.account.addRecording(made)
  return made
}

const recordingParams = (leg: Leg, { sid, duration_s }: AccountRecording, digits: string) => ({
  RecordingUrl: recordingUrl(leg, sid),
  RecordingSid: sid,
  RecordingDuration: String(duration_s),
  Digits: digits,
})

function reportMade({ leg, verb, document }: Step, made: AccountRecording | undefined) {
  const { recordingStatusCallback: url, recordingStatusCallbackMethod: method = 'POST' } = verb.attributes
  if (!url) return
  const events = (verb.attributes.recordingStatusCallbackEvent ?? 'completed').split(/\s+/)
  const nothing = { call_sid: leg.sid, duration_s: 0, channels: 1, source: 'RecordVerb' } as const
  const recording = made ?? newRecording({ ...nothing, date_created: timeOf(leg.call) })
  reportRecording(leg, { ...resolveTarget(document, url, method), events }, recording, made ? 'completed' : 'absent')
}

/** As the first verb it ends a call that nobody has picked up; later it can only hang up. */
function reject({ leg, verb, isFirst }: Step): never {
  const isBusy = verb.attributes.reason === 'busy'
  if (isFirst && leg.direction === 'inbound' && leg.answered_s === undefined) {
    hear(leg, isBusy ? '[busy]' : '[not in service]')
    endLeg(leg, isBusy ? 'busy' : 'no-answer')
  } else {
    leg.call.warnings.push('Reject comes too late')
    endCall(leg)
  }
  throw new Interrupted()
}
