import assert from 'node:assert/strict'
import { test } from 'node:test'
import twilio from 'twilio'
import { startReceiver } from './support/receiver.ts'
import { eventually, person, poolNumber, startServer, type TestServer } from './support/server.ts'

const [ALICE, BOB] = [person(1), person(2)]

async function makeService(server: TestServer, settings: Record<string, string> = {}) {
  const service = await server.client.proxy.v1.services.create({ uniqueName: 'rides', ...settings })
  for (const at of [0, 1])
    await server.client.proxy.v1.services(service.sid).phoneNumbers.create({ phoneNumber: poolNumber(at) })
  return service
}

async function openSession(server: TestServer, service: string) {
  const { sessions } = server.client.proxy.v1.services(service)
  const { sid } = await sessions.create({
    uniqueName: 'trip-1',
    participants: [{ Identifier: ALICE }, { Identifier: BOB }],
  })
  const session = await sessions(sid).fetch()
  const participants = await session.participants().list()
  const find = (identifier: string) => participants.find((participant) => participant.identifier === identifier)!
  return { session, alice: find(ALICE), bob: find(BOB) }
}

test('two people text each other and neither sees the other', async (t) => {
  const server = await startServer(t)
  const service = await makeService(server)
  const { session, alice, bob } = await openSession(server, service.sid)
  assert.equal(session.status, 'open')

  await server.text(ALICE, alice.proxyIdentifier, 'On my way')
  const [toBob] = await eventually(async () => {
    const inbox = await server.handset(BOB)
    return inbox.length > 0 && inbox
  }, 'Bob hears from Alice')
  assert.deepEqual(
    { from: toBob?.from, to: toBob?.to, body: toBob?.body, direction: toBob?.direction },
    { from: bob.proxyIdentifier, to: BOB, body: 'On my way', direction: 'inbound' },
  )

  await server.text(BOB, bob.proxyIdentifier, 'See you at the door')
  const toAlice = await eventually(
    async () => (await server.handset(ALICE)).find((message) => message.direction === 'inbound'),
    'Alice hears from Bob',
  )
  assert.deepEqual(
    { from: toAlice.from, body: toAlice.body },
    { from: alice.proxyIdentifier, body: 'See you at the door' },
  )
  const seen = JSON.stringify([await server.handset(ALICE), await server.handset(BOB)])
  const aliceSees = JSON.stringify(await server.handset(ALICE))
  assert.ok(!aliceSees.includes(BOB.slice(1)), "Alice's handset must not hold Bob's number")
  assert.ok(seen.includes(ALICE), "the owner's own number is there, so the search finds numbers at all")
})

test('the whole walk through the official client: callbacks verified, the log listed and deleted, the session closed', async (t) => {
  const receiver = await startReceiver(t)
  const server = await startServer(t)
  const service = await makeService(server, {
    callbackUrl: `${receiver.url}/status`,
    outOfSessionCallbackUrl: `${receiver.url}/outside`,
  })
  const { session, alice, bob } = await openSession(server, service.sid)

  await server.text(ALICE, alice.proxyIdentifier, 'Hello')
  const delivered = await eventually(
    async () => receiver.requests.find((request) => request.params.outboundResourceStatus === 'delivered'),
    'a callback says delivered',
  )
  for (const request of receiver.requests) {
    const { params } = request
    const signature = String(request.headers['x-twilio-signature'])
    assert.ok(
      twilio.validateRequest(server.account.auth_token, signature, `${receiver.url}/status`, params),
      "the vendor's validator accepts the callback",
    )
    assert.ok(
      !twilio.validateRequest('another token', signature, `${receiver.url}/status`, params),
      'and refuses it under another token',
    )
  }
  assert.equal(delivered.params.interactionSessionSid, session.sid)
  assert.equal(delivered.params.inboundParticipantSid, alice.sid)
  assert.equal(delivered.params.outboundParticipantSid, bob.sid)
  assert.equal(delivered.params.interactionType, 'Message')
  assert.equal(delivered.params.interactionData, '{"body":"Hello"}')
  assert.ok(!delivered.body.includes(ALICE.slice(1)), 'no real number is in a callback')

  const [interaction] = await session.interactions().list()
  assert.equal(interaction?.outboundResourceStatus, 'delivered')
  assert.equal(interaction?.inboundResourceStatus, 'delivered')
  assert.equal(interaction?.data, '{"body":"Hello"}')
  assert.equal((await session.fetch()).status, 'in-progress')
  assert.equal(
    await session
      .interactions()
      .get(interaction?.sid ?? '')
      .remove(),
    true,
  )
  assert.equal((await session.interactions().list()).length, 0)

  const closed = await session.update({ status: 'closed' })
  assert.equal(closed.status, 'closed')
  assert.equal(closed.closedReason, 'api')
  await server.text(ALICE, alice.proxyIdentifier, 'Anyone?')
  const outside = await eventually(
    async () => receiver.requests.find((request) => request.target === '/outside'),
    'the out-of-session callback is asked',
  )
  assert.equal(outside.params.From, ALICE)
  assert.equal(outside.params.Body, 'Anyone?')
  assert.equal(outside.params.sessionSid, session.sid)
  assert.equal((await server.handset(BOB)).length, 1, 'Bob hears nothing after the close')
})
