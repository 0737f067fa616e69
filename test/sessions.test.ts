import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addPerson,
  assertRefused,
  letRunOut,
  makeService,
  openSession,
  type Pool,
  participant,
  rows,
  type SessionBody,
  serverForFile,
} from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const [ALICE, BOB, CAROL] = [person(1), person(2), person(3)]
const FUTURE = '2999-12-31T23:59:59Z'

/** A message to the person starts the session, as any interaction does. */
async function interact(server: TestServer, session: SessionBody, identifier: string) {
  const { sid } = await addPerson(server, session, identifier)
  const sent = await server.post(`${session.path}/Participants/${sid}/MessageInteractions`, { Body: 'Hello' })
  assert.equal(sent.status, 200, sent.text)
}

test('a session begins open with its documented keys, and takes its ttl from the service', async () => {
  const server = await shared()
  const service = await makeService(server, 0, { DefaultTtl: '900' })
  const { path, sid, date_created, date_updated, ...rest } = await openSession(server, service)
  assert.match(sid, /^KC[0-9a-f]{32}$/)
  assert.equal(date_created, date_updated)
  const url = `${server.url}${path}`
  assert.deepEqual(rest, {
    service_sid: service.sid,
    status: 'open',
    unique_name: null,
    date_started: null,
    date_ended: null,
    date_last_interaction: null,
    date_expiry: null,
    ttl: 900,
    mode: 'voice-and-message',
    closed_reason: null,
    account_sid: server.account.sid,
    url,
    links: { interactions: `${url}/Interactions`, participants: `${url}/Participants` },
  })
  assert.equal((await openSession(server, service, { Ttl: '0' })).ttl, 0, 'its own ttl wins, also when it is none')
})

test('both ttl and date_expiry are kept as given, and dates are read in every documented form', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const forms: Record<string, string> = {
    '2999-12-31': '2999-12-31T00:00:00Z',
    '2999-12-31T23:59:59.987Z': FUTURE,
    '2999-12-31T23:59:59+02:00': '2999-12-31T21:59:59Z',
    '9999-12-31T23:59:59Z': '9999-12-31T23:59:59Z',
  }
  for (const [given, shown] of Object.entries(forms)) {
    const session = await openSession(server, service, { Ttl: '60', DateExpiry: given, Mode: 'voice_only' })
    assert.deepEqual([session.date_expiry, session.ttl, session.mode], [shown, 60, 'voice-only'])
  }
  for (const bad of [
    'soon',
    '2999-02-30',
    '2999-13-01',
    '29991231',
    '9999-12-31T23:59:59-14:00',
    '0000-01-01T00:00+14',
  ]) {
    assertRefused(await server.post(`${service.path}/Sessions`, { DateExpiry: bad }), 400, 80701, /^'DateExpiry'/)
  }
})

test('what a session is created with is checked, and a refused create leaves nothing', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const create = (params: Record<string, string>) => server.post(`${service.path}/Sessions`, params)
  assertRefused(await create({ DateExpiry: '2019-01-24T00:00:00Z', UniqueName: 'past' }), 400, 80701)
  assertRefused(await create({ Mode: 'video' }), 400, 20001)
  assertRefused(await create({ Ttl: '-1' }), 400, 80701)
  assertRefused(await create({ UniqueName: 'x'.repeat(192) }), 400, 80701)
  assertRefused(await create({ Status: 'failed' }), 400, 80608)
  assertRefused(await create({ Status: 'unknown' }), 400, 80608)
  assertRefused(await create({ Status: 'asleep' }), 400, 20001)
  assert.deepEqual((await server.get(`${service.path}/Sessions`)).body.sessions, [])
})

test('a session may be created in progress or closed', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const started = await openSession(server, service, { Status: 'in-progress' })
  assert.deepEqual([started.status, started.closed_reason], ['in-progress', null])
  assert.ok(started.date_started)
  const closed = await openSession(server, service, { Status: 'closed', Participants: participant(ALICE) })
  assert.deepEqual([closed.status, closed.closed_reason, closed.date_started], ['closed', 'api', null])
  assert.ok(closed.date_ended)
  await openSession(server, service, { Participants: participant(ALICE) })
})

type Begin = (server: TestServer, service: Pool) => Promise<SessionBody>
const open: Begin = (server, service) => openSession(server, service)
const inProgress: Begin = async (server, service) => {
  const session = await openSession(server, service)
  await interact(server, session, ALICE)
  return session
}
const closed: Begin = async (server, service) => {
  const session = await openSession(server, service)
  await server.post(session.path, { Status: 'closed' })
  return session
}

