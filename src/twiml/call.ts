import {
  readDial,
  readGather,
  readPause,
  readPlay,
  readRecord,
  readRedirect,
  readReject,
  readSay,
  type Target,
  warnOfUnknown,
} from './call-verbs.ts'
import { readAnswer, type TwimlDocument, type TwimlWarning, warn } from './document.ts'
import { parseTwiml, quoteName, TwimlError, type TwimlNode } from './parse.ts'

/**
 * What a caller's leg can do, for a carrier that does not carry TwiML out by itself. Each promise resolves when that is
 * over, also when the caller hung up meanwhile: then `hasEnded` is true, and nothing more is done.
 */
export type CallLeg = {
  readonly hasEnded: boolean
  /** Picks up. Whatever is heard on the call answers it first; a second time it does nothing. */
  answer(): Promise<void>
  say(text: string, voice: { voice: string | undefined; language: string | undefined }): Promise<void>
  play(url: string): Promise<void>
  sendDigits(digits: string): Promise<void>
  pause(seconds: number): Promise<void>
  /** Resolves to what was pressed, without the finishing key; '' when nothing was within the timeout. */
  gather(options: GatherOptions): Promise<string>
  dial(options: DialOptions): Promise<DialResult>
  /** Undefined when nothing was recorded. */
  record(options: RecordOptions): Promise<Recorded | undefined>
  /** Ends the call: a leg that was not answered is `busy` or `rejected`, any other hangs up. */
  end(how: 'hangup' | 'busy' | 'rejected'): Promise<void>
}

export type GatherOptions = {
  /** Undefined: as many as are pressed before the timeout or the finishing key. */
  num_digits: number | undefined
  /** The keys that end it; '' for none. */
  finish_on_key: string
  /** From the last key, or from the end of what was said, to giving up. */
  timeout_s: number
  /** What is said meanwhile; a key ends it. Begins nothing more once the gathering is over. */
  prompts: () => Promise<void>
}

export type StatusCallback = { url: string; method: 'POST' | 'GET'; events: string[] }

export type DialOptions = {
  to: string
  /** Undefined: what the caller shows. */
  caller_id: string | undefined
  timeout_s: number
  time_limit_s: number
  answer_on_bridge: boolean
  record: boolean
  recording_status_callback: Pick<StatusCallback, 'url' | 'method'> | undefined
  status_callback: StatusCallback | undefined
  /**
   * Run on the leg that answered, before the two are brought together; when that leg has ended by then, they never are.
   * `request` makes the requests about that leg, where they differ from those about the caller's.
   */
  whisper: ((leg: CallLeg, request?: CallRequest) => Promise<void>) | undefined
}

export type DialResult = {
  call_sid: string | undefined
  status: 'completed' | 'busy' | 'no-answer' | 'failed' | 'canceled'
  duration_s: number
  recording: Recorded | undefined
}

export type RecordOptions = {
  max_length_s: number
  finish_on_key: string
  /** Of silence, after which it ends. */
  timeout_s: number
  play_beep: boolean
  recording_status_callback: Pick<StatusCallback, 'url' | 'method'> | undefined
}

export type Recorded = { recording_sid: string; url: string; duration_s: number; digits: string }

/** Makes one request of the call, with `params` beside those every request about it carries. */
export type CallRequest = (
  url: string,
  method: 'POST' | 'GET',
  params: Record<string, string>,
) => Promise<TwimlDocument>

/** What was left out or went wrong while the rest was carried out. */
export type CallRun = { warnings: TwimlWarning[] }

type Document = { body: string; url: string }

/** What a call may still ask for, its whispers included: however documents lead in circles, it comes to an end. */
type Budget = { documents: number; steps: number }

type Call = {
  kind: 'call' | 'whisper'
  leg: CallLeg
  request: CallRequest
  run: CallRun
  budget: Budget
  /** Whether what is being carried out has become pointless. */
  isOver: () => boolean
  /** It still rings for the caller, because a Dial was to answer it and nobody did. */
  rings: boolean
}

const MAX_DOCUMENTS = 50
const MAX_STEPS = 10_000

/**
 * Carries out the TwiML of a call as the vendor does, until the call is over: by itself, or because the last document came
 * to its end. `start.url` is where `start.body` came from. Throws a `TwimlError`, and hangs up, when a document cannot be
 * had or is none.
 */
