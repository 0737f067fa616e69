import { readMethod, resolveUrl, type TwimlWarning, warn } from './document.ts'
import { quoteName, type TwimlNode } from './parse.ts'

/**
 * Reads the verbs of a call: defaults and limits as the vendor documents them. Whatever is written there can be carried
 * out; what cannot is replaced by the default or left out, with a warning. https://www.twilio.com/docs/voice/twiml
 */
type Run = { warnings: TwimlWarning[] }

/** Where to go on. `url` is undefined when what stands there is no web address: that is an error once it is requested. */
export type Target = { url: string | undefined; method: 'POST' | 'GET'; source: string }

/** For `loop="0"`, which means until the caller hangs up, and for whoever writes a larger number. */
const MAX_LOOP = 1000
const MAX_DIGITS = 1000
const FOUR_HOURS_S = 14_400
const DAY_S = 86_400

const RECORDING = ['recordingStatusCallback', 'recordingStatusCallbackMethod', 'recordingStatusCallbackEvent']
const STATUSES = ['initiated', 'ringing', 'answered', 'completed']
const PROMPTS = ['Say', 'Play', 'Pause']

/** Markup inside is for the voice: its words are said as they stand. */
export function readSay(node: TwimlNode, run: Run) {
  warnOfUnknown(node, ['voice', 'language', 'loop'], [], run)
  const text = wordsOf(node).trim()
  if (text === '') warn(run, 'A Say was left out: it has no text.')
  const { voice, language } = node.attributes
  return { text, voice: { voice: voice || undefined, language: language || undefined }, loop: readLoop(node, run) }
}

