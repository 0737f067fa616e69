import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertMasked,
  assertTold,
  legsOf,
  newCaller,
  newHandset,
  requestsTo,
  startTalk,
  statusesOf,
  type Talk,
  told,
  voiceOf,
  wordsOf,
} from './support/calls.ts'
import { eventCodes, heard, settled } from './support/conversation.ts'
import { serverForFile } from './support/proxy-api.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_RING_TIMEOUT_S: '25' } }))

/** A call in progress. */
async function connect({ phones, alice, bob }: Talk): Promise<string> {
  const sid = await phones.call(alice.identifier, alice.proxy)
  await phones.act(sid, bob, 'answer')
  return sid
}

test('a call reaches the partner from the number the partner knows, and starts the session', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, session, alice, bob, pool } = talk
  const before = await session.fetch()
  assert.deepEqual([before.status, before.dateStarted, before.dateLastInteraction], ['open', null, null])

  const sid = await phones.call(alice.identifier, alice.proxy)
  await told(talk, 1)
  const during = await session.fetch()
  assert.equal(during.status, 'in-progress')
  assert(during.dateStarted && during.dateStarted >= before.dateCreated)
  assert.deepEqual(during.dateLastInteraction, during.dateStarted)
  const [running] = await session.interactions.list()
  const { inboundResourceStatus, outboundResourceStatus, data } = running ?? {}
  assert.deepEqual([inboundResourceStatus, outboundResourceStatus, data], ['in-progress', 'initiated', '{}'])

  await phones.advance(4)
  await phones.act(sid, bob, 'answer')
  await phones.advance(61)
  await phones.act(sid, bob, 'hangup')
  const [caller, callee] = await legsOf(talk, sid)
  assert.equal(statusesOf(caller), 'ringing in-progress completed', 'answered when the partner answered')
  assert.equal(statusesOf(callee), 'initiated ringing in-progress completed')
  assert.deepEqual([caller.caller_id, callee.caller_id], [alice.proxy, bob.proxy])
  assert.deepEqual([...wordsOf(caller), ...wordsOf(callee)], [], 'nothing is said unless it is set')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"61"}' }
  await assertTold(talk, { sid, from: alice, to: bob, ...ends })
  await assertMasked(talk, alice, bob)
  assert.deepEqual(await eventCodes(server, pool), [])
})

test('the partner calls the same way, the caller may hang up, and the session has been started once', async (t) => {
  const talk = await startTalk(t, await getServer(), { alice: newHandset('0120') })
  const { phones, session, alice, bob } = talk
  const first = await phones.call(bob.identifier, bob.proxy)
  await told(talk, 1)
  await phones.advance(2)
  assert.equal((await legsOf(talk, first))[1].status, 'in-progress', 'answered by itself')
  await phones.advance(3)
  await phones.act(first, bob, 'hangup')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"3"}' }
  await assertTold(talk, { sid: first, from: bob, to: alice, ...ends })
  const { dateStarted } = await session.fetch()

  const second = await phones.call(bob.identifier, bob.proxy)
  await told(talk, 3)
  await phones.advance(2 + 5)
  await assertTold(talk, { sid: second, from: bob, to: alice, ...ends, data: '{"duration":"5"}', after: 1 })
  await assertMasked(talk, bob, alice)
  const after = await session.fetch()
  assert.deepEqual(after.dateStarted, dateStarted)
  assert(dateStarted && after.dateLastInteraction >= dateStarted)
})

test('a partner who is busy or rejects the call gives the caller a busy signal', async (t) => {
  for (const suffix of ['0121', '0123']) {
    const talk = await startTalk(t, await getServer(), { bob: newHandset(suffix) })
    const { phones, alice, bob } = talk
    const sid = await phones.call(alice.identifier, alice.proxy)
    const [caller] = await legsOf(talk, sid)
    assert.equal(statusesOf(caller), 'ringing busy')
    assert.deepEqual(caller.heard.at(-1)?.kind, 'busy-tone')
    await assertTold(talk, { sid, from: alice, to: bob, inbound: 'busy', outbound: 'busy' })
    assert.equal((await talk.session.fetch()).status, 'in-progress', 'it was a call all the same')
  }
})

test('a person who presses reject is busy too', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { phones, alice, bob } = talk
  const sid = await phones.call(alice.identifier, alice.proxy)
  await phones.act(sid, bob, 'reject')
  await assertTold(talk, { sid, from: alice, to: bob, inbound: 'busy', outbound: 'busy' })
  await assertMasked(talk, alice, bob)
})

test('a phone rings for as long as the deployment or the service says, and then nobody answered', async (t) => {
  const talk = await startTalk(t, await getServer(), { bob: newHandset('0122') })
  const { server, phones, alice, bob, pool } = talk
  const rings = async (seconds: number, after: number) => {
    const sid = await phones.call(alice.identifier, alice.proxy)
    await phones.advance(seconds - 1)
    assert.equal((await legsOf(talk, sid))[1].status, 'ringing')
    await phones.advance(1)
    assert.equal(statusesOf((await legsOf(talk, sid))[0]), 'ringing no-answer')
    await assertTold(talk, { sid, from: alice, to: bob, inbound: 'no-answer', outbound: 'no-answer', after })
  }
  await rings(25, 0)
  await server.post(`/maskline${pool.path}/Settings`, { RingTimeout: '10' })
  await rings(10, 1)
  await server.post(`/maskline${pool.path}/Settings`, { RingTimeout: '' })
  await rings(25, 2)
})

