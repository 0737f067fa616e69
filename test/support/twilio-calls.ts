import type { TwilioAccount } from './twilio-account.ts'
import { TwimlProblem } from './twilio-call-document.ts'
import {
  type CallRequest,
  durationOf,
  emit,
  hasEnded,
  hear,
  type Leg,
  type LegStatus,
  type LiveCall,
  newLeg,
  passTime,
  settled,
  spawn,
  until,
  type World,
} from './twilio-call-legs.ts'
import { endLeg, pickUp } from './twilio-call-progress.ts'
import { runLeg } from './twilio-call-twiml.ts'
import { arrivalParams, fetchDocument } from './twilio-call-webhooks.ts'
import type { AccountNumber } from './twilio-numbers.ts'
import type { TwilioWebhooks } from './twilio-webhooks.ts'

/**
 * People who call the numbers of the account, and the phones that ring because of it. A test says what each person does
 * and how long it takes; each step resolves when everything it set off has been requested and answered.
 */
export type IncomingCall = {
  from: string
  to: string
  sid?: string
  /** Further parameters of the first request, or others in place of the usual ones. */
  params?: Record<string, string>
}

/** A telephone that takes part in a call. */
export type Phone = {
  sid: string
  /** The caller ID this phone shows. */
  from: string
  to: string
  /** Everything said and played to this person, what is no speech in square brackets. */
  heard: string[]
  readonly status: LegStatus
  /** Seconds since it was answered. */
  readonly duration_s: number
  press(digits: string): Promise<void>
  /** The other side hears it. */
  speak(text: string, seconds?: number): Promise<void>
  hangUp(): Promise<void>
}

export type Callee = Phone & {
  answer(): Promise<void>
  /** Ends as busy. */
  reject(): Promise<void>
  /** Ends as failed: no such number. */
  fail(): Promise<void>
  /** Rings for as long as whoever dialled it lets it. */
  noAnswer(): Promise<void>
}

export type EndedCall = {
  status: LegStatus
  duration_s: number
  legs: { sid: string; from: string; to: string; status: LegStatus; duration_s: number }[]
}

export type CallHandle = Phone & {
  /** The next phone that this call makes ring. Rejects when the call has come to rest and none does. */
  callee(): Promise<Callee>
  timePasses(seconds: number): Promise<void>
  /** Resolves when everybody waits for somebody to do something, and no request is under way. */
  settled(): Promise<void>
  /** Waits, at most 5 s, for something that does not come of what this test does to the call. */
  until(isSo: () => boolean): Promise<void>
  /** The end of every leg. Rejects when it does not come within 5 s. */
  readonly ended: Promise<EndedCall>
  /** Every request made during the call, oldest first, with its answer. */
  requests: CallRequest[]
  /** What Twilio's debugger would show. */
  warnings: string[]
}

const PATIENCE_MS = 5000

export function twilioCalls(account: TwilioAccount, webhooks: TwilioWebhooks, origin: () => string) {
  const world: World = { account, webhooks, origin, calls: [], rooms: new Map(), held: [] }
  return {
    world,

    /** Somebody calls one of the account's numbers. */
    call: (incoming: IncomingCall): CallHandle => startCall(world, incoming),

    /** The callbacks that `callbackFaults` held are made after all. */
    async releaseCallbacks(order: 'as held' | 'reversed' = 'as held') {
      const held = world.held.splice(0)
      for (const send of order === 'reversed' ? held.reverse() : held) await send()
    },

    /** A request of a call arrives once more, token and all. */
    repeat: ({ method, url, params, token }: CallRequest) => webhooks.request(method, url, params, { token }),
  }
}

function startCall(world: World, { from, to, sid, params }: IncomingCall): CallHandle {
  const number = world.account.numbers.find(({ phone_number }) => phone_number === to)
  if (!number) throw new Error(`${to} is not a number of this account`)
  const call: LiveCall = {
    ...{ world, started: world.account.now(), legs: [], requests: [], warnings: [], seconds: 0, busy: 0 },
    ...{ failure: undefined, waits: new Set(), listeners: new Set(), callbacks: Promise.resolve() },
  }
  world.calls.push(call)
  const leg = newLeg(call, {
    ...{ from, to, direction: 'inbound', status: 'ringing', ...(sid && { sid }) },
    fallback: targetOf(number, 'voice_fallback'),
    status_callback: number.status_callback
      ? { url: String(number.status_callback), method: methodOf(number, 'status_callback'), events: ['completed'] }
      : undefined,
  })
  spawn(call, () => runLeg(leg, () => fetchDocument(leg, voiceTarget(number), { ...arrivalParams(leg), ...params })))
  return handleOf(leg)
}

