import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  assertMasked,
  assertTold,
  legsOf,
  newHandset,
  startTalk,
  statusesOf,
  type Talk,
  told,
  voiceOf,
  wordsOf,
} from './support/calls.ts'
import { eventCodes, hurry, settled } from './support/conversation.ts'
import { rows, serverForFile } from './support/proxy-api.ts'
import { eventually } from './support/server.ts'

const getServer = serverForFile()

/** A session of a service with these settings, and how they are changed. */
async function start(t: TestContext, settings: Record<string, string>, people: { alice?: string; bob?: string } = {}) {
  const talk = await startTalk(t, await getServer(), people)
  const change = async (changes: Record<string, string>) => {
    const answer = await talk.server.post(`/maskline${talk.pool.path}/Settings`, changes)
    assert.equal(answer.status, 200, answer.text)
  }
  await change(settings)
  const call = () => talk.phones.call(talk.alice.identifier, talk.alice.proxy)
  return { ...talk, change, call }
}

type Recording = { sid: string; kind: string; duration_s: number; media_url: string }

/** What is known of the recordings of the session's last call. */
async function recordingsOf({ server, pool, ...talk }: Talk): Promise<Recording[]> {
  const interaction = (await voiceOf(talk)).at(-1)
  const session = `/maskline${pool.path}/Sessions/${interaction?.sessionSid}`
  return (await server.get(`${session}/Interactions/${interaction?.sid}/Recordings`)).body.recordings
}

async function onlyRecording(talk: Talk): Promise<Recording> {
  const recordings = await eventually(async () => {
    const found = await recordingsOf(talk)
    return found.length > 0 && found
  }, 'the recording is there')
  assert.equal(recordings.length, 1)
  return recordings[0]!
}

const fetchSound = async ({ server }: Talk, url: string) => {
  const { sid, auth_token } = server.account
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  const response = await fetch(url, { headers: { authorization } })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, type: response.headers.get('content-type'), bytes }
}

const ENDED = { inbound: 'completed', outbound: 'completed' }

test('the caller hears the greeting before the phone rings, and the partner alone hears the whisper', async (t) => {
  const talk = await start(t, { Greeting: 'Welcome', Whisper: 'https://cdn.example/hint.mp3', SpeechLanguage: 'en-GB' })
  const { phones, alice, bob, call } = talk
  const sid = await call()
  await told(talk, 1)
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), [['Welcome'], []])
  await phones.act(sid, bob, 'answer')
  await phones.advance(3)
  await phones.act(sid, alice, 'hangup')
  const [caller, callee] = await legsOf(talk, sid)
  assert.deepEqual([wordsOf(caller), wordsOf(callee)], [['Welcome'], ['https://cdn.example/hint.mp3']])
  assert.deepEqual(
    caller.heard.map(({ kind }) => kind),
    ['say', 'ring', 'voice'],
  )
  assert.equal((caller.heard[0] as { language?: string }).language, 'en-GB')
  assert.equal(statusesOf(caller), 'ringing in-progress completed')
  await assertTold(talk, { sid, from: alice, to: bob, ...ENDED, data: '{"duration":"3"}' })
  await assertMasked(talk, alice, bob)
})

test('a change holds for the next call, and what is cleared is off again', async (t) => {
  const talk = await start(t, {}, { bob: newHandset('0126') })
  const { phones, alice, call, change } = talk
  const wordsHeard = async () => {
    const sid = await call()
    const legs = await legsOf(talk, sid)
    await phones.act(sid, alice, 'hangup')
    return legs.map(wordsOf)
  }
  const running = await call()
  await change({ Greeting: 'Hello', Whisper: 'A call for you' })
  assert.deepEqual(await wordsHeard(), [['Hello'], ['A call for you']])
  await change({ Greeting: '', Whisper: '' })
  assert.deepEqual(await wordsHeard(), [[], []])
  assert.deepEqual((await legsOf(talk, running)).map(wordsOf), [[], []])
  await phones.act(running, alice, 'hangup')
})

