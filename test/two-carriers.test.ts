import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { addCarrier } from '../src/core/carriers.ts'
import { eventCodes, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { addNumber, addPerson, openSession } from './support/proxy-api.ts'
import { eventually } from './support/server.ts'
import { startTwilioApi } from './support/twilio-api.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'
import { statusParams } from './support/twilio-webhooks.ts'

/** One pool with a number at each of two carriers, and a session in which each person is on another one's. */
async function startBetween(t: TestContext) {
  const { server, twilio: here, account } = await startTwilioServer(t)
  const there = await startTwilioApi({ after: (stop) => t.after(stop) })
  there.reach = here.reach
  const { account_sid, auth_token, url: base_url } = there
  const { sid: there_sid } = await addCarrier(server.store, {
    ...{ account_sid: account.sid, kind: 'twilio', friendly_name: 'there' },
    credentials: { account_sid, auth_token, base_url },
  })
  const service = await makeTwilioService(server, here, {}, 1)
  const { phone_number } = there.addNumber({ phone_number: '+12025550172' })
  service.numbers.push(await addNumber(server, service, { PhoneNumber: String(phone_number) }))
  const session = await openSession(server, service)
  const join = async (at: number) => {
    const identifier = newPerson()
    const proxy = service.numbers[at]?.phone_number ?? ''
    await addPerson(server, session, identifier, { ProxyIdentifier: proxy })
    return { identifier, proxy }
  }
  const carriers = { here: account.carrier_sid, there: there_sid }
  return { server, here, there, carriers, service, session, alice: await join(0), bob: await join(1) }
}

const sentBy = ({ sent }: { sent: () => { from: string; to: string; body: string }[] }) =>
  sent().map(({ from, to, body }) => ({ from, to, body }))

test('a text that one carrier brings leaves through that of the partner’s number, in both directions', async (t) => {
  const { server, here, there, alice, bob } = await startBetween(t)
  assert.equal((await here.receive({ from: alice.identifier, to: alice.proxy, body: 'There' })).status, 200)
  await settled(server)
  const across = { from: bob.proxy, to: bob.identifier, body: 'There' }
  assert.deepEqual([sentBy(here), sentBy(there)], [[], [across]])
  assert.equal((await there.receive({ from: bob.identifier, to: bob.proxy, body: 'And back' })).status, 200)
  await settled(server)
  const back = { from: alice.proxy, to: alice.identifier, body: 'And back' }
  assert.deepEqual([sentBy(here), sentBy(there)], [[back], [across]])
})

test('a leg is moved by the reports of the carrier that it left through, and by nobody else’s', async (t) => {
  const { server, here, there, carriers, service, session, alice } = await startBetween(t)
  await here.receive({ from: alice.identifier, to: alice.proxy, body: 'There' })
  const sent = await eventually(async () => there.sent()[0], 'it is sent through the partner’s carrier')
  await settled(server)
  const leg = async () => {
    const [interaction, ...more] = await interactionsOf(server, session)
    assert.deepEqual(more, [])
    return [interaction?.outbound_resource_sid, interaction?.outbound_resource_status]
  }
  const own = sent.status_callback ?? ''
  assert.deepEqual(await leg(), [sent.sid, 'queued'])
  assert.ok(own.includes(`/webhooks/${carriers.there}/status/`), own)

  // By its own door, in its own name and with an id of its own or the right one; then by the other's door.
  const otherDoor = own.replace(carriers.there, carriers.here)
  for (const sid of [sent.sid, sent.sid.replace(/.$/, (last) => (last === '0' ? '1' : '0'))]) {
    const params = statusParams(here.account, { ...sent, sid }, 'delivered')
    assert.equal((await here.post(otherDoor, params)).status, 200, 'it need not tell us again')
    assert.equal((await here.post(own, params)).status, 403, 'it cannot sign for the other')
  }
  assert.deepEqual(await leg(), [sent.sid, 'queued'])
  const told = await server.get('/maskline/v1/Events?ErrorCode=80907')
  assert.equal(told.body.events.length, 2)
  assert.deepEqual(await eventCodes(server, service), [])

  assert.equal((await there.report(sent.sid, 'delivered')).status, 200)
  assert.deepEqual(await leg(), [sent.sid, 'delivered'])
})

test('a call between numbers of two carriers rings nowhere and fails, whoever calls, and texts go on', async (t) => {
  const { server, here, there, service, session, alice, bob } = await startBetween(t)
  for (const [carrier, caller] of [[here, alice] as const, [there, bob] as const]) {
    const call = carrier.call({ from: caller.identifier, to: caller.proxy })
    assert.equal((await call.ended).legs.length, 1, 'the caller’s own')
    const [first] = call.requests
    assert.ok(first)
    assert.equal((await carrier.repeat(first)).body, first.body, 'a repeat is answered alike')
  }
  await settled(server)
  const calls = await interactionsOf(server, session)
  const shown = calls.map((call) => [
    ...[call.type, call.inbound_resource_status],
    ...[call.outbound_resource_status, call.outbound_resource_sid],
  ])
  assert.deepEqual(shown, Array(2).fill(['voice', 'failed', 'failed', null]))
  assert.deepEqual(await eventCodes(server, service), [80613, 80613])
  await here.receive({ from: alice.identifier, to: alice.proxy, body: 'Cannot reach you' })
  const text = await eventually(async () => sentBy(there)[0], 'the text is sent')
  assert.deepEqual(text, { from: bob.proxy, to: bob.identifier, body: 'Cannot reach you' })
})
