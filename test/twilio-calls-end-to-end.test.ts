import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { addCarrier } from '../src/core/carriers.ts'
import { requestsTo } from './support/calls.ts'
import { converse, eventCodes, hurry, interactionsOf, settled, type Talker } from './support/conversation.ts'
import { addNumber, newNumber, rows } from './support/proxy-api.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import type { CallRequest } from './support/twilio-call-legs.ts'
import type { CallHandle, Phone } from './support/twilio-calls.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const cleanups: (() => unknown)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})
let started: ReturnType<typeof startTwilioServer> | undefined
const getServer = () =>
  (started ??= startTwilioServer(
    { after: (clean) => void cleanups.push(clean as () => unknown) },
    { env: { MASKLINE_INTERCEPT_TIMEOUT_MS: '1500' } },
  ))

type Options = { service?: (url: string) => Record<string, string>; settings?: Record<string, string>; mode?: string }

/** Two people in a session of a new service, and the customer's application. */
async function startTalk(t: TestContext, { service: more, settings, mode }: Options = {}) {
  const { server, twilio } = await getServer()
  const receiver = await startReceiver(t)
  const callbacks = { CallbackUrl: `${receiver.url}/status`, ...more?.(receiver.url) }
  const service = await makeTwilioService(server, twilio, callbacks)
  if (settings) assert.equal((await server.post(`/maskline${service.path}/Settings`, settings)).status, 200)
  const conversation = await converse(server, service, mode ? { Mode: mode } : {})
  const ring = (from: Talker = conversation.alice) => twilio.call({ from: from.identifier, to: from.proxy })
  const only = async () => {
    const found = await interactionsOf(server, conversation.session)
    assert.equal(found.length, 1, 'one interaction')
    return found[0]!
  }
  return { server, twilio, receiver, service, ...conversation, ring, only }
}

type Talk = Awaited<ReturnType<typeof startTalk>>

/** What the application was told, the beginning first: callbacks that are due together may pass each other. */
const told = (receiver: Receiver) =>
  requestsTo(receiver, '/status')
    .map(({ params }) => [params.inboundResourceStatus, params.outboundResourceStatus, params.interactionData])
    .sort(([, one], [, other]) => Number(other === 'initiated') - Number(one === 'initiated'))

/** A text with whatever it holds in base64 or in percent escapes. */
const unfolded = (text: string): string => {
  const encoded = (text.match(/[\w+/-]{16,}={0,2}/g) ?? []).map((each) =>
    Buffer.from(each, 'base64').toString('latin1'),
  )
  return [
    text,
    ...encoded,
    text.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  ].join()
}

const names = (text: string, { identifier }: Talker) => unfolded(text).includes(identifier.slice(2))

/** Nothing that was posted or answered about the callee's leg names the caller, nor does any answer of ours. */
function assertMasked({ requests }: CallHandle, phone: Phone, from: Talker, to: Talker) {
  assert.deepEqual([phone.from, phone.to], [to.proxy, to.identifier])
  const posted = ({ url, params }: CallRequest) => JSON.stringify([url, params])
  const about = requests.filter(({ params }) => params.CallSid === phone.sid)
  assert(about.length > 0)
  for (const request of about) {
    assert(!names(posted(request) + request.body, from), posted(request))
    assert(!(posted(request) + request.body).includes(from.proxy.slice(2)), posted(request))
  }
  for (const { body, url } of requests) assert(!names(body, from), url)
  const { CallToken } = requests[0]!.params
  assert(CallToken && !CallToken.includes(from.identifier) && names(CallToken, from), 'it would be seen')
}

const pathsOf = ({ requests }: CallHandle) => requests.map(({ url }) => new URL(url).pathname.split('/').at(-1))

