import assert from 'node:assert/strict'
import { test } from 'node:test'
import twilio from 'twilio'
import { converse, eventCodes, fetched, heard, hurry, inbox, interactionsOf, settled } from './support/conversation.ts'
import { letRunOut, makeService, rows, type SessionBody, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import { type ReceivedRequest, type Receiver, startReceiver } from './support/receiver.ts'
import { eventually, startServer, type TestServer } from './support/server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_INTERCEPT_TIMEOUT_MS: '400' } }))

const INTERACTION = 'AccountSid Data DateCreated DateUpdated NumMedia ServiceSid SessionSid Sid Type'
const LEG = 'ParticipantSid ResourceSid ResourceStatus ResourceType ResourceUrl'
const named = (prefix: string, names: string) => names.split(' ').map((name) => prefix + name)
const namesOf = ({ params }: ReceivedRequest) => Object.keys(params).sort()

/** A stage that a later one overtook is not told; none is told twice, and how it ended always is. */
function assertStages({ requests }: Receiver) {
  const told = requests.map(({ params }) => params.outboundResourceStatus ?? '')
  assert.equal(new Set(told).size, told.length, told.join())
  assert.ok(told.includes('delivered') && told.every((status) => ['queued', 'sent', 'delivered'].includes(status)))
}
/** Waits until every message of a session is delivered and all has been told. */
async function delivered(server: TestServer, session: SessionBody) {
  const isDelivered = async () =>
    (await interactionsOf(server, session)).every((row) => row.outbound_resource_status === 'delivered')
  await eventually(isDelivered, 'all is delivered')
  await settled(server, { sid: String(session.service_sid) })
}

const attempts = (server: TestServer, service: { sid: string }) =>
  rows(server, `select kind, attempt, status_code, error from callback_attempts where service_sid = $1 order by sid`, [
    service.sid,
  ])
/** Waits for the one callback that has failed `tries` times and is due again between so many seconds from now. */
const postponed = (server: TestServer, service: { sid: string }, tries: number, [from, to]: [number, number]) =>
  eventually(async () => {
    const found = await rows(
      server,
      `select attempts, extract(epoch from due_at - now())::float as wait_s
       from callbacks where service_sid = $1 and due_at is not null`,
      [service.sid],
    )
    return found.length === 1 && found[0]?.attempts === tries && found[0].wait_s > from && found[0].wait_s <= to
  }, `try ${tries} failed, and the next one is due in ${from} to ${to} s`)

test('each stage of a relayed message is told with both legs, of an API message without an inbound one', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told?by=us` })
  const { session, alice, bob } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await delivered(server, session)
  const [interaction] = await interactionsOf(server, session)
  assertStages(receiver)
  const expected = [...named('inbound', LEG), ...named('interaction', INTERACTION), ...named('outbound', LEG)]
  for (const request of receiver.requests) {
    assert.deepEqual(namesOf(request), expected.sort())
    const { params, headers } = request
    assert.deepEqual(
      [params.inboundResourceStatus, params.inboundResourceType, params.interactionType],
      ['delivered', 'message', 'Message'],
    )
    assert.deepEqual([params.inboundParticipantSid, params.outboundParticipantSid], [alice.sid, bob.sid])
    assert.deepEqual([params.interactionSid, params.interactionData], [interaction?.sid, '{"body":"Hello"}'])
    assert.match(params.interactionDateUpdated ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.equal(headers['user-agent'], 'TwilioProxy/1.1')
    const signature = String(headers['x-twilio-signature'])
    assert.ok(twilio.validateRequest(server.account.auth_token, signature, `${receiver.url}/told?by=us`, params))
  }
  const tokens = receiver.requests.map(({ headers }) => headers['i-twilio-idempotency-token'])
  assert.equal(new Set(tokens).size, receiver.requests.length)

  receiver.requests.length = 0
  await server.post(`${session.path}/Participants/${bob.sid}/MessageInteractions`, { Body: 'From the office' })
  await delivered(server, session)
  assertStages(receiver)
  const withoutInbound = [...named('interaction', INTERACTION), ...named('outbound', LEG)].sort()
  for (const request of receiver.requests) assert.deepEqual(namesOf(request), withoutInbound)
})

test('a callback that fails is repeated with growing pauses, the same to the byte, until it is accepted', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { CallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  receiver.answer = ({ params }) => ({ status: params.outboundResourceStatus === 'delivered' ? 500 : 204 })
  await server.text(alice.identifier, alice.proxy, 'Hello')
  // The bounds leave some seconds to the machine, and none comes near the lease of a claim.
  for (const [at, range] of (
    [
      [1, 6],
      [20, 36],
      [90, 144],
    ] as [number, number][]
  ).entries()) {
    await postponed(server, service, at + 1, range)
    if (at === 2) receiver.answer = () => ({})
    await hurry(server, 'callbacks')
  }
  await settled(server, service)
  const told = receiver.requests.filter(({ params }) => params.outboundResourceStatus === 'delivered')
  assert.equal(told.length, 4)
  const { body, headers } = told[0]!
  for (const again of told) {
    assert.equal(again.body, body)
    assert.equal(again.headers['i-twilio-idempotency-token'], headers['i-twilio-idempotency-token'])
    assert.equal(again.headers['x-twilio-signature'], headers['x-twilio-signature'])
  }
  const codes = (await attempts(server, service)).map(({ status_code }) => status_code)
  assert.deepEqual(
    codes.filter((code) => code !== 204),
    [500, 500, 500, 200],
  )
  assert.deepEqual(await eventCodes(server, service), [80908], 'on record once')
})

test('a callback that is never accepted is given up in the end', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { CallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  receiver.answer = ({ params }) => ({ status: params.outboundResourceStatus === 'delivered' ? 503 : 200 })
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await postponed(server, service, 1, [1, 6])
  await rows(
    server,
    'update callbacks set attempts = 9, due_at = now() where service_sid = $1 and due_at is not null',
    [service.sid],
  )
  await postponed(server, service, 10, [20_000, 35_000])
  await hurry(server, 'callbacks')
  await settled(server, service)
  const tries = (await attempts(server, service)).filter(({ status_code }) => status_code === 503)
  assert.deepEqual(
    tries.map(({ attempt }) => attempt),
    [1, 10, 11],
  )
})

test('an application that refuses a callback is not asked again, one that is out of reach is', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 404 }))
  const service = await makeService(server, 2, { CallbackUrl: receiver.url })
  const { session, alice } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await delivered(server, session)
  const told = receiver.requests.length
  assert.deepEqual(
    (await attempts(server, service)).map(({ attempt, status_code }) => [attempt, status_code]),
    Array(told).fill([1, 404]),
  )
  // The event follows the attempt.
  await eventually(async () => (await eventCodes(server, service)).length === told, 'each is on record as an event')
  assert.deepEqual(await eventCodes(server, service), Array(told).fill(80908))

  const away = await makeService(server, 2, { CallbackUrl: 'http://127.0.0.1:1/' })
  const other = await converse(server, away)
  await server.text(other.alice.identifier, other.alice.proxy, 'Hello')
  await eventually(async () => (await attempts(server, away)).length > 0, 'it is tried')
  for (const { status_code, error } of await attempts(server, away)) {
    assert.deepEqual([status_code, error], [null, 'The connection was refused.'])
  }
  await rows(server, 'delete from callbacks where service_sid = $1', [away.sid])
})

test('a 403 of the intercept callback blocks: the record stays alone and the session is as before', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, ({ target }) => ({ status: target === '/intercept' ? 403 : 200 }))
  const urls = { InterceptCallbackUrl: `${receiver.url}/intercept`, CallbackUrl: `${receiver.url}/status` }
  const service = await makeService(server, 2, urls)
  const { session, alice, bob } = await converse(server, service, { Ttl: '100' })
  const clock = () => rows(server, 'select ttl_since, expires_at from sessions where sid = $1', [session.sid])
  const before = await clock()
  await server.text(alice.identifier, alice.proxy, 'My number is secret')
  await settled(server, service)
  assert.equal(receiver.requests.length, 1)
  assert.deepEqual(
    namesOf(receiver.requests[0]!),
    [...named('inbound', LEG), ...named('interaction', INTERACTION)].sort(),
  )
  assert.deepEqual(await inbox(server, bob), [])
  const [record] = await interactionsOf(server, session)
  assert.deepEqual([record?.data, record?.inbound_participant_sid], ['{"body":"My number is secret"}', alice.sid])
  for (const name of ['participant_sid', 'resource_sid', 'resource_status', 'resource_type', 'resource_url']) {
    assert.equal(record?.[`outbound_${name}`], null)
  }
  const { status, date_started, date_last_interaction } = await fetched(server, session)
  assert.deepEqual([status, date_started, date_last_interaction], ['open', null, null])
  assert.deepEqual(await clock(), before)
  assert.deepEqual(await eventCodes(server, service), [80909])
})

test('whatever else the intercept callback does, the message passes, and it is asked once', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { InterceptCallbackUrl: receiver.url })
  const { session, alice, bob } = await converse(server, service)
  for (const status of [200, 204, 302, 400, 401, 404, 500, 503]) {
    receiver.answer = () => ({ status, headers: { location: 'http://127.0.0.1:1/' } })
    await server.text(alice.identifier, alice.proxy, `answered ${status}`)
    await heard(server, bob, `answered ${status}`)
  }
  receiver.answer = () => new Promise(() => undefined)
  await server.text(alice.identifier, alice.proxy, 'never answered')
  await heard(server, bob, 'never answered')
  assert.equal(receiver.requests.length, 9)
  assert.equal((await fetched(server, session)).status, 'in-progress')

  await server.post(service.path, { InterceptCallbackUrl: 'http://127.0.0.1:1/' })
  await server.text(alice.identifier, alice.proxy, 'nobody there')
  await heard(server, bob, 'nobody there')
  const log = await attempts(server, service)
  assert.deepEqual(
    log.slice(-2).map(({ kind, attempt, error }) => [kind, attempt, error]),
    [
      ['intercept', 1, 'There was no complete answer within 400 ms.'],
      ['intercept', 1, 'The connection was refused.'],
    ],
  )
})

test('a session that ends while the intercept callback is asked sends nothing more', async (t) => {
  const server = await startServer(t)
  for (const end of ['closed', 'removed', 'expired']) {
    let answer: () => void = () => undefined
    const receiver = await startReceiver(t, ({ target }) =>
      target === '/intercept' ? new Promise((resolve) => (answer = () => resolve({}))) : {},
    )
    const urls = { InterceptCallbackUrl: `${receiver.url}/intercept`, CallbackUrl: `${receiver.url}/status` }
    const service = await makeService(server, 2, urls)
    const { session, alice, bob } = await converse(server, service, { Ttl: '1000' })
    await server.text(alice.identifier, alice.proxy, 'Too late?')
    await receiver.next()
    await withoutSweeper(server, async () => {
      if (end === 'closed') await server.post(session.path, { Status: 'closed' })
      if (end === 'removed') await server.delete(`${session.path}/Participants/${bob.sid}`)
      if (end === 'expired') await letRunOut(server, session)
      answer()
      await settled(server)
    })
    assert.deepEqual(await inbox(server, bob), [], end)
    const [record] = await interactionsOf(server, session)
    assert.equal(record?.outbound_resource_status, 'canceled', end)
    assert.equal((await receiver.next()).params.outboundResourceStatus, 'canceled', end)
  }
})

test('a callback to a private address that is not allowed is refused, on record, and the message passes', async (t) => {
  const receiver = await startReceiver(t)
  const server = await startServer(t, { env: { MASKLINE_CALLBACK_ALLOW: '192.0.2.0/24' } })
  const urls = { InterceptCallbackUrl: receiver.url, CallbackUrl: receiver.url, OutOfSessionCallbackUrl: receiver.url }
  const service = await makeService(server, 2, urls)
  const { alice, bob } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await heard(server, bob, 'Hello')
  await server.text('+14155550199', alice.proxy, 'From a stranger')
  const kinds = async () => new Set((await attempts(server, service)).map(({ kind }) => kind))
  await eventually(async () => (await kinds()).size === 3, 'all kinds are on record')
  for (const { error } of await attempts(server, service)) {
    assert.equal(
      error,
      'Callbacks may not reach an address of this kind (loopback), unless MASKLINE_CALLBACK_ALLOW lists it.',
    )
  }
  assert.deepEqual([receiver.requests.length, receiver.connections], [0, 0])
  // The question to the customer is on record before what follows from it is.
  await eventually(async () => (await eventCodes(server, service)).includes(11200), 'that nobody answered is on record')
})
