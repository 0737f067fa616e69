import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js'
import {
  ALICE,
  assertHas,
  BOB,
  last,
  OTHER_PROXY,
  PROXY,
  paths,
  relay,
  startCustomer,
  type Voice,
  VoiceResponse,
} from './support/twilio-customer.ts'

// The stand-in for Twilio is what our calls are judged by, so its own judgement is put to the test here: how it dials.

test('a Dial without a caller ID shows the person who is called the number of the person who calls', async (t) => {
  const { call } = await startCustomer(t, { '/voice': (voice) => voice.dial(BOB) })
  const leak = await call().callee()
  assert.deepEqual([leak.from, leak.to], [ALICE, BOB])

  const masked = await startCustomer(t, { '/voice': relay })
  const phone = await masked.call().callee()
  assert.deepEqual([phone.from, phone.to], [OTHER_PROXY, BOB])
})

test('a caller ID that is nobody’s in this account makes the Dial fail with 13214', async (t) => {
  const { call } = await startCustomer(t, {
    '/voice': (voice) => voice.dial({ callerId: '+12025550199', action: '/done' }, BOB),
    '/done': (voice) => voice.say('Sorry'),
  })
  const foreign = call()
  await assert.rejects(foreign.callee(), /no phone rings/)
  const { status, legs } = await foreign.ended
  assert.deepEqual([status, legs.length, foreign.heard], ['completed', 1, ['Sorry']])
  assert.match(foreign.warnings.join(), /13214/)
  assert.equal(last(foreign.requests, '/done').params.DialCallStatus, 'failed')
})

test('a call is announced with what Twilio says of it, and every request is signed by the vendor’s package', async (t) => {
  const { call, receiver, twilio } = await startCustomer(t, { '/voice': relay })
  const relayed = call()
  const phone = await relayed.callee()
  await phone.answer()
  await relayed.hangUp()
  await relayed.ended

  const arrival = receiver.requests[0]!.params
  const expected = { AccountSid: twilio.account_sid, ApiVersion: '2010-04-01', CallStatus: 'ringing', From: ALICE }
  const sides = { Direction: 'inbound', To: PROXY, Called: PROXY, Caller: ALICE, FromCity: 'WASHINGTON', ToState: 'DC' }
  assertHas(arrival, { ...expected, ...sides, FromCountry: 'US', ToZip: '20001' })
  assert.match(arrival.CallSid!, /^CA[0-9a-f]{32}$/)

  const tokens = new Set(receiver.requests.map(({ headers }) => headers['i-twilio-idempotency-token']))
  assert.equal(tokens.size, receiver.requests.length)
  for (const { headers, url, params } of receiver.requests) {
    const signature = String(headers['x-twilio-signature'])
    assert.equal(validateRequest(twilio.auth_token, signature, url, params), true, url)
    assert.equal(validateRequest(twilio.auth_token, signature, url, { ...params, From: BOB }), false, url)
  }
  assert.deepEqual(
    relayed.requests.map(({ url, params }) => [url, params]),
    receiver.requests.map(({ url, params }) => [url, params]),
  )
})

test('the leg’s callbacks come in order with their numbers, and the Dial’s action with its outcome', async (t) => {
  const { call } = await startCustomer(t, { '/voice': relay })
  const relayed = call()
  const phone = await relayed.callee()
  await relayed.timePasses(7)
  assert.deepEqual([relayed.status, phone.status], ['ringing', 'ringing'])
  await phone.answer()
  assert.deepEqual([relayed.status, phone.status], ['in-progress', 'in-progress'])
  await phone.speak('Hello?', 2)
  await relayed.speak('It is me', 3)
  await relayed.timePasses(37)
  await phone.hangUp()

  assert.deepEqual([relayed.heard, phone.heard], [['Hello?'], ['It is me']])
  const reports = relayed.requests.filter(({ url }) => url.endsWith('/leg')).map(({ params }) => params)
  const seen = reports.map((each) => [each.CallStatus, each.SequenceNumber, each.CallDuration])
  assert.deepEqual(seen, [
    ['initiated', '0', undefined],
    ['ringing', '1', undefined],
    ['in-progress', '2', undefined],
    ['completed', '3', '42'],
  ])
  const common = { CallSid: phone.sid, ParentCallSid: relayed.sid, CallbackSource: 'call-progress-events' }
  for (const report of reports) assertHas(report, { ...common, From: OTHER_PROXY, To: BOB })
  assert.equal(Date.parse(reports[2]!.Timestamp!) - Date.parse(reports[1]!.Timestamp!), 7000)
  const outcome = { DialCallSid: phone.sid, DialCallStatus: 'completed', DialCallDuration: '42', DialBridged: 'true' }
  const done = last(relayed.requests, '/done')
  assertHas(done.params, { ...outcome, CallSid: relayed.sid, CallStatus: 'in-progress' })
  assert.equal(relayed.requests.at(-1), done)
  const ended = { status: 'completed', duration_s: 42 }
  const legs = [
    { sid: relayed.sid, from: ALICE, to: PROXY, ...ended },
    { sid: phone.sid, from: OTHER_PROXY, to: BOB, ...ended },
  ]
  assert.deepEqual(await relayed.ended, { ...legs[0], legs })
})