/** Every row of the table of moves: from where, what is asked, and the status or the code that follows. */
const MOVES: [string, Begin, Record<string, string>, string | number][] = [
  ['an open session stays open when told to', open, { Status: 'open' }, 'open'],
  ['an open session is started', open, { Status: 'in-progress' }, 'in-progress'],
  ['an open session is closed', open, { Status: 'closed' }, 'closed'],
  ['an open session does not fail', open, { Status: 'failed' }, 80608],
  ['an open session does not become unknown', open, { Status: 'unknown' }, 80608],
  ['a session in progress stays so when told to', inProgress, { Status: 'in-progress' }, 'in-progress'],
  ['a session in progress is closed', inProgress, { Status: 'closed' }, 'closed'],
  ['a session in progress does not become open', inProgress, { Status: 'open' }, 80608],
  ['a session in progress does not fail', inProgress, { Status: 'failed' }, 80608],
  ['a closed session stays closed when told to', closed, { Status: 'closed' }, 'closed'],
  ['a closed session is re-opened', closed, { Status: 'in-progress' }, 'in-progress'],
  ['a closed session does not become open', closed, { Status: 'open' }, 80608],
  ['a closed session does not become unknown', closed, { Status: 'unknown' }, 80608],
  ['a closed session keeps its ttl', closed, { Ttl: '60' }, 80607],
  ['a closed session keeps its expiry', closed, { DateExpiry: FUTURE }, 80607],
  ['a closed session that is told to stay closed keeps its ttl', closed, { Status: 'closed', Ttl: '60' }, 80607],
  [
    'a closed session is re-opened with another expiry',
    closed,
    { Status: 'in-progress', DateExpiry: FUTURE },
    'in-progress',
  ],
  ['an empty update of a closed session changes nothing', closed, {}, 'closed'],
  ['an empty update of an open session changes nothing', open, {}, 'open'],
]

for (const [title, begin, params, expected] of MOVES) {
  test(title, async () => {
    const server = await shared()
    const session = await begin(server, await makeService(server, 1))
    const before = (await server.get(session.path)).body
    const answer = await server.post(session.path, params)
    const after = (await server.get(session.path)).body
    if (typeof expected === 'number') {
      assertRefused(answer, 400, expected)
      assert.deepEqual(after, before)
      return
    }
    assert.deepEqual([answer.status, answer.body.status], [200, expected], answer.text)
    assert.deepEqual(after, answer.body)
    assert.equal(after.closed_reason, expected === 'closed' ? 'api' : null)
    assert.equal(after.date_ended === null, expected !== 'closed')
    assert.equal(after.date_started === null, expected === 'open' || (expected === 'closed' && begin !== inProgress))
    assert.equal(after.date_expiry, params.DateExpiry ?? null)
    if (Object.keys(params).length === 0) assert.deepEqual(after, before)
  })
}

test('the first interaction starts a session, and adding people does not', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 1))
  await addPerson(server, session, BOB)
  assert.equal((await server.get(session.path)).body.status, 'open')
  await interact(server, session, ALICE)
  const { body } = await server.get(session.path)
  assert.equal(body.status, 'in-progress')
  assert.equal(body.date_started, body.date_last_interaction)
})

test('mode, name and participants cannot be changed afterwards, and sending them is no error', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service, { UniqueName: 'fixed' })
  const { status, body } = await server.post(session.path, {
    Mode: 'voice-only',
    UniqueName: 'changed',
    Participants: participant(CAROL),
  })
  assert.deepEqual([status, body.mode, body.unique_name], [200, 'voice-and-message', 'fixed'])
  assert.deepEqual((await server.get(`${session.path}/Participants`)).body.participants, [])
})

test('a name is fetched by, stays taken while closed, and is free once the session is deleted', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const UniqueName = 'trip 7/8 ü%2F'
  const session = await openSession(server, service, { UniqueName })
  const byName = `${service.path}/Sessions/${encodeURIComponent(UniqueName)}`
  assert.equal((await server.get(byName)).body.sid, session.sid)
  assertRefused(await server.post(byName, { Ttl: '1' }), 404, 20404)
  assertRefused(await server.delete(byName), 404, 20404)

  await server.post(session.path, { Status: 'closed' })
  const create = () => server.post(`${service.path}/Sessions`, { UniqueName })
  assertRefused(await create(), 400, 80603, 'Session UniqueName must be unique')
  assert.equal((await server.delete(session.path)).status, 204)
  assertRefused(await server.get(byName), 404, 20404)
  const [heir, ...losers] = (await Promise.all([create(), create(), create()])).sort((a, b) => a.status - b.status)
  assert.equal(heir?.status, 201)
  for (const loser of losers) assertRefused(loser, 400, 80603)
  await openSession(server, await makeService(server, 0), { UniqueName })
})

test('deleting a session deletes its people and messages with it and frees their numbers', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  await interact(server, session, ALICE)
  assert.equal((await server.delete(session.path)).status, 204)
  assertRefused(await server.delete(session.path), 404, 20404)
  for (const table of ['participants', 'interactions', 'media', 'callbacks', 'sessions']) {
    assert.deepEqual(await rows(server, `select * from ${table} where service_sid = $1`, [service.sid]), [], table)
  }
  await openSession(server, service, { Participants: participant(ALICE) })
})

test('a message sent to a person restarts the ttl of a session and leaves its date of expiry alone', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 1), { Ttl: '600' })
  await rows(server, "update sessions set ttl_since = now() - interval '590 seconds' where sid = $1", [session.sid])
  await interact(server, session, ALICE)
  const [row] = await rows(
    server,
    'select extract(epoch from expires_at - now())::int as left, date_expiry from sessions where sid = $1',
    [session.sid],
  )
  assert.ok(row.left > 500, `${row.left} s are left`)
  assert.equal(row.date_expiry, null)
  await letRunOut(server, session)
  assert.equal((await server.get(session.path)).body.status, 'closed')
})
