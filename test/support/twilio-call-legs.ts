import type { TwilioAccount } from './twilio-account.ts'
import { vendorSid } from './twilio-numbers.ts'
import type { TwilioWebhooks } from './twilio-webhooks.ts'

/**
 * The legs of calls, what happens to them, and a clock per call that moves only when a test says so. Whatever a leg waits
 * for is an event; a call is settled when each of its legs waits and no request of it is under way.
 */
export type LegStatus =
  | 'initiated'
  | 'ringing'
  | 'in-progress'
  | 'completed'
  | 'busy'
  | 'no-answer'
  | 'failed'
  | 'canceled'

/** What is to be carried out next. `base` is what relative URLs resolve against; TwiML given by REST has none. */
export type Document = { verbs: TwimlElement[]; base: string | undefined; method: 'GET' | 'POST' }
export type TwimlElement = {
  name: string
  attributes: Record<string, string>
  text: string
  children: TwimlElement[]
}

export type StatusCallback = { url: string; method: 'GET' | 'POST'; events: string[] }

export type Leg = {
  sid: string
  call: LiveCall
  parent: Leg | undefined
  from: string
  to: string
  direction: 'inbound' | 'outbound-dial'
  status: LegStatus
  created_s: number
  answered_s: number | undefined
  ended_s: number | undefined
  /** Everything this person hears, in order. What is no speech stands in square brackets. */
  heard: string[]
  /** Requested when a document cannot be had. */
  fallback: { url: string; method: 'GET' | 'POST' } | undefined
  status_callback: StatusCallback | undefined
  sequence: number
  /** Where REST sent it, until it goes there. */
  redirect: (() => Promise<Document>) | undefined
  /** Whether it still belongs to the Dial that made it. */
  isDialled: boolean
  /** Whether it has answered and heard what it was to hear alone. */
  isReady: boolean
  talksTo: Set<Leg>
  /** What came of the last Dial, which is what an unanswered caller's call ends as. */
  dial_status: LegStatus | undefined
}

export type CallRequest = {
  method: 'GET' | 'POST'
  url: string
  /** The value of I-Twilio-Idempotency-Token, which an attempt at the same request repeats. */
  token: string
  call_sid: string
  params: Record<string, string>
  /** 0 when no answer came: `error` says why. */
  status: number
  content_type: string
  body: string
  error: string | undefined
}

export type CallEvent =
  | { kind: 'answered' | 'ready' | 'ended' | 'redirected'; leg: Leg }
  | { kind: 'spoke'; leg: Leg; until_s: number }
  | { kind: 'key'; leg: Leg; key: string }
  | { kind: 'room-over'; room: Set<Leg> }

type Wait = { hear: (event: CallEvent) => void; at_s: number; expire: () => void }

export type LiveCall = {
  world: World
  started: Date
  legs: Leg[]
  requests: CallRequest[]
  /** What Twilio's debugger would show: error codes and ignored verbs. */
  warnings: string[]
  seconds: number
  busy: number
  failure: unknown
  waits: Set<Wait>
  listeners: Set<() => void>
  /** Status callbacks leave one after the other. */
  callbacks: Promise<void>
}

export type World = {
  account: TwilioAccount
  webhooks: TwilioWebhooks
  origin: () => string
  calls: LiveCall[]
  rooms: Map<string, Set<Leg>>
  held: (() => Promise<void>)[]
}

/** The leg does not go on with what it was doing: it has ended or was sent elsewhere. */
export class Interrupted extends Error {}

export function newLeg(call: LiveCall, leg: Pick<Leg, 'from' | 'to' | 'direction'> & Partial<Leg>): Leg {
  const added: Leg = {
    sid: vendorSid('CA'),
    call,
    parent: undefined,
    status: 'ringing',
    created_s: call.seconds,
    answered_s: undefined,
    ended_s: undefined,
    heard: [],
    fallback: undefined,
    status_callback: undefined,
    sequence: 0,
    redirect: undefined,
    isDialled: false,
    isReady: false,
    talksTo: new Set(),
    dial_status: undefined,
    ...leg,
  }
  call.legs.push(added)
  return added
}

