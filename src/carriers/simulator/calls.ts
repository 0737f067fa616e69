import { setImmediate as nextTurn } from 'node:timers/promises'
import { isPlayed } from '../../core/call-settings.ts'
import { type Announcement, type CallReport, CarrierError } from '../../core/carrier.ts'
import { invalidParameter, ProxyError } from '../../core/errors.ts'
import { runCallTwiml } from '../../twiml/call.ts'
import { readAnswer } from '../../twiml/document.ts'
import { TwimlError } from '../../twiml/parse.ts'
import { type Call, type Exchange, requestsOf, type ServerRequest } from './call.ts'
import { pressKeys, speakTo } from './call-leg.ts'
import type { Clock } from './clock.ts'
import { dial } from './dial.ts'
import { forgetOldest } from './handsets.ts'
import {
  createLeg,
  dateAnswered,
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
import type { Recordings } from './recordings.ts'

/** The calls of every account: handsets call, and are called by what the server answers. */
export type Calls = {
  /** The handset `from`, or `anonymous`, calls. Resolves to the call's SID while it rings. */
  place(carrier: CarrierIds, ends: { from: string; to: string }): Promise<string>
  /** A person does something with a handset. Throws what the API answers when that cannot be done now. */
  act(account_sid: string, sid: string, number: string, action: Action): Promise<Call>
  /** By the SID of any of its legs. */
  find(account_sid: string, sid: string): Call | undefined
  /** The newest comes last. */
  list(account_sid: string): Call[]
  announce(account_sid: string, outbound_id: string, announcement: Announcement): void
  report(account_sid: string, leg_sid: string): CallReport | undefined
}

export type Action = 'answer' | 'reject' | 'hangup' | { digits: string }

export type CallsOptions = {
  request: ServerRequest
  isProxyNumber: (account_sid: string, phone_number: string) => Promise<boolean>
  clockOf: (account_sid: string) => Clock
  recordings: Recordings
}

type CarrierIds = { sid: string; account_sid: string }

/** Of one account; beyond it the oldest is forgotten. */
const MAX_CALLS = 10_000
/** No call lasts longer, whatever is done on it. */
const MAX_CALL_MS = 24 * 3600_000
/** Of a call from handset to handset, which no server limits. */
const DIRECT = { timeout_s: 60, time_limit_s: 4 * 3600 }

export function createCalls({ request, isProxyNumber, clockOf, recordings }: CallsOptions): Calls {
  const accounts = new Map<string, Map<string, Call>>()
  const list = (account_sid: string) => [...(accounts.get(account_sid)?.values() ?? [])]
  const find = (account_sid: string, sid: string) =>
    accounts.get(account_sid)?.get(sid) ?? list(account_sid).find((call) => call.legs.some((leg) => leg.sid === sid))

  return {
    async place({ sid: carrier_sid, account_sid }, { from, to }) {
      const clock = clockOf(account_sid)
      const exchange: Exchange = { clock, request, recordings }
      const isOurs = await clock.outside(() => isProxyNumber(account_sid, to))
      const call = createCall(
        account_sid,
        createLeg(clock, { direction: 'inbound', number: from, caller_id: to, status: 'ringing' }),
      )
      const calls = accounts.get(account_sid) ?? new Map<string, Call>()
      accounts.set(account_sid, calls)
      calls.set(call.sid, call)
      forgetOldest(calls, MAX_CALLS)
      void waitFor([call.caller], () => isOver(call.caller), MAX_CALL_MS).then(() => endLeg(call.caller, 'no-answer'))
      void (isOurs ? callServer(exchange, call, carrier_sid) : callHandset(exchange, call))
      return call.sid
    },

    async act(account_sid, sid, number, action) {
      const call = find(account_sid, sid)
      if (!call) throw new ProxyError(20404, { resource: `/simulator/calls/${sid}` })
      const own = call.legs.filter((leg) => leg.number === number)
      const leg = own.find((each) => !isOver(each)) ?? own.at(-1)
      if (!leg) throw invalidParameter('number', 'This handset has no part in the call.')
      carryOut(call, leg, action)
      // What follows without anybody being asked is there to see in the answer.
      await nextTurn()
      return call
    },

    find,
    list,

    announce(account_sid, outbound_id, { text, language }) {
      const call = find(account_sid, outbound_id)
      const partner = call?.partner
      if (!call || partner?.sid !== outbound_id) {
        throw new CarrierError('refused', 'the simulated carrier has no such call, or it is over', { code: 20404 })
      }
      for (const leg of [call.caller, partner]) {
        hear(leg, isPlayed(text) ? { kind: 'play', url: text } : { kind: 'say', text, language })
      }
    },

    report(account_sid, leg_sid) {
      const leg = find(account_sid, leg_sid)?.legs.find(({ sid }) => sid === leg_sid)
      return leg && reportOf(leg)
    },
  }
}

const createCall = (account_sid: string, caller: Leg): Call => ({
  sid: caller.sid,
  account_sid,
  caller,
  legs: [caller],
  partner: undefined,
  recordings: [],
  warnings: [],
  cleared: new Set(),
})

/** Relative addresses in TwiML are meant from here; the server is asked for the path alone. */
const HOME = 'http://simulator.invalid'

/** A proxy number was dialled: what the server answers is carried out on the caller's leg. */
async function callServer(given: Exchange, call: Call, carrier_sid: string): Promise<void> {
  const { caller } = call
  const exchange: Exchange = {
    ...given,
    request: (url, ...rest) => given.request(url.startsWith(`${HOME}/`) ? url.slice(HOME.length) : url, ...rest),
  }
  const request = requestsOf(exchange, call, caller)
  const url = `${HOME}/webhooks/${carrier_sid}/calls`
  try {
    const answer = await request(url, 'POST', {})
    const body = answer.status === 200 && answer.body.trim() === '' ? '' : readAnswer(answer, 'The call')
    const { warnings } = await runCallTwiml({ body, url }, speakTo(exchange, call, caller), request)
    call.warnings.push(...warnings)
  } catch (error) {
    // Whatever it is, it ends this call only. The vendor's own numbers say why.
    const error_code = error instanceof TwimlError ? error.code : 20500
    call.warnings.push({ error_code, reason: error instanceof Error ? error.message : String(error) })
  }
  endLeg(caller, 'failed')
}

/** Nobody's proxy number was dialled: the two talk as on any network, and see each other's number. */
async function callHandset(exchange: Exchange, call: Call): Promise<void> {
  const { caller } = call
  const options = {
    to: caller.caller_id,
    caller_id: caller.number,
    ...DIRECT,
    answer_on_bridge: true,
    record: false,
    recording_status_callback: undefined,
    status_callback: undefined,
    whisper: undefined,
  }
  const { status } = await dial(exchange, call, options, (leg) => speakTo(exchange, call, leg))
  if (status === 'busy') hear(caller, { kind: 'busy-tone' })
  endLeg(caller, status)
}

/** Which action needs the handset to be in which state, and what is said when it is not. */
function carryOut(call: Call, leg: Leg, action: Action): void {
  const status = statusOf(leg)
  const refuse = (reason: string) => invalidParameter('number', reason)
  if (isOver(leg)) throw refuse('The call is over for this handset.')
  if (action === 'answer' || action === 'reject') {
    if (leg === call.caller) throw refuse('This handset made the call, so it has nothing to answer.')
    if (status !== 'ringing') throw refuse('This handset does not ring.')
    setStatus(leg, action === 'answer' ? 'in-progress' : 'busy')
  } else if (action === 'hangup') {
    if (leg !== call.caller && status !== 'in-progress')
      throw refuse('This handset rings: answer the call or reject it.')
    endLeg(leg, 'canceled')
  } else {
    if (status !== 'in-progress') throw refuse('This handset is not connected yet.')
    pressKeys(call, leg, action.digits)
  }
}

const ENDS: Partial<Record<LegStatus, CallReport['status']>> = {
  completed: 'completed',
  busy: 'busy',
  'no-answer': 'no-answer',
  failed: 'failed',
  canceled: 'canceled',
}

const reportOf = (leg: Leg): CallReport => ({
  carrier_call_id: leg.sid,
  status: ENDS[statusOf(leg)] ?? 'initiated',
  answered: dateAnswered(leg) !== undefined,
  duration_s: talkSeconds(leg),
  error_code: leg.error_code,
})