test('the Dial’s action waits until the leg’s last callback is answered', async (t) => {
  const { call, receiver, rest } = await startCustomer(t, { '/voice': relay })
  const { answer } = receiver
  let release: (() => void) | undefined
  receiver.answer = async (request) => {
    const isLast = request.target === '/leg' && request.params.CallStatus === 'busy'
    if (isLast) {
      await new Promise<void>((released) => {
        release = released
      })
    }
    return answer(request)
  }
  const relayed = call()
  const phone = await relayed.callee()
  const rejecting = phone.reject()
  const askRest = () => rest('GET', `/Calls/${relayed.sid}.json`)
  while (!release) await askRest()
  await askRest()
  assert.equal(last(relayed.requests, '/done'), undefined)
  release()
  await rejecting
  assert.equal(last(relayed.requests, '/done').status, 200)
})

test('a leg that nobody picks up ends as busy, failed or no-answer, and so does a call that waited for it', async (t) => {
  const { call } = await startCustomer(t, { '/voice': relay })
  for (const [act, status] of [
    ['reject', 'busy'],
    ['fail', 'failed'],
    ['noAnswer', 'no-answer'],
  ] as const) {
    const relayed = call()
    const phone = await relayed.callee()
    await phone[act]()
    const ended = await relayed.ended
    assert.deepEqual([phone.status, ended.status, ended.duration_s], [status, status, 0])
    const { params } = last(relayed.requests, '/done')
    assert.deepEqual([params.DialCallStatus, params.DialCallDuration, params.DialBridged], [status, undefined, 'false'])
    assert.equal(last(relayed.requests, '/leg').params.CallDuration, '0')
  }
})

test('a phone rings for the timeout of its Dial and not a second longer', async (t) => {
  const { call } = await startCustomer(t, { '/voice': relay })
  const relayed = call()
  const phone = await relayed.callee()
  await relayed.timePasses(19)
  assert.equal(phone.status, 'ringing')
  await relayed.timePasses(1)
  assert.equal(phone.status, 'no-answer')
  await assert.rejects(phone.answer(), /does not ring/)
})

test('the time limit of a Dial ends the leg at its second, and the caller’s document goes on', async (t) => {
  const { call } = await startCustomer(t, { '/voice': relay, '/done': (voice) => voice.say('Time is up') })
  const relayed = call()
  const phone = await relayed.callee()
  await phone.answer()
  await relayed.timePasses(59)
  assert.equal(phone.status, 'in-progress')
  await relayed.timePasses(100)
  const { status, duration_s } = await relayed.ended
  assert.deepEqual([phone.status, phone.duration_s, status, duration_s], ['completed', 60, 'completed', 60])
  assert.deepEqual([relayed.heard, phone.heard], [['Time is up'], []])
})

test('a caller who hangs up ends the leg, and the action’s answer is thrown away', async (t) => {
  const { call } = await startCustomer(t, { '/voice': relay, '/done': (voice) => voice.dial(BOB) })
  for (const [isAnswered, status, callStatus] of [
    [false, 'canceled', 'no-answer'],
    [true, 'completed', 'completed'],
  ]) {
    const relayed = call()
    const phone = await relayed.callee()
    if (isAnswered) await phone.answer()
    await relayed.hangUp()
    const ended = await relayed.ended
    assert.deepEqual([phone.status, ended.status, ended.legs.length], [status, callStatus, 2])
    const { params } = last(relayed.requests, '/done')
    assert.deepEqual([params.DialCallStatus, params.CallStatus], [status, callStatus])
  }
})

test('a Dial without an action lets the document go on, and of several numbers the first to answer wins', async (t) => {
  const { call } = await startCustomer(t, {
    '/voice': (voice) => {
      const dial = voice.dial({ callerId: PROXY })
      dial.number(BOB)
      dial.number('+12025550103')
      voice.say('Goodbye')
    },
  })
  const relayed = call()
  const [bob, carol] = [await relayed.callee(), await relayed.callee()]
  assert.equal(relayed.status, 'in-progress')
  await carol.answer()
  assert.deepEqual([bob.status, carol.status], ['canceled', 'in-progress'])
  await carol.hangUp()
  await relayed.ended
  assert.deepEqual([relayed.heard, paths(relayed.requests)], [['Goodbye'], ['/voice']])
})

