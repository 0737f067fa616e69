import assert from 'node:assert/strict'
import fc from 'fast-check'
import { findCallee, findCallInteraction, recordCallReport } from '../../src/core/calls.ts'
import { CALL_STATUSES, MESSAGE_STATUSES } from '../../src/core/carrier.ts'
import { createMessageInteraction, deleteInteraction, recordBlocked } from '../../src/core/interactions.ts'
import { moveLeg, recordReport } from '../../src/core/outbound.ts'
import { findParticipant } from '../../src/core/participants.ts'
import { relayCall, relayMessage } from '../../src/core/relay.ts'
import { beginSend } from '../../src/db/statements/begin-send.ts'
import { anyOf, command, hasSessions, meets, pick, serviceOf } from './command.ts'
import {
  type Arrival,
  asksCustomer,
  isLive,
  type Leg,
  type Model,
  mayLeave,
  NUMBERS,
  numberOf,
  PEOPLE,
  present,
  route,
  seenAs,
  touch,
} from './model.ts'
import { update } from './session-steps.ts'
import type { World } from './world.ts'

/** What comes in from carriers and what the API sends; `work-commands.ts` has what goes out. */
const BODIES = [...Array(16).fill('hello'), 'see you at STOP 5', 'STOP', ' unstop ', 'START']

const carrierOf = (world: World, at: number) => ({
  sid: world.carrier_sids[at] ?? '',
  account_sid: world.account_sid,
})

async function bring(model: Model, world: World, arrival: Arrival): Promise<Leg | undefined> {
  const { id, kind, from, to, body } = arrival
  const expected = route(model, arrival)
  const event = { event_id: id, resource_sid: undefined, from, to, geography: {} }
  const carrier = carrierOf(world, arrival.carrier)
  const relay =
    kind === 'message'
      ? await relayMessage(world.store, world.directory, carrier, { ...event, body, media: [], num_segments: 1 })
      : await relayCall(world.store, world.directory, carrier, { ...event, details: {} })
  assert.equal(relay.outcome, expected.outcome, 'what becomes of an event')
  const service = numberOf(to)?.service
  if (service === undefined || !('service_sid' in relay)) return undefined
  assert.equal(relay.service_sid, world.services[service]?.sid)
  model.seen.add(seenAs(service, arrival))
  if (!('interaction_sid' in relay)) return undefined
  const { interaction_sid: sid } = relay
  if (kind === 'message' && ['out-of-session', 'no-partner'].includes(relay.outcome)) model.outside.set(sid, arrival)
  if (expected.outcome !== 'relayed') return undefined
  const leg = addLeg(model, { sid, kind, body, carrier: arrival.carrier, ...expected })
  if (asksCustomer(service)) leg.state = 'asking'
  else touch(model, leg.session)
  return leg
}

export function addLeg(model: Model, leg: Pick<Leg, 'sid' | 'kind' | 'body' | 'carrier' | 'session' | 'from' | 'to'>) {
  const made: Leg = { ...leg, state: 'waiting', later: false, tries: 0, statuses: [], deleted: false, blocked: false }
  model.legs.push(made)
  return made
}

/** Mostly somebody who is in a session on the number they know; else anybody to any number; now and then a repeat. */
const anyArrival = fc.record({
  session: anyOf,
  ofLive: fc.constantFrom(true, true, true, false),
  member: fc.nat(1),
  stray: fc.oneof(
    { weight: 8, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({
        from: fc.constantFrom(...PEOPLE, '+14155550139', '+12025550180', 'anonymous', ''),
        to: fc.constantFrom(...NUMBERS.map(({ number }) => number), '+12025550199'),
      }),
    },
  ),
  /** Mostly the carrier that has the number. */
  isOtherCarrier: fc.integer({ min: 0, max: 29 }).map((drawn) => drawn === 29),
  repeats: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyOf }),
  body: fc.constantFrom(...BODIES),
})
type Drawn = typeof anyArrival extends fc.Arbitrary<infer Value> ? Value : never

