import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addPerson,
  assertRefused,
  letRunOut,
  makeService,
  newName,
  openSession,
  type Pool,
  participant,
  rows,
  type SessionBody,
  serverForFile,
  withoutSweeper,
} from './support/proxy-api.ts'
import { eventually, person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const [ALICE, BOB] = [person(1), person(2)]

/** A session of Alice and Bob that has run out and that no sweeper has seen; runs `work` while none can. */
async function withExpired(
  params: Record<string, string>,
  work: (
    server: TestServer,
    service: Pool,
    session: SessionBody,
    alice: { sid: string; proxy_identifier: string },
  ) => Promise<void>,
) {
  const server = await shared()
  const service = await makeService(server, 1)
  await withoutSweeper(server, async () => {
    const session = await openSession(server, service, { UniqueName: newName('trip'), ...params })
    const alice = await addPerson(server, session, ALICE)
    await addPerson(server, session, BOB)
    await letRunOut(server, session)
    await work(server, service, session, alice)
  })
}

const storedStatus = async (server: TestServer, session: SessionBody) =>
  (await rows(server, 'select status from sessions where sid = $1', [session.sid]))[0].status

test('a session whose ttl has passed is fetched as closed, with the moment it ran out', async () => {
  await withExpired({ Ttl: '60' }, async (server, _service, session) => {
    assert.equal(await storedStatus(server, session), 'open', 'nobody has closed it yet')
    const { body } = await server.get(session.path)
    assert.deepEqual([body.status, body.closed_reason, body.date_started], ['closed', 'ttl', null])
    const [{ age }] = await rows(
      server,
      'select extract(epoch from now() - date_ended)::int as age from sessions where sid = $1',
      [session.sid],
    )
    assert.ok(age >= 4 && age <= 15, `it ended ${age} s ago`)
    assert.equal(await storedStatus(server, session), 'closed')
  })
})

test('a session past its date of expiry is fetched by name as closed', async () => {
  const params = { DateExpiry: '2999-01-01', Ttl: '1000000', UniqueName: newName('by-name') }
  await withExpired(params, async (server, service, session) => {
    const { body } = await server.get(`${service.path}/Sessions/${session.unique_name}`)
    assert.deepEqual([body.sid, body.status, body.closed_reason], [session.sid, 'closed', 'date-expiry'])
  })
})

test('a date of expiry goes before a ttl, whichever comes first', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 0), { DateExpiry: '2999-01-01', Ttl: '60' })
  await rows(server, "update sessions set ttl_since = now() - interval '1 day' where sid = $1", [session.sid])
  assert.equal((await server.get(session.path)).body.status, 'open')
})

test('without ttl and date of expiry a session never runs out', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 0))
  await rows(server, "update sessions set ttl_since = now() - interval '20 years' where sid = $1", [session.sid])
  assert.equal((await server.get(session.path)).body.status, 'open')
})

test('the pair of a session that ran out is free for a session that is created with it', async () => {
  await withExpired({ Ttl: '60' }, async (server, service, session, alice) => {
    const heir = await openSession(server, service, { Participants: [participant(ALICE), participant(BOB)] })
    const { participants } = (await server.get(`${heir.path}/Participants`)).body
    assert.equal(participants[0].proxy_identifier, alice.proxy_identifier)
    assert.equal(await storedStatus(server, session), 'closed')
  })
})

test('the pair of a session that ran out is free for a person who names the number', async () => {
  await withExpired({ DateExpiry: '2999-01-01' }, async (server, service, session, alice) => {
    const heir = await openSession(server, service)
    const named = { ProxyIdentifier: alice.proxy_identifier }
    assert.equal((await addPerson(server, heir, ALICE, named)).proxy_identifier, alice.proxy_identifier)
    assert.equal(await storedStatus(server, session), 'closed')
  })
})

test('the pair of a session that ran out is free for a session that is re-opened', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  await withoutSweeper(server, async () => {
    const first = await openSession(server, service, { Participants: participant(ALICE) })
    await server.post(first.path, { Status: 'closed' })
    const second = await openSession(server, service, { Participants: participant(ALICE), Ttl: '60' })
    assertRefused(await server.post(first.path, { Status: 'in-progress' }), 400, 80604)
    await letRunOut(server, second)
    assert.equal((await server.post(first.path, { Status: 'in-progress' })).status, 200)
    assert.equal(await storedStatus(server, second), 'closed')
  })
})