test('an answered call is relayed either way, with its statuses, its duration and nobody’s number', async (t) => {
  for (const [one, other] of [
    ['alice', 'bob'],
    ['bob', 'alice'],
  ] as const) {
    const talk = await startTalk(t)
    const { server, receiver, service, session, ring, only } = talk
    const [from, to] = [talk[one], talk[other]]
    const call = ring(from)
    const phone = await call.callee()
    assert.deepEqual([call.status, phone.status], ['ringing', 'ringing'])
    await call.timePasses(6)
    await phone.answer()
    await eventually(async () => told(receiver).length === 1, 'it is told that the call has begun')
    assert.equal((await server.get(session.path)).body.status, 'in-progress')
    await call.speak('Are you there?', 2)
    await phone.speak('Yes', 40)
    await phone.hangUp()
    const { status, duration_s } = await call.ended
    assert.deepEqual([status, duration_s, phone.heard, call.heard], ['completed', 42, ['Are you there?'], ['Yes']])
    assert.deepEqual(pathsOf(call), ['calls', 'leg', 'leg', 'leg', 'leg', 'dialled'])
    assert.deepEqual(call.warnings, [])
    assertMasked(call, phone, from, to)

    await settled(server, service)
    const interaction = await only()
    const data = '{"duration":"42"}'
    assert.deepEqual([interaction.type, interaction.data], ['voice', data])
    assert.deepEqual([interaction.inbound_resource_sid, interaction.outbound_resource_sid], [call.sid, phone.sid])
    assert.deepEqual([interaction.inbound_participant_sid, interaction.outbound_participant_sid], [from.sid, to.sid])
    assert.deepEqual(told(receiver), [
      ['in-progress', 'initiated', '{}'],
      ['completed', 'completed', data],
    ])
    assert.equal(receiver.requests.at(-1)?.params.outboundResourceSid, phone.sid)
    for (const { body } of receiver.requests) assert(!names(body, from) && !names(body, to), body)
    assert.deepEqual(await eventCodes(server, service), [])
  }
})

test('a partner who does not take the call, and a caller who gives up, end both legs alike', async (t) => {
  const ends = [
    ['reject', 'busy', '[busy]'],
    ['noAnswer', 'no-answer', undefined],
    ['fail', 'failed', undefined],
    ['hangUp', 'canceled', undefined],
  ] as const
  for (const [act, status, tone] of ends) {
    const talk = await startTalk(t, { settings: { RingTimeout: '20' } })
    const { server, receiver, service, alice, bob, ring, only } = talk
    const call = ring()
    const phone = await call.callee()
    await call.timePasses(3)
    await (act === 'hangUp' ? call.hangUp() : phone[act]())
    const ended = await call.ended
    assert.deepEqual([phone.status, ended.duration_s, call.heard.at(-1)], [status, 0, tone])
    assert.equal(ended.status, status === 'canceled' ? 'no-answer' : status, 'the carrier has no caller that cancels')
    assertMasked(call, phone, alice, bob)
    await settled(server, service)
    const interaction = await only()
    assert.deepEqual([interaction.outbound_resource_sid, interaction.data], [phone.sid, '{}'])
    assert.deepEqual(told(receiver), [
      ['in-progress', 'initiated', '{}'],
      [status, status, '{}'],
    ])
    assert.deepEqual(await eventCodes(server, service), [])
  }
})

test('a number that the carrier’s account has lost cannot be shown, so nobody is called and the call fails', async (t) => {
  const { server, twilio, service, receiver, bob, ring, only } = await startTalk(t)
  twilio.numbers.splice(0, twilio.numbers.length, ...twilio.numbers.filter((each) => each.phone_number !== bob.proxy))
  const call = ring()
  await assert.rejects(call.callee(), /no phone rings/)
  assert.equal((await call.ended).status, 'failed')
  await settled(server, service)
  const { inbound_resource_status, outbound_resource_status, outbound_resource_sid } = await only()
  assert.deepEqual(
    [inbound_resource_status, outbound_resource_status, outbound_resource_sid],
    ['failed', 'failed', null],
  )
  assert.deepEqual(told(receiver), [['failed', 'failed', '{}']])
})

