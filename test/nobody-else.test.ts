import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { addCarrier } from '../src/core/carriers.ts'
import { converse, fetched, hurry, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { addNumber, addPerson, makeService, openSession, rows } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

// Ways in which a message could still have reached somebody else, or gone after the end, that were found by looking for
// them. Each failed before it was mended.

test('a repeat of an event whose record was deleted is still a repeat, also when somebody else has the pair', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, {}, 1)
  const first = await converse(server, service)
  const event = { from: first.alice.identifier, to: first.alice.proxy, body: 'For Bob', sid: `SM${'b'.repeat(32)}` }
  await twilio.receive(event)
  await settled(server)
  const [listed] = await interactionsOf(server, first.session)
  assert.equal((await server.delete(`${first.session.path}/Interactions/${listed?.sid}`)).status, 204)
  assert.equal((await server.get(`${first.session.path}/Interactions/${listed?.sid}`)).status, 404)
  await twilio.receive(event)
  await settled(server)
  assert.equal(twilio.sent().length, 1, 'the record alone was deleted')

  assert.equal((await server.delete(first.session.path)).status, 204)
  const next = await converse(server, service, {}, [first.alice.identifier, newPerson()])
  assert.equal(next.alice.proxy, first.alice.proxy, 'the pair is the same, the partner is not')
  await twilio.receive(event)
  await settled(server)
  assert.deepEqual(
    twilio.sent().map(({ to }) => to),
    [first.bob.identifier],
  )
  const [kept] = await rows(server, `select * from interactions where outcome = 'deleted'`)
  const personal = [
    'data_sealed',
    'sender_sealed',
    'inbound_participant_sid',
    'outbound_participant_sid',
    'outbound_number',
  ]
  for (const column of personal) assert.equal(kept[column], null, column)
})

test('a close that comes while attachments are fetched stops the message', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  let release: (() => void) | undefined
  const store = createServer((_request, response) => {
    release = () => void response.writeHead(200, { 'content-type': 'image/png' }).end('png')
  })
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve))
  t.after(() => store.close())
  const { session, alice } = await converse(server, service)
  const location = `http://127.0.0.1:${(store.address() as AddressInfo).port}/picture`
  const mediaUrls = [twilio.addMedia({ content_type: 'image/png', bytes: Buffer.from('png'), location })]
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Look', mediaUrls })
  const answer = await eventually(async () => release, 'the attachment is being fetched')
  assert.equal((await server.post(session.path, { Status: 'closed' })).body.status, 'closed')
  answer()
  await settled(server)
  assert.equal(twilio.sent().length, 0)
  assert.equal((await interactionsOf(server, session))[0]?.outbound_resource_status, 'canceled')
})

test('a close and an intercept that says yes at the same moment do not hold each other up', async (t) => {
  let answer: (() => void) | undefined
  const receiver = await startReceiver(
    t,
    () =>
      new Promise((resolve) => {
        answer = () => resolve({ status: 200 })
      }),
  )
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, { InterceptCallbackUrl: receiver.url })
  for (let round = 0; round < 10; round++) {
    answer = undefined
    const { session, alice } = await converse(server, service)
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body: `Round ${round}` })
    const say = await eventually(async () => answer, 'the customer is asked')
    const closing = server.post(session.path, { Status: 'closed' })
    say()
    assert.equal((await closing).body.status, 'closed')
    await settled(server)
    assert.equal((await fetched(server, session)).status, 'closed')
  }
  assert.deepEqual(
    server.logged.filter((line) => line.includes('deadlock')),
    [],
  )
})

test('a queued TwiML reply does not leave from a number that has gone to another service', async (t) => {
  const receiver = await startReceiver(t, () => ({
    headers: { 'content-type': 'application/xml' },
    body: '<Response><Message>From the first service</Message></Response>',
  }))
  const { server, twilio } = await startTwilioServer(t)
  const first = await makeTwilioService(server, twilio, { OutOfSessionCallbackUrl: receiver.url }, 1)
  const number = first.numbers[0]
  assert(number, 'the pool has a number')
  twilio.failNext({ kind: 'error', status: 429, headers: { 'retry-after': '600' } })
  await twilio.receive({ from: newPerson(), to: number.phone_number, body: 'Hello?' })
  await eventually(async () => {
    const [reply] = await rows(
      server,
      `select attempts from interactions where origin = 'twiml' and send_started_at is null`,
    )
    return reply?.attempts === 1
  }, 'the reply waits for another try')
  assert.equal((await server.delete(`${first.path}/PhoneNumbers/${number.sid}`)).status, 204)
  const second = await makeService(server, 0)
  assert.equal((await server.post(`${second.path}/PhoneNumbers`, { Sid: number.sid })).status, 201)
  await hurry(server, 'interactions')
  await settled(server)
  assert.equal(twilio.sent().length, 0)
})

test('in a pool of two carriers each message leaves through the carrier of its number', async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const simulator = { account_sid: account.sid, kind: 'simulator', friendly_name: 'simulator', credentials: {} }
  await addCarrier(server.store, simulator)
  const service = await makeTwilioService(server, twilio, {}, 1)
  const simulated = await addNumber(server, service)
  const session = await openSession(server, service)
  const [here, there] = [newPerson(), newPerson()]
  const real = { ProxyIdentifier: service.numbers[0]?.phone_number ?? '' }
  const alice = await addPerson(server, session, here, real)
  await addPerson(server, session, there, { ProxyIdentifier: simulated.phone_number })
  await twilio.receive({ from: here, to: alice.proxy_identifier, body: 'Across' })
  const inbox = await eventually(async () => {
    const messages = await server.handset(there)
    return messages.length > 0 && messages
  }, 'it arrives at the simulated handset')
  assert.deepEqual([inbox[0]?.from, inbox[0]?.body], [simulated.phone_number, 'Across'])
  await server.text(there, simulated.phone_number, 'And back')
  const back = await twilio.nextSent()
  assert.deepEqual([back.from, back.to, back.body], [alice.proxy_identifier, here, 'And back'])
})
