import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callSettings } from '../src/core/call-settings.ts'
import { findService } from '../src/core/services.ts'
import { assertRefused, makeService, type Pool, serverForFile } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

const shared = serverForFile(async () => ({ env: { MASKLINE_RING_TIMEOUT_S: '25', MASKLINE_MAX_CALL_S: '7200' } }))

const DEFAULTS = {
  opt_out_words: true,
  ring_timeout: 25,
  max_duration: 7200,
  last_minute_announcement: null,
  greeting: null,
  whisper: null,
  recording: false,
  recording_announcement: null,
  voicemail: null,
  voicemail_max_length: 120,
  speech_language: 'en-US',
  cool_down: 259_200,
  cool_down_mode: 'best-effort',
  intercept_failure: 'proceed',
}
/** Those that calls have nothing to do with (test/content-guard.test.ts, test/flood.test.ts). */
const ABOUT_TEXTS = {
  content_guard_own_number: 'off',
  content_guard_other_numbers: 'off',
  content_guard_email_addresses: 'off',
  content_guard_links: 'off',
  content_guard_payment_words: 'off',
  content_guard_notice: null,
  allowed_domains: [],
  payment_words: [],
  allow_vcards: false,
  flood_limit: 0,
  repeat_limit: 0,
}
const ALL = {
  RingTimeout: '5',
  MaxDuration: '86400',
  LastMinuteAnnouncement: 'One minute left.',
  Greeting: 'https://cdn.example.com/hello.mp3?v=1',
  Whisper: '≥ 1 & <b>',
  Recording: 'true',
  RecordingAnnouncement: 'Wir zeichnen auf.',
  Voicemail: 'ü'.repeat(1000),
  VoicemailMaxLength: '600',
  SpeechLanguage: 'de-DE',
  CoolDown: '31536000',
  CoolDownMode: 'strict',
  InterceptFailure: 'block',
}

async function makeSettings(server: TestServer) {
  const service = await makeService(server, 0)
  const path = `/maskline${service.path}/Settings`
  const base = { service_sid: service.sid, url: `${server.url}${path}`, ...ABOUT_TEXTS }
  return { service, path, base, set: (params: Record<string, string>) => server.post(path, params) }
}

const rowOf = async (server: TestServer, { sid }: Pool) => {
  const row = await findService(server.store, server.account.sid, sid)
  assert(row)
  return row
}

test('every call setting is off, or as the deployment has it, until it is set, and again when it is cleared', async () => {
  const server = await shared()
  const { service, path, base, set } = await makeSettings(server)
  assert.deepEqual((await server.get(path)).body, { ...base, ...DEFAULTS })
  const expected = {
    ...base,
    opt_out_words: true,
    ring_timeout: 5,
    max_duration: 86_400,
    last_minute_announcement: ALL.LastMinuteAnnouncement,
    greeting: ALL.Greeting,
    whisper: ALL.Whisper,
    recording: true,
    recording_announcement: ALL.RecordingAnnouncement,
    voicemail: ALL.Voicemail,
    voicemail_max_length: 600,
    speech_language: 'de-DE',
    cool_down: 31_536_000,
    cool_down_mode: 'strict',
    intercept_failure: 'block',
  }
  assert.deepEqual((await set(ALL)).body, expected)
  assert.deepEqual((await set({})).body, expected, 'what is not given stays')
  assert.deepEqual((await server.get(path)).body, expected)
  const settings = callSettings(server.store, await rowOf(server, service))
  assert.deepEqual(
    [settings.ring_timeout_s, settings.max_duration_s, settings.voicemail_max_length_s],
    [5, 86_400, 600],
  )

  for (const name of Object.keys(ALL)) assert.equal((await set({ [name]: '' })).status, 200, name)
  assert.deepEqual((await server.get(path)).body, { ...base, ...DEFAULTS })
  const row = await rowOf(server, service)
  assert.deepEqual([row.ring_timeout_s, row.max_duration_s, row.voicemail_max_length_s], [null, null, null])
})