export async function runCallTwiml(start: Document, leg: CallLeg, request: CallRequest): Promise<CallRun> {
  const run: CallRun = { warnings: [] }
  const budget: Budget = { documents: MAX_DOCUMENTS, steps: MAX_STEPS }
  const call: Call = { kind: 'call', leg, request, run, budget, isOver: () => leg.hasEnded, rings: false }
  try {
    await runDocuments(start, call)
    if (!leg.hasEnded) await hangUp(call)
  } catch (error) {
    if (error instanceof TwimlError && !leg.hasEnded) await leg.end('hangup')
    throw error
  }
  return run
}

/** How a verb leaves the call: on to the next verb, on to another document, or over. */
type Step = 'next' | Document | 'over'
type Verb = (node: TwimlNode, base: string, call: Call) => Promise<Step>

const VERBS = new Map<string, Verb>([
  ['Say', say],
  ['Play', play],
  ['Pause', pause],
  ['Gather', gather],
  ['Dial', dial],
  ['Record', record],
  ['Redirect', redirect],
  ['Hangup', hangup],
  ['Reject', reject],
])

async function runDocuments(start: Document, call: Call): Promise<void> {
  let document: Document | undefined = start
  while (document && !call.leg.hasEnded) document = await runDocument(document, call)
}

/** Gives the document that replaces this one. */
async function runDocument({ body, url }: Document, call: Call): Promise<Document | undefined> {
  const verbs = body.trim() === '' ? [] : parseTwiml(body).children
  for (const node of verbs) {
    const verb = VERBS.get(node.name)
    if (!verb) {
      warn(call.run, `The verb ${quoteName(node.name)} does nothing in a call here.`)
      continue
    }
    const step = await verb(node, url, call)
    if (step === 'over' || call.leg.hasEnded) return undefined
    if (call.budget.steps < 0) throw new TwimlError(`The TwiML does more than ${MAX_STEPS} things in one call.`)
    if (step !== 'next') return step
  }
  return undefined
}

async function say(node: TwimlNode, _base: string, call: Call): Promise<Step> {
  const { text, voice, loop } = readSay(node, call.run)
  if (text !== '') await repeat(call, loop, () => call.leg.say(text, voice))
  return 'next'
}

async function play(node: TwimlNode, base: string, call: Call): Promise<Step> {
  const { digits, url, loop } = readPlay(node, base, call.run)
  if (digits) await repeat(call, 1, () => call.leg.sendDigits(digits))
  else if (url) await repeat(call, loop, () => call.leg.play(url))
  return 'next'
}

/** As the first verb it delays the moment at which the call is answered, so it does not answer it. */
async function pause(node: TwimlNode, _base: string, call: Call): Promise<Step> {
  const seconds = readPause(node, call.run)
  if (mayAct(call)) await call.leg.pause(seconds)
  return 'next'
}

async function gather(node: TwimlNode, base: string, call: Call): Promise<Step> {
  const { takes_keys, prompts, action, action_on_empty_result, ...options } = readGather(node, base, call.run)
  if (!(await mayListen(call))) return 'next'
  let hasKeys = false
  const prompted: Call = { ...call, isOver: () => hasKeys || call.isOver() }
  const prompt = async () => {
    for (const each of prompts) if (!prompted.isOver()) await VERBS.get(each.name)?.(each, base, prompted)
  }

  let digits = ''
  if (takes_keys) {
    digits = await call.leg.gather({ ...options, prompts: prompt })
    hasKeys = true
  } else {
    await prompt()
    if (mayAct(call)) await call.leg.pause(options.timeout_s)
  }
  if (call.leg.hasEnded) return 'over'
  return digits !== '' || action_on_empty_result ? await requestDocument(action, call, { Digits: digits }) : 'next'
}

