import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js'
import {
  assertHas,
  BOB,
  last,
  OTHER_PROXY,
  type Page,
  PROXY,
  paths,
  relay,
  startCustomer,
  type Voice,
  VoiceResponse,
} from './support/twilio-customer.ts'

// What else the stand-in for Twilio makes of TwiML, and of what goes wrong about it.

test('a Record keeps what was said, ends by silence, key or length, and is none when nobody speaks', async (t) => {
  const { call, twilio } = await startCustomer(t, {
    '/voice': (voice) => {
      voice.record({ action: '/recorded', recordingStatusCallback: '/rec', maxLength: 20, timeout: 3 })
      voice.say('Nothing heard')
    },
    '/recorded': (voice) => voice.say('Thank you'),
  })
  const outcome = async (act: (speaker: ReturnType<typeof call>) => Promise<void>) => {
    const recorded = call()
    await recorded.settled()
    await act(recorded)
    await recorded.ended
    const { RecordingDuration, Digits } = last(recorded.requests, '/recorded')?.params ?? {}
    return [
      RecordingDuration,
      Digits,
      recorded.heard.at(-1),
      paths(recorded.requests).filter((each) => each === '/rec').length,
    ]
  }
  assert.deepEqual(await outcome((each) => each.timePasses(3)), [undefined, undefined, 'Nothing heard', 0])
  assert.equal(twilio.account.recordings.size, 0)
  const silence = outcome(async (each) => {
    await each.speak('Call me back', 8)
    await each.timePasses(3)
  })
  assert.deepEqual(await silence, ['8', '', 'Thank you', 1])
  const key = outcome(async (each) => {
    await each.speak('Call me back', 8)
    await each.press('#')
  })
  assert.deepEqual(await key, ['8', '#', 'Thank you', 1])
  assert.deepEqual(await outcome((each) => each.speak('And so on', 25)), ['20', '', 'Thank you', 1])
  const hangUp = outcome(async (each) => {
    await each.speak('Bye', 2)
    await each.hangUp()
  })
  assert.deepEqual(await hangUp, ['2', 'hangup', '[beep]', 1])
})

test('a Gather collects keys and falls through without any; its action is the document it stands in', async (t) => {
  const { call, receiver, twilio } = await startCustomer(t, {})
  receiver.answer = ({ params }) => {
    const voice = new VoiceResponse()
    if (params.Digits) voice.say(`You pressed ${params.Digits}`)
    else {
      const gather = voice.gather({ timeout: 6 })
      gather.say('Please dial')
      gather.pause({ length: 10 })
      voice.redirect({ method: 'GET' }, 'again?x=1')
    }
    return { headers: { 'content-type': 'application/xml; charset=utf-8' }, body: voice.toString() }
  }
  const dialling = call()
  await dialling.press('12#')
  await dialling.ended
  assert.deepEqual(dialling.heard, ['Please dial', 'You pressed 12'])
  assert.deepEqual(paths(dialling.requests), ['/voice', '/voice'])

  const silent = call()
  await silent.timePasses(15)
  assert.equal(silent.requests.length, 1)
  await silent.timePasses(1)
  const [, again] = silent.requests
  assert.deepEqual([again?.method, again?.url], ['GET', `${receiver.url}/again?x=1`])
  assert.equal(receiver.requests.at(-1)?.params.CallSid, silent.sid)
  const { url, headers } = receiver.requests.at(-1)!
  assert.equal(validateRequest(twilio.auth_token, String(headers['x-twilio-signature']), url, {}), true)
})

test('a Reject at the beginning leaves the call unanswered, one further on comes too late', async (t) => {
  const pages: Record<string, Page> = {}
  const { call } = await startCustomer(t, pages)
  pages['/done'] = (voice) => voice.reject({ reason: 'busy' })
  const outcome = async (page: Page) => {
    pages['/voice'] = page
    const rejected = call()
    const { status } = await rejected.ended
    return [status, rejected.heard, rejected.warnings]
  }
  assert.deepEqual(await outcome((voice) => voice.reject({ reason: 'busy' })), ['busy', ['[busy]'], []])
  assert.deepEqual(await outcome((voice) => voice.reject()), ['no-answer', ['[not in service]'], []])
  const late = (voice: Voice) => {
    voice.say('Hi')
    voice.reject()
  }
  assert.deepEqual(await outcome(late), ['completed', ['Hi'], ['Reject comes too late']])
  assert.deepEqual(await outcome(() => undefined), ['completed', [], []])

  pages['/voice'] = (voice) => voice.dial({ callerId: PROXY, action: '/done' }, BOB)
  const answered = call()
  await (await answered.callee()).reject()
  assert.equal((await answered.ended).status, 'completed')
})

