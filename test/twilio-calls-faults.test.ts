import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { requestsTo } from './support/calls.ts'
import { converse, eventCodes, hurry, interactionsOf, settled } from './support/conversation.ts'
import { startCuttableLine } from './support/cuttable-line.ts'
import { rows } from './support/proxy-api.ts'
import { type ReceivedRequest, type Receiver, type ReceiverAnswer, startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const cleanups: (() => unknown)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})
let line: Awaited<ReturnType<typeof startCuttableLine>>
let started: ReturnType<typeof startTwilioServer> | undefined
const getServer = () => (started ??= start({ after: (clean) => void cleanups.push(clean as () => unknown) }))

const start = (t: Pick<TestContext, 'after'>) =>
  startTwilioServer(t, {
    database_url: async (address) => {
      const url = new URL(address)
      line = await startCuttableLine(t, url)
      url.port = String(line.port)
      return url.href
    },
  })

type Options = { asks?: boolean; settings?: Record<string, string> }

/** Two people in a session of a new service, and the customer's application. What goes wrong ends with the test. */
async function startTalk(t: TestContext, { asks, settings }: Options = {}) {
  const all = await getServer()
  const { server, twilio } = all
  const { reach, callbackFaults } = twilio
  t.after(() => void Object.assign(twilio, { reach, callbackFaults }))
  const receiver = await startReceiver(t)
  const callbacks: Record<string, string> = { CallbackUrl: `${receiver.url}/status` }
  if (asks) callbacks.InterceptCallbackUrl = `${receiver.url}/ask`
  const service = await makeTwilioService(server, twilio, callbacks)
  if (settings) assert.equal((await server.post(`/maskline${service.path}/Settings`, settings)).status, 200)
  const { session, alice, bob } = await converse(server, service)
  const ring = () => twilio.call({ from: alice.identifier, to: alice.proxy })
  const list = () => interactionsOf(server, session)
  const state = async () =>
    (await list()).map((each) => [each.inbound_resource_status, each.outbound_resource_status, each.data])
  const stored = () => rows(server, 'select * from interactions where service_sid = $1', [service.sid])
  return { ...all, receiver, service, session, alice, bob, ring, list, state, stored }
}

type Talk = Awaited<ReturnType<typeof startTalk>>
const ENDED = (seconds: number) => ['completed', 'completed', `{"duration":"${seconds}"}`]

/** The beginning first: callbacks that are due together may pass each other. */
const told = (receiver: Receiver) =>
  requestsTo(receiver, '/status')
    .map(({ params }) => [params.inboundResourceStatus, params.outboundResourceStatus, params.interactionData])
    .sort(([, one], [, other]) => Number(other === 'initiated') - Number(one === 'initiated'))

const updateCall = ({ twilio }: Talk, sid: string, form: Record<string, string>) =>
  fetch(`${twilio.url}/2010-04-01/Accounts/${twilio.account_sid}/Calls/${sid}.json`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${twilio.account_sid}:${twilio.auth_token}`).toString('base64')}` },
    body: new URLSearchParams(form),
  })

type Forward = () => Promise<ReceiverAnswer & { body: string }>

/** Requests to addresses that end like this pass through the test's hands. */
async function divert(
  t: TestContext,
  { server, twilio }: Pick<Talk, 'server' | 'twilio'>,
  ending: string,
  handle: (forward: Forward, request: ReceivedRequest) => Promise<ReceiverAnswer>,
) {
  const { reach } = twilio
  const gate = await startReceiver(t, (request) => {
    const names = ['content-type', 'x-twilio-signature', 'i-twilio-idempotency-token']
    const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]))
    return handle(async () => {
      const answer = await fetch(server.direct + request.target, { method: 'POST', headers, body: request.body })
      return { status: answer.status, headers: { 'content-type': 'text/xml' }, body: await answer.text() }
    }, request)
  })
  twilio.reach = (url) => (url.endsWith(ending) ? url.replace(server.url, gate.url) : reach(url))
}

/** The answer breaks off on its way. */
async function* broken() {
  yield '<Resp'
  throw new Error('the line is cut')
}

test('a call whose first answer is lost gets the same once more: one interaction, one leg', async (t) => {
  const talk = await startTalk(t, { settings: { Greeting: 'Hello.' } })
  const answers: string[] = []
  await divert(t, talk, '/calls', async (forward) => {
    const answer = await forward()
    answers.push(answer.body)
    return answers.length === 1 ? { ...answer, body: broken() } : answer
  })
  const call = talk.ring()
  const phone = await call.callee()
  await phone.answer()
  await phone.hangUp()
  const { legs } = await call.ended
  assert.deepEqual([legs.length, answers.length, answers[0]], [2, 2, answers[1]])
  assert.deepEqual([call.requests[0]?.status, call.requests[1]?.status], [0, 200])
  await settled(talk.server, talk.service)
  assert.deepEqual(await talk.state(), [ENDED(0)])
  assert.deepEqual(told(talk.receiver).length, 2)
})

