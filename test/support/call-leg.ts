import assert from 'node:assert/strict'
import twilio from 'twilio'
import {
  type CallLeg,
  type CallRequest,
  type DialOptions,
  type DialResult,
  type GatherOptions,
  type Recorded,
  type RecordOptions,
  runCallTwiml,
} from '../../src/twiml/call.ts'
import type { TwimlDocument } from '../../src/twiml/document.ts'

const { VoiceResponse } = twilio.twiml

export const START = 'https://app.example/proxy/call?x=1'
export const [ALICE, BOB] = ['+12025550101', '+12025550102']

/** A document written with the vendor's own library. */
export function voice(write: (response: InstanceType<typeof VoiceResponse>) => unknown): string {
  const response = new VoiceResponse()
  write(response)
  return response.toString()
}

/** What people do on a call: in the order in which they are asked. */
export type Script = {
  /** Pressed at each Gather; nothing at those beyond. */
  keys?: string[]
  /** How each Dial ends; those beyond, and what is not said, are as in `PICKED_UP`. */
  dials?: Partial<DialResult>[]
  /** What each Record gives; nothing beyond. */
  recordings?: (Recorded | undefined)[]
  /** The caller hangs up during the first thing done that begins like this, or the one of this number. */
  hangsUpDuring?: string | number
  /** Whom the Dials reach, and what is whispered to. */
  callee?: ScriptedLeg
}

export type ScriptedLeg = {
  leg: CallLeg
  /** All that was done, one line each, in order. */
  done: string[]
  gathers: Omit<GatherOptions, 'prompts'>[]
  dials: DialOptions[]
  records: RecordOptions[]
}

export const PICKED_UP: DialResult = {
  call_sid: `CA${'1'.repeat(32)}`,
  status: 'completed',
  duration_s: 42,
  recording: undefined,
}

export const RECORDED: Recorded = {
  recording_sid: `RE${'2'.repeat(32)}`,
  url: 'https://api.example/r',
  duration_s: 7,
  digits: '#',
}

/**
 * A leg on which all happens at once, as its script has it, and which fails when it is asked anything after its end. The
 * whisper runs in every dial that comes to pass.
 */
export function scriptedLeg(script: Script = {}): ScriptedLeg {
  const [keys, dials, recordings] = [
    [...(script.keys ?? [])],
    [...(script.dials ?? [])],
    [...(script.recordings ?? [])],
  ]
  const result: Omit<ScriptedLeg, 'leg'> = { done: [], gathers: [], dials: [], records: [] }
  let [isAnswered, hasEnded] = [false, false]

  const act = async (what: string) => {
    assert.equal(hasEnded, false, `${what} was asked of a leg that has ended`)
    result.done.push(what)
    const { hangsUpDuring } = script
    const isNow =
      typeof hangsUpDuring === 'number' ? result.done.length > hangsUpDuring : what.startsWith(hangsUpDuring ?? '\0')
    if (isNow) hasEnded = true
  }
  const leg: CallLeg = {
    get hasEnded() {
      return hasEnded
    },
    async answer() {
      assert.equal(hasEnded, false, 'a leg that has ended was answered')
      if (isAnswered) return
      isAnswered = true
      await act('answer')
    },
    say: (text, { voice, language }) =>
      act(['say', text, voice, language].filter((part) => part !== undefined).join(' ')),
    play: (url) => act(`play ${url}`),
    sendDigits: (digits) => act(`send ${digits}`),
    pause: (seconds) => act(`pause ${seconds}`),
    async gather({ prompts, ...options }) {
      result.gathers.push(options)
      await act('gather')
      if (!hasEnded) await prompts()
      return keys.shift() ?? ''
    },
    async dial(options) {
      result.dials.push(options)
      await act(`dial ${options.to}`)
      const outcome = { ...PICKED_UP, ...dials.shift() }
      if (outcome.status === 'completed' && script.callee && !script.callee.leg.hasEnded) {
        await options.whisper?.(script.callee.leg)
      }
      return outcome
    },
    async record(options) {
      result.records.push(options)
      await act('record')
      return recordings.shift()
    },
    async end(how) {
      await act(`end ${how}`)
      hasEnded = true
    },
  }
  return { leg, ...result }
}

export type Asked = { at: string; params: Record<string, string> }

export type Documents = Record<string, string | Partial<TwimlDocument>>

/** An application: the documents it has, by method and address, and what it was asked. Others are not found. */
export function application(documents: Documents = {}) {
  const asked: Asked[] = []
  const request: CallRequest = async (url, method, params) => {
    const at = `${method} ${url}`
    asked.push({ at, params })
    const document = Object.hasOwn(documents, at) ? documents[at] : { status: 404 }
    return {
      status: 200,
      content_type: 'text/xml',
      body: '',
      ...(typeof document === 'string' ? { body: document } : document),
    }
  }
  return { request, asked }
}

/** Carries a document out on a leg of its own, to the call's end. */
export async function run(body: string, script: Script = {}, documents: Documents = {}) {
  const { leg, ...records } = scriptedLeg(script)
  const { request, asked } = application(documents)
  const { warnings } = await runCallTwiml({ body, url: START }, leg, request)
  assert.equal(leg.hasEnded, true, 'a call is over when its TwiML has been carried out')
  return { ...records, asked, warnings, reasons: warnings.map(({ reason }) => reason) }
}

export const done = async (...call: Parameters<typeof run>) => (await run(...call)).done