test('verbs it cannot carry out are passed over with a warning', async (t) => {
  const { call } = await startCustomer(t, {
    '/voice': (voice) => {
      voice.enqueue('support')
      voice.play({ loop: 2 }, 'https://media.example/a.mp3')
      voice.hangup()
      voice.say('never')
    },
  })
  const odd = call()
  await odd.ended
  assert.deepEqual(odd.heard, ['[play https://media.example/a.mp3]', '[play https://media.example/a.mp3]'])
  assert.deepEqual(odd.warnings, ['12200 Enqueue is not carried out'])
})

test('a document that cannot be had is asked for at the fallback, which hears why', async (t) => {
  const pages: Record<string, Page> = { '/fallback': (voice) => voice.say('One moment') }
  const { call, receiver, twilio } = await startCustomer(t, pages)
  twilio.numbers[0]!.voice_fallback_url = `${receiver.url}/fallback`
  const failures: [page: Page, code: string][] = [
    [{ status: 500 }, '11200'],
    [{ status: 404 }, '11200'],
    [{ headers: { 'content-type': 'application/json' }, body: '{}' }, '12300'],
    [{ headers: { 'content-type': 'text/xml' }, body: '<Response><Say>' }, '12100'],
    [{ headers: { 'content-type': 'text/xml' }, body: '<Other/>' }, '12100'],
  ]
  for (const [page, code] of failures) {
    pages['/voice'] = page
    const rescued = call()
    assert.equal((await rescued.ended).status, 'completed')
    const { ErrorCode, ErrorUrl } = last(rescued.requests, '/fallback').params
    assert.deepEqual([ErrorCode, ErrorUrl, rescued.heard], [code, `${receiver.url}/voice`, ['One moment']])
  }

  pages['/fallback'] = { status: 503 }
  const lost = call()
  assert.equal((await lost.ended).status, 'failed')
  assert.deepEqual([lost.heard, paths(lost.requests)], [['[application error]'], ['/voice', '/fallback']])
})

test('a request that nobody answers is made once more with the same token', async (t) => {
  const { twilio, call } = await startCustomer(t, {})
  let connections = 0
  const mute = createServer((socket) => {
    connections++
    socket.on('error', () => undefined).destroy()
  })
  await new Promise<void>((listening) => mute.listen(0, '127.0.0.1', listening))
  t.after(() => mute.close())
  const { port } = mute.address() as { port: number }
  twilio.numbers[0]!.voice_url = `http://127.0.0.1:${port}/voice`
  const lost = call()
  assert.equal((await lost.ended).status, 'failed')
  const [first, second, ...more] = lost.requests
  assert.deepEqual([first?.status, second?.status, more.length, connections >= 2], [0, 0, 0, true])
  assert.equal(first?.token, second?.token)
  assert.match(lost.warnings.join(), /^11205 /)

  const { receiver, ...late } = await startCustomer(t, { '/voice': (voice) => voice.say('Hi') })
  const answer = receiver.answer
  late.twilio.timeout_ms = 100
  receiver.answer = (request) => (receiver.requests.length === 1 ? new Promise(() => undefined) : answer(request))
  const slow = late.call()
  assert.equal((await slow.ended).status, 'completed')
  assert.deepEqual([slow.heard, slow.requests.map(({ status }) => status)], [['Hi'], [0, 200]])
})

test('strangers who enter a room of the same name hear each other', async (t) => {
  const { call } = await startCustomer(t, { '/voice': (voice) => voice.dial().conference('room') })
  const [one, other] = [call(), call()]
  await Promise.all([one.settled(), other.settled()])
  await one.speak('Who is there?')
  assert.deepEqual(
    [one.heard, other.heard].map((heard) => heard.includes('Who is there?')),
    [false, true],
  )
})