test('a fault of ours is 503, and the fallback, which is us again, puts the same call through', async (t) => {
  const talk = await startTalk(t)
  const { twilio, server, service } = talk
  const { reach } = twilio
  let arrivals = 0
  twilio.reach = (url) => {
    if (url.endsWith('/calls') && arrivals++ === 0) line.cut()
    else line.mend()
    return reach(url)
  }
  const call = talk.ring()
  const phone = await call.callee()
  const [first, second] = call.requests
  assert.deepEqual([first?.status, second?.status], [503, 200])
  assert.deepEqual([second?.params.ErrorUrl, second?.params.ErrorCode], [first?.url, '11200'])
  await phone.answer()
  await call.hangUp()
  await settled(server, service)
  assert.deepEqual(await talk.state(), [ENDED(0)])
})

test('a later part that fails ends the call, and does not begin it again', async (t) => {
  const talk = await startTalk(t)
  await divert(t, talk, '/dialled', async () => ({ status: 500 }))
  const call = talk.ring()
  await (await call.callee()).reject()
  const { status, legs } = await call.ended
  assert.deepEqual([status, legs.length, call.requests.at(-1)?.status], ['failed', 2, 400])
  await settled(talk.server, talk.service)
  assert.deepEqual(await talk.state(), [['busy', 'busy', '{}']])
})

/** A call that has been, and what Twilio wanted to tell of it, none of which has arrived. */
async function callUnheard(t: TestContext, talk: Talk) {
  const unheard: { url: string; params: Record<string, string> }[] = []
  const { reach } = talk.twilio
  talk.twilio.callbackFaults = (callback) => {
    unheard.push(callback)
    return 'drop'
  }
  await divert(t, talk, '/dialled', async (_, { target, params }) => {
    unheard.push({ url: talk.server.url + target, params })
    return { headers: { 'content-type': 'text/xml' }, body: '<Response/>' }
  })
  const call = talk.ring()
  const phone = await call.callee()
  await phone.answer()
  await call.timePasses(42)
  await phone.hangUp()
  await call.ended
  talk.twilio.reach = reach
  assert.deepEqual(
    unheard.map(({ params }) => params.DialCallStatus ?? params.CallStatus),
    ['initiated', 'ringing', 'in-progress', 'completed', 'completed'],
  )
  return { call, phone, unheard }
}

test('in whatever order the reports of a call come, some twice and some never, it ends the same', async (t) => {
  const talk = await startTalk(t)
  const { twilio, server, service, receiver, list, state } = talk
  let calls = 0
  const order = fc.array(fc.nat({ max: 4 }), { maxLength: 7 })
  const property = fc.asyncProperty(order, fc.constantFrom(3, 4), fc.nat(), async (some, end, place) => {
    const { unheard, phone } = await callUnheard(t, talk)
    calls++
    receiver.requests.length = 0
    for (const at of some.toSpliced(place % (some.length + 1), 0, end)) {
      const { url, params } = unheard[at]!
      assert.equal((await twilio.post(url, params)).status, 200)
    }
    await settled(server, service)
    const found = await list()
    assert.deepEqual([found.length, found.at(-1)?.outbound_resource_sid], [calls, phone.sid])
    assert.deepEqual((await state()).at(-1), ENDED(42))
    const ends = told(receiver).filter(([, outbound]) => outbound !== 'initiated')
    assert.deepEqual(ends, [ENDED(42)])
  })
  await fc.assert(property, { numRuns: 12, endOnFailure: true })
  assert.deepEqual(await eventCodes(server, service), [])
})

test('callbacks that are doubled, or held and released in reverse, are told of once', async (t) => {
  for (const fault of ['duplicate', 'hold'] as const) {
    const talk = await startTalk(t)
    talk.twilio.callbackFaults = () => fault
    const call = talk.ring()
    const phone = await call.callee()
    await phone.answer()
    await call.timePasses(9)
    await phone.hangUp()
    await call.ended
    await talk.twilio.releaseCallbacks('reversed')
    await settled(talk.server, talk.service)
    assert.deepEqual(await talk.state(), [ENDED(9)])
    assert.deepEqual(told(talk.receiver).at(-1), ENDED(9))
    assert.equal(told(talk.receiver).filter(([, status]) => status === 'completed').length, 1)
    assert.deepEqual(await eventCodes(talk.server, talk.service), [])
  }
})