test('nobody is recorded unless it is set', async (t) => {
  const talk = await start(t, {}, { bob: newHandset('0120') })
  const sid = await talk.call()
  await talk.phones.advance(7)
  await settled(talk.server, talk.pool)
  assert.deepEqual((await talk.phones.find(sid)).recordings, [])
  assert.deepEqual(await recordingsOf(talk), [])
})

test('a recorded call is announced to both, fetched through us, and gone with its interaction', async (t) => {
  const talk = await start(t, { Recording: 'true' }, { bob: newHandset('0120') })
  const { server, phones, session, alice, bob, pool, call } = talk
  const sid = await call()
  await told(talk, 1)
  await phones.advance(7)
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), [['This call is recorded.'], ['This call is recorded.']])
  await assertTold(talk, { sid, from: alice, to: bob, ...ENDED, data: '{"duration":"5"}' })
  const recording = await onlyRecording(talk)
  assert.deepEqual([recording.kind, recording.duration_s], ['call', 5])
  assert(recording.media_url.startsWith(server.url), 'not an address of the carrier')
  const sound = await fetchSound(talk, recording.media_url)
  assert.deepEqual([sound.status, sound.type], [200, 'audio/wav'])
  assert.deepEqual([sound.bytes.toString('latin1', 0, 4), sound.bytes.toString('latin1', 8, 12)], ['RIFF', 'WAVE'])
  assert.equal((await phones.find(sid)).recordings.length, 1)

  const [interaction] = await voiceOf(talk)
  assert.equal(await session.interactions(interaction?.sid ?? '').remove(), true)
  assert.equal((await fetchSound(talk, recording.media_url)).status, 404)
  assert.deepEqual((await server.get(`/maskline${pool.path}/Recordings`)).body.recordings, [])
  await eventually(async () => (await phones.find(sid)).recordings.length === 0, "the carrier's copy is gone")
})

test('a recording that ends after its interaction was deleted is deleted too, and the talk is not disturbed', async (t) => {
  const talk = await start(t, { Recording: 'true', Voicemail: 'Leave a message.' })
  const { server, phones, session, bob, pool, call } = talk
  const sid = await call()
  const [interaction] = await voiceOf(talk)
  assert.equal(await session.interactions(interaction?.sid ?? '').remove(), true)
  await phones.act(sid, bob, 'answer')
  const [caller, callee] = await legsOf(talk, sid)
  assert.deepEqual([caller.status, callee.status], ['in-progress', 'in-progress'])
  assert.deepEqual(wordsOf(callee), ['This call is recorded.'])
  await phones.advance(5)
  await phones.act(sid, bob, 'hangup')
  assert.deepEqual((await server.get(`/maskline${pool.path}/Recordings`)).body.recordings, [])
  await eventually(async () => (await phones.find(sid)).recordings.length === 0, "the carrier's copy is gone")
  assert.deepEqual(await session.interactions.list(), [])
  const [row] = await rows(server, 'select * from interactions where sid = $1', [interaction?.sid])
  assert.deepEqual([row.outcome, row.duration_s, row.outbound_resource_sid], ['deleted', null, null])
})

test('whoever is recorded is told, also when recording is switched off while it rings', async (t) => {
  const words = 'Wir zeichnen auf.'
  const talk = await start(t, { Recording: 'true', RecordingAnnouncement: words })
  const { phones, bob, call, change } = talk
  const sid = await call()
  await change({ Recording: 'false' })
  await phones.act(sid, bob, 'answer')
  await phones.advance(2)
  await phones.act(sid, bob, 'hangup')
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), [[words], [words]])
  assert.equal((await phones.find(sid)).recordings.length, 1)

  const next = await call()
  await phones.act(next, bob, 'answer')
  await phones.advance(2)
  await phones.act(next, bob, 'hangup')
  assert.deepEqual((await legsOf(talk, next)).map(wordsOf), [[], []])
  assert.deepEqual((await phones.find(next)).recordings, [])
})

