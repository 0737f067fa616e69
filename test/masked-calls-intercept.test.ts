import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertTold, newHandset, requestsTo, startTalk, statusesOf, type Talk, told, voiceOf } from './support/calls.ts'
import { eventCodes, hurry, settled } from './support/conversation.ts'
import { serverForFile } from './support/proxy-api.ts'
import type { ReceiverAnswer } from './support/receiver.ts'
import { eventually, startServer } from './support/server.ts'

const PATIENCE_MS = 1500
const getServer = serverForFile(async () => ({ env: { MASKLINE_INTERCEPT_TIMEOUT_MS: String(PATIENCE_MS) } }))
const settings = (url: string) => ({ interceptCallbackUrl: `${url}/ask` })

/** The application is asked about a call, and answers when the test says so. */
function holdAnswer({ receiver }: Talk) {
  let answer: (answer: ReceiverAnswer) => void = () => undefined
  const late = new Promise<ReceiverAnswer>((resolve) => {
    answer = resolve
  })
  receiver.answer = ({ target }) => (target === '/ask' ? late : {})
  const asked = () => eventually(async () => requestsTo(receiver, '/ask').length > 0, 'the application is asked')
  return { answer, asked }
}

test('a call that the application blocks is rejected: no leg, no callback, and the ttl runs on', async (t) => {
  const talk = await startTalk(t, await getServer(), { settings, session: { ttl: 500 } })
  const { server, phones, session, alice, bob, pool, receiver } = talk
  receiver.answer = ({ target }) => ({ status: target === '/ask' ? 403 : 200 })
  const before = await session.fetch()
  const sid = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual((await phones.find(sid)).legs.map(statusesOf), ['ringing no-answer'])
  await settled(server, pool)
  assert.deepEqual(await phones.listOf(bob), [])
  assert.deepEqual(await eventCodes(server, pool), [80909])
  const after = await session.fetch()
  const clock = ({ status, dateStarted, dateLastInteraction, dateUpdated }: typeof after) => [
    status,
    dateStarted,
    dateLastInteraction,
    dateUpdated,
  ]
  assert.deepEqual(clock(after), clock(before))

  const [interaction] = await voiceOf(talk)
  assert(interaction)
  assert.deepEqual(
    [interaction.inboundParticipantSid, interaction.inboundResourceSid, interaction.inboundResourceStatus],
    [alice.sid, sid, 'failed'],
  )
  const { outboundParticipantSid, outboundResourceSid, outboundResourceStatus, outboundResourceType, data } =
    interaction
  assert.deepEqual(
    [outboundParticipantSid, outboundResourceSid, outboundResourceStatus, outboundResourceType, data],
    [null, null, null, null, '{}'],
  )
  assert.deepEqual(requestsTo(receiver, '/status'), [])
  const [asked] = receiver.requests
  const { interactionDateCreated, interactionDateUpdated, inboundResourceUrl, ...params } = asked?.params ?? {}
  assert.deepEqual(params, {
    ...{ interactionSid: interaction.sid, interactionType: 'Voice', interactionData: '{}' },
    ...{ interactionAccountSid: server.account.sid, interactionServiceSid: pool.sid },
    ...{ interactionSessionSid: interaction.sessionSid, inboundParticipantSid: alice.sid },
    ...{ inboundResourceSid: sid, inboundResourceStatus: 'in-progress', inboundResourceType: 'call' },
  })
  assert(interactionDateCreated && interactionDateUpdated && inboundResourceUrl?.endsWith(`/Calls/${sid}.json`))
})

test('a call that is let through, whatever the answer looks like, goes on as if nobody had been asked', async (t) => {
  const talk = await startTalk(t, await getServer(), { settings, bob: newHandset('0121') })
  const { server, phones, session, alice, bob, pool, receiver } = talk
  const answers: ReceiverAnswer[] = [{ status: 200 }, { status: 500 }, { status: 401 }, { status: 302 }]
  for (const [after, answer] of answers.entries()) {
    receiver.answer = ({ target }) => (target === '/ask' ? answer : {})
    const sid = await phones.call(alice.identifier, alice.proxy)
    await assertTold(talk, { sid, from: alice, to: bob, inbound: 'busy', outbound: 'busy', after })
  }
  assert.equal((await session.fetch()).status, 'in-progress')
  assert.equal(requestsTo(receiver, '/ask').length, answers.length)
  assert.deepEqual(await eventCodes(server, pool), [])
})