/** The recordings of a service, once there are so many. */
const recordingsOf = ({ server, service }: Talk, count: number) =>
  eventually(async () => {
    const { recordings } = (await server.get(`/maskline${service.path}/Recordings`)).body
    return (
      recordings.length === count &&
      (recordings as { kind: string; media_url: string; duration_s: number; sid: string }[])
    )
  }, `${count} recordings are there`)

test('a call that nobody takes may leave a message, which is fetched through us and goes with the interaction', async (t) => {
  const talk = await startTalk(t, { settings: { Voicemail: 'Please leave a message.', VoicemailMaxLength: '60' } })
  const { server, twilio, service, session, receiver, alice, bob, ring, only } = talk
  const call = ring()
  const phone = await call.callee()
  await phone.noAnswer()
  assert.deepEqual(call.heard, ['Please leave a message.', '[beep]'])
  await call.speak('Call me back', 8)
  await call.hangUp()
  await call.ended
  assert.deepEqual(pathsOf(call).slice(-3).sort(), ['dialled', 'recorded', 'recording'])
  assertMasked(call, phone, alice, bob)
  await settled(server, service)
  assert.deepEqual(told(receiver).at(-1), ['completed', 'no-answer', '{}'])

  const [recording, ...others] = await recordingsOf(talk, 1)
  assert(recording && others.length === 0)
  assert.deepEqual([recording.kind, recording.duration_s], ['voicemail', 8])
  assert(twilio.account.recordings.has(recording.sid))
  const media = new URL(recording.media_url).pathname
  const sound = await server.get(media)
  assert.deepEqual([sound.status, sound.text.slice(0, 4)], [200, 'RIFF'])
  assert.equal((await fetch(server.url + media)).status, 401)
  const asked = twilio.requests.find(({ path }) => path.endsWith(`/${recording.sid}.wav`))
  assert.match(String(asked?.headers.authorization), /^Basic /)

  const { sid } = await only()
  assert.equal((await server.delete(`${session.path}/Interactions/${sid}`)).status, 204)
  assert.equal((await server.get(media)).status, 404)
  await eventually(async () => !twilio.account.recordings.has(recording.sid), 'it is deleted at the carrier')
})

test('a recorded call is announced to both, and its recording is the talk', async (t) => {
  const settings = { Recording: 'true', Greeting: 'Welcome.', Whisper: 'A call from your driver.' }
  const talk = await startTalk(t, { settings })
  const { server, twilio, service, alice, bob, receiver, ring } = talk
  const call = ring()
  const phone = await call.callee()
  assert.deepEqual(call.heard, ['Welcome.', 'This call is recorded.'])
  await phone.answer()
  assert.deepEqual(phone.heard, ['A call from your driver.', 'This call is recorded.'])
  await call.timePasses(30)
  await call.hangUp()
  await call.ended
  assert.deepEqual(call.heard, ['Welcome.', 'This call is recorded.'], 'the whisper is the partner’s alone')
  assertMasked(call, phone, alice, bob)
  await settled(server, service)
  assert.deepEqual(told(receiver).at(-1), ['completed', 'completed', '{"duration":"30"}'])
  const [recording] = await recordingsOf(talk, 1)
  assert.deepEqual([recording?.kind, recording?.duration_s], ['call', 30])
  assert.equal(twilio.account.getRecording(recording?.sid ?? '').channels, 2)

  await server.post(`/maskline${service.path}/Settings`, { Recording: 'false', Greeting: '', Whisper: '' })
  const plain = ring()
  const answered = await plain.callee()
  await answered.answer()
  await plain.timePasses(3)
  await answered.hangUp()
  await plain.ended
  assert.deepEqual([plain.heard, answered.heard], [[], []])
  assert.equal((await recordingsOf(talk, 1)).length, 1)
})