export const hasEnded = ({ ended_s }: Leg) => ended_s !== undefined

export const durationOf = ({ answered_s, ended_s, call }: Leg) =>
  answered_s === undefined ? 0 : (ended_s ?? call.seconds) - answered_s

export const timeOf = (call: LiveCall, seconds = call.seconds) => new Date(call.started.getTime() + seconds * 1000)

export function emit(world: World, event: CallEvent) {
  for (const call of world.calls) {
    for (const wait of [...call.waits]) wait.hear(event)
  }
}

/** Runs beside everything else. An error in it, other than an interruption, is the test's to see. */
export function spawn(call: LiveCall, run: () => Promise<unknown>) {
  call.busy++
  run()
    .catch((error) => {
      if (!(error instanceof Interrupted)) call.failure ??= error
    })
    .finally(() => {
      call.busy--
      notify(call)
    })
}

export function notify(call: LiveCall) {
  for (const listener of [...call.listeners]) listener()
}

export function assertGoingOn(leg: Leg) {
  if (hasEnded(leg) || leg.redirect) throw new Interrupted()
}

/**
 * Waits until `hear` makes something of an event, or the call's clock reaches the limit. Is interrupted when the leg ends
 * or is sent elsewhere.
 */
export function waitFor<T>(
  leg: Leg,
  hear: (event: CallEvent) => T | undefined,
  limit?: { at_s: number; otherwise: T },
): Promise<T> {
  const { call } = leg
  assertGoingOn(leg)
  return new Promise((resolve, reject) => {
    const finish = (end: () => void) => {
      call.waits.delete(wait)
      call.busy++
      end()
    }
    const wait: Wait = {
      at_s: limit?.at_s ?? Number.POSITIVE_INFINITY,
      expire: () => finish(() => resolve(limit?.otherwise as T)),
      hear(event) {
        if ((event.kind === 'ended' || event.kind === 'redirected') && event.leg === leg) {
          return finish(() => reject(new Interrupted()))
        }
        const heard = hear(event)
        if (heard !== undefined) finish(() => resolve(heard))
      },
    }
    call.waits.add(wait)
    call.busy--
    notify(call)
  })
}

/** Resolves at the next moment at which `isSo`; rejects when what carries the call out has failed. */
export function until(call: LiveCall, isSo: () => boolean, patience?: { ms: number; what: string }): Promise<void> {
  const late = patience && AbortSignal.timeout(patience.ms)
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      call.listeners.delete(look)
      late?.removeEventListener('abort', tooLate)
      settle()
    }
    const tooLate = () => end(() => reject(new Error(`${patience?.what} did not happen within ${patience?.ms} ms`)))
    const look = () => {
      if (call.failure !== undefined) end(() => reject(call.failure))
      else if (isSo()) end(resolve)
    }
    late?.addEventListener('abort', tooLate)
    call.listeners.add(look)
    look()
  })
}

export const settled = (call: LiveCall) => until(call, () => call.busy === 0)

/** Lets so many seconds pass, and everything happen that is due meanwhile, each thing at its own second. */
export async function passTime(call: LiveCall, seconds: number) {
  await settled(call)
  const end_s = call.seconds + seconds
  for (;;) {
    const next = [...call.waits].sort((one, other) => one.at_s - other.at_s)[0]
    if (!next || next.at_s > end_s) break
    call.seconds = Math.max(call.seconds, next.at_s)
    next.expire()
    await settled(call)
  }
  call.seconds = end_s
}

export function hear(leg: Leg, what: string) {
  leg.heard.push(what)
  notify(leg.call)
}

export function connect(one: Leg, other: Leg) {
  one.talksTo.add(other)
  other.talksTo.add(one)
}

export function part(leg: Leg) {
  for (const other of leg.talksTo) other.talksTo.delete(leg)
  leg.talksTo.clear()
}