/** A trunk or an application of the number takes its calls, whatever its URL says. */
function voiceTarget(number: AccountNumber) {
  const taker = number.trunk_sid || number.voice_application_sid
  if (taker) throw new TwimlProblem(11200, `calls of this number go to ${taker}`)
  const target = targetOf(number, 'voice')
  if (!target) throw new TwimlProblem(11200, 'this number has no VoiceUrl')
  return target
}

const methodOf = (number: AccountNumber, setting: string) =>
  number[`${setting}_method`] === 'GET' ? ('GET' as const) : ('POST' as const)

function targetOf(number: AccountNumber, setting: string) {
  const url = number[`${setting}_url`]
  return url ? { url: String(url), method: methodOf(number, setting) } : undefined
}

function handleOf(leg: Leg): CallHandle {
  const { call } = leg
  let taken = 0
  const isOver = () => call.busy === 0 && call.legs.every(hasEnded)
  const own = {
    async callee() {
      const index = taken++
      const rung = () => call.legs.filter(({ parent, status }) => parent && status !== 'initiated')[index]
      await until(call, () => rung() !== undefined || call.busy === 0)
      const child = rung()
      if (!child) throw new Error(`no phone rings: ${JSON.stringify([stateOf(leg), leg.heard, call.warnings])}`)
      return calleeOf(child)
    },
    timePasses: (seconds: number) => passTime(call, seconds),
    settled: () => settled(call),
    async until(isSo: () => boolean) {
      await until(call, isSo, { ms: PATIENCE_MS, what: String(isSo) })
      await settled(call)
    },
    get ended() {
      const over = until(call, isOver, { ms: PATIENCE_MS, what: 'the end of the call' })
      return over.then(() => ({ ...stateOf(leg), legs: call.legs.map(stateOf) }))
    },
    requests: call.requests,
    warnings: call.warnings,
  }
  return together(phoneOf(leg), own)
}

/** Getters stay getters. */
const together = <One extends object, Other extends object>(one: One, other: Other) =>
  Object.defineProperties(one, Object.getOwnPropertyDescriptors(other)) as One & Other

const stateOf = (leg: Leg) => {
  const { sid, from, to, status } = leg
  return { sid, from, to, status, duration_s: durationOf(leg) }
}

function phoneOf(leg: Leg): Phone {
  const { call } = leg
  const { sid, from, to, heard } = leg
  const assertOnLine = () => {
    if (hasEnded(leg)) throw new Error(`${leg.direction} ${sid} has ended: ${leg.status}`)
  }
  return {
    sid,
    from,
    to,
    heard,
    get status() {
      return leg.status
    },
    get duration_s() {
      return durationOf(leg)
    },
    async press(digits) {
      for (const key of digits) {
        await settled(call)
        assertOnLine()
        for (const other of leg.talksTo) hear(other, `[digits ${key}]`)
        emit(call.world, { kind: 'key', leg, key })
      }
      await settled(call)
    },
    async speak(text, seconds = 1) {
      await settled(call)
      assertOnLine()
      for (const other of leg.talksTo) hear(other, text)
      emit(call.world, { kind: 'spoke', leg, until_s: call.seconds + seconds })
      await passTime(call, seconds)
    },
    async hangUp() {
      assertOnLine()
      endLeg(leg, leg.answered_s === undefined ? 'no-answer' : 'completed')
      await settled(call)
    },
  }
}

function calleeOf(leg: Leg): Callee {
  const { call } = leg
  const ringing = async () => {
    await settled(call)
    if (leg.status !== 'ringing') throw new Error(`${leg.sid} does not ring: ${leg.status}`)
  }
  const own = {
    async answer() {
      await ringing()
      pickUp(leg)
      await settled(call)
    },
    async reject() {
      await ringing()
      endLeg(leg, 'busy')
      await settled(call)
    },
    async fail() {
      await ringing()
      endLeg(leg, 'failed')
      await settled(call)
    },
    async noAnswer() {
      await ringing()
      const limits = [...call.waits].map(({ at_s }) => at_s).filter(Number.isFinite)
      await passTime(call, Math.min(...limits) - call.seconds)
    },
  }
  return together(phoneOf(leg), own)
}
