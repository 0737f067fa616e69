import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { BadWebhook, type WebhookRequest } from '../src/core/carrier.ts'

const TOKEN = 'token'
const BASE = `https://masking.example/webhooks/MC${'0'.repeat(32)}/calls`
const LEG = `${BASE}/KS${'1'.repeat(32)}/KI${'2'.repeat(32)}`
const CALLER = `CA${'a'.repeat(32)}`
const PARTNER = `CA${'b'.repeat(32)}`
const RECORDING = `RE${'c'.repeat(32)}`

const carrier = twilioCarrier({ account_sid: `AC${'0'.repeat(32)}`, auth_token: TOKEN })

type Params = Record<string, string>

function webhook(params: Params, { url = BASE, token = undefined as string | undefined } = {}): WebhookRequest {
  const headers: WebhookRequest['headers'] = {
    'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
    'x-twilio-signature': getExpectedTwilioSignature(TOKEN, url, params),
    ...(token !== undefined && { 'i-twilio-idempotency-token': token }),
  }
  return { method: 'POST', url, headers, body: Buffer.from(new URLSearchParams(params).toString()) }
}

/** https://www.twilio.com/docs/voice/twiml#request-parameters */
const arrival: Params = {
  AccountSid: `AC${'0'.repeat(32)}`,
  ApiVersion: '2010-04-01',
  CallSid: CALLER,
  CallStatus: 'ringing',
  CallToken: '{"parentCallInfoToken":"x"}',
  CallerName: 'ALICE EXAMPLE',
  Called: '+12025550100',
  Caller: '+12025550123',
  Direction: 'inbound',
  ForwardedFrom: '+12025550199',
  From: '+12025550123',
  FromCity: 'WASHINGTON',
  FromZip: '',
  StirVerstat: 'TN-Validation-Passed-A',
  To: '+12025550100',
  ToCountry: 'US',
}