async function dial(node: TwimlNode, base: string, call: Call): Promise<Step> {
  if (call.kind === 'whisper') {
    warn(call.run, 'A Dial does nothing on the leg that was dialled.')
    return 'next'
  }
  const { to, action, whisper, ...options } = readDial(node, base, call.run)
  let declined = false
  const whisperTo = async (leg: CallLeg, request = call.request) => {
    if (whisper) await runWhisper(whisper, { ...call, kind: 'whisper', leg, request, isOver: () => leg.hasEnded })
    declined = leg.hasEnded
  }

  let result: DialResult = { call_sid: undefined, status: 'failed', duration_s: 0, recording: undefined }
  if (to) {
    if (!(options.answer_on_bridge ? mayAct(call) : await mayListen(call))) return 'next'
    result = await call.leg.dial({ ...options, to, whisper: whisper && whisperTo })
  }
  const isBridged = result.status === 'completed' && !declined
  if (options.answer_on_bridge) call.rings = !isBridged
  if (!action) return 'next'
  const { call_sid, status, duration_s, recording } = result
  return await tell(action, call, {
    ...(call_sid === undefined ? {} : { DialCallSid: call_sid }),
    DialCallStatus: status,
    DialCallDuration: String(duration_s),
    DialBridged: String(isBridged),
    ...(recording ? { RecordingUrl: recording.url, RecordingSid: recording.recording_sid } : {}),
  })
}

/** One that cannot be had, or fails, parts from whoever was dialled: it may have been there to ask whether they want to. */
async function runWhisper(target: Target, call: Call): Promise<void> {
  try {
    await runDocuments(await requestDocument(target, call, {}), call)
  } catch (error) {
    if (!(error instanceof TwimlError)) throw error
    warn(call.run, error.message, error.code)
    if (!call.leg.hasEnded) await call.leg.end('hangup')
  }
}

async function record(node: TwimlNode, base: string, call: Call): Promise<Step> {
  const { action, ...options } = readRecord(node, base, call.run)
  if (!(await mayListen(call))) return 'next'
  const recorded = await call.leg.record(options)
  if (!recorded) return 'next'
  return await tell(action, call, {
    RecordingUrl: recorded.url,
    RecordingSid: recorded.recording_sid,
    RecordingDuration: String(recorded.duration_s),
    Digits: recorded.digits || (call.leg.hasEnded ? 'hangup' : ''),
  })
}

async function redirect(node: TwimlNode, base: string, call: Call): Promise<Step> {
  return await requestDocument(readRedirect(node, base, call.run), call, {})
}

async function hangup(node: TwimlNode, _base: string, call: Call): Promise<Step> {
  warnOfUnknown(node, [], [], call.run)
  await hangUp(call)
  return 'over'
}

async function reject(node: TwimlNode, _base: string, call: Call): Promise<Step> {
  await call.leg.end(readReject(node, call.run))
  return 'over'
}

/** Only a Reject, and a Dial that nobody answered, leave a call unanswered: any other TwiML has picked up by its end. */
async function hangUp(call: Call): Promise<void> {
  if (!call.rings) await call.leg.answer()
  if (!call.leg.hasEnded) await call.leg.end('hangup')
}

async function repeat(call: Call, times: number, act: () => Promise<void>): Promise<void> {
  await call.leg.answer()
  for (let n = 0; n < times && mayAct(call); n++) await act()
}

const mayAct = (call: Call) => !call.isOver() && call.budget.steps-- > 0

/** The same for what needs a call that was answered, and so answers it. */
async function mayListen(call: Call): Promise<boolean> {
  if (!mayAct(call)) return false
  await call.leg.answer()
  return !call.isOver()
}

/** What came of a Dial or a Record is told also when the caller has hung up; what answers it then has no listener. */
async function tell(target: Target, call: Call, params: Record<string, string>): Promise<Step> {
  if (!call.leg.hasEnded) return await requestDocument(target, call, params)
  try {
    await requestDocument(target, call, params)
  } catch (error) {
    if (!(error instanceof TwimlError)) throw error
    warn(call.run, error.message, error.code)
  }
  return 'over'
}

async function requestDocument(target: Target, call: Call, params: Record<string, string>): Promise<Document> {
  const { url, method, source } = target
  if (!url) throw new TwimlError(`${source} is not an http or https URL.`, 11200)
  if (call.budget.documents-- <= 0) {
    throw new TwimlError(`The TwiML asks for more than ${MAX_DOCUMENTS} documents.`, 11200)
  }
  const answer = await call.request(url, method, params)
  return { body: isEmpty(answer) ? '' : readAnswer(answer, source), url }
}

const isEmpty = ({ status, body }: TwimlDocument) => status >= 200 && status <= 299 && body.trim() === ''