test('the last minute is announced to both, who meet again, and the call is one with its whole duration', async (t) => {
  const settings = { MaxDuration: '120', LastMinuteAnnouncement: 'One minute left.', Recording: 'true' }
  const talk = await startTalk(t, { settings })
  const { server, service, alice, bob, receiver, ring, only } = talk
  const call = ring()
  const phone = await call.callee()
  await phone.answer()
  await call.timePasses(60)
  const [due] = await rows(
    server,
    `select stage, extract(epoch from due_at - answered_at)::float as wait_s from interactions where service_sid = $1`,
    [service.sid],
  )
  assert.deepEqual(due, { stage: 'announce', wait_s: 60 })
  await hurry(server, 'interactions')
  await call.until(() => call.heard.includes('One minute left.') && phone.heard.includes('One minute left.'))
  assert.deepEqual([call.status, phone.status], ['in-progress', 'in-progress'])
  await call.speak('Quickly, then', 10)
  await phone.speak('Goodbye', 5)
  assert.deepEqual([phone.heard.at(-1), call.heard.at(-1)], ['Quickly, then', 'Goodbye'])
  await eventually(async () => told(receiver).length > 0, 'the beginning is told')
  assert.deepEqual(told(receiver), [['in-progress', 'initiated', '{}']])
  await phone.hangUp()
  assert.equal((await call.ended).duration_s, 75)
  assertMasked(call, phone, alice, bob)
  await settled(server, service)
  assert.deepEqual(told(receiver).slice(1), [['completed', 'completed', '{"duration":"75"}']])
  assert.equal((await only()).outbound_resource_sid, phone.sid)
  assert.deepEqual(await eventCodes(server, service), [])
  assert.equal((await recordingsOf(talk, 1))[0]?.duration_s, 60)
})

test('an announcement that comes too late for a call that has ended changes nothing', async (t) => {
  const settings = { MaxDuration: '120', LastMinuteAnnouncement: 'One minute left.' }
  const { server, twilio, service, receiver, ring } = await startTalk(t, { settings })
  const call = ring()
  const phone = await call.callee()
  await phone.answer()
  twilio.failNext({ kind: 'error', status: 400, code: 21220 })
  await hurry(server, 'interactions')
  const asked = () =>
    twilio.requests.some(({ path, method }) => method === 'POST' && path.endsWith(`/${phone.sid}.json`))
  await eventually(async () => asked(), 'the announcement was tried')
  const stage = async () =>
    (await rows(server, 'select stage from interactions where service_sid = $1', [service.sid]))[0]
  await eventually(async () => (await stage())?.stage === 'send', 'it is looked after as before')
  await call.timePasses(5)
  await phone.hangUp()
  await call.ended
  assert.deepEqual([call.heard, phone.heard], [[], []])
  await settled(server, service)
  assert.deepEqual(told(receiver).at(-1), ['completed', 'completed', '{"duration":"5"}'])
})

test('a session that closes during a call lets it go on to its end, and takes no other', async (t) => {
  const { server, service, session, receiver, ring, only } = await startTalk(t)
  const call = ring()
  const phone = await call.callee()
  await server.post(session.path, { Status: 'closed' })
  await phone.answer()
  await call.timePasses(7)
  await call.hangUp()
  await settled(server, service)
  assert.deepEqual(told(receiver).at(-1), ['completed', 'completed', '{"duration":"7"}'])
  assert.equal((await ring().ended).legs.length, 1)
  await only()
  assert.deepEqual(await eventCodes(server, service), [80902, 80905])
})

const asking = (url: string) => ({ InterceptCallbackUrl: `${url}/ask` })

test('an intercept that answers 403 keeps the phone silent, and one that takes its time does not', async (t) => {
  const { server, twilio, service, receiver, ring, only } = await startTalk(t, { service: asking })
  receiver.answer = ({ target }) => (target === '/ask' ? { status: 403 } : {})
  const call = ring()
  assert.deepEqual([(await call.ended).status, call.heard], ['no-answer', ['[not in service]']])
  assert.equal((await call.ended).legs.length, 1)
  await twilio.repeat(call.requests[0]!)
  const blocked = await only()
  assert.deepEqual([blocked.outbound_resource_status, blocked.inbound_resource_status], [null, 'failed'])
  assert.deepEqual(await eventCodes(server, service), [80909])
  assert.deepEqual(told(receiver), [])

  receiver.answer = ({ target }) => (target === '/ask' ? new Promise(() => undefined) : {})
  const slow = ring()
  const phone = await slow.callee()
  await phone.answer()
  await slow.hangUp()
  await settled(server, service)
  const [, relayed] = await interactionsOf(server, { path: `${service.path}/Sessions/${blocked.session_sid}` })
  assert.deepEqual([relayed?.outbound_resource_status, relayed?.data], ['completed', '{"duration":"0"}'])
})