function arrivalOf(model: Model, kind: Arrival['kind'], drawn: Drawn): Arrival {
  const earlier = model.arrivals.filter((arrival) => arrival.kind === kind)
  if (drawn.repeats !== undefined && earlier.length > 0) return pick(earlier, drawn.repeats)
  const live = model.sessions.filter((session) => isLive(session) && present(session).length === 2)
  const among = drawn.ofLive && live.length > 0 ? live : model.sessions
  const { members } = among.length > 0 ? pick(among, drawn.session) : { members: [] }
  const member = members[drawn.member % Math.max(1, members.length)]
  const stray = drawn.stray ?? { from: PEOPLE[0] ?? '', to: NUMBERS[0]?.number ?? '' }
  const { from, to } = member && !drawn.stray ? { from: member.person, to: member.number } : stray
  const carrier = (numberOf(to)?.carrier ?? 0) ^ Number(drawn.isOtherCarrier)
  const arrival = { id: `event-${model.arrivals.length}`, kind, carrier, from, to, body: drawn.body }
  model.arrivals.push(arrival)
  return arrival
}

const messages = command('message', anyArrival, async (model, world, drawn) => {
  await bring(model, world, arrivalOf(model, 'message', drawn))
})

/** What happens while the customer thinks a message or a call over. */
export const anyThought = fc.record({
  answer: fc.constantFrom('pass', 'pass', 'pass', 'block'),
  meanwhile: fc.constantFrom('nothing', 'nothing', 'nothing', 'close'),
})
type Thought = { answer: string; meanwhile: string }

/** As whoever asked for the customer's opinion goes on: true when the leg may be made now. */
export async function goOn(model: Model, world: World, leg: Leg, thought: Thought, lease_s: number): Promise<boolean> {
  const service_sid = serviceOf(world, leg.session).sid
  if (thought.meanwhile === 'close') await update(model, world, leg.session, { status: 'closed' })
  if (thought.answer === 'block') {
    const row = await world.store.db
      .selectFrom('interactions')
      .selectAll()
      .where('service_sid', '=', service_sid)
      .where('sid', '=', leg.sid)
      .executeTakeFirstOrThrow()
    await recordBlocked(world.store, row)
    leg.blocked = leg.state === 'asking'
    leg.state = 'over'
    return false
  }
  const begun = await beginSend(world.store.pool, { service_sid, sid: leg.sid, lease_s })
  assert.equal(begun, leg.state === 'asking' && mayLeave(leg), 'whether it begins to leave')
  if (begun) touch(model, leg.session)
  return begun
}

const calls = command(
  'call',
  fc.record({ arrival: anyArrival, thought: anyThought }),
  async (model, world, { arrival, thought }) => {
    const leg = await bring(model, world, arrivalOf(model, 'voice', arrival))
    if (!leg) return
    if (leg.state === 'asking' && !(await goOn(model, world, leg, thought, 120))) {
      leg.state = 'over'
      const noLeg = { carrier_call_id: undefined, duration_s: undefined, error_code: undefined }
      const about = { service_sid: serviceOf(world, leg.session).sid, sid: leg.sid }
      await moveLeg(world.store, about, { type: 'voice', status: 'canceled', ...noLeg })
      return
    }
    leg.state = 'left'
    await assertCallee(world, leg)
  },
)

/** Whom the answer to a call rings: the partner from the partner's own number, for as long as both are there. */
async function assertCallee(world: World, leg: Leg) {
  const service_sid = serviceOf(world, leg.session).sid
  const row = await findCallInteraction(world.store, { service_sid, sid: leg.sid })
  const callee = row && (await findCallee(world.store, row))
  const { person, number } = leg.to
  const partner = {
    identifier: person,
    proxy_identifier: number,
    carrier_sid: world.carrier_sids[numberOf(number)?.carrier ?? -1],
  }
  assert.deepEqual(callee, mayLeave(leg) ? partner : undefined, 'whom the call rings')
}

const madeCalls = ({ legs }: Model) => legs.filter(({ kind }) => kind === 'voice')
const begunCalls = (model: Model) => madeCalls(model).filter(({ state, deleted }) => state === 'left' || deleted)

