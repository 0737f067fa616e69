import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isE164, maskLastFour } from '../../core/e164.ts'
import { invalidParameter, ProxyError } from '../../core/errors.ts'
import { isSid } from '../../core/sid.ts'
import type { Call } from './call.ts'
import type { Action } from './calls.ts'
import { accountOf, parseObject, presentTime } from './control.ts'
import { dateAnswered, dateEnded, isOver, type Leg, statusOf, talkSeconds } from './legs.ts'
import type { Network } from './network.ts'

/** The newest of them; each can be asked for by its SID. */
const MAX_LISTED = 100
const MAX_DIGITS = 100
const MAX_ADVANCE_S = 31 * 24 * 3600

/** What a person with a handset would do when calling and being called; and a clock to wind on. */
export function callRoutes(
  app: FastifyInstance,
  network: Network,
  resolve: (account_sid: string) => Promise<{ sid: string } | undefined>,
): void {
  const { calls, recordings } = network
  const schema = { hide: true }

  app.post('/calls', { schema }, async (request, reply) => {
    const ends = parseCall(request.body)
    const account_sid = accountOf(request)
    const carrier = await resolve(account_sid)
    if (!carrier) throw new ProxyError(20404, { resource: '/simulator' })
    return reply.code(202).send({ sid: await calls.place({ sid: carrier.sid, account_sid }, ends) })
  })

  app.get('/calls', { schema }, async (request) => ({
    calls: calls.list(accountOf(request)).slice(-MAX_LISTED).reverse().map(present),
  }))

  app.get('/calls/:Sid', { schema }, async (request) => {
    const sid = parseSid(request)
    const call = calls.find(accountOf(request), sid)
    if (!call) throw new ProxyError(20404, { resource: `/simulator/calls/${sid}` })
    return present(call)
  })

  for (const action of ['answer', 'reject', 'hangup'] as const) {
    app.post(`/calls/:Sid/${action}`, { schema }, async (request) => {
      const { number } = parseNumberField(request.body, 'number')
      return present(await calls.act(accountOf(request), parseSid(request), number, action))
    })
  }

  app.post('/calls/:Sid/digits', { schema }, async (request) => {
    const { number, action } = parseDigits(request.body)
    return present(await calls.act(accountOf(request), parseSid(request), number, action))
  })

  app.get('/handsets/:Number/calls', { schema }, async (request) => {
    const number = parseHandset(request)
    return { calls: callsOf(accountOf(request), number).flatMap((call) => presentToHandset(call, number)) }
  })

  app.delete('/handsets/:Number/calls', { schema }, async (request, reply) => {
    const number = parseHandset(request)
    for (const call of callsOf(accountOf(request), number)) {
      if (call.legs.every((leg) => leg.number !== number || isOver(leg))) call.cleared.add(number)
    }
    return reply.code(204).send()
  })

  app.post('/clock', { schema }, async (request) => {
    const { advance_s, stopped } = parseAdvance(request.body)
    const clock = network.clockOf(accountOf(request))
    if (stopped === true) clock.stop()
    if (stopped === false) clock.start()
    const now = await clock.advance(advance_s * 1000)
    return { now: presentTime(now) }
  })

  const callsOf = (account_sid: string, number: string) =>
    calls.list(account_sid).filter((call) => !call.cleared.has(number))

  const present = (call: Call) => presentCall(call, (sid) => recordings.lengthOf(call.account_sid, sid))
}

const isHandset = (value: unknown): value is string =>
  typeof value === 'string' && (isE164(value) || value === 'anonymous')

function parseCall(json: unknown): { from: string; to: string } {
  const { from, to } = parseObject(json, 'from and to')
  if (typeof to !== 'string' || !isE164(to)) throw new ProxyError(21211)
  if (isHandset(from)) return { from, to }
  throw invalidParameter('from', 'Give a phone number with + and country code, as in +12025550123, or anonymous.')
}

function parseNumberField(json: unknown, what: string): { number: string; fields: Record<string, unknown> } {
  const { number, ...fields } = parseObject(json, what)
  if (isHandset(number)) return { number, fields }
  throw invalidParameter('number', 'Say which handset does it, as in +12025550123.')
}

function parseDigits(json: unknown): { number: string; action: Action } {
  const { number, fields } = parseNumberField(json, 'number and digits')
  const { digits } = fields
  if (typeof digits === 'string' && /^[0-9*#]+$/.test(digits) && digits.length <= MAX_DIGITS) {
    return { number, action: { digits } }
  }
  throw invalidParameter('digits', `Give up to ${MAX_DIGITS} keys of a phone: digits, * and #.`)
}

function parseAdvance(json: unknown): { advance_s: number; stopped: boolean | undefined } {
  const { advance_s, stopped } = parseObject(json, 'advance_s')
  if (stopped !== undefined && typeof stopped !== 'boolean') throw invalidParameter('stopped', 'Give true or false.')
  if (typeof advance_s === 'number' && advance_s >= 0 && advance_s <= MAX_ADVANCE_S) return { advance_s, stopped }
  throw invalidParameter('advance_s', `Give a number of seconds from 0 to ${MAX_ADVANCE_S}.`)
}

function parseSid(request: FastifyRequest): string {
  const { Sid: sid } = request.params as { Sid: string }
  if (isSid('CA', sid)) return sid
  throw new ProxyError(20404, { resource: `/simulator/calls/${maskLastFour(sid)}` })
}

function parseHandset(request: FastifyRequest): string {
  const { Number: number } = request.params as { Number: string }
  if (isE164(number)) return number
  throw new ProxyError(20404, { resource: `/simulator/handsets/${maskLastFour(number)}/calls` })
}

const presentDate = (date: Date | undefined) => (date ? presentTime(date) : null)
const stateOf = (leg: Leg) =>
  isOver(leg) ? 'ended' : statusOf(leg) === 'in-progress' ? ('in-progress' as const) : ('ringing' as const)

function presentCall(call: Call, lengthOf: (recording_sid: string) => number | undefined) {
  const { sid, caller, legs, recordings, warnings } = call
  return {
    sid,
    from: caller.number,
    to: caller.caller_id,
    state: stateOf(caller),
    date_created: presentDate(caller.statuses[0]?.date),
    date_ended: presentDate(dateEnded(caller)),
    duration_s: talkSeconds(caller) ?? null,
    legs: legs.map(presentLeg),
    recordings: recordings.flatMap((recording) => {
      const duration_s = lengthOf(recording)
      return duration_s === undefined ? [] : [{ sid: recording, duration_s }]
    }),
    warnings,
  }
}

const presentLeg = (leg: Leg) => ({
  sid: leg.sid,
  direction: leg.direction,
  number: leg.number,
  caller_id: leg.caller_id,
  status: statusOf(leg),
  statuses: leg.statuses.map(({ status, date }) => ({ status, date: presentTime(date) })),
  heard: leg.heard.map(({ date, ...sound }) => ({ ...sound, date: presentTime(date) })),
})

/** What a phone's own list of calls would show, and nothing of the other side. A call it never rang for is not on it. */
function presentToHandset(call: Call, number: string) {
  return call.legs
    .filter((leg) => leg.number === number && (leg === call.caller || hasRung(leg)))
    .map((leg) => ({
      sid: call.sid,
      direction: leg === call.caller ? 'outbound' : 'inbound',
      number: leg.caller_id,
      state: stateOf(leg),
      answered: dateAnswered(leg) !== undefined,
      duration_s: talkSeconds(leg) ?? null,
      date: presentDate(leg.statuses[0]?.date),
    }))
}

const hasRung = (leg: Leg) => leg.statuses.some(({ status }) => status === 'ringing')
