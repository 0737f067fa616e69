import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import VoiceResponse from 'twilio/lib/twiml/VoiceResponse.js'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { type Announcement, CarrierError, type RecordingPlace } from '../src/core/carrier.ts'
import { parseTwiml } from '../src/twiml/parse.ts'
import { rejoinTwiml } from '../src/twiml/rejoin.ts'
import { type ReceiverAnswer, type ReceiverHandler, startReceiver } from './support/receiver.ts'
import { type Fault, startTwilioApi } from './support/twilio-api.ts'
import { newRecording } from './support/twilio-recordings.ts'

const ACCOUNT = `AC${'1'.repeat(32)}`
const CALLER = `CA${'a'.repeat(32)}`
const PARTNER = `CA${'b'.repeat(32)}`
const RECORDING = `RE${'c'.repeat(32)}`
const AUTHORIZATION = `Basic ${Buffer.from(`${ACCOUNT}:secret`).toString('base64')}`

const announcement = (changes: Partial<Announcement> = {}): Announcement => ({
  text: 'One minute left',
  language: 'en-US',
  room: 'KI00000000000000000000000000000001',
  seconds_left: 60,
  recording_url: undefined,
  ...changes,
})

/** The vendor's own package says the same. */
function vendorMarkup({ text, language, room, seconds_left, recording_url }: Announcement): string {
  const response = new VoiceResponse()
  if (/^https?:/i.test(text)) response.play(text)
  else response.say({ language } as Parameters<typeof response.say>[0] & object, text)
  const recorded = recording_url && { record: 'record-from-start' as const, recordingStatusCallback: recording_url }
  const quiet = { beep: 'false' as const, startConferenceOnEnter: true, endConferenceOnExit: true, waitUrl: '' }
  response.dial({ timeLimit: seconds_left }).conference({ ...quiet, ...recorded }, room)
  return response.toString()
}

async function start(t: TestContext, handler: ReceiverHandler, timeout_ms = 5000) {
  const api = await startReceiver(t, handler)
  const carrier = twilioCarrier({ account_sid: ACCOUNT, auth_token: 'secret', base_url: api.url, timeout_ms })
  return { api, carrier }
}

const json = (status: number, body: unknown) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const NOT_FOUND = json(404, { code: 20404, status: 404, message: 'The requested resource was not found' })

const refusal = (outcome: CarrierError['outcome'], message: RegExp) => (error: unknown) => {
  assert(error instanceof CarrierError, inspect(error))
  assert.equal(error.outcome, outcome)
  assert.match(error.message, message)
  return true
}

test('the markup of an announcement is what the vendor’s own package makes of it', () => {
  const texts = ['One minute left', 'https://sounds.example/a.mp3?x=1&y="2"', '', ' <Hangup/> & ]]> "quotes" \r\n 👋']
  for (const text of texts) {
    for (const language of ['en-US', 'de-DE', '"><Hangup/>']) {
      for (const recording_url of [undefined, 'https://maskline.example/recording?kind=call&x="1"']) {
        const given = announcement({ text, language, recording_url })
        assert.deepEqual(parseTwiml(rejoinTwiml(given)), parseTwiml(vendorMarkup(given)))
      }
    }
  }
  assert.equal(rejoinTwiml(announcement()), vendorMarkup(announcement()))
})

