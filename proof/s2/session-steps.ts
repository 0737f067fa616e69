import assert from 'node:assert/strict'
import { listParticipants, type OpenedParticipant } from '../../src/core/participants.ts'
import { updateSession } from '../../src/core/session-state.ts'
import { createSession, findSession } from '../../src/core/sessions.ts'
import { meets, serviceOf } from './command.ts'
import {
  close,
  DEFAULT_TTL,
  freeNumbers,
  isLive,
  joinRefusals,
  type Model,
  numberOf,
  present,
  reopen,
  reopenRefusals,
  runOut,
  type Session,
} from './model.ts'
import type { World } from './world.ts'

// What is done to sessions, on both sides, and what the two sides then say.

/** So many hours from now by the database's clock, which is the real one. */
const hoursAhead = (hours: number | undefined) =>
  hours === undefined ? undefined : new Date(performance.timeOrigin + performance.now() + hours * 3_600_000)
const atHour = (model: Model, hours: number | undefined) => (hours === undefined ? undefined : model.now + hours)

export type Joiner = { person: string; named: string | undefined }
export const toParams = ({ person, named }: Joiner) => ({ identifier: person, proxy_identifier: named })

/** Takes over who was added, once it is clear that the number is one that they may have. */
export function join(model: Model, session: Session, { person, named }: Joiner, added: OpenedParticipant): void {
  const number = added.proxy_identifier
  if (named !== undefined) assert.equal(number, named)
  else {
    const free = freeNumbers(model, session.service, session.mode, person).map((each) => each.number)
    assert.ok(free.includes(number), `${number} is none of the numbers that are free for ${person}: ${free}`)
  }
  assert.equal(added.identifier, person)
  session.members.push({ sid: added.sid, person, number, removed: false })
}

type Wanted = {
  service: number
  name: string | undefined
  mode: Session['mode']
  ttl: number | undefined
  expiry: number | undefined
  status: 'open' | 'in-progress' | 'closed' | 'failed'
  people: Joiner[]
}

export async function create(model: Model, world: World, wanted: Wanted): Promise<Session | undefined> {
  const { service, name, mode, ttl, status, people } = wanted
  const session: Session = {
    ...{ service, name, mode, sid: '', reason: null, members: [], since: model.now, status: 'open' },
    ...{ ttl: ttl ?? DEFAULT_TTL[service] ?? 0, expiry: atHour(model, wanted.expiry) },
  }
  const together = people.map(({ person }, at) => ({ sid: `${at}`, person, number: '', removed: false }))
  const refusals = [
    ...(name !== undefined && model.sessions.some((each) => each.service === service && each.name === name)
      ? [80603]
      : []),
    ...((wanted.expiry ?? 1) < 0 ? [80701] : []),
    ...(status === 'failed' ? [80608] : []),
    ...people.flatMap((each, at) => joinRefusals(model, { ...session, members: together.slice(0, at) }, each)),
  ]
  const made = await meets(
    refusals,
    createSession(world.store, serviceOf(world, wanted), {
      ...{ unique_name: name, mode, status, date_expiry: hoursAhead(wanted.expiry) },
      ...{ ttl: ttl === undefined ? undefined : ttl * 3600, participants: people.map(toParams) },
    }),
  )
  if (!made) return undefined
  session.sid = made.sid
  const { rows } = await listParticipants(world.store, made.service_sid, made.sid, { size: 50, from: { skip: 0 } })
  for (const [at, joined] of people.entries()) {
    const added = rows.find(({ identifier }) => identifier === joined.person) ?? rows[at]
    assert.ok(added)
    join(model, session, joined, added)
  }
  if (status !== 'failed') session.status = status
  if (status === 'closed') session.reason = 'api'
  model.sessions.push(session)
  return session
}

export async function update(
  model: Model,
  world: World,
  session: Session,
  change: { status?: string | undefined; ttl?: number | undefined; expiry?: number | undefined },
): Promise<void> {
  const { status, ttl } = change
  const changed = await meets(
    updateRefusals(model, session, change),
    updateSession(world.store, serviceOf(world, session), session.sid, {
      status: status as 'open',
      ttl: ttl === undefined ? undefined : ttl * 3600,
      date_expiry: hoursAhead(change.expiry),
    }),
  )
  if (!changed) return
  const until = atHour(model, change.expiry)
  if (!isLive(session)) {
    if (status === 'in-progress') reopen(model, session, { ttl, expiry: until })
  } else {
    Object.assign(session, { ttl: ttl ?? session.ttl, expiry: until ?? session.expiry })
    if (status === 'in-progress') session.status = status
    if (status === 'closed') close(model, session, 'api')
  }
  assert.deepEqual(
    [changed.status, changed.closed_reason],
    [session.status, session.reason],
    'what an update makes of a session',
  )
  runOut(model)
}

function updateRefusals(model: Model, session: Session, change: { status?: unknown; ttl?: unknown; expiry?: unknown }) {
  const { status } = change
  if (status === 'failed') return [80608]
  if (isLive(session)) return status === 'open' && session.status === 'in-progress' ? [80608] : []
  if (status === 'open') return [80608]
  if (status === 'in-progress') return reopenRefusals(model, session)
  return change.ttl !== undefined || change.expiry !== undefined ? [80607] : []
}

export async function assertSame(world: World, session: Session): Promise<void> {
  const { account_sid, sid } = serviceOf(world, session)
  const found = await findSession(world.store, { account_sid, service_sid: sid }, session.sid)
  assert.ok(found, 'the session is not there')
  const { status, closed_reason, mode, unique_name, ttl } = found
  assert.deepEqual(
    { status, closed_reason, mode, unique_name, ttl },
    {
      ...{ status: session.status, closed_reason: session.reason, mode: session.mode },
      ...{ unique_name: session.name ?? null, ttl: session.ttl * 3600 },
    },
    'what a session shows',
  )
  const { rows } = await listParticipants(world.store, sid, session.sid, { size: 50, from: { skip: 0 } })
  const people = (list: { person: string; number: string }[]) =>
    list.map(({ person, number }) => `${person} on ${numberOf(number)?.number}`).sort()
  const shown = rows.map(({ identifier, proxy_identifier }) => ({ person: identifier, number: proxy_identifier }))
  assert.deepEqual(people(shown), people(present(session)), 'who is in a session')
}