test('a whisper is heard by the person who is called alone, who may decline by it', async (t) => {
  const { call } = await startCustomer(t, {
    '/voice': (voice) => voice.dial({ callerId: PROXY, action: '/done' }).number({ url: '/whisper' }, BOB),
    '/whisper': (voice) => {
      voice.dial(BOB)
      voice.gather({ numDigits: 1, timeout: 4, action: '/accept' }).say('Press any key')
      voice.hangup()
    },
    '/accept': () => undefined,
  })
  const accepted = call()
  const phone = await accepted.callee()
  await phone.answer()
  assert.match(accepted.warnings.join(), /Dial is not allowed/)
  await accepted.speak('Can you hear me?')
  assert.deepEqual([phone.heard, accepted.heard], [['Press any key'], []])
  await phone.press('1')
  await accepted.speak('And now?')
  assert.deepEqual(phone.heard, ['Press any key', 'And now?'])
  const { params } = last(accepted.requests, '/accept')
  const leg = { CallSid: phone.sid, ParentCallSid: accepted.sid, Direction: 'outbound-dial', From: PROXY, To: BOB }
  assertHas(params, { ...leg, Digits: '1' })
  await phone.hangUp()

  const declined = call()
  const silent = await declined.callee()
  await silent.answer()
  await declined.timePasses(4)
  await declined.ended
  assert.equal(silent.status, 'completed')
  assert.equal(last(declined.requests, '/done').params.DialBridged, 'false')
})

test('a Dial that records tells of the recording, which REST hands out and deletes', async (t) => {
  const { call, rest } = await startCustomer(t, {
    '/voice': (voice) =>
      voice.dial(
        { callerId: PROXY, record: 'record-from-answer-dual', recordingStatusCallback: '/rec', action: '/done' },
        BOB,
      ),
  })
  const relayed = call()
  const phone = await relayed.callee()
  await phone.answer()
  await relayed.timePasses(30)
  await relayed.hangUp()
  await relayed.ended

  const { params } = last(relayed.requests, '/rec')
  const facts = {
    RecordingStatus: 'completed',
    RecordingDuration: '30',
    RecordingChannels: '2',
    RecordingSource: 'DialVerb',
  }
  assertHas(params, { ...facts, CallSid: relayed.sid })
  assert.equal(last(relayed.requests, '/done').params.RecordingUrl, params.RecordingUrl)

  const path = `/Recordings/${params.RecordingSid}`
  const found = (await (await rest('GET', `${path}.json`)).json()) as Record<string, unknown>
  assertHas(found, { duration: '30', channels: 2, source: 'DialVerb', call_sid: relayed.sid })
  assert.equal((await fetch(params.RecordingUrl!)).status, 401)
  const media = await rest('GET', `${path}.wav`)
  assert.equal(Buffer.from(await media.arrayBuffer()).toString('latin1', 0, 4), 'RIFF')
  assert.equal((await rest('GET', `${path}.mp3`)).headers.get('content-type'), 'audio/mpeg')
  assert.deepEqual(
    [(await rest('DELETE', `${path}.json`)).status, (await rest('DELETE', `${path}.json`)).status],
    [204, 404],
  )
  assert.equal((await rest('GET', path)).status, 404)
})

test('a leg that REST sends elsewhere leaves the Dial, and both can meet in a room', async (t) => {
  const room = (voice: Voice) =>
    voice.dial({ timeLimit: 90 }).conference({ endConferenceOnExit: true, beep: 'false', waitUrl: '' }, 'room')
  const announce = (voice: Voice) => {
    voice.say('One minute left')
    room(voice)
  }
  const { call, rest } = await startCustomer(t, { '/voice': relay, '/done': announce })
  const relayed = call()
  const phone = await relayed.callee()
  const announcement = new VoiceResponse()
  announce(announcement)
  const Twiml = announcement.toString()
  assert.equal((await rest('POST', `/Calls/${phone.sid}.json`, { Twiml })).status, 400)
  await phone.answer()
  await relayed.timePasses(10)
  assert.equal((await rest('POST', `/Calls/${phone.sid}.json`, { Twiml })).status, 200)
  await relayed.settled()
  assert.deepEqual([relayed.heard, phone.heard], [['One minute left'], ['One minute left']])
  const { DialCallStatus, DialCallDuration } = last(relayed.requests, '/done').params
  assert.deepEqual([DialCallStatus, DialCallDuration, phone.status], ['completed', '10', 'in-progress'])
  await relayed.speak('Quick, then', 5)
  assert.equal(phone.heard.at(-1), 'Quick, then')
  await phone.hangUp()
  const { duration_s } = await relayed.ended
  assert.deepEqual([duration_s, phone.duration_s, last(relayed.requests, '/leg').params.CallDuration], [15, 15, '15'])
})