for (const [suffix, outbound, waits] of [
  ['0121', 'busy', 0],
  ['0122', 'no-answer', 12],
] as const) {
  test(`a caller may leave a message when the partner’s phone is ${suffix}: ${outbound}`, async (t) => {
    const settings = { Voicemail: 'Leave a message.', VoicemailMaxLength: '20', RingTimeout: '12' }
    const talk = await start(t, settings, { bob: newHandset(suffix) })
    const { server, phones, alice, bob, pool, call } = talk
    const sid = await call()
    await phones.advance(waits)
    const [caller] = await legsOf(talk, sid)
    assert.deepEqual([wordsOf(caller), caller.status], [['Leave a message.'], 'in-progress'])
    assert.equal(caller.heard.at(-1)?.kind, 'beep')
    await phones.advance(8)
    await phones.act(sid, alice, 'hangup')
    await assertTold(talk, { sid, from: alice, to: bob, inbound: 'completed', outbound })
    const message = await onlyRecording(talk)
    assert.deepEqual([message.kind, message.duration_s], ['voicemail', 8])
    assert.equal((await fetchSound(talk, message.media_url)).status, 200)

    const long = await call()
    await phones.advance(waits + 20)
    const { state, recordings } = await phones.find(long)
    assert.deepEqual([state, recordings.map(({ duration_s }) => duration_s)], ['ended', [20]], 'as long as it may be')
    await settled(server, pool)
    assert.deepEqual(await eventCodes(server, pool), [])
  })
}

test('an answering machine takes the call like a person, and no voicemail of ours follows', async (t) => {
  const talk = await start(t, { Voicemail: 'Leave a message.' }, { bob: newHandset('0124') })
  const { phones, alice, bob, call } = talk
  const sid = await call()
  await told(talk, 1)
  await phones.advance(30)
  assert.deepEqual(wordsOf((await legsOf(talk, sid))[0]), [])
  await assertTold(talk, { sid, from: alice, to: bob, ...ENDED, data: '{"duration":"30"}' })
})

test('a caller who gives up leaves no message', async (t) => {
  const talk = await start(t, { Voicemail: 'Leave a message.' }, { alice: newHandset('0125') })
  const { phones, alice, bob, call } = talk
  const sid = await call()
  await phones.advance(3)
  await assertTold(talk, { sid, from: alice, to: bob, inbound: 'canceled', outbound: 'canceled' })
  assert.deepEqual((await phones.find(sid)).recordings, [])
})

test('the longest duration of a call ends it for both', async (t) => {
  const talk = await start(t, { MaxDuration: '90' }, { bob: newHandset('0126') })
  const { phones, alice, bob, call } = talk
  const sid = await call()
  await told(talk, 1)
  await phones.advance(89)
  assert.deepEqual(
    (await legsOf(talk, sid)).map(({ status }) => status),
    ['in-progress', 'in-progress'],
  )
  await phones.advance(1)
  assert.deepEqual(
    (await legsOf(talk, sid)).map(({ status }) => status),
    ['completed', 'completed'],
  )
  await assertTold(talk, { sid, from: alice, to: bob, ...ENDED, data: '{"duration":"90"}' })
})

test('a minute before the end both hear of it, once, and the call ends when it would have', async (t) => {
  const words = 'One minute left.'
  const talk = await start(t, { MaxDuration: '300', LastMinuteAnnouncement: words }, { bob: newHandset('0126') })
  const { server, phones, alice, bob, pool, call } = talk
  const sid = await call()
  await told(talk, 1)
  const dueIn = async () => {
    const found = await rows(
      server,
      'select extract(epoch from due_at - answered_at)::int as due_s, stage from interactions where service_sid = $1',
      [pool.sid],
    )
    return [found[0]?.stage, found[0]?.due_s]
  }
  assert.deepEqual(await dueIn(), ['announce', 240])
  await phones.advance(240)
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), [[], []])
  await hurry(server, 'interactions')
  const both = [[words], [words]]
  await eventually(async () => wordsOf((await legsOf(talk, sid))[1]).length > 0, 'it is announced')
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), both)
  await hurry(server, 'interactions')
  await phones.advance(59)
  assert.deepEqual(
    (await legsOf(talk, sid)).map(({ status }) => status),
    ['in-progress', 'in-progress'],
  )
  await phones.advance(1)
  await assertTold(talk, { sid, from: alice, to: bob, ...ENDED, data: '{"duration":"300"}' })
  assert.deepEqual((await legsOf(talk, sid)).map(wordsOf), both)
  assert.deepEqual(await eventCodes(server, pool), [])
})