test('a session that closes while the customer is asked takes the call with it, before a phone rings', async (t) => {
  const { server, twilio, service, session, receiver, ring, only } = await startTalk(t, { service: asking })
  receiver.answer = async ({ target }) => {
    if (target === '/ask') await server.post(session.path, { Status: 'closed' })
    return {}
  }
  const call = ring()
  assert.equal((await call.ended).legs.length, 1)
  await settled(server, service)
  const { inbound_resource_status, outbound_resource_status } = await only()
  assert.deepEqual([inbound_resource_status, outbound_resource_status], ['canceled', 'canceled'])
  assert.deepEqual(told(receiver), [['canceled', 'canceled', '{}']])

  const answer = await twilio.repeat(call.requests[0]!)
  assert.equal(answer.body, call.requests[0]!.body, 'a repeat of the same arrival is answered the same')
  await only()
  assert.deepEqual(await eventCodes(server, service), [])
})

test('a call into a message-only session, and callers who hide their number, ring nobody', async (t) => {
  const { server, twilio, service, session, receiver, ring } = await startTalk(t, { mode: 'message-only' })
  const call = ring()
  assert.deepEqual([(await call.ended).status, (await call.ended).legs.length], ['no-answer', 1])
  assert.deepEqual(await eventCodes(server, service), [80911])

  const open = await startTalk(t)
  for (const from of ['+266696687', 'anonymous', 'Restricted', '']) {
    const joined = await server.post(`${session.path}/Participants`, { Identifier: from })
    assert.equal(joined.status, 400, `${from} is nobody whom a session could have`)
    const hidden = twilio.call({ from, to: open.alice.proxy })
    assert.deepEqual([(await hidden.ended).legs.length, hidden.warnings], [1, []])
  }
  const stranger = twilio.call({ from: open.bob.identifier, to: open.alice.proxy })
  assert.equal((await stranger.ended).legs.length, 1, 'a partner on the wrong number is a stranger there')
  await settled(server, open.service)
  assert.deepEqual(await eventCodes(server, open.service), Array(5).fill([80902, 80905]).flat())
  assert.deepEqual(await interactionsOf(server, open.session), [])
  assert.deepEqual([receiver.requests, open.receiver.requests], [[], []])
})

test('a partner whose proxy number is another carrier’s is not called, since only the caller’s could be shown', async (t) => {
  const { server, twilio, account } = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeTwilioService(server, twilio, { CallbackUrl: `${receiver.url}/status` }, 1)
  const other = { account_sid: account.sid, kind: 'simulator', friendly_name: 'other', credentials: {} }
  await addCarrier(server.store, other)
  await addNumber(server, service, { PhoneNumber: newNumber() })
  const { session, alice, bob } = await converse(server, service)
  const [ours] = service.numbers
  const [from] = [alice, bob].filter(({ proxy }) => proxy === ours?.phone_number)
  assert(from, 'one of the two is on the number at Twilio')
  const call = twilio.call({ from: from.identifier, to: from.proxy })
  assert.equal((await call.ended).legs.length, 1)
  await settled(server, service)
  const refused = async () => {
    const [interaction, ...others] = await interactionsOf(server, session)
    const { outbound_resource_status, outbound_resource_sid } = interaction ?? {}
    assert.deepEqual([outbound_resource_status, outbound_resource_sid, others.length], ['failed', null, 0])
    assert.deepEqual(await eventCodes(server, service), [80613])
    assert.deepEqual(told(receiver), [['failed', 'failed', '{}']])
  }
  await refused()
  assert.equal((await twilio.repeat(call.requests[0]!)).body, call.requests[0]!.body)
  await refused()
})