const legUrl = ({ server, account, service }: Talk, sid: string) =>
  `${server.url}/webhooks/${account.carrier_sid}/calls/${service.sid}/${sid}/leg`

test('what is not signed by Twilio, and what is about no leg of ours, changes nothing', async (t) => {
  const talk = await startTalk(t)
  const { twilio, server, service, alice, stored } = talk
  const call = talk.ring()
  const phone = await call.callee()
  await phone.answer()
  const before = await stored()
  const events = async () => (await rows(server, 'select error_code from events order by sid')).length
  const [known, [{ sid }]] = [await events(), before as [{ sid: string }]]
  const params = { CallSid: phone.sid, CallStatus: 'completed', CallDuration: '7' }
  for (const purpose of ['leg', 'dialled', 'whisper', 'recording', 'recorded', 'via?to=http://127.0.0.1:1/']) {
    const url = legUrl(talk, sid).replace(/leg$/, purpose)
    assert.equal((await twilio.post(url, params, 'another token')).status, 403, purpose)
    assert.equal((await fetch(twilio.reach(url), { method: 'POST', body: new URLSearchParams(params) })).status, 403)
  }
  const arrival = { CallSid: `CA${'9'.repeat(32)}`, CallStatus: 'ringing', From: alice.identifier, To: alice.proxy }
  const ingress = `${server.url}/v1/Accounts/${server.account.sid}/Proxy/${service.sid}/Webhooks/Call`
  for (const url of [call.requests[0]!.url, ingress]) {
    assert.equal((await twilio.post(url, arrival, 'another token')).status, 403)
  }
  assert.deepEqual([await stored(), await events()], [before, known])

  for (const unknown of [
    { url: legUrl(talk, `KI${'0'.repeat(32)}`), params },
    { url: legUrl(talk, sid), params: { ...params, CallSid: `CA${'0'.repeat(32)}` } },
  ]) {
    assert.equal((await twilio.post(unknown.url, unknown.params)).status, 200)
  }
  assert.deepEqual([await stored(), await events()], [before, known + 2])
  const latest = await rows(server, 'select error_code from events order by sid desc limit 2')
  assert.deepEqual(latest, [{ error_code: 80907 }, { error_code: 80907 }])
  await call.timePasses(5)
  await phone.hangUp()
  await settled(server, service)
  assert.deepEqual(await talk.state(), [ENDED(5)])
  assert.equal((await twilio.post(legUrl(talk, sid), { ...params, CallStatus: 'busy' })).status, 200)
  assert.deepEqual(await eventCodes(server, service), [80906], 'a report that contradicts the end we know')
  assert.deepEqual(await talk.state(), [ENDED(5)])
})

test('of a call nobody told us the end of, Twilio is asked, also when we have heard nothing at all', async (t) => {
  const talk = await startTalk(t)
  const { twilio, server, service, receiver, state, list } = talk
  const first = await callUnheard(t, talk)
  await twilio.post(first.unheard[0]!.url, first.unheard[0]!.params)
  await hurry(server, 'interactions')
  await settled(server, service)
  assert.deepEqual(await state(), [ENDED(42)])

  const second = await callUnheard(t, talk)
  await hurry(server, 'interactions')
  await settled(server, service)
  assert.deepEqual(await state(), [ENDED(42), ENDED(42)])
  assert.equal((await list())[1]?.outbound_resource_sid, second.phone.sid)
  assert.deepEqual(told(receiver).at(-1), ENDED(42))

  twilio.failNext({ kind: 'error', status: 500 })
  await callUnheard(t, talk)
  await hurry(server, 'interactions')
  await eventually(async () => (await talk.stored()).some((row) => row.due_at > Date.now() + 100_000), 'later, then')
  await hurry(server, 'interactions')
  await settled(server, service)
  assert.deepEqual((await state())[2], ENDED(42))
})

test('a call that talks is looked after and left alone', async (t) => {
  const talk = await startTalk(t)
  const { server, service, stored } = talk
  const call = talk.ring()
  await (await call.callee()).answer()
  await hurry(server, 'interactions')
  await eventually(async () => (await stored())[0].due_at > Date.now() + 600_000, 'it is looked after again later')
  await call.timePasses(3)
  await call.hangUp()
  await settled(server, service)
  assert.deepEqual(await talk.state(), [ENDED(3)])
})