test('a session that ran out takes nobody in, sends nothing and keeps its expiry', async () => {
  await withExpired({ Ttl: '60' }, async (server, _service, session, alice) => {
    assertRefused(await server.post(`${session.path}/Participants`, { Identifier: person(3) }), 400, 80607)
    const messages = `${session.path}/Participants/${alice.sid}/MessageInteractions`
    assertRefused(await server.post(messages, { Body: 'Hello' }), 400, 80607)
    assertRefused(await server.post(session.path, { Ttl: '1000' }), 400, 80607)
    assertRefused(await server.post(session.path, { DateExpiry: '2999-01-01' }), 400, 80607)
    assert.equal((await server.post(session.path, { Status: 'closed' })).body.closed_reason, 'ttl')
  })
})

test('a message in does not route through a session that ran out', async () => {
  await withExpired({ Ttl: '60' }, async (server, service, session, alice) => {
    await server.text(ALICE, alice.proxy_identifier, 'Anyone?')
    const [row] = await rows(server, 'select outcome, session_sid from interactions where service_sid = $1', [
      service.sid,
    ])
    assert.deepEqual(row, { outcome: 'out-of-session', session_sid: null })
    assert.deepEqual((await server.get(`${session.path}/Interactions`)).body.interactions, [])
  })
})

test('a ttl or date of expiry that is already over ends the session when it is set', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const dated = await openSession(server, service)
  assert.equal((await server.post(dated.path, { DateExpiry: '2019-01-24' })).status, 200)
  assert.equal((await server.get(dated.path)).body.closed_reason, 'date-expiry')
  const timed = await openSession(server, service, { Ttl: '7200' })
  await rows(server, "update sessions set ttl_since = now() - interval '1 hour' where sid = $1", [timed.sid])
  assert.equal((await server.get(timed.path)).body.status, 'open')
  assert.equal((await server.post(timed.path, { Ttl: '60' })).status, 200)
  assert.equal((await server.get(timed.path)).body.closed_reason, 'ttl')
})

test('a re-opened session has its people and numbers again, counts its ttl anew and drops an expiry that has passed', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const session = await openSession(server, service, { Ttl: '600', DateExpiry: '2999-01-01' })
  await addPerson(server, session, ALICE)
  await addPerson(server, session, BOB)
  const before = (await server.get(`${session.path}/Participants`)).body.participants
  await letRunOut(server, session)
  assert.equal((await server.get(session.path)).body.closed_reason, 'date-expiry')
  const reopened = await server.post(session.path, { Status: 'in-progress' })
  assert.deepEqual(
    [
      reopened.status,
      reopened.body.status,
      reopened.body.closed_reason,
      reopened.body.date_ended,
      reopened.body.date_expiry,
    ],
    [200, 'in-progress', null, null, null],
  )
  assert.deepEqual((await server.get(`${session.path}/Participants`)).body.participants, before)
  const [{ left }] = await rows(
    server,
    'select extract(epoch from expires_at - now())::int as left from sessions where sid = $1',
    [session.sid],
  )
  assert.ok(left > 550, `${left} s are left`)
})

test('a re-open keeps a date of expiry that is still to come, and takes a new ttl', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 0), { DateExpiry: '2999-01-01T00:00:00Z' })
  await server.post(session.path, { Status: 'closed' })
  const { body } = await server.post(session.path, { Status: 'in-progress', Ttl: '77' })
  assert.deepEqual([body.status, body.date_expiry, body.ttl], ['in-progress', '2999-01-01T00:00:00Z', 77])
})

test('a session cannot be re-opened once its pair is taken or its number has left the pool, and stays closed', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service, { Participants: participant(ALICE) })
  await server.post(session.path, { Status: 'closed' })
  const rival = await openSession(server, service, { Participants: participant(ALICE) })
  const collision = 'Proxy identifier already in use with requested identifier.'
  assertRefused(await server.post(session.path, { Status: 'in-progress' }), 400, 80604, collision)
  assert.equal((await server.get(session.path)).body.status, 'closed')

  await server.delete(rival.path)
  const number = `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`
  assert.equal((await server.delete(number)).status, 204)
  assertRefused(await server.post(session.path, { Status: 'in-progress' }), 400, 80605)
  await server.post(`${service.path}/PhoneNumbers`, { Sid: service.numbers[0]?.sid ?? '' })
  assert.equal((await server.post(session.path, { Status: 'in-progress' })).status, 200)
})

test('a removed person is not in the way of a re-open', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const { sid } = await addPerson(server, session, ALICE)
  await server.delete(`${session.path}/Participants/${sid}`)
  await server.post(session.path, { Status: 'closed' })
  await openSession(server, service, { Participants: participant(ALICE) })
  assert.equal((await server.post(session.path, { Status: 'in-progress' })).status, 200)
})

test('the sweeper closes what nobody asks for', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 0), { Ttl: '60' })
  await letRunOut(server, session)
  await eventually(async () => (await storedStatus(server, session)) === 'closed', 'the sweeper came by')
})
