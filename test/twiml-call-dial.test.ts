import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCallTwiml } from '../src/twiml/call.ts'
import {
  ALICE,
  application,
  BOB,
  done,
  PICKED_UP,
  RECORDED,
  run,
  START,
  scriptedLeg,
  voice,
} from './support/call-leg.ts'

const CAROL = '+12025550103'
const AFTER = 'POST https://app.example/after'
const DEFAULTS = {
  to: BOB,
  caller_id: undefined,
  timeout_s: 30,
  time_limit_s: 14_400,
  answer_on_bridge: false,
  record: false,
  recording_status_callback: undefined,
  status_callback: undefined,
  whisper: undefined,
}

test('a Dial answers before it rings, has the defaults of the vendor, and goes on with the next verb', async () => {
  const bodies = [
    voice((it) => [it.dial(BOB), it.say('Over')]),
    voice((it) => [it.dial().number(` ${BOB} `), it.say('Over')]),
  ]
  for (const body of bodies) {
    const { done, dials, asked, reasons } = await run(body)
    assert.deepEqual(done, ['answer', `dial ${BOB}`, 'say Over', 'end hangup'])
    assert.deepEqual(dials, [DEFAULTS])
    assert.deepEqual([asked, reasons], [[], []])
  }
})

test('the TwiML of a relayed call is carried out whole', async () => {
  const body = voice((it) => {
    it.say({ language: 'en-US' }, 'One moment')
    const dial = it.dial({
      ...{ callerId: ALICE, answerOnBridge: true, timeout: 20, timeLimit: 600, action: '/after', method: 'POST' },
      ...{ record: 'record-from-answer-dual', recordingStatusCallback: '/rec?kind=call' },
    })
    dial.number(
      {
        ...{ url: '/whisper', statusCallback: 'leg', statusCallbackMethod: 'GET' },
        statusCallbackEvent: ['initiated', 'ringing', 'answered', 'completed'],
      },
      BOB,
    )
  })
  const callee = scriptedLeg()
  const documents = {
    'POST https://app.example/whisper': voice((it) => it.say('From the shop')),
    [AFTER]: '<Response/>',
  }
  const { done, dials, asked, reasons } = await run(body, { callee, dials: [{ recording: RECORDED }] }, documents)
  assert.deepEqual(done, ['answer', 'say One moment en-US', `dial ${BOB}`, 'end hangup'])
  assert.deepEqual(callee.done, ['answer', 'say From the shop'])
  const { whisper, ...options } = dials[0]!
  assert.equal(typeof whisper, 'function')
  assert.deepEqual(options, {
    ...{ to: BOB, caller_id: ALICE, timeout_s: 20, time_limit_s: 600, answer_on_bridge: true, record: true },
    recording_status_callback: { url: 'https://app.example/rec?kind=call', method: 'POST' },
    status_callback: {
      url: 'https://app.example/proxy/leg',
      method: 'GET',
      events: ['initiated', 'ringing', 'answered', 'completed'],
    },
  })
  assert.deepEqual(asked, [
    { at: 'POST https://app.example/whisper', params: {} },
    {
      at: AFTER,
      params: {
        DialCallSid: PICKED_UP.call_sid,
        DialCallStatus: 'completed',
        DialCallDuration: '42',
        DialBridged: 'true',
        RecordingUrl: RECORDED.url,
        RecordingSid: RECORDED.recording_sid,
      },
    },
  ])
  assert.deepEqual(reasons, [])
})

test('the action of a Dial hears how it ended, and its document replaces the rest', async () => {
  const body = voice((it) => [it.dial({ action: '/after', method: 'GET' }, BOB), it.say('never')])
  for (const status of ['busy', 'no-answer', 'failed', 'canceled'] as const) {
    const dials = [{ status, duration_s: 0 }]
    const { done, asked } = await run(
      body,
      { dials },
      { 'GET https://app.example/after': voice((it) => it.say(status)) },
    )
    assert.deepEqual(done, ['answer', `dial ${BOB}`, `say ${status}`, 'end hangup'])
    const params = {
      DialCallSid: PICKED_UP.call_sid,
      DialCallStatus: status,
      DialCallDuration: '0',
      DialBridged: 'false',
    }
    assert.deepEqual(asked, [{ at: 'GET https://app.example/after', params }])
  }
})