/** Keys to press, a sound to play, or neither. */
export function readPlay(node: TwimlNode, base: string, run: Run) {
  warnOfUnknown(node, ['loop', 'digits'], [], run)
  const { digits } = node.attributes
  if (digits) {
    if (/^[0-9*#A-DwW]+$/.test(digits)) return { digits }
    warn(run, 'A Play was left out: its digits are no keys of a phone.')
    return {}
  }
  const text = node.text.trim()
  const url = text === '' ? undefined : resolveUrl(text, base)
  if (!url) warn(run, 'A Play was left out: its address is not an http or https URL.')
  return { url, loop: readLoop(node, run) }
}

export function readPause(node: TwimlNode, run: Run): number {
  warnOfUnknown(node, ['length'], [], run)
  return readNumber(node, 'length', 1, [1, 600], run)
}

export function readGather(node: TwimlNode, base: string, run: Run) {
  const known = ['input', 'numDigits', 'finishOnKey', 'timeout', 'action', 'method', 'actionOnEmptyResult']
  warnOfUnknown(node, known, PROMPTS, run)
  const inputs = listOf(node.attributes.input) ?? ['dtmf']
  if (inputs.some((input) => input !== 'dtmf')) warn(run, 'A Gather takes nothing but keys here.')
  return {
    takes_keys: inputs.includes('dtmf'),
    num_digits: readNumber(node, 'numDigits', undefined, [1, MAX_DIGITS], run),
    finish_on_key: readKeys(node, '#', run),
    timeout_s: readNumber(node, 'timeout', 5, [0, 600], run),
    action: readTarget(node, 'action', base) ?? itself(node, base),
    action_on_empty_result: isTrue(node.attributes.actionOnEmptyResult),
    prompts: node.children.filter(({ name }) => PROMPTS.includes(name)),
  }
}

/** `to` is undefined when there is nobody whom we can dial. */
export function readDial(node: TwimlNode, base: string, run: Run) {
  const known = ['callerId', 'timeout', 'timeLimit', 'action', 'method', 'record', 'answerOnBridge', ...RECORDING]
  warnOfUnknown(node, known, ['Number'], run)
  const [number, ...others] = node.children.filter(({ name }) => name === 'Number')
  if (others.length > 0) warn(run, 'A Dial rings the first of its Numbers only.')
  if (number) warnOfUnknown(number, ['url', 'method', ...STATUS_CALLBACK], [], run)
  const to = (number ?? (node.children.length === 0 ? node : undefined))?.text.trim()
  if (to === '') warn(run, 'A Dial was left out: it has no number.')

  const { callerId, record } = node.attributes
  return {
    to: to || undefined,
    action: readTarget(node, 'action', base),
    whisper: number && readTarget(number, 'url', base),
    caller_id: callerId?.trim() || undefined,
    timeout_s: readNumber(node, 'timeout', 30, [1, 600], run),
    time_limit_s: readNumber(node, 'timeLimit', FOUR_HOURS_S, [1, DAY_S], run),
    answer_on_bridge: isTrue(node.attributes.answerOnBridge),
    record: !['', 'false', 'do-not-record'].includes(record?.trim().toLowerCase() ?? ''),
    recording_status_callback: readRecordingCallback(node, base, run),
    status_callback: number && readStatusCallback(number, base, run),
  }
}

export function readRecord(node: TwimlNode, base: string, run: Run) {
  const known = ['maxLength', 'timeout', 'finishOnKey', 'playBeep', 'action', 'method', ...RECORDING]
  warnOfUnknown(node, known, [], run)
  return {
    action: readTarget(node, 'action', base) ?? itself(node, base),
    max_length_s: readNumber(node, 'maxLength', 3600, [1, FOUR_HOURS_S], run),
    timeout_s: readNumber(node, 'timeout', 5, [1, 600], run),
    finish_on_key: readKeys(node, '1234567890*#', run),
    play_beep: node.attributes.playBeep?.trim().toLowerCase() !== 'false',
    recording_status_callback: readRecordingCallback(node, base, run),
  }
}

export function readRedirect(node: TwimlNode, base: string, run: Run): Target {
  warnOfUnknown(node, ['method'], [], run)
  const url = resolveUrl(node.text.trim(), base)
  return { url, method: readMethod(node.attributes.method), source: 'A Redirect' }
}

export function readReject(node: TwimlNode, run: Run): 'busy' | 'rejected' {
  warnOfUnknown(node, ['reason'], [], run)
  return node.attributes.reason === 'busy' ? 'busy' : 'rejected'
}

export function warnOfUnknown(node: TwimlNode, attributes: string[], nouns: string[], run: Run): void {
  for (const name of Object.keys(node.attributes)) {
    if (!attributes.includes(name)) {
      warn(run, `The attribute ${quoteName(name)} of a ${node.name} does nothing here.`)
    }
  }
  for (const { name } of node.children) {
    if (!nouns.includes(name)) warn(run, `The element ${quoteName(name)} does nothing in a ${node.name} here.`)
  }
}

function readTarget(node: TwimlNode, attribute: string, base: string): Target | undefined {
  const text = node.attributes[attribute]?.trim()
  if (!text) return undefined
  const source = `The ${attribute} of a ${node.name}`
  return { url: resolveUrl(text, base), method: readMethod(node.attributes.method), source }
}

const itself = (node: TwimlNode, base: string): Target => ({
  url: base,
  method: readMethod(node.attributes.method),
  source: `The action of a ${node.name}`,
})

const STATUS_CALLBACK = ['statusCallback', 'statusCallbackMethod', 'statusCallbackEvent']

function readStatusCallback(node: TwimlNode, base: string, run: Run) {
  const callback = readCallback(node, 'statusCallback', base, run)
  if (!callback) return undefined
  const given = listOf(node.attributes.statusCallbackEvent) ?? ['completed']
  const events = STATUSES.filter((status) => given.includes(status))
  if (given.some((event) => !STATUSES.includes(event))) warn(run, 'A statusCallbackEvent names an event there is not.')
  return { ...callback, events: events.length > 0 ? events : ['completed'] }
}

function readRecordingCallback(node: TwimlNode, base: string, run: Run) {
  const events = listOf(node.attributes.recordingStatusCallbackEvent) ?? ['completed']
  if (events.some((event) => event !== 'completed')) warn(run, 'Of a recording only its completion is told.')
  return readCallback(node, 'recordingStatusCallback', base, run)
}

function readCallback(node: TwimlNode, name: string, base: string, run: Run) {
  const text = node.attributes[name]?.trim()
  if (!text) return undefined
  const url = resolveUrl(text, base)
  if (url) return { url, method: readMethod(node.attributes[`${name}Method`]) }
  warn(run, `The ${name} of a ${node.name} was left out: it is not an http or https URL.`)
  return undefined
}

function readLoop(node: TwimlNode, run: Run): number {
  return readNumber(node, 'loop', 1, [0, MAX_LOOP], run) || MAX_LOOP
}

function readKeys(node: TwimlNode, fallback: string, run: Run): string {
  const keys = node.attributes.finishOnKey
  if (keys === undefined || /^[0-9*#]*$/.test(keys)) return keys ?? fallback
  warn(run, `The finishOnKey of a ${node.name} is no key of a phone.`)
  return fallback
}

function readNumber<T extends number | undefined>(
  node: TwimlNode,
  name: string,
  fallback: T,
  [least, most]: [number, number],
  run: Run,
): number | T {
  const text = node.attributes[name]?.trim()
  if (text === undefined) return fallback
  if (/^[+-]?\d+$/.test(text)) return Math.min(most, Math.max(least, Number(text)))
  warn(run, `The ${name} of a ${node.name} is no whole number.`)
  return fallback
}

const isTrue = (text: string | undefined) => text?.trim().toLowerCase() === 'true'

/** Words that stand between blanks; undefined when there is none. */
function listOf(text: string | undefined): string[] | undefined {
  const words = text?.trim().split(/\s+/).filter(Boolean) ?? []
  return words.length > 0 ? words : undefined
}

const wordsOf = (node: TwimlNode): string =>
  node.content.map((piece) => (typeof piece === 'string' ? piece : wordsOf(piece))).join('')