test('REST shows a call and its leg, and ends or redirects what is still live', async (t) => {
  const { call, rest, receiver } = await startCustomer(t, { '/voice': relay, '/new': (voice) => voice.say('Moved') })
  const relayed = call()
  const phone = await relayed.callee()
  const show = async (sid: string) =>
    (await (await rest('GET', `/Calls/${sid}.json`)).json()) as Record<string, unknown>
  const facts = { sid: phone.sid, parent_call_sid: relayed.sid, direction: 'outbound-dial', from: OTHER_PROXY, to: BOB }
  assertHas(await show(phone.sid), { ...facts, status: 'ringing', duration: null, end_time: null })
  await phone.answer()
  await relayed.timePasses(5)
  const moved = await rest('POST', `/Calls/${relayed.sid}.json`, { Url: `${receiver.url}/new` })
  assert.equal(moved.status, 200)
  await relayed.ended
  assertHas(await show(phone.sid), { status: 'completed', duration: '5' })
  assert.deepEqual([relayed.heard, paths(relayed.requests).includes('/done')], [['Moved'], false])
  const refused = await rest('POST', `/Calls/${relayed.sid}.json`, { Status: 'completed' })
  assert.equal(((await refused.json()) as { code: number }).code, 21220)
  assert.equal((await rest('GET', `/Calls/CA${'0'.repeat(32)}.json`)).status, 404)

  const ended = call()
  const ringing = await ended.callee()
  await rest('POST', `/Calls/${ringing.sid}.json`, { Status: 'completed' })
  await ended.ended
  assert.deepEqual([ringing.status, last(ended.requests, '/done').params.DialCallStatus], ['canceled', 'canceled'])
  const listed = (await (await rest('GET', `/Calls.json?ParentCallSid=${ended.sid}`)).json()) as {
    calls: { sid: string }[]
  }
  assert.deepEqual(
    listed.calls.map(({ sid }) => sid),
    [ringing.sid],
  )
})

test('callbacks can be lost, doubled, and held back to arrive in another order', async (t) => {
  const { call, twilio } = await startCustomer(t, { '/voice': relay })
  twilio.callbackFaults = ({ params }) =>
    (({ initiated: 'drop', ringing: 'duplicate', 'in-progress': 'hold', completed: 'hold' }) as const)[
      params.CallStatus as 'ringing'
    ]
  const relayed = call()
  const phone = await relayed.callee()
  await phone.answer()
  await phone.hangUp()
  await relayed.ended
  const reports = () => relayed.requests.filter(({ url }) => url.endsWith('/leg'))
  assert.deepEqual(
    reports().map(({ params }) => params.CallStatus),
    ['ringing', 'ringing'],
  )
  assert.equal(new Set(reports().map(({ token }) => token)).size, 1)
  await twilio.releaseCallbacks('reversed')
  const late = reports()
    .slice(2)
    .map(({ params }) => [params.CallStatus, params.SequenceNumber])
  assert.deepEqual(late, [
    ['completed', '3'],
    ['in-progress', '2'],
  ])
  assert.equal((await twilio.repeat(relayed.requests[0]!)).status, 200)
})

test('calls of a number go where its settings say, and not to its URL when a trunk takes them', async (t) => {
  const { call, twilio, receiver } = await startCustomer(
    t,
    { '/voice': (voice) => voice.say('Hi') },
    { voice_method: 'GET', status_callback: 'http://127.0.0.1:1/ended' },
  )
  twilio.numbers[0]!.status_callback = `${receiver.url}/ended`
  const got = call()
  await got.ended
  assert.equal(got.requests[0]?.method, 'GET')
  const { headers, url, body } = receiver.requests[0]!
  assert.equal(body, '')
  assert.equal(validateRequest(twilio.auth_token, String(headers['x-twilio-signature']), url, {}), true)
  const end = last(got.requests, '/ended')
  assert.deepEqual([end.method, end.params.CallStatus, end.params.CallSid], ['POST', 'completed', got.sid])

  twilio.numbers[0]!.trunk_sid = `TK${'1'.repeat(32)}`
  const trunked = call()
  assert.equal((await trunked.ended).status, 'failed')
  assert.deepEqual(paths(trunked.requests), ['/ended'])
  assert.match(trunked.warnings.join(), /go to TK/)
})