test('a caller who was to be answered by the callee goes unanswered when nobody does', async () => {
  const body = voice((it) => it.dial({ answerOnBridge: true, action: '/after' }, BOB))
  const dials = [{ status: 'busy' as const }]
  const after = (document: string) => done(body, { dials }, { [AFTER]: document })
  assert.deepEqual(await after('<Response/>'), [`dial ${BOB}`, 'end hangup'])
  assert.deepEqual(await after(voice((it) => it.hangup())), [`dial ${BOB}`, 'end hangup'])
  assert.deepEqual(await after(voice((it) => it.reject({ reason: 'busy' }))), [`dial ${BOB}`, 'end busy'])
  const nobody = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>'
  assert.deepEqual(await done(nobody), ['end hangup'])
  const voicemail = voice((it) => [it.say('Leave a message'), it.record()])
  assert.deepEqual(await after(voicemail), [`dial ${BOB}`, 'answer', 'say Leave a message', 'record', 'end hangup'])
})

test('recording is wanted by any value but those that refuse it', async () => {
  const cases = {
    ...{ 'record-from-answer': true, 'record-from-ringing-dual': true, true: true },
    ...{ 'do-not-record': false, false: false, '': false },
  }
  for (const [value, record] of Object.entries(cases)) {
    const { dials } = await run(`<Response><Dial record="${value}">${BOB}</Dial></Response>`)
    assert.equal(dials[0]?.record, record, value)
  }
})

test('a status callback is told of the end, or of the events it names, and has to be a web address', async () => {
  const callbackOf = async (attributes: string) => {
    const body = `<Response><Dial><Number ${attributes}>${BOB}</Number></Dial></Response>`
    const { dials, reasons } = await run(body)
    return [dials[0]?.status_callback?.events, reasons.length]
  }
  assert.deepEqual(await callbackOf('statusCallback="/leg"'), [['completed'], 0])
  const events = (names: string) => callbackOf(`statusCallback="/leg" statusCallbackEvent="${names}"`)
  assert.deepEqual(await events(' answered \n initiated'), [['initiated', 'answered'], 0])
  assert.deepEqual(await events('answered,initiated'), [['completed'], 1])
  assert.deepEqual(await events('ringing died'), [['ringing'], 1])
  assert.deepEqual(await callbackOf('statusCallback="mailto:a@app.example"'), [undefined, 1])
  assert.deepEqual(await callbackOf('statusCallbackEvent="ringing"'), [undefined, 0])
})

test('only a number can be dialled, the first of several; anything else has failed', async () => {
  const cases: [string, string[], string[]][] = [
    [
      `<Dial><Sip>sip:a@app.example</Sip><Number>${BOB}</Number><Number>${CAROL}</Number></Dial>`,
      [BOB],
      ['The element Sip does nothing in a Dial here.', 'A Dial rings the first of its Numbers only.'],
    ],
    [`<Dial hangupOnStar="true">${BOB}</Dial>`, [BOB], ['The attribute hangupOnStar of a Dial does nothing here.']],
    ['<Dial><Client>bob</Client></Dial>', [], ['The element Client does nothing in a Dial here.']],
    [`<Dial>${BOB}<Queue>q</Queue></Dial>`, [], ['The element Queue does nothing in a Dial here.']],
    ['<Dial> </Dial>', [], ['A Dial was left out: it has no number.']],
    ['<Dial><Number/></Dial>', [], ['A Dial was left out: it has no number.']],
  ]
  for (const [dial, numbers, warned] of cases) {
    const body = `<Response>${dial.replace('<Dial', '<Dial action="/after"')}</Response>`
    const { dials, asked, reasons } = await run(body, {}, { [AFTER]: '' })
    assert.deepEqual(
      dials.map(({ to }) => to),
      numbers,
    )
    assert.deepEqual(reasons, warned)
    assert.deepEqual(
      asked.map(({ params }) => params.DialCallStatus),
      [numbers.length > 0 ? 'completed' : 'failed'],
    )
    if (numbers.length > 0) continue
    assert.deepEqual(asked[0]?.params, { DialCallStatus: 'failed', DialCallDuration: '0', DialBridged: 'false' })
  }
})