test('a setting that cannot work is refused with what to do, and changes nothing', async () => {
  const server = await shared()
  const { path, base, set } = await makeSettings(server)
  const wrong: [name: string, value: string, reason: RegExp][] = [
    ['RingTimeout', '4', /whole number from 5 to 600/],
    ['RingTimeout', '601', /whole number from 5 to 600/],
    ['RingTimeout', '7.5', /whole number/],
    ['MaxDuration', '9', /whole number from 10 to 86400/],
    ['MaxDuration', '86401', /whole number/],
    ['VoicemailMaxLength', '4', /whole number from 5 to 600/],
    ['CoolDown', '-1', /whole number from 0 to 31536000/],
    ['CoolDown', '31536001', /whole number from 0 to 31536000/],
    ['Recording', 'yes', /true or false/],
    ['SpeechLanguage', 'english', /as in en-US/],
    ['SpeechLanguage', 'en_US', /as in en-US/],
    ['SpeechLanguage', 'en"/><Dial>', /as in en-US/],
    ['Greeting', 'https://', /absolute http or https URL/],
    ['Greeting', 'HTTP://exa mple/', /absolute http or https URL/],
    ['Whisper', 'https://example.com/a b.mp3', /Percent-encode/],
    ['Voicemail', `${server.url}/media/x`, /points at this server/],
    ...['LastMinuteAnnouncement', 'Greeting', 'Whisper', 'RecordingAnnouncement', 'Voicemail'].flatMap(
      (name): [string, string, RegExp][] => [
        [name, 'x'.repeat(1001), /at most 1000 characters/],
        [name, ' \t\u200b.', /words to say/],
        [name, 'Hello\u0007', /control characters/],
        [name, 'Hello\uffff', /control characters/],
      ],
    ),
  ]
  for (const [name, value, reason] of wrong) {
    const answer = await set({ [name]: value })
    assertRefused(answer, 400, 80701, reason)
    assert.ok(answer.body.message.startsWith(`'${name}' is invalid.`), answer.text)
  }
  assertRefused(await set({ CoolDownMode: 'never' }), 400, 20001, /Give one of best-effort, strict/)
  assertRefused(await set({ InterceptFailure: 'ask' }), 400, 20001, /Give one of proceed, block/)
  assert.deepEqual((await server.get(path)).body, { ...base, ...DEFAULTS })
  for (const SpeechLanguage of ['arb', 'es-419', 'cmn-Hans-CN']) {
    assert.equal((await set({ SpeechLanguage })).body.speech_language, SpeechLanguage)
  }
})

test('nobody is recorded unannounced: with recording on there are words, also when none are set', async () => {
  const server = await shared()
  const { service, set } = await makeSettings(server)
  assert.equal((await set({ Recording: 'true' })).body.recording_announcement, 'This call is recorded.')
  assert.equal((await set({ RecordingAnnouncement: 'Recorded!' })).body.recording_announcement, 'Recorded!')
  assert.equal((await set({ RecordingAnnouncement: '' })).body.recording_announcement, 'This call is recorded.')
  assert.equal((await set({ Recording: '' })).body.recording, false)
  const settings = callSettings(server.store, await rowOf(server, service))
  assert.deepEqual([settings.recording, settings.recording_announcement], [false, 'This call is recorded.'])
})

test('a call of a minute has no last minute to announce, however the two settings come', async () => {
  const server = await shared()
  const early = { LastMinuteAnnouncement: 'One minute left.', MaxDuration: '60' }
  const announcement = { LastMinuteAnnouncement: early.LastMinuteAnnouncement }
  const length = { MaxDuration: '60' }

  const one = await makeSettings(server)
  assertRefused(
    await one.set(early),
    400,
    80701,
    /^'LastMinuteAnnouncement' is invalid. A call of 60 seconds has no last/,
  )
  assert.equal((await one.set({ ...early, MaxDuration: '61' })).status, 200)
  assertRefused(await one.set(length), 400, 80701, /^'MaxDuration' is invalid. A call of 60 seconds/)
  assert.equal((await one.set({ Greeting: 'Hello.' })).body.max_duration, 61)
  assert.equal((await one.set({ ...length, LastMinuteAnnouncement: '' })).body.max_duration, 60)
  assertRefused(await one.set(announcement), 400, 80701, /^'LastMinuteAnnouncement'/)

  for (let at = 0; at < 10; at++) {
    const { path, set } = await makeSettings(server)
    const answers = await Promise.all([set(announcement), set(length)])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400])
    const { body } = await server.get(path)
    assert.ok(body.last_minute_announcement === null || body.max_duration > 60, JSON.stringify(body))
  }
})

test('where the deployment ends calls within a minute, a service announces the last one only with a length of its own', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_CALL_S: '60' } })
  const { service, set } = await makeSettings(server)
  const LastMinuteAnnouncement = 'One minute left.'
  assertRefused(await set({ LastMinuteAnnouncement }), 400, 80701, /^'LastMinuteAnnouncement'/)
  assert.equal((await set({ LastMinuteAnnouncement, MaxDuration: '600' })).status, 200)
  assertRefused(await set({ MaxDuration: '' }), 400, 80701, /^'MaxDuration' is invalid. A call of 60 seconds/)
  const row = { ...(await rowOf(server, service)), max_duration_s: null }
  assert.equal(callSettings(server.store, row).last_minute_announcement, null, 'what the operator chose later')
})

test('settings belong to one service, and what comes again with its key is answered and not done again', async () => {
  const server = await shared()
  const [one, other] = [await makeSettings(server), await makeSettings(server)]
  await one.set({ Greeting: 'Hello.' })
  assert.equal((await server.get(other.path)).body.greeting, null)
  const repeated = { 'Idempotency-Key': `greet-${other.service.sid}` }
  const answer = await server.post(other.path, { RingTimeout: '9' }, repeated)
  await server.post(other.path, { RingTimeout: '10' })
  assert.deepEqual((await server.post(other.path, { RingTimeout: '9' }, repeated)).body, answer.body)
  assert.equal((await server.get(other.path)).body.ring_timeout, 10)
})