test('a caller who gives up cancels the call, and calling back reaches that caller', async (t) => {
  const talk = await startTalk(t, await getServer(), { alice: newHandset('0125') })
  const { phones, alice, bob } = talk
  const sid = await phones.call(alice.identifier, alice.proxy)
  await phones.advance(3)
  assert.equal(statusesOf((await legsOf(talk, sid))[1]), 'initiated ringing canceled')
  await assertTold(talk, { sid, from: alice, to: bob, inbound: 'canceled', outbound: 'canceled' })

  const [missed] = await phones.listOf(bob)
  assert.deepEqual([missed?.direction, missed?.answered], ['inbound', false])
  const back = await phones.call(bob.identifier, missed?.number ?? '')
  await phones.act(back, alice, 'answer')
  const [caller, callee] = await legsOf(talk, back)
  assert.deepEqual([caller.status, callee.status], ['in-progress', 'in-progress'])
  assert.deepEqual([callee.number, callee.caller_id], [alice.identifier, alice.proxy])
  await assertMasked(talk, bob, alice)
})

test('closing the session lets a call go on and keeps the next one from beginning', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, session, alice, bob, pool } = talk
  const sid = await connect(talk)
  await told(talk, 1)
  const closed = await session.update({ status: 'closed' })
  assert.equal(closed.status, 'closed')
  await phones.advance(7)
  assert.equal((await legsOf(talk, sid))[1].status, 'in-progress')
  await phones.act(sid, alice, 'hangup')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"7"}' }
  await assertTold(talk, { sid, from: alice, to: bob, ...ends })
  const { dateLastInteraction, dateEnded } = await session.fetch()
  assert.deepEqual([dateLastInteraction, dateEnded], [closed.dateLastInteraction, closed.dateEnded])

  const late = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual((await phones.find(late)).legs.map(statusesOf), ['ringing no-answer'], 'no leg, no answer')
  assert.equal((await phones.listOf(bob)).length, 1)
  assert.deepEqual(await eventCodes(server, pool), [80902, 80905])
  assert.equal((await voiceOf(talk)).length, 1)
})

test('a call that rings when its session closes can still be answered', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { phones, session, alice, bob } = talk
  const sid = await phones.call(alice.identifier, alice.proxy)
  await told(talk, 1)
  await session.update({ status: 'closed' })
  await phones.act(sid, bob, 'answer')
  await phones.advance(2)
  await phones.act(sid, bob, 'hangup')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"2"}' }
  await assertTold(talk, { sid, from: alice, to: bob, ...ends })
})

test('a participant who is removed during a call talks on, and is out of the session for the next', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, session, alice, bob, pool } = talk
  const sid = await connect(talk)
  await told(talk, 1)
  assert.equal(await session.participants(bob.sid).remove(), true)
  await phones.advance(1)
  await phones.act(sid, bob, 'hangup')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"1"}' }
  await assertTold(talk, { sid, from: alice, to: bob, ...ends })

  for (const { identifier, proxy } of [alice, bob]) {
    const { legs } = await phones.find(await phones.call(identifier, proxy))
    assert.deepEqual(legs.map(statusesOf), ['ringing no-answer'])
  }
  assert.deepEqual(await eventCodes(server, pool), [80614, 80902, 80905])
  assert.equal((await voiceOf(talk)).length, 1)
})

test('a call into a message-only session is rejected and leaves a warning only', async (t) => {
  const outside = (url: string) => ({ outOfSessionCallbackUrl: `${url}/outside`, interceptCallbackUrl: `${url}/ask` })
  const talk = await startTalk(t, await getServer(), { session: { mode: 'message-only' }, settings: outside })
  const { server, phones, session, alice, bob, pool, receiver } = talk
  const { legs } = await phones.find(await phones.call(alice.identifier, alice.proxy))
  assert.deepEqual(legs.map(statusesOf), ['ringing no-answer'])
  await settled(server, pool)
  assert.deepEqual(await session.interactions.list(), [])
  assert.deepEqual([await phones.listOf(bob), receiver.requests], [[], []])
  assert.deepEqual(await eventCodes(server, pool), [80911])
  assert.equal((await session.fetch()).status, 'open')
})

test('a voice-only session has calls', async (t) => {
  const talk = await startTalk(t, await getServer(), { session: { mode: 'voice-only' }, bob: newHandset('0126') })
  const { phones, alice, bob } = talk
  const sid = await phones.call(alice.identifier, alice.proxy)
  await told(talk, 1)
  await phones.advance(600)
  await phones.act(sid, alice, 'hangup')
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"600"}' }
  await assertTold(talk, { sid, from: alice, to: bob, ...ends })
})