test('voice webhooks that the vendor’s package signed are genuine, whatever their query says, until changed', () => {
  const urls = [
    BASE,
    `${LEG}/leg`,
    `${LEG}/recording?kind=voicemail`,
    `${LEG}/via?method=POST&to=${encodeURIComponent('https://customer.example/ivr?step=2&name=Grüße+%26&x=[1]')}`,
    `${LEG}/via?method=GET&to=https%3A%2F%2Fcustomer.example%2F%3Fa%3D%2520&tell=true`,
  ]
  for (const url of urls) {
    for (const params of [arrival, { ...arrival, Digits: '*#12', SpeechResult: 'ja, bitte – «gern»' }]) {
      const request = webhook(params, { url })
      assert.equal(carrier.verify(request), true, url)
      const changes: Partial<WebhookRequest>[] = [
        { url: url.includes('?') ? url.replace('?', '?x=1&') : `${url}?x=1` },
        { url: url.includes('?') ? url.replace(/.$/, '_') : `${url}/` },
        { url: url.replace(LEG, LEG.replace(/2$/, '3')).replace(BASE, BASE.replace(/0\//, '1/')) },
        { body: Buffer.concat([request.body, Buffer.from('&Digits=9')]) },
        { body: Buffer.from(request.body.toString().replace('ringing', 'in-progress')) },
      ]
      for (const change of changes) assert.equal(carrier.verify({ ...request, ...change }), false, change.url ?? url)
    }
  }
})

test('an inbound call is read with its whereabouts, and without what should go no further', () => {
  for (const From of ['+12025550123', '', 'Anonymous', '+266696687', 'sip:alice@example.com', 'client:alice']) {
    assert.deepEqual(carrier.parseCall(webhook({ ...arrival, From, Caller: From })), {
      event_id: CALLER,
      resource_sid: CALLER,
      from: From,
      to: '+12025550100',
      geography: { FromCity: 'WASHINGTON', FromZip: '', ToCountry: 'US' },
      details: { CallStatus: 'ringing', Direction: 'inbound', StirVerstat: 'TN-Validation-Passed-A' },
    })
  }
  const { details } = carrier.parseCall(webhook({ ...arrival, CallStatus: 'in-progress', Digits: '12#' }))
  assert.deepEqual([details.CallStatus, details.Digits], ['in-progress', '12#'])
})

test('while it rings a call is one arrival; one in progress is another, and its repeat is the same', () => {
  const id = (params: Params, token?: string) =>
    carrier.parseCall(webhook({ ...arrival, ...params }, { ...(token !== undefined && { token }) })).event_id
  for (const CallStatus of ['ringing', 'queued', 'initiated']) {
    assert.equal(id({ CallStatus }, 'one'), CALLER)
    // The fallback URL is asked with a new token and the reason.
    assert.equal(id({ CallStatus, ErrorCode: '11205', ErrorUrl: BASE }, 'two'), CALLER)
  }
  const anew = { CallStatus: 'in-progress' }
  assert.equal(id(anew, 'one'), `${CALLER}/one`)
  assert.equal(id(anew, 'one'), id(anew, 'one'))
  assert.notEqual(id(anew, 'one'), id(anew, 'two'))
  for (const token of [undefined, '', 'x'.repeat(101), 'a\0b', 'with space']) {
    assert.match(id(anew, token), new RegExp(`^${CALLER}/[0-9a-f-]{36}$`), token)
    assert.notEqual(id(anew, token), id(anew, token))
  }
})

test('when something later in a call goes wrong, the call is not answered a second time', () => {
  for (const CallStatus of ['ringing', 'in-progress']) {
    const failed = (ErrorUrl: string) => () =>
      carrier.parseCall(webhook({ ...arrival, CallStatus, ErrorCode: '11200', ErrorUrl }))
    assert.equal(failed(BASE)().resource_sid, CALLER)
    for (const url of [`${LEG}/dialled`, `${LEG}/via?method=POST&to=${BASE}`, 'not a URL'])
      assert.throws(failed(url), BadWebhook, url)
  }
})

test('an id that is not a vendor SID identifies the call but does not become its SID', () => {
  for (const CallSid of ['8a7b0d6e-1111-4222', 'c-15ac29a2-1331029c', 'CA1', `SM${'a'.repeat(32)}`, 'x'.repeat(100)]) {
    const call = carrier.parseCall(webhook({ ...arrival, CallSid }))
    assert.deepEqual([call.event_id, call.resource_sid], [CallSid, undefined])
  }
})

test('what is not a call, or lacks a part of one, is a bad webhook', () => {
  for (const name of ['CallSid', 'CallStatus', 'From', 'To']) {
    const { [name]: _, ...rest } = arrival
    assert.throws(() => carrier.parseCall(webhook(rest)), { message: `${name} is missing` })
  }
  const wrong: Params[] = [
    ...['', 'x'.repeat(101), 'CA\0', 'a b', 'Ä'].map((CallSid) => ({ CallSid })),
    ...['', 'completed', 'busy', 'canceled', 'exploded', 'toString', ' ringing'].map((CallStatus) => ({ CallStatus })),
    { To: '' },
  ]
  for (const extra of wrong)
    assert.throws(() => carrier.parseCall(webhook({ ...arrival, ...extra })), BadWebhook, JSON.stringify(extra))
  assert.throws(() => carrier.parseCall({ ...webhook(arrival), headers: {} }), BadWebhook)
})

type Expected = [status: string, answered: boolean, duration_s?: number]

test('a leg’s own report is read in every state, and tells its seconds once it is over', () => {
  const reports: [CallStatus: string, expected: Expected][] = [
    ['queued', ['initiated', false]],
    ['initiated', ['initiated', false]],
    ['ringing', ['initiated', false]],
    ['in-progress', ['initiated', true]],
    ['answered', ['initiated', true]],
    ['completed', ['completed', true, 17]],
    ['busy', ['busy', false, 17]],
    ['failed', ['failed', false, 17]],
    ['no-answer', ['no-answer', false, 17]],
    ['canceled', ['canceled', false, 17]],
  ]
  for (const [CallStatus, [status, answered, duration_s]] of reports) {
    const params = { CallSid: PARTNER, ParentCallSid: CALLER, CallStatus, CallDuration: '17', Duration: '1' }
    const expected = { carrier_call_id: PARTNER, status, answered, duration_s, error_code: undefined }
    assert.deepEqual(carrier.parseCallReport(webhook(params, { url: `${LEG}/leg` })), expected, CallStatus)
  }
})

test('the end of a dial is told of the leg that was dialled, not of the caller whose call it ends', () => {
  const caller = { CallSid: CALLER, CallStatus: 'in-progress', CallDuration: '99' }
  const dialled = (params: Params) => {
    const { carrier_call_id, status, answered, duration_s } = carrier.parseCallReport(webhook({ ...caller, ...params }))
    return [carrier_call_id, status, answered, duration_s]
  }
  const DialCallSid = PARTNER
  const end = { DialCallSid, DialCallDuration: '17' }
  assert.deepEqual(dialled({ ...end, DialCallStatus: 'completed' }), [PARTNER, 'completed', true, 17])
  assert.deepEqual(dialled({ ...end, DialCallStatus: 'answered' }), [PARTNER, 'completed', true, 17])
  assert.deepEqual(dialled({ DialCallSid, DialCallStatus: 'busy' }), [PARTNER, 'busy', false, undefined])
  assert.deepEqual(dialled({ DialCallStatus: 'failed' }), [undefined, 'failed', false, undefined])
  assert.deepEqual(dialled({ DialCallStatus: 'canceled', DialCallSid: '' }), [undefined, 'canceled', false, undefined])
  for (const params of [
    { DialCallSid },
    { DialCallSid, DialCallStatus: '' },
    { DialCallSid: '\0', DialCallStatus: 'busy' },
  ])
    assert.throws(() => dialled(params as Params), BadWebhook)
})

test('a report without a leg or with an unknown status is a bad webhook, and odd figures are left out', () => {
  const report = (params: Params) => carrier.parseCallReport(webhook({ CallSid: PARTNER, ...params }))
  assert.throws(() => report({ CallStatus: 'exploded' }), { message: 'unknown call status exploded' })
  assert.throws(() => report({ CallStatus: '+12025550123' }), { message: 'unknown call status' })
  for (const CallStatus of ['', 'toString', 'Completed', '__proto__', 'delivered'])
    assert.throws(() => report({ CallStatus }), BadWebhook, CallStatus)
  for (const CallSid of ['', '\0', 'a b', 'x'.repeat(101)])
    assert.throws(() => report({ CallSid, CallStatus: 'completed' }), BadWebhook, CallSid)
  assert.throws(() => carrier.parseCallReport(webhook({ CallStatus: 'completed' })), BadWebhook)

  const figures = (CallDuration: string, ErrorCode = '') => {
    const { duration_s, error_code } = report({
      CallStatus: 'completed',
      CallDuration,
      ErrorCode,
      SipResponseCode: '486',
    })
    return [duration_s, error_code]
  }
  assert.deepEqual(figures('0', '13224'), [0, 13224])
  assert.deepEqual(figures('10000000', '0'), [10_000_000, undefined])
  for (const odd of ['', '10000001', '-1', '1.5', '1e3', '0x10', ' 1', '٣', 'NaN', '9'.repeat(400)])
    assert.deepEqual(figures(odd, '-1'), [undefined, undefined], odd)
})

test('a recording is there when it is complete, whoever says so', () => {
  const url = `https://api.twilio.com/2010-04-01/Accounts/AC${'0'.repeat(32)}/Recordings/${RECORDING}`
  const params: Params = { CallSid: CALLER, RecordingSid: RECORDING, RecordingUrl: url, RecordingDuration: '12' }
  const read = (changes: Params = {}) => carrier.parseRecording(webhook({ ...params, ...changes }))
  const finished = { carrier_recording_id: RECORDING, url, duration_s: 12 }
  assert.deepEqual(read(), finished)
  assert.deepEqual(read({ RecordingStatus: 'completed', ErrorCode: '0' }), finished)
  for (const RecordingDuration of ['', '-1', '1.5', '-'])
    assert.deepEqual(read({ RecordingDuration }), { ...finished, duration_s: 0 })
  for (const RecordingStatus of ['in-progress', 'paused', 'stopped', 'processing', 'absent', 'failed', 'deleted'])
    assert.equal(read({ RecordingStatus, RecordingUrl: '' }), undefined, RecordingStatus)

  for (const RecordingStatus of ['exploded', 'Completed', 'toString'])
    assert.throws(() => read({ RecordingStatus }), BadWebhook)
  for (const name of ['RecordingSid', 'RecordingUrl']) {
    assert.throws(() => read({ [name]: '' }), { message: `${name} is missing` })
    const { [name]: _, ...rest } = params
    assert.throws(() => carrier.parseRecording(webhook(rest)), { message: `${name} is missing` })
  }
  for (const RecordingSid of ['x'.repeat(101), 'RE\0', 'a b']) assert.throws(() => read({ RecordingSid }), BadWebhook)
})

test('no bytes at all make reading about calls fail otherwise than as a bad webhook', () => {
  const names = [
    ...['CallSid', 'CallStatus', 'From', 'To', 'ErrorUrl', 'DialCallSid', 'DialCallStatus', 'DialCallDuration'],
    ...['CallDuration', 'ErrorCode', 'RecordingSid', 'RecordingUrl', 'RecordingStatus', 'RecordingDuration'],
  ]
  const words = fc.constantFrom('ringing', 'in-progress', 'completed', 'answered', CALLER, BASE, '1', '')
  const value = fc.oneof(words, fc.string({ unit: 'binary', maxLength: 12 }))
  const almost = fc
    .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 12 })
    .map((pairs) => Buffer.from(new URLSearchParams(pairs).toString()))
  const bodies = fc.oneof(almost, fc.uint8Array({ maxLength: 200 }).map(Buffer.from))
  const read = new Map<unknown, number>()
  const property = fc.property(bodies, value, (body, token) => {
    const request = { ...webhook({}, { token }), body }
    for (const parse of [carrier.parseCall, carrier.parseCallReport, carrier.parseRecording]) {
      try {
        const value = parse(request)
        read.set(parse, (read.get(parse) ?? 0) + 1)
        if (value && 'event_id' in value) assert.match(value.event_id, /^[!-~]{1,201}$/)
        if (value && 'carrier_call_id' in value) assert.match(value.carrier_call_id ?? '-', /^[!-~]{1,100}$/)
        if (value && 'carrier_recording_id' in value) assert.match(value.carrier_recording_id, /^[!-~]{1,100}$/)
      } catch (error) {
        assert(error instanceof BadWebhook, String(error))
      }
    }
  })
  fc.assert(property, { numRuns: 10_000 })
  assert.equal(read.size, 3, 'some of the bodies are calls, reports and recordings')
})