const WHISPER = 'POST https://app.example/whisper'
const screened = voice((it) => it.dial({ action: '/after' }).number({ url: '/whisper' }, BOB))

/** What a callee did who heard this document, and what the caller's application was told. */
async function whispered(document: string | object, keys: string[] = [], more: Record<string, string> = {}) {
  const callee = scriptedLeg({ keys })
  const { asked, warnings } = await run(screened, { callee }, { [WHISPER]: document, [AFTER]: '', ...more })
  return { callee, bridged: asked.find(({ at }) => at === AFTER)?.params.DialBridged, asked, warnings }
}

test('a whisper parts the two by a Hangup only, and may ask the callee first', async () => {
  const ask = voice((it) => [it.gather({ action: '/pressed' }).say('Press one'), it.hangup()])
  const pressed = { 'POST https://app.example/pressed': voice((it) => it.say('Connecting')) }

  const accepted = await whispered(ask, ['1'], pressed)
  assert.deepEqual(accepted.callee.done, ['answer', 'gather', 'say Press one', 'say Connecting'])
  assert.deepEqual([accepted.callee.leg.hasEnded, accepted.bridged], [false, 'true'])
  assert.deepEqual(
    accepted.asked.map(({ at }) => at),
    [WHISPER, 'POST https://app.example/pressed', AFTER],
  )

  const silent = await whispered(ask)
  assert.deepEqual(silent.callee.done, ['answer', 'gather', 'say Press one', 'end hangup'])
  assert.equal(silent.bridged, 'false')
  const rejected = await whispered(voice((it) => it.reject()))
  assert.deepEqual([rejected.callee.done, rejected.bridged], [['end rejected'], 'false'])
})

test('nobody is dialled from a whisper', async () => {
  const { callee, bridged, warnings } = await whispered(voice((it) => [it.dial(CAROL), it.say('Hello')]))
  assert.deepEqual(callee.done, ['answer', 'say Hello'])
  assert.equal(bridged, 'true')
  assert.deepEqual(warnings, [{ error_code: 12200, reason: 'A Dial does nothing on the leg that was dialled.' }])
})

test('a whisper that cannot be had lets the callee go, and the call of the caller goes on', async () => {
  const documents: [string | object, number][] = [
    [{ status: 500 }, 11200],
    [{ content_type: 'text/plain', body: 'Hello' }, 12300],
    ['<Response>', 12100],
    [voice((it) => it.redirect('ftp://app.example')), 11200],
  ]
  for (const [document, code] of documents) {
    const { callee, bridged, warnings } = await whispered(document)
    assert.deepEqual([callee.done, bridged], [['end hangup'], 'false'])
    assert.deepEqual(
      warnings.map(({ error_code }) => error_code),
      [code],
    )
  }
  const callee = scriptedLeg()
  const { reasons } = await run(screened.replace('/whisper', 'file:///whisper'), { callee }, { [AFTER]: '' })
  assert.deepEqual(callee.done, ['end hangup'])
  assert.deepEqual(reasons, ['The url of a Number is not an http or https URL.'])
})

test('a caller whose callee declined was never answered', async () => {
  const body = voice((it) => it.dial({ answerOnBridge: true }).number({ url: '/whisper' }, BOB))
  const after = async (whisper: string) => done(body, { callee: scriptedLeg() }, { [WHISPER]: whisper })
  assert.deepEqual(await after(voice((it) => it.hangup())), [`dial ${BOB}`, 'end hangup'])
  assert.deepEqual(await after('<Response/>'), [`dial ${BOB}`, 'answer', 'end hangup'])
})

test('the requests of a whisper are made about the callee’s leg where that can be told apart', async () => {
  const body = voice((it) => it.dial().number({ url: '/whisper', method: 'GET' }, BOB))
  const [caller, callee] = [scriptedLeg(), scriptedLeg()]
  const [ofCaller, ofCallee] = [application(), application({ 'GET https://app.example/whisper': '<Response/>' })]
  caller.leg.dial = async ({ whisper }) => {
    await whisper?.(callee.leg, ofCallee.request)
    return PICKED_UP
  }
  await runCallTwiml({ body, url: START }, caller.leg, ofCaller.request)
  assert.deepEqual([ofCaller.asked.length, ofCallee.asked.length], [0, 1])
})
