import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createParticipant, removeParticipant } from '../../src/core/participants.ts'
import { deleteSession, findSession } from '../../src/core/sessions.ts'
import { anyOf, command, hasSessions, meets, pick, serviceOf } from './command.ts'
import { close, joinRefusals, type Member, NUMBERS, PEOPLE, passTime, present, remove, type Session } from './model.ts'
import { assertSame, create, join, toParams, update } from './session-steps.ts'
import { shiftTime, surroundings, sweepAll } from './world.ts'

const STRAY = '+12025550199'
const anyNumber = fc.constantFrom(...NUMBERS.map(({ number }) => number), STRAY)
/** The last of them has no number for their country in any pool. */
const anyPerson = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(...PEOPLE.slice(0, -1)) },
  { weight: 1, arbitrary: fc.constantFrom(...PEOPLE.slice(-1)) },
  { weight: 1, arbitrary: anyNumber },
)
const rarely = <Value>(weight: number, arbitrary: fc.Arbitrary<Value>) =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const anyName = rarely(5, fc.constantFrom('red', 'green', 'blue'))
const anyTtl = fc.constantFrom(undefined, undefined, 1.5, 1.5, 3.5, 0)
const expiry = (...hours: number[]) => rarely(5, fc.constantFrom(...hours))
const joiner = fc.record({
  person: anyPerson,
  named: rarely(3, anyNumber),
})

const creates = command(
  'create',
  fc.record({
    service: fc.constantFrom(0, 0, 1),
    name: anyName,
    mode: fc.constantFrom('voice-and-message', 'voice-and-message', 'message-only', 'voice-only'),
    ttl: anyTtl,
    expiry: expiry(1.5, 5.5, 1.5, 5.5, -0.5),
    status: rarely(9, fc.constantFrom('in-progress', 'closed', 'failed')).map((status) => status ?? 'open'),
    people: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.uniqueArray(joiner, { minLength: 2, maxLength: 2, selector: ({ person }) => person }),
      },
      { weight: 2, arbitrary: fc.array(joiner, { maxLength: 3 }) },
    ),
  }),
  async (model, world, wanted) => void (await create(model, world, wanted)),
)

const adds = command(
  'add',
  fc.record({ session: anyOf, joiner, again: fc.boolean() }),
  async (model, world, drawn) => {
    const session = pick(model.sessions, drawn.session)
    const earlier = drawn.again ? session.members.find(({ removed }) => removed) : undefined
    const joiner = { ...drawn.joiner, ...(earlier ? { person: earlier.person } : {}) }
    const refusals = joinRefusals(model, session, joiner)
    const service = serviceOf(world, session)
    const added = await meets(refusals, createParticipant(world.store, service, session.sid, toParams(joiner)))
    if (added) join(model, session, joiner, added)
  },
  hasSessions,
)

const removes = command(
  'remove',
  fc.record({ session: anyOf, member: fc.nat(2) }),
  async (model, world, drawn) => {
    const session = pick(model.sessions, drawn.session)
    const member = session.members[drawn.member % Math.max(1, session.members.length)]
    const sid = member?.sid ?? `KP${'0'.repeat(32)}`
    const removed = await removeParticipant(world.store, serviceOf(world, session).sid, session.sid, sid)
    assert.equal(removed, member !== undefined && !member.removed, 'whether somebody was removed')
    if (member) remove(model, member)
  },
  hasSessions,
)

const updates = command(
  'update',
  fc.record({
    session: anyOf,
    status: fc.constantFrom(
      undefined,
      'closed',
      'closed',
      'in-progress',
      'in-progress',
      'in-progress',
      'open',
      'failed',
    ),
    ttl: rarely(3, anyTtl),
    expiry: expiry(1.5, 3.5, 5.5, 1.5, 3.5, 5.5, -0.5),
  }),
  async (model, world, { session, ...change }) => await update(model, world, pick(model.sessions, session), change),
  hasSessions,
)

const hasTwo = (session: Session) => present(session).length === 2

/** The two meet again at once in a new session, each on the number that was the other's. */
const swaps = command(
  'swap',
  fc.record({ session: anyOf }),
  async (model, world, drawn) => {
    const session = pick(model.sessions.filter(hasTwo), drawn.session)
    const [one, other] = present(session) as [Member, Member]
    await update(model, world, session, { status: 'closed' })
    const people = [
      { person: one.person, named: other.number },
      { person: other.person, named: one.number },
    ]
    const { service, mode } = session
    await create(model, world, { service, mode, name: undefined, ttl: 3.5, expiry: undefined, status: 'open', people })
  },
  ({ sessions }) => sessions.some(hasTwo),
)

/** Closed and opened again with nothing in between: what was queued is cancelled all the same. */
const pauses = command(
  'pause',
  fc.record({ session: anyOf }),
  async (model, world, drawn) => {
    const queued = model.legs
      .filter(({ state }) => state === 'asking' || state === 'waiting')
      .map(({ session }) => session)
    const session = pick(queued.length > 0 ? queued : model.sessions, drawn.session)
    await update(model, world, session, { status: 'closed' })
    await update(model, world, session, { status: 'in-progress' })
  },
  hasSessions,
)

const deletes = command(
  'delete',
  fc.record({ session: anyOf }),
  async (model, world, drawn) => {
    const session = pick(model.sessions, drawn.session)
    assert.equal(await deleteSession(world.store, serviceOf(world, session).sid, session.sid), true)
    close(model, session, 'api')
    for (const leg of model.legs) if (leg.session === session) Object.assign(leg, { deleted: true, state: 'over' })
    model.sessions = model.sessions.filter((each) => each !== session)
    const { account_sid, sid: service_sid } = serviceOf(world, session)
    assert.equal(await findSession(world.store, { account_sid, service_sid }, session.sid), undefined)
  },
  hasSessions,
)

/** What the API shows of a session, and who is in it. */
const looks = command(
  'look',
  fc.record({ session: anyOf }),
  async (model, world, drawn) => await assertSame(world, pick(model.sessions, drawn.session)),
  hasSessions,
)

const waits = command(
  'wait',
  fc.record({ hours: fc.constantFrom(1, 1, 1, 1, 2, 4) }),
  async (model, world, { hours }) => {
    await shiftTime(world, hours)
    passTime(model, hours)
  },
)

const sweeps = command('sweep', fc.constant({}), async (_, world) => {
  await sweepAll(world)
})

const clockJumps = command(
  'clock',
  fc.record({ hours: fc.constantFrom(-48, -3, 0, 3, 48) }),
  async (_, __, { hours }) => {
    const around = surroundings.getStore()
    assert.ok(around)
    around.clock_ms = hours * 3_600_000
  },
)

export const sessionCommands = [
  { weight: 10, arbitrary: creates },
  { weight: 5, arbitrary: adds },
  { weight: 4, arbitrary: removes },
  { weight: 9, arbitrary: updates },
  { weight: 2, arbitrary: swaps },
  { weight: 3, arbitrary: pauses },
  { weight: 1, arbitrary: deletes },
  { weight: 2, arbitrary: looks },
  { weight: 6, arbitrary: waits },
  { weight: 2, arbitrary: sweeps },
  { weight: 2, arbitrary: clockJumps },
]
