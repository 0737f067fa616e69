import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js'
import { json, requestsTo, twiml } from './support/calls.ts'
import { converse, eventCodes, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { addNumber, addPerson, makeService, newNumber, openSession, rows } from './support/proxy-api.ts'
import { type ReceivedRequest, type ReceiverAnswer, startReceiver } from './support/receiver.ts'
import { eventually, startServer } from './support/server.ts'
import type { CallHandle, Phone } from './support/twilio-calls.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const cleanups: (() => unknown)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})
let started: ReturnType<typeof startTwilioServer> | undefined
const getServer = () =>
  (started ??= startTwilioServer({ after: (clean) => void cleanups.push(clean as () => unknown) }))

type Page = ReceiverAnswer | ((request: ReceivedRequest) => ReceiverAnswer | Promise<ReceiverAnswer>)

/** A service whose application answers by path, and a stranger who calls its first number. */
async function start(t: TestContext, pages: Record<string, Page>) {
  const { server, twilio, account } = await getServer()
  const { reach, callbackFaults } = twilio
  t.after(() => void Object.assign(twilio, { reach, callbackFaults }))
  const receiver = await startReceiver(t, (request) => {
    const page = pages[request.target.split('?')[0]!] ?? {}
    return typeof page === 'function' ? page(request) : page
  })
  const urls = { CallbackUrl: `${receiver.url}/status`, OutOfSessionCallbackUrl: `${receiver.url}/app/outside?v=1` }
  const service = await makeTwilioService(server, twilio, urls)
  const [dialled, other] = service.numbers.map(({ phone_number }) => phone_number) as [string, string]
  const stranger = newPerson()
  const ring = (params = {}, from = stranger) => twilio.call({ from, to: dialled, params })
  /** Every request that came was signed as the vendor's package expects it, with the token of the account here. */
  const assertSigned = () => {
    for (const { headers, url, params, method } of receiver.requests) {
      const signature = String(headers['x-twilio-signature'])
      assert(validateRequest(server.account.auth_token, signature, url, method === 'POST' ? params : {}), url)
      assert(!validateRequest(twilio.auth_token, signature, url, method === 'POST' ? params : {}), url)
    }
  }
  return { server, twilio, account, receiver, service, dialled, other, stranger, ring, pages, assertSigned }
}

/** Nothing about a phone that was called, and no address or document that we wrote, names the caller. */
function assertHidden({ requests }: CallHandle, phone: Phone, caller: string) {
  const about = requests.filter(({ params }) => params.CallSid === phone.sid)
  for (const { url, params, body } of about) {
    assert(!decodeURIComponent(JSON.stringify([url, params, body])).includes(caller.slice(2)), url)
  }
}

const SORRY = 'We are sorry, your call cannot be completed. Goodbye.'

test('keys lead to a second document, whose Dial shows the number that was dialled and not the caller’s', async (t) => {
  const [office, second] = [newPerson(), newPerson()]
  const dial = twiml(`<Dial action="over" method="GET">${office}</Dial>`)
  const outside = await start(t, {
    '/app/outside': twiml('<Gather numDigits="2" action="menu?step=1"><Say>Press two keys</Say></Gather>'),
    '/app/menu': dial,
    '/app/over': ({ params }) =>
      twiml(`<Say>${params.DialCallStatus}</Say><Dial callerId="${params.From}">${second}</Dial>`),
  })
  const { server, twilio, receiver, dialled, stranger, service } = outside
  const call = outside.ring()
  await call.press('42')
  const phone = await call.callee()
  assert.deepEqual([phone.from, phone.to], [dialled, office])
  await phone.answer()
  await call.timePasses(9)
  await phone.hangUp()
  const next = await call.callee()
  assert.deepEqual([next.from, next.to], [dialled, second], 'a copied caller ID is not the caller’s either')
  await next.answer()
  await call.hangUp()
  await call.ended
  assert.deepEqual([call.heard, call.warnings], [['Press two keys', 'completed'], []])
  for (const each of [phone, next]) assertHidden(call, each, stranger)
  outside.assertSigned()

  const [asked, menu, over] = receiver.requests
  assert.deepEqual(
    receiver.requests.map(({ method, target }) => `${method} ${target.replace(/(over)\?.*/, '$1')}`),
    ['POST /app/outside?v=1', 'POST /app/menu?step=1', 'GET /app/over'],
  )
  for (const { params } of [asked!, menu!, over!]) {
    const { From, To, CallSid, AccountSid } = params
    assert.deepEqual([From, To, CallSid, AccountSid], [stranger, dialled, call.sid, server.account.sid])
    assert.equal(params.CallToken, undefined)
  }
  assert.deepEqual([menu?.params.Digits, over?.params.DialCallDuration], ['42', '9'])
  const theirs = call.requests.filter(({ url }) => !url.startsWith(server.url))
  assert.deepEqual(theirs, [], 'Twilio asked nobody but us')
  assert.deepEqual(await eventCodes(server, service), [80902])

  const { phone_number } = twilio.addNumber({ phone_number: newNumber(), voice_url: `${receiver.url}/app/menu` })
  const direct = twilio.call({ from: stranger, to: String(phone_number) })
  assert.equal((await direct.callee()).from, stranger, 'the same document, had Twilio fetched it there')
  await direct.hangUp()
})

test('what a called person hears first, and what is told of that leg, come from the application through us', async (t) => {
  const office = newPerson()
  const number = `<Number url="/hello" statusCallback="told?x=1" statusCallbackEvent="answered completed">${office}</Number>`
  const outside = await start(t, {
    '/app/outside': twiml('<Redirect method="GET">one</Redirect>'),
    '/app/one': twiml('<Redirect>../two?a=1&amp;b=2</Redirect>'),
    '/two': twiml(`<Say>Two</Say><Dial callerId="">${number}</Dial><Say>Bye</Say>`),
    '/hello': twiml('<Say>A caller.</Say><Redirect>/hello/again</Redirect>'),
    '/hello/again': twiml('<Say>Go ahead.</Say>'),
    '/told': twiml('<Say>Nobody hears this</Say>'),
  })
  const { receiver, dialled, stranger } = outside
  const call = outside.ring()
  const phone = await call.callee()
  await phone.answer()
  await call.timePasses(3)
  await phone.hangUp()
  await call.ended
  assert.deepEqual(
    [call.heard, phone.heard],
    [
      ['Two', 'Bye'],
      ['A caller.', 'Go ahead.'],
    ],
  )
  assert.equal(phone.from, dialled)
  assertHidden(call, phone, stranger)
  outside.assertSigned()
  assert.deepEqual(requestsTo(receiver, '/two')[0]?.target, '/two?a=1&b=2')
  const told = requestsTo(receiver, '/told').map(({ target, params }) => [target, params.CallStatus, params.CallSid])
  assert.deepEqual(told, [
    ['/told?x=1', 'in-progress', phone.sid],
    ['/told?x=1', 'completed', phone.sid],
  ])
  for (const path of ['/hello', '/hello/again', '/told']) {
    assert(!JSON.stringify(requestsTo(receiver, path)).includes(stranger.slice(2)), path)
  }
})

test('a caller who hides is shown as the dialled number too, whatever the application copies', async (t) => {
  const office = newPerson()
  const outside = await start(t, {
    '/app/outside': ({ params }) => twiml(`<Dial callerId="${params.From}"><Number>${office}</Number></Dial>`),
  })
  for (const from of ['+266696687', 'anonymous', '']) {
    const call = outside.ring({}, from)
    const phone = await call.callee()
    assert.equal(phone.from, outside.dialled)
    await call.hangUp()
    assert.deepEqual(call.warnings, [])
  }
})

test('a second document that is broken ends its own call politely, is on record, and disturbs no other', async (t) => {
  const outside = await start(t, {
    '/app/outside': twiml('<Gather numDigits="1" action="next"><Say>Press</Say></Gather>'),
  })
  const { server, service, pages } = outside
  const { alice, bob } = await converse(server, service)
  const talking = outside.twilio.call({ from: alice.identifier, to: alice.proxy })
  const phone = await talking.callee()
  await phone.answer()
  const broken: [Page, number][] = [
    [{ status: 500 }, 11200],
    [twiml('<Say>'), 12100],
    [{ headers: { 'content-type': 'application/json' }, body: '{}' }, 12300],
    [{ headers: { 'content-type': 'application/pdf' }, body: '%PDF' }, 12300],
    [twiml('<Redirect>ftp://files.example/x</Redirect>'), 11200],
    [twiml(`<Say>${'x'.repeat(70_000)}</Say>`), 11200],
  ]
  for (const [page] of broken) {
    pages['/app/next'] = page
    const call = outside.ring()
    await call.press('1')
    assert.equal((await call.ended).status, 'completed')
    assert.deepEqual([call.heard, call.warnings], [['Press', SORRY], []])
  }
  pages['/app/next'] = { body: '' }
  const silent = outside.ring()
  await silent.press('1')
  await silent.ended
  assert.deepEqual([silent.heard, silent.warnings], [['Press'], []])
  await talking.timePasses(8)
  await phone.hangUp()
  await talking.ended
  assert.equal(phone.from, bob.proxy)
  await settled(server, service)
  const codes = await eventCodes(server, service)
  assert.deepEqual(
    codes.filter((code) => code !== 80902),
    broken.map(([, code]) => code),
  )
})

test('a Redirect to the ingress while it still rings is another arrival, which finds the session made meanwhile', async (t) => {
  const { server, account } = await getServer()
  const bob = newPerson()
  const outside = await start(t, {})
  const { service, pages, stranger, dialled, other, receiver } = outside
  const vendor = `/v1/Accounts/${server.account.sid}/Proxy/${service.sid}/Webhooks/Call`
  const ours = `${server.url}/webhooks/${account.carrier_sid}/calls`
  const made: { path: string }[] = []
  for (const ingress of [`https://webhooks.twilio.com${vendor}`, `${server.url}${vendor}`, ours]) {
    pages['/app/outside'] = async () => {
      const session = await openSession(server, service)
      made.push(session)
      await addPerson(server, session, stranger, { ProxyIdentifier: dialled })
      await addPerson(server, session, bob, { ProxyIdentifier: other })
      return twiml(`<Redirect>${ingress}</Redirect>`)
    }
    const call = outside.ring()
    const phone = await call.callee()
    const [first, again] = call.requests
    assert.match(again?.url ?? '', /\/calls\?after=KI[0-9a-f]{32}\.1$/)
    assert.deepEqual([first?.params.CallStatus, again?.params.CallStatus], ['ringing', 'ringing'])
    assert.deepEqual([phone.from, phone.to], [other, bob])
    await phone.answer()
    await call.timePasses(6)
    await phone.hangUp()
    await call.ended
    assertHidden(call, phone, stranger)
    await settled(server, service)
    const session = made.at(-1)!
    const [interaction, ...others] = await interactionsOf(server, session)
    assert.deepEqual([interaction?.data, interaction?.inbound_resource_sid, others], ['{"duration":"6"}', call.sid, []])
    await server.post(session.path, { Status: 'closed' })
  }
  assert.equal(requestsTo(receiver, '/app/outside').length, 3)
  assert.deepEqual(await eventCodes(server, service), [80902, 80902, 80902])
})

test('keys may be asked for first, and the ingress then makes the session they stand for', async (t) => {
  const bob = newPerson()
  const outside = await start(t, {})
  const { server, service, dialled, other, stranger, receiver } = outside
  const ingress = `https://webhooks.twilio.com/v1/Accounts/${server.account.sid}/Proxy/${service.sid}/Webhooks/Call`
  outside.pages['/app/outside'] = ({ params }) =>
    params.Digits
      ? json({ participantIdentifier: bob, uniqueName: `pin-${params.Digits}` })
      : twiml(`<Gather numDigits="3" action="${ingress}"><Say>Your pin</Say></Gather>`)
  const call = outside.ring()
  await call.press('123')
  const phone = await call.callee()
  assert.deepEqual([phone.from, phone.to], [other, bob])
  await phone.answer()
  await call.timePasses(4)
  await call.hangUp()
  await call.ended
  assertHidden(call, phone, stranger)
  await settled(server, service)
  const { sid } = (await server.get(`${service.path}/Sessions/pin-123`)).body
  const [interaction] = await interactionsOf(server, { path: `${service.path}/Sessions/${sid}` })
  assert.deepEqual([interaction?.outbound_resource_sid, interaction?.data], [phone.sid, '{"duration":"4"}'])
  const statuses = requestsTo(receiver, '/status').map(({ params }) => params.outboundResourceStatus)
  assert.deepEqual(statuses.sort(), ['completed', 'initiated'])
  const back = outside.twilio.call({ from: bob, to: other })
  const shown = await back.callee()
  assert.deepEqual([shown.from, shown.to], [dialled, stranger], 'and back')
  await back.hangUp()
})

test('a service that is deleted takes its documents with it, and the call ends', async (t) => {
  const outside = await start(t, {
    '/app/outside': twiml('<Gather numDigits="1" action="next"><Say>Press</Say></Gather>'),
    '/app/next': twiml('<Say>Next</Say>'),
  })
  const { server, service, receiver } = outside
  const call = outside.ring()
  await call.settled()
  assert.equal((await server.delete(service.path)).status, 204)
  await call.press('1')
  const { status } = await call.ended
  assert.deepEqual([status, call.heard, call.warnings], ['completed', ['Press'], []])
  await eventually(async () => receiver.requests.length === 1, 'the application is not asked again')
})

test('two servers may each take half of what Twilio asks and tells of one call', async (t) => {
  const all = await getServer()
  const bob = newPerson()
  const outside = await start(t, {
    '/app/outside': twiml('<Gather numDigits="1" action="made"><Say>Press one</Say></Gather>'),
    '/app/made': () => twiml(`<Redirect>${all.server.url}/webhooks/${all.account.carrier_sid}/calls</Redirect>`),
  })
  const { server, twilio, service, pages, receiver } = outside
  const settings = { Whisper: 'It is us.', Voicemail: 'Leave word.' }
  assert.equal((await server.post(`/maskline${service.path}/Settings`, settings)).status, 200)
  const { database_url, master_key, account } = all
  const env = { MASKLINE_PUBLIC_URL: server.url }
  const second = await startServer(t, { env, database_url, master_key, account })
  const taken = { [server.direct]: 0, [second.direct]: 0 }
  let turn = 0
  twilio.reach = (url) => {
    const direct = [second.direct, server.direct][turn++ % 2]!
    taken[direct]!++
    return url.replace(server.url, direct)
  }
  const call = outside.ring()
  await call.settled()
  pages['/app/outside'] = json({ participantIdentifier: bob })
  await call.press('1')
  const phone = await call.callee()
  await phone.answer()
  await call.timePasses(11)
  await phone.hangUp()
  await call.ended
  const missed = outside.ring()
  await (await missed.callee()).noAnswer()
  await missed.hangUp()
  await missed.ended
  await settled(server, service)
  assert.deepEqual([phone.heard, missed.heard[0]], [['It is us.'], 'Leave word.'])
  const told = requestsTo(receiver, '/status').map(({ params }) => params)
  const toldOf = ({ sid }: Phone) =>
    told.filter((each) => each.inboundResourceSid === sid).map((each) => each.outboundResourceStatus)
  assert.deepEqual(
    [toldOf(call).sort(), toldOf(missed).sort()],
    [
      ['completed', 'initiated'],
      ['initiated', 'no-answer'],
    ],
  )
  assert(Object.values(taken).every((count) => count > 5))
})

test('what is deleted during a call stays deleted, and the call goes on to its end', async (t) => {
  for (const what of ['interaction', 'session', 'service'] as const) {
    const { server, twilio, service, receiver } = await start(t, {})
    assert.equal((await server.post(`/maskline${service.path}/Settings`, { Recording: 'true' })).status, 200)
    const { session, alice } = await converse(server, service)
    const call = twilio.call({ from: alice.identifier, to: alice.proxy })
    const phone = await call.callee()
    await phone.answer()
    await eventually(async () => requestsTo(receiver, '/status').length === 1, 'its beginning is told')
    const [interaction] = await interactionsOf(server, session)
    const interactionPath = `${session.path}/Interactions/${interaction?.sid}`
    const path = { interaction: interactionPath, session: session.path, service: service.path }[what]
    assert.equal((await server.delete(path)).status, 204)
    await call.timePasses(5)
    assert.deepEqual([call.status, phone.status], ['in-progress', 'in-progress'])
    await phone.hangUp()
    assert.equal((await call.ended).duration_s, 5)
    await settled(server, service)
    const left = await rows(server, 'select * from interactions where service_sid = $1', [service.sid])
    const shown = left.map((row) => [row.outcome, row.outbound_resource_status, row.duration_s, row.due_at])
    assert.deepEqual(shown, what === 'service' ? [] : [['deleted', 'initiated', null, null]])
    assert.equal(requestsTo(receiver, '/status').length, 1)
    await eventually(async () => twilio.account.recordings.size === 0, 'its recording goes too')
    if (what !== 'service') continue

    const next = await makeService(server, 0)
    for (const { sid } of service.numbers) await addNumber(server, next, { Sid: sid, PhoneNumber: '' })
    const late = twilio.call({ from: alice.identifier, to: alice.proxy })
    assert.equal((await late.ended).legs.length, 1)
    assert.deepEqual(await eventCodes(server, next), [80902, 80905], 'the number is another service’s now')
  }
})