test('a caller who hangs up while the customer is asked leaves no leg, and a call that was canceled', async (t) => {
  const talk = await startTalk(t, { asks: true })
  const { server, service, receiver, stored } = talk
  let goOn: () => void = () => undefined
  receiver.answer = async ({ target }) => {
    if (target === '/ask') await new Promise<void>((resolve) => (goOn = resolve))
    return {}
  }
  const call = talk.ring()
  await receiver.next()
  const hangingUp = call.hangUp()
  goOn()
  await hangingUp
  assert.equal((await call.ended).legs.length, 1)
  assert.match(call.requests[0]!.body, /<Dial/, 'we could not know')
  assert.equal((await stored())[0].stage, 'send')
  await hurry(server, 'interactions')
  await settled(server, service)
  assert.deepEqual(await talk.state(), [['canceled', 'canceled', '{}']])
  assert.deepEqual(told(receiver), [['canceled', 'canceled', '{}']])
})

test('a live call that REST sends to the ingress is looked up again, and rings the partner again', async (t) => {
  const talk = await startTalk(t)
  const { server, service, bob, list } = talk
  const ingress = `${server.url}/v1/Accounts/${server.account.sid}/Proxy/${service.sid}/Webhooks/Call`
  const call = talk.ring()
  await call.callee()
  let losing = true
  await divert(t, talk, '/Webhooks/Call', async (forward) => {
    const answer = await forward()
    if (!losing) return answer
    losing = false
    return { ...answer, body: broken() }
  })
  for (const status of ['ringing', 'in-progress']) {
    assert.equal(call.status, status)
    assert.equal((await updateCall(talk, call.sid, { Url: ingress })).status, 200)
    const phone = await call.callee()
    assert.deepEqual([phone.from, phone.to], [bob.proxy, bob.identifier])
    await phone.answer()
    await call.timePasses(5)
  }
  await call.hangUp()
  await settled(server, service)
  assert.deepEqual(await talk.state(), [['canceled', 'canceled', '{}'], ENDED(5), ENDED(5)])
  const legs = (await call.ended).legs.slice(1).map(({ sid }) => sid)
  assert.deepEqual(
    (await list()).map((row) => [row.inbound_resource_sid, row.outbound_resource_sid]),
    legs.map((leg) => [call.sid, leg]),
  )
  assert.deepEqual(await eventCodes(server, service), [])
})

test('an announcement whose answer is lost on its way back has been made, and the call goes on', async (t) => {
  const talk = await startTalk(t, { settings: { MaxDuration: '120', LastMinuteAnnouncement: 'One minute left.' } })
  const { server, service, receiver, twilio } = talk
  const known = `select from interactions
    where service_sid = $1 and (stage <> 'rejoin' or due_at < now() + interval '100 seconds')`
  await divert(t, talk, '/dialled', async (forward) => {
    await eventually(async () => (await rows(server, known, [service.sid])).length > 0, 'we know that it is lost')
    return await forward()
  })
  const call = talk.ring()
  const phone = await call.callee()
  await phone.answer()
  twilio.failNext({ kind: 'reset', stored: true })
  await hurry(server, 'interactions')
  await call.until(() => call.heard.includes('One minute left.') && phone.heard.includes('One minute left.'))
  await call.speak('Still there?', 5)
  assert.equal(phone.heard.at(-1), 'Still there?')
  await phone.hangUp()
  await call.ended
  await settled(server, service)
  assert.deepEqual(await talk.state(), [ENDED(5)])
  assert.equal(told(receiver).length, 2)
})

test('a report that comes before our answer has gone out is kept, and what is over by then is not dialled', async (t) => {
  const talk = await startTalk(t, { asks: true })
  const { server, twilio, service, receiver, account, alice } = talk
  const answers: string[] = []
  for (const status of ['initiated', 'completed']) {
    const leg = { CallSid: `CA${String(answers.length).repeat(32)}`, CallStatus: status, CallDuration: '3' }
    receiver.answer = async ({ target, params }) => {
      if (target === '/ask') await twilio.post(legUrl(talk, params.interactionSid ?? ''), leg)
      return {}
    }
    const url = `${server.url}/webhooks/${account.carrier_sid}/calls`
    const params = { CallSid: `CA${status.length}${'a'.repeat(31)}`, CallStatus: 'ringing' }
    answers.push((await twilio.post(url, { ...params, From: alice.identifier, To: alice.proxy })).body)
    const [row] = await rows(server, 'select sid from interactions where service_sid = $1 order by sid desc', [
      service.sid,
    ])
    await twilio.post(legUrl(talk, row.sid), { ...leg, CallStatus: 'completed' })
  }
  await settled(server, service)
  assert.deepEqual(
    answers.map((body) => /<Dial/.test(body)),
    [true, false],
  )
  assert.deepEqual(await talk.state(), [ENDED(3), ENDED(3)])
})