test('whatever is announced stays text: the markup has one shape, and can be read', () => {
  const anything = fc.record({
    text: fc.string({ unit: 'binary', maxLength: 40 }),
    language: fc.string({ unit: 'binary', maxLength: 10 }),
    room: fc.string({ unit: 'binary', maxLength: 40 }),
    seconds_left: fc.double({ noNaN: true, min: -10, max: 14_400 }),
    recording_url: fc.option(fc.string({ unit: 'binary', maxLength: 40 }), { nil: undefined }),
  })
  const property = fc.property(anything, (given) => {
    const { children } = parseTwiml(rejoinTwiml(given))
    const [spoken, dial] = children
    const names = [...children, ...(spoken?.children ?? []), ...(dial?.children ?? [])].map(({ name }) => name)
    assert.deepEqual(names, ['Say', 'Dial', 'Conference'])
    assert.match(dial?.attributes.timeLimit ?? '', /^[1-9]\d*$/)
    const readable = /^[\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u
    if (readable.test(given.text)) assert.equal(spoken?.text, given.text)
    if (readable.test(given.room)) assert.equal(dial?.children[0]?.text, given.room)
  })
  fc.assert(property, { numRuns: 1000 })
})

test('the partner’s leg is sent to where the two meet again, and the caller’s is left alone', async (t) => {
  const { api, carrier } = await start(t, () => json(200, { sid: PARTNER, status: 'in-progress' }))
  await carrier.announce({ inbound_id: CALLER, outbound_id: PARTNER }, announcement())
  const [request] = api.requests
  assert.deepEqual(
    [request?.method, request?.target, request?.headers.authorization],
    ['POST', `/2010-04-01/Accounts/${ACCOUNT}/Calls/${PARTNER}.json`, AUTHORIZATION],
  )
  assert.deepEqual(request?.params, { Twiml: vendorMarkup(announcement()) })
  assert.equal(api.requests.length, 1)
})

test('every state of a call is one of ours, and its seconds are told once it is over', async (t) => {
  let call: unknown
  const { api, carrier } = await start(t, () => json(200, call))
  const report = async (status: unknown, duration: unknown) => {
    call = { sid: PARTNER, status, duration, parent_call_sid: CALLER }
    const { carrier_call_id, ...state } = (await carrier.findCall(PARTNER))!
    assert.equal(carrier_call_id, PARTNER)
    return [state.status, state.answered, state.duration_s, state.error_code]
  }
  for (const status of ['queued', 'initiated', 'ringing'])
    assert.deepEqual(await report(status, null), ['initiated', false, undefined, undefined])
  assert.deepEqual(await report('in-progress', '0'), ['initiated', true, undefined, undefined])
  assert.deepEqual(await report('completed', '61'), ['completed', true, 61, undefined])
  for (const status of ['busy', 'failed', 'no-answer', 'canceled'])
    assert.deepEqual(await report(status, '0'), [status, false, 0, undefined])
  for (const duration of [null, '', '-1', '1.5', '1e3', '99999999', 61, undefined])
    assert.deepEqual(await report('completed', duration), ['completed', true, undefined, undefined], String(duration))
  for (const status of ['exploded', '', null, undefined, 'toString'])
    await assert.rejects(report(status, '1'), refusal('unknown', /status that is not known/))
  const { method, target } = api.requests[0]!
  assert.deepEqual([method, target], ['GET', `/2010-04-01/Accounts/${ACCOUNT}/Calls/${PARTNER}.json`])
})

test('of a caller’s leg it is told what became of the latest leg that was dialled for it', async (t) => {
  const at = (minute: number) => `Sat, 01 Aug 2026 10:0${minute}:00 +0000`
  const caller = { sid: CALLER, direction: 'inbound', status: 'completed', duration: '90' }
  const earlier = { sid: `CA${'c'.repeat(32)}`, status: 'busy', duration: '0', date_created: at(1) }
  const later = { sid: PARTNER, status: 'completed', duration: '61', date_created: at(2) }
  let calls: unknown[] = []
  const { api, carrier } = await start(t, ({ target }) => json(200, target.includes('?') ? { calls } : caller))
  assert.deepEqual((await carrier.findCall(CALLER))?.carrier_call_id, CALLER, 'none was dialled')
  const whole = { status: 'completed', answered: true, duration_s: 61, error_code: undefined }
  for (calls of [[later], [earlier, later], [later, earlier]]) {
    assert.deepEqual(await carrier.findCall(CALLER), { carrier_call_id: PARTNER, ...whole })
  }
  const [, asked] = api.requests
  assert.equal(asked?.target, `/2010-04-01/Accounts/${ACCOUNT}/Calls.json?ParentCallSid=${CALLER}`)
})

test('a call the carrier does not know is not found, and no id leads elsewhere in the API', async (t) => {
  const { api, carrier } = await start(t, () => NOT_FOUND)
  for (const id of [PARTNER, '../Messages', '..', 'a?b#c', '']) assert.equal(await carrier.findCall(id), undefined, id)
  const calls = `/2010-04-01/Accounts/${ACCOUNT}/Calls/`
  const expected = [PARTNER, '..%2FMessages', '..', 'a%3Fb%23c', ''].map((id) => `${calls}${id}.json`)
  assert.deepEqual(
    api.requests.map(({ target }) => target),
    expected,
  )
  const gone = carrier.announce({ inbound_id: CALLER, outbound_id: PARTNER }, announcement())
  await assert.rejects(gone, refusal('refused', /code 20404/))
})

test('a recording is fetched as a WAV file with the credentials, and from elsewhere without them', async (t) => {
  const bytes = Buffer.from('RIFF\0\xff', 'latin1')
  const store = await startReceiver(t, () => ({ headers: { 'content-type': 'audio/wav' }, body: bytes }))
  const { api, carrier } = await start(t, ({ target }): ReceiverAnswer => {
    if (target.includes('moved')) return { status: 302, headers: { location: `${store.url}/moved` } }
    return { headers: { 'content-type': 'audio/x-wav' }, body: bytes }
  })
  const path = `/2010-04-01/Accounts/${ACCOUNT}/Recordings/${RECORDING}`
  const fetched = (address: string, maxBytes = 6) =>
    carrier.fetchRecording({ carrier_recording_id: RECORDING, url: address }, maxBytes)
  for (const suffix of ['', '.wav', '.mp3', '.json', '?moved'])
    assert.deepEqual((await fetched(api.url + path + suffix)).bytes, bytes, suffix)
  assert.deepEqual(
    api.requests.map(({ target, headers }) => [target, headers.authorization]),
    [...new Array(4).fill(`${path}.wav`), `${path}.wav?moved`].map((target) => [target, AUTHORIZATION]),
  )
  await assert.rejects(fetched(api.url + path, 5), refusal('refused', /the recording is larger than 5 bytes/))

  // With the account's own storage the address is there, and says by itself what it is.
  const media = { content_type: 'audio/wav', bytes }
  assert.deepEqual(await fetched(`${store.url}/bucket/${RECORDING}?signed=1`), media)
  assert.deepEqual(
    store.requests.map(({ target, headers }) => [target, headers.authorization]),
    [
      ['/moved', undefined],
      [`/bucket/${RECORDING}?signed=1`, undefined],
    ],
  )
})

test('the credentials are not taken to anything but this recording of this account', async (t) => {
  const { api, carrier } = await start(t, () => ({ body: 'x' }))
  const at = `/2010-04-01/Accounts/${ACCOUNT}/Recordings/${RECORDING}`
  const elsewhere = [
    at.replace(ACCOUNT, `AC${'2'.repeat(32)}`),
    at.replace(RECORDING, `RE${'d'.repeat(32)}`),
    at.replace('Recordings', 'Messages'),
    `${at}/../../Messages`,
    `${at}/Transcriptions`,
    `/2010-04-01/Accounts/${ACCOUNT}.json?x=${at}`,
    `/?x=${at}`,
  ]
  const refused = (url: string, id = RECORDING) =>
    assert.rejects(carrier.fetchRecording({ carrier_recording_id: id, url }, 9), refusal('refused', /not/), url)
  for (const path of elsewhere) await refused(api.url + path)
  for (const path of elsewhere) await refused(`https://api.twilio.com${path}`)
  await refused(`${api.url}${at}`, '')
  for (const url of ['ftp://api.twilio.com/x', 'file:///etc/hostname', 'not a URL', '']) await refused(url)
  assert.equal(api.requests.length, 0)

  const strict = twilioCarrier({ account_sid: ACCOUNT, auth_token: 'secret' })
  const plain = { carrier_recording_id: RECORDING, url: `${api.url}${at}` }
  await assert.rejects(strict.fetchRecording(plain, 9), refusal('refused', /not an https URL/))
  assert.equal(api.requests.length, 0)
})

test('a recording is deleted at the carrier, and one that is gone counts as deleted', async (t) => {
  const { api, carrier } = await start(t, () => ({ status: 204 }))
  const place: RecordingPlace = { carrier_recording_id: RECORDING, url: 'https://storage.example/x.wav' }
  await carrier.deleteRecording(place)
  const { method, target, headers } = api.requests[0]!
  const path = `/2010-04-01/Accounts/${ACCOUNT}/Recordings/${RECORDING}.json`
  assert.deepEqual([method, target, headers.authorization], ['DELETE', path, AUTHORIZATION])
  api.answer = () => NOT_FOUND
  await carrier.deleteRecording(place)
  assert.equal(api.requests.length, 2)
})

test('a recording in the account can be had until it is deleted there', async (t) => {
  const api = await startTwilioApi(t)
  const { account, account_sid, auth_token, url: base_url } = api
  const carrier = twilioCarrier({ account_sid, auth_token, base_url })
  const date_created = new Date()
  const made = newRecording({ call_sid: CALLER, duration_s: 1, channels: 2, source: 'DialVerb', date_created })
  account.addRecording(made)
  const url = `${base_url}/2010-04-01/Accounts/${account_sid}/Recordings/${made.sid}`
  const place: RecordingPlace = { carrier_recording_id: made.sid, url }
  const { content_type, bytes } = await carrier.fetchRecording(place, 100_000)
  assert.deepEqual([content_type, bytes], ['audio/x-wav', made.bytes])
  await carrier.deleteRecording(place)
  await assert.rejects(carrier.fetchRecording(place, 100_000), refusal('refused', /HTTP 404/))
  await carrier.deleteRecording(place)
})

const FAULTS: [title: string, fault: Fault, outcome: CarrierError['outcome'], code?: number, retry_after_s?: number][] =
  [
    ['wrong credentials', { kind: 'error', status: 401, code: 20003 }, 'not-sent', 20003],
    ['not allowed', { kind: 'error', status: 400, code: 21220 }, 'refused', 21220],
    ['something in between', { kind: 'error', status: 403, body: '<h1>Forbidden</h1>' }, 'not-sent'],
    ['too fast', { kind: 'error', status: 429, code: 20429, headers: { 'retry-after': '7' } }, 'not-sent', 20429, 7],
    ['unavailable', { kind: 'error', status: 503 }, 'not-sent'],
    ['internal error', { kind: 'error', status: 500, code: 20500 }, 'unknown', 20500],
    ['bad gateway', { kind: 'error', status: 502 }, 'unknown'],
    ['a redirect', { kind: 'error', status: 307, headers: { location: '/elsewhere' } }, 'unknown'],
    ['a reset', { kind: 'reset' }, 'unknown'],
    ['no answer', { kind: 'hang' }, 'unknown'],
  ]

test('every failure of a request about a call or a recording is classified, and nothing is asked twice', async (t) => {
  const api = await startTwilioApi(t)
  const { account_sid, auth_token, url: base_url } = api
  const carrier = twilioCarrier({ account_sid, auth_token, base_url, timeout_ms: 300 })
  const place = { carrier_recording_id: RECORDING, url: `${base_url}/x` }
  const requests: Record<string, () => Promise<unknown>> = {
    find: () => carrier.findCall(PARTNER),
    announce: () => carrier.announce({ inbound_id: CALLER, outbound_id: PARTNER }, announcement()),
    delete: () => carrier.deleteRecording(place),
  }
  for (const [title, fault, outcome, code, retry_after_s] of FAULTS) {
    for (const [name, request] of Object.entries(requests)) {
      const before = api.requests.length
      api.failNext(fault)
      await assert.rejects(
        request,
        (error) => {
          assert(error instanceof CarrierError, inspect(error))
          assert.deepEqual([error.outcome, error.code, error.retry_after_s], [outcome, code, retry_after_s])
          return true
        },
        `${name}: ${title}`,
      )
      assert.equal(api.requests.length, before + 1, `${name}: ${title}`)
    }
  }
  for (const name of ['find', 'announce']) {
    api.failNext({ kind: 'garbled' })
    await assert.rejects(requests[name]!, refusal('unknown', /HTTP 201/), name)
  }
})

test('a recording that cannot be had for now may be asked for again, and one that is gone may not', async (t) => {
  const api = await startTwilioApi(t)
  const { account_sid, auth_token, url: base_url } = api
  const carrier = twilioCarrier({ account_sid, auth_token, base_url, timeout_ms: 300 })
  const url = `${base_url}/2010-04-01/Accounts/${account_sid}/Recordings/${RECORDING}`
  const faults: [Fault, CarrierError['outcome']][] = [
    [{ kind: 'error', status: 404, code: 20404 }, 'refused'],
    [{ kind: 'error', status: 429 }, 'not-sent'],
    [{ kind: 'error', status: 500 }, 'not-sent'],
    [{ kind: 'error', status: 503 }, 'not-sent'],
    [{ kind: 'reset' }, 'not-sent'],
    [{ kind: 'hang' }, 'not-sent'],
  ]
  for (const [fault, outcome] of faults) {
    api.failNext(fault)
    const fetching = carrier.fetchRecording({ carrier_recording_id: RECORDING, url }, 9)
    await assert.rejects(fetching, refusal(outcome, /recording/), JSON.stringify(fault))
  }
  assert.equal(api.requests.length, faults.length)
})