test('a withheld number and a stranger reach nobody', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, alice, bob, pool } = talk
  for (const from of ['anonymous', newCaller(), bob.identifier]) {
    const { legs } = await phones.find(await phones.call(from, alice.proxy))
    assert.deepEqual(legs.map(statusesOf), ['ringing no-answer'], from)
  }
  assert.deepEqual(await phones.listOf(alice), [])
  assert.deepEqual(await voiceOf(talk), [])
  assert.deepEqual(await eventCodes(server, pool), [80902, 80905, 80902, 80905, 80902, 80905])
})

test('calls at the same time never meet: of two people to each other, and of one person in two sessions', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { phones, service, alice, bob, pool } = talk
  const carol = { identifier: newCaller(), proxy: bob.proxy }
  const other = await service.sessions.create({
    participants: [
      { Identifier: bob.identifier, ProxyIdentifier: alice.proxy },
      { Identifier: carol.identifier, ProxyIdentifier: carol.proxy },
    ],
  })
  const calls = await Promise.all([
    phones.place(alice.identifier, alice.proxy),
    phones.place(bob.identifier, bob.proxy),
    phones.place(bob.identifier, alice.proxy),
    phones.place(carol.identifier, carol.proxy),
  ])
  await phones.advance(0)
  const legs = await Promise.all(calls.map((sid) => legsOf(talk, sid)))
  assert.deepEqual(
    legs.map(([, callee]) => [callee.number, callee.caller_id, callee.status]),
    [
      [bob.identifier, bob.proxy, 'ringing'],
      [alice.identifier, alice.proxy, 'ringing'],
      [carol.identifier, carol.proxy, 'ringing'],
      [bob.identifier, alice.proxy, 'ringing'],
    ],
  )
  for (const [nth, [, callee]] of legs.entries()) {
    await phones.act(calls[nth]!, { identifier: callee.number }, 'answer')
    await phones.advance(1)
  }
  for (const [nth, { identifier }] of [alice, bob, bob, carol].entries()) {
    await phones.act(calls[nth]!, { identifier }, 'hangup')
  }
  await settled(talk.server, pool)
  const durations = async (session: Pick<Talk, 'session'>) => (await voiceOf(session)).map(({ data }) => data).sort()
  assert.deepEqual(await durations(talk), ['{"duration":"3"}', '{"duration":"4"}'])
  const session = service.sessions(other.sid)
  assert.deepEqual(await durations({ session }), ['{"duration":"1"}', '{"duration":"2"}'])
})

test('calls and messages of a session are listed side by side', async (t) => {
  const talk = await startTalk(t, await getServer(), { bob: newHandset('0121') })
  const { server, phones, session, alice, bob, pool } = talk
  await server.text(alice.identifier, alice.proxy, 'May I call?')
  await heard(server, bob, 'May I call?')
  await phones.call(alice.identifier, alice.proxy)
  await session.participants(alice.sid).messageInteractions.create({ body: 'Not now' })
  await settled(server, pool)
  const listed = await session.interactions.list()
  assert.deepEqual(
    listed.map(({ type, data, outboundResourceStatus: status }) => [type, data, status]),
    [
      ['message', '{"body":"May I call?"}', 'delivered'],
      ['voice', '{}', 'busy'],
      ['message', '{"body":"Not now"}', 'delivered'],
    ],
  )
})

test('deleting a session during a call loses nothing else, and the talk goes on', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, session, service, alice, bob, pool, receiver } = talk
  const sid = await connect(talk)
  await told(talk, 1)
  assert.equal(await session.remove(), true)
  await phones.advance(5)
  assert.equal((await legsOf(talk, sid))[1].status, 'in-progress')
  await phones.act(sid, bob, 'hangup')
  await settled(server, pool)
  assert.equal(requestsTo(receiver, '/status').length, 1, 'there is nothing left to tell about')
  assert.deepEqual(await service.sessions.list(), [])
  const events = await server.get('/maskline/v1/Events?ErrorCode=80907')
  assert.equal(events.body.events.length, 2, 'the end of the leg, and of the dial')
  assert.deepEqual((await phones.find(sid)).warnings, [])

  const next = await phones.call(alice.identifier, alice.proxy)
  assert.equal((await phones.find(next)).legs.length, 1)
  assert.deepEqual(await eventCodes(server, pool), [80902, 80905])
})

test('deleting the service during a call leaves the talk alone, and its end is nobody’s', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, service, alice, bob, pool } = talk
  const sid = await phones.call(alice.identifier, alice.proxy)
  assert.equal(await service.remove(), true)
  await phones.act(sid, bob, 'answer')
  await phones.advance(5)
  await phones.act(sid, alice, 'hangup')
  assert.deepEqual(
    (await legsOf(talk, sid)).map(({ status }) => status),
    ['completed', 'completed'],
  )
  assert.deepEqual((await phones.find(sid)).warnings, [])
  assert.equal((await server.get(pool.path)).status, 404)
})