const rings = command(
  'ring again',
  fc.record({ call: anyOf }),
  async (model, world, { call }) => await assertCallee(world, pick(begunCalls(model), call)),
  (model) => begunCalls(model).length > 0,
)

const callReports = command(
  'call report',
  fc.record({ call: anyOf, status: fc.constantFrom(...CALL_STATUSES), carrier: fc.constantFrom(0, 0, 0, 1) }),
  async (model, world, { call, status, carrier }) => {
    const leg = pick(madeCalls(model), call)
    const report = { status, answered: false, duration_s: undefined, error_code: undefined }
    const known = await recordCallReport(
      world.store,
      carrierOf(world, leg.carrier ^ carrier),
      { service_sid: serviceOf(world, leg.session).sid, sid: leg.sid },
      { ...report, carrier_call_id: `at-carrier-${leg.sid}` },
    )
    assert.equal(known, carrier === 0 && !leg.deleted && !leg.blocked, 'whether the report is of a leg that is known')
    if (known && leg.state === 'left') leg.statuses.push(status)
  },
  (model) => madeCalls(model).length > 0,
)

const sentMessages = (model: Model, world: World) =>
  model.legs.filter(({ sid, kind, deleted }) => kind === 'message' && !deleted && world.taken.has(sid))

const reports = command(
  'report',
  fc.record({ message: anyOf, status: fc.constantFrom(...MESSAGE_STATUSES) }),
  async (model, world, { message, status }) => {
    const sent = sentMessages(model, world)
    if (sent.length === 0) return
    const leg = pick(sent, message)
    const known = await recordReport(
      world.store,
      world.carrier_sids[numberOf(leg.to.number)?.carrier ?? -1] ?? '',
      { service_sid: serviceOf(world, leg.session).sid, sid: leg.sid },
      { carrier_message_id: `at-carrier-${leg.sid}`, status, error_code: undefined },
    )
    assert.equal(known, true, 'whether the report is of a leg that is known')
    if (leg.state === 'over') return
    // A report says that the carrier has it, if that was in doubt.
    leg.state = 'left'
    leg.statuses.push(status)
  },
)

const apiMessages = command(
  'api message',
  fc.record({ session: anyOf, member: fc.nat(2), body: fc.constantFrom('hello', 'hello', 'hello', '') }),
  async (model, world, { session: at, member: nth, body }) => {
    const session = pick(model.sessions, at)
    const member = session.members[nth % Math.max(1, session.members.length)]
    if (!member) return
    const service = serviceOf(world, session)
    const found = await findParticipant(world.store, service.sid, session.sid, member.sid)
    assert.ok(found)
    const refusals = [
      ...(body === '' ? [21602] : []),
      ...(isLive(session) ? [] : [80607]),
      ...(present(session).includes(member) ? [] : [80612]),
      ...(session.mode === 'voice-only' ? [80616] : []),
    ]
    const made = await meets(refusals, createMessageInteraction(world.store, service, found, { body }, 0))
    if (!made) return
    addLeg(model, { sid: made.sid, kind: 'message', body, carrier: 0, session, from: undefined, to: member })
    touch(model, session)
  },
  hasSessions,
)

const deletions = command(
  'delete interaction',
  fc.record({ leg: anyOf }),
  async (model, world, drawn) => {
    const leg = pick(model.legs, drawn.leg)
    const { account_sid, sid: service_sid } = serviceOf(world, leg.session)
    const scope = { account_sid, service_sid, session_sid: leg.session.sid }
    assert.equal(await deleteInteraction(world.store, scope, leg.sid), !leg.deleted)
    Object.assign(leg, { deleted: true, state: 'over' })
  },
  ({ legs }) => legs.length > 0,
)

export const trafficCommands = [
  { weight: 30, arbitrary: messages },
  { weight: 8, arbitrary: calls },
  { weight: 2, arbitrary: rings },
  { weight: 2, arbitrary: callReports },
  { weight: 4, arbitrary: reports },
  { weight: 4, arbitrary: apiMessages },
  { weight: 3, arbitrary: deletions },
]