test('an application that does not answer in time is not waited for', async (t) => {
  const talk = await startTalk(t, await getServer(), { settings, bob: newHandset('0121') })
  const { phones, alice, bob } = talk
  const { answer, asked } = holdAnswer(talk)
  const started = performance.now()
  const sid = await phones.call(alice.identifier, alice.proxy)
  const waited = performance.now() - started
  assert(waited >= PATIENCE_MS && waited < 5_000, `${waited} ms`)
  await asked()
  answer({ status: 403 })
  await assertTold(talk, { sid, from: alice, to: bob, inbound: 'busy', outbound: 'busy' })
})

test('no caller waits for longer than five seconds, however long the deployment lets messages wait', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_INTERCEPT_TIMEOUT_MS: '15000' } })
  const talk = await startTalk(t, server, { settings, bob: newHandset('0123') })
  const { phones, alice, bob } = talk
  const { answer } = holdAnswer(talk)
  const started = performance.now()
  const sid = await phones.call(alice.identifier, alice.proxy)
  const waited = performance.now() - started
  answer({})
  assert(waited >= 4_900 && waited < 10_000, `${waited} ms`)
  await assertTold(talk, { sid, from: alice, to: bob, inbound: 'busy', outbound: 'busy' })
})

const GONE: [what: string, end: (talk: Talk) => Promise<unknown>][] = [
  ['the session is closed', ({ session }) => session.update({ status: 'closed' })],
  ['the partner is removed', ({ session, bob }) => session.participants(bob.sid).remove()],
  ['the caller is removed', ({ session, alice }) => session.participants(alice.sid).remove()],
]
for (const [what, end] of GONE) {
  test(`nobody is dialled when ${what} while the application is asked`, async (t) => {
    const talk = await startTalk(t, await getServer(), { settings })
    const { server, phones, session, alice, bob, pool, receiver } = talk
    const { answer, asked } = holdAnswer(talk)
    const sid = await phones.place(alice.identifier, alice.proxy)
    await asked()
    await end(talk)
    answer({ status: 200 })
    await phones.advance(0)
    assert.deepEqual((await phones.find(sid)).legs.map(({ status }) => status).length, 1)
    assert.equal((await phones.find(sid)).state, 'ended')
    await settled(server, pool)
    assert.deepEqual(await phones.listOf(bob), [])
    const [interaction] = await session.interactions.list()
    const { inboundResourceStatus, outboundResourceStatus, outboundResourceSid } = interaction ?? {}
    assert.deepEqual(
      [inboundResourceStatus, outboundResourceStatus, outboundResourceSid],
      ['canceled', 'canceled', null],
    )
    await told(talk, 1)
    const [{ params } = assert.fail()] = requestsTo(receiver, '/status')
    assert.deepEqual([params.inboundResourceStatus, params.outboundResourceStatus], ['canceled', 'canceled'])
    assert.equal(requestsTo(receiver, '/status').length, 1)
  })
}

test('a caller who hangs up while the application is asked makes nobody’s phone ring', async (t) => {
  const talk = await startTalk(t, await getServer(), { settings })
  const { server, phones, alice, bob, pool, receiver } = talk
  const { answer, asked } = holdAnswer(talk)
  const sid = await phones.place(alice.identifier, alice.proxy)
  await asked()
  await server.call(`/simulator/calls/${sid}/hangup`, {
    method: 'POST',
    body: JSON.stringify({ number: alice.identifier }),
    headers: { 'content-type': 'application/json' },
  })
  answer({ status: 200 })
  await phones.advance(0)
  assert.deepEqual((await phones.find(sid)).legs.map(statusesOf), ['ringing canceled'])
  assert.deepEqual(await phones.listOf(bob), [])
  // No carrier tells of a leg that never was, so the call is looked after in a while, which is now.
  await hurry(server, 'interactions')
  await settled(server, pool)
  const [interaction] = await voiceOf(talk)
  const { inboundResourceStatus, outboundResourceStatus } = interaction ?? {}
  assert.deepEqual([inboundResourceStatus, outboundResourceStatus], ['canceled', 'canceled'])
  assert.equal(requestsTo(receiver, '/status').length, 1)
})
