import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import twilio from 'twilio'
import {
  assertMasked,
  assertTold,
  json,
  type ListedCall,
  legsOf,
  newCaller,
  newHandset,
  requestsTo,
  startService,
  statusesOf,
  told,
  twiml,
  wordsOf,
} from './support/calls.ts'
import { eventCodes, settled } from './support/conversation.ts'
import { addNumber, letRunOut, serverForFile } from './support/proxy-api.ts'
import type { ReceivedRequest, ReceiverAnswer } from './support/receiver.ts'

const getServer = serverForFile()

/** A service with an application for calls of no session, which answers by path. */
async function start(
  t: TestContext,
  answers: Record<string, ReceiverAnswer | ((request: ReceivedRequest) => ReceiverAnswer)> = {},
  numbers = 2,
) {
  const outside = (url: string) => ({ outOfSessionCallbackUrl: `${url}/app/outside?v=1` })
  const started = await startService(t, await getServer(), outside, numbers)
  started.receiver.answer = (request) => {
    const answer = answers[request.target.split('?')[0] ?? ''] ?? {}
    return typeof answer === 'function' ? answer(request) : answer
  }
  const [dialled, other] = started.pool.numbers.map(({ phone_number }) => phone_number)
  const stranger = { identifier: newCaller() }
  const ring = () => started.phones.call(stranger.identifier, dialled ?? '')
  return { ...started, dialled: dialled ?? '', other: other ?? '', stranger, ring, answers }
}

type Outside = Awaited<ReturnType<typeof start>>

const isSigned = ({ server }: Outside, { headers, url, params, method }: ReceivedRequest) =>
  twilio.validateRequest(
    server.account.auth_token,
    String(headers['x-twilio-signature']),
    url,
    method === 'POST' ? params : {},
  )

/** What a phone shows of who called it. */
const shownOn = async ({ phones }: Outside, identifier: string) =>
  (await phones.listOf({ identifier })).map(({ number }: ListedCall) => number)

const sessionsOf = async ({ service }: Outside) => await service.sessions.list()

test('what the application answers is carried out on the call: it speaks, plays, pauses and hangs up', async (t) => {
  const body = '<Say language="de-DE">Hallo</Say><Pause length="2"/><Play>/hold.mp3</Play><Hangup/><Say>Never</Say>'
  const outside = await start(t, { '/app/outside': twiml(body) })
  const { server, receiver, phones, pool, stranger, dialled, ring } = outside
  const sid = await ring()
  await phones.advance(2)
  const { legs, warnings } = await phones.find(sid)
  assert.deepEqual(legs.map(statusesOf), ['ringing in-progress completed'])
  assert.deepEqual(legs.map(wordsOf), [['Hallo', `${receiver.url}/hold.mp3`]])
  assert.deepEqual(warnings, [])

  const [asked] = receiver.requests
  assert(asked && receiver.requests.length === 1)
  assert(isSigned(outside, asked))
  assert.deepEqual([asked.method, asked.target], ['POST', '/app/outside?v=1'])
  const { from, to } = { from: stranger.identifier, to: dialled }
  assert.deepEqual(asked.params, {
    ...{ AccountSid: server.account.sid, ApiVersion: '2010-04-01', CallSid: sid, CallStatus: 'ringing' },
    ...{ Direction: 'inbound', From: from, Caller: from, To: to, Called: to },
  })
  await settled(server, pool)
  assert.deepEqual(await eventCodes(server, pool), [80902])
  assert.deepEqual(await sessionsOf(outside), [])
})

test('digits go to the action, signed with the account token, and its document goes on with the call', async (t) => {
  const office = newHandset('0126')
  const outside = await start(t, {
    '/app/outside': twiml('<Gather numDigits="2" action="menu?step=1"><Say>Press two keys</Say></Gather>'),
    '/app/menu': ({ params }) => twiml(`<Say>${params.Digits}</Say><Dial action="over" method="GET">${office}</Dial>`),
    '/app/over': ({ params }) => twiml(`<Say>${params.DialCallStatus} ${params.DialCallDuration}</Say>`),
  })
  const { server, receiver, phones, stranger, dialled, ring } = outside
  const sid = await ring()
  await phones.press(sid, stranger, '4')
  await phones.press(sid, stranger, '2')
  const [menu] = requestsTo(receiver, '/app/menu')
  assert(menu && isSigned(outside, menu))
  assert.equal(menu.target, '/app/menu?step=1')
  const { Digits, From, To, CallSid, CallStatus, AccountSid } = menu.params
  assert.deepEqual(
    [Digits, From, To, CallSid, CallStatus, AccountSid],
    ['42', stranger.identifier, dialled, sid, 'in-progress', server.account.sid],
  )
  const callee = (await phones.find(sid)).legs[1]
  assert.deepEqual([callee?.status, callee?.caller_id], ['in-progress', dialled], 'the second document dials')
  await phones.advance(9)
  await phones.act(sid, { identifier: office }, 'hangup')
  assert.deepEqual(wordsOf((await legsOf(outside, sid))[0]), ['Press two keys', '42', 'completed 9'])
  const [over] = requestsTo(receiver, '/app/over')
  assert(over && over.method === 'GET' && isSigned(outside, over))
  assert.deepEqual(await shownOn(outside, office), [dialled])
})

test('whoever is dialled sees the number that was dialled, however the application names the caller', async (t) => {
  const people = Array.from({ length: 5 }, newCaller)
  const [first, second, third, fourth, fifth] = people
  const outside = await start(t, {
    '/app/outside': ({ params }) =>
      twiml(
        `<Dial timeout="5">${first}</Dial><Dial timeout="5" callerId="${params.From}">${second}</Dial>` +
          `<Dial timeout="5" callerId=""><Number>${third}</Number></Dial><Redirect>next</Redirect>`,
      ),
    '/app/next': ({ params }) =>
      twiml(
        `<Dial timeout="5" callerId="${params.Caller}">${fourth}</Dial>` +
          `<Dial timeout="5" callerId="${encodeURIComponent(params.From ?? '')}">${fifth}</Dial>`,
      ),
  })
  const { server, phones, pool, stranger, dialled, ring } = outside
  const sid = await ring()
  await phones.advance(30)
  const { legs } = await phones.find(sid)
  assert.deepEqual(
    legs.slice(1).map(({ number, caller_id }) => [number, caller_id]),
    people.map((number) => [number, dialled]),
  )
  for (const identifier of people) {
    assert.deepEqual(await shownOn(outside, identifier), [dialled])
    assert(!JSON.stringify(await phones.listOf({ identifier })).includes(stranger.identifier.slice(2)))
  }
  assert.deepEqual(await eventCodes(server, pool), [80902], 'it is replaced without a complaint')
})

test('another number of the pool may be shown, and the leg is told about where the application wants', async (t) => {
  const office = newHandset('0121')
  const outside = await start(t)
  const { receiver, phones, answers, other, ring } = outside
  answers['/app/outside'] = twiml(
    `<Dial callerId="${other}"><Number statusCallback="/told" statusCallbackEvent="completed">${office}</Number></Dial>`,
  )
  answers['/told'] = twiml('<Say>Nobody hears this</Say>')
  const sid = await ring()
  const [caller, callee] = await legsOf(outside, sid)
  assert.deepEqual([callee.status, callee.caller_id], ['busy', other])
  const [told] = requestsTo(receiver, '/told')
  assert(told && isSigned(outside, told))
  assert.deepEqual([told.params.CallStatus, told.params.ParentCallSid], ['busy', sid])
  assert.deepEqual(wordsOf(caller), [])
  assert.deepEqual((await phones.find(sid)).warnings, [])
})

test('a redirect to the ingress looks again: keys are asked for first, and then the call goes through', async (t) => {
  const server = await getServer()
  const outside = await start(t)
  const { receiver, phones, pool, answers, service, dialled, ring, stranger } = outside
  const path = `/v1/Accounts/${server.account.sid}/Proxy/${pool.sid}/Webhooks/Call`
  const ours = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  const ingresses = [`https://webhooks.twilio.com${path}`, `${server.url}${path}`, ours]
  for (const [nth, ingress] of ingresses.entries()) {
    const bob = newHandset('0126')
    answers['/app/outside'] = ({ params }) =>
      params.Digits
        ? json({ participantIdentifier: bob, uniqueName: `pin-${params.Digits}` })
        : twiml(`<Gather action="${ingress}" finishOnKey="#"><Say>Your pin</Say></Gather>`)
    const sid = await ring()
    await phones.press(sid, stranger, `77${nth}#`)
    const [, callee] = await legsOf(outside, sid)
    assert.deepEqual([callee.number, callee.status], [bob, 'in-progress'])
    const session = await service.sessions(`pin-77${nth}`).fetch()
    assert.equal(session.status, 'in-progress')
    const [interaction] = await service.sessions(session.sid).interactions.list()
    const { inboundResourceSid, outboundResourceSid, outboundResourceStatus } = interaction ?? {}
    assert.deepEqual([inboundResourceSid, outboundResourceSid], [sid, callee.sid])
    assert.equal(outboundResourceStatus, 'initiated')
    await phones.advance(3)
    await phones.act(sid, stranger, 'hangup')
    await settled(server, pool)
    const [ended] = await service.sessions(session.sid).interactions.list()
    assert.equal(ended?.data, '{"duration":"3"}')
    await service.sessions(session.sid).update({ status: 'closed' })
  }
  const asked = requestsTo(receiver, '/app/outside').map(({ params }) => [params.CallStatus, params.Digits, params.To])
  const bounces = (nth: number) => [
    ['ringing', undefined, dialled],
    ['in-progress', `77${nth}`, dialled],
  ]
  assert.deepEqual(
    asked,
    ingresses.flatMap((_, nth) => bounces(nth)),
  )
})

test('a Redirect to the ingress finds the session that the application made meanwhile', async (t) => {
  const server = await getServer()
  const bob = newHandset('0120')
  const outside = await start(t)
  const { phones, pool, service, ring, stranger, dialled, other } = outside
  const path = `/v1/Accounts/${server.account.sid}/Proxy/${pool.sid}/Webhooks/Call`
  const redirect = twiml(`<Say>One moment</Say><Redirect>https://webhooks.twilio.com${path}</Redirect>`)
  const participants = [
    { Identifier: stranger.identifier, ProxyIdentifier: dialled },
    { Identifier: bob, ProxyIdentifier: other },
  ]
  outside.receiver.answer = async ({ target }) => {
    if (target.startsWith('/app/outside')) await service.sessions.create({ participants })
    return redirect
  }
  const sid = await ring()
  await phones.advance(7)
  const [caller, callee] = await legsOf(outside, sid)
  assert.deepEqual([callee.number, callee.caller_id, callee.status], [bob, other, 'completed'])
  assert.deepEqual(wordsOf(caller), ['One moment'])
  await settled(server, pool)
  const [session] = await sessionsOf(outside)
  const [interaction] = await service.sessions(session?.sid ?? '').interactions.list()
  assert.deepEqual([interaction?.inboundResourceSid, interaction?.data], [sid, '{"duration":"5"}'])
})

test('a session made by the answer has the caller on the number that was dialled, even a reserved one', async (t) => {
  const [bob, taken] = [newHandset('0126'), newHandset('0121')]
  const outside = await start(t, {}, 1)
  const { server, phones, pool, answers, service, stranger, dialled } = outside
  const reserved = await addNumber(server, pool, { IsReserved: 'true' })
  await service.update({ interceptCallbackUrl: `${outside.receiver.url}/ask` })
  answers['/app/outside'] = json({ participantIdentifier: bob })
  const sid = await phones.call(stranger.identifier, reserved.phone_number)
  const [caller, callee] = await legsOf(outside, sid)
  assert.deepEqual([callee.number, callee.caller_id, callee.status], [bob, dialled, 'in-progress'])
  assert.equal(caller.status, 'in-progress')
  const [session] = await sessionsOf(outside)
  assert.deepEqual([session?.mode, session?.status, session?.ttl], ['voice-and-message', 'in-progress', 0])
  const [first, second] = await service.sessions(session?.sid ?? '').participants.list()
  assert(first && second)
  assert.deepEqual([first.identifier, first.proxyIdentifier], [stranger.identifier, reserved.phone_number])
  assert.deepEqual([second.identifier, second.proxyIdentifier], [bob, dialled])
  await told(outside, 1)
  await phones.advance(4)
  await phones.act(sid, stranger, 'hangup')
  const talk = {
    ...outside,
    session: service.sessions(session?.sid ?? ''),
    alice: { identifier: stranger.identifier, sid: first.sid, proxy: first.proxyIdentifier },
    bob: { identifier: bob, sid: second.sid, proxy: second.proxyIdentifier },
  }
  const ends = { inbound: 'completed', outbound: 'completed', data: '{"duration":"4"}' }
  await assertTold(talk, { sid, from: talk.alice, to: talk.bob, ...ends })
  await assertMasked(talk, talk.alice, talk.bob)
  assert.equal(requestsTo(outside.receiver, '/ask').length, 1)
  assert.deepEqual(await eventCodes(server, pool), [80902])

  answers['/app/outside'] = json({
    ...{ participantIdentifier: taken, participantProxyIdentifier: reserved.phone_number },
    ...{ mode: 'voice-only', ttl: 60, uniqueName: 'reserved' },
  })
  const next = await phones.call(newCaller(), dialled)
  assert.equal((await legsOf(outside, next))[1].caller_id, reserved.phone_number, 'named for the partner')
  const named = await service.sessions('reserved').fetch()
  assert.deepEqual([named.mode, named.ttl], ['voice-only', 60])
})

test('a call makes no session in which it would be rejected, nor a leg that the application blocks', async (t) => {
  const outside = await start(t)
  const { server, phones, pool, answers, service, ring } = outside
  const bob = { identifier: newHandset('0126') }
  answers['/app/outside'] = json({ participantIdentifier: bob.identifier, mode: 'message-only' })
  assert.deepEqual((await phones.find(await ring())).legs.map(statusesOf), ['ringing no-answer'])
  assert.deepEqual(await sessionsOf(outside), [])
  assert.deepEqual(await eventCodes(server, pool), [80902, 80911])

  await service.update({ interceptCallbackUrl: `${outside.receiver.url}/ask` })
  answers['/ask'] = { status: 403 }
  answers['/app/outside'] = json({ participantIdentifier: bob.identifier, mode: 'voice-only' })
  assert.deepEqual((await phones.find(await ring())).legs.map(statusesOf), ['ringing no-answer'])
  assert.deepEqual(await phones.listOf(bob), [])
  const [session] = await sessionsOf(outside)
  assert.deepEqual([session?.status, session?.dateStarted], ['open', null])
  assert.deepEqual(await eventCodes(server, pool), [80902, 80911, 80902, 80909])
})

test('a session that cannot be made is on record with its code, and the caller is told politely', async (t) => {
  const outside = await start(t, {}, 1)
  const { server, phones, pool, answers, service, dialled, stranger, ring } = outside
  const bob = newCaller()
  const participants = [{ Identifier: bob }, { Identifier: newCaller() }]
  await service.sessions.create({ uniqueName: 'taken', participants })
  const cases: [unknown, number][] = [
    [{ participantIdentifier: newCaller(), uniqueName: 'taken' }, 80603],
    [{ participantIdentifier: bob }, 80208],
    [{ participantIdentifier: 'nobody' }, 80404],
    [{ participantIdentifier: newCaller(), participantProxyIdentifier: '+12025550100' }, 80304],
    [{ uniqueName: 'nobody named' }, 12100],
  ]
  for (const [answer] of cases) {
    answers['/app/outside'] = json(answer)
    const { legs } = await phones.find(await ring())
    assert.deepEqual(legs.map(wordsOf), [['We are sorry, your call cannot be completed. Goodbye.']])
    assert.deepEqual(legs.map(statusesOf), ['ringing in-progress completed'])
  }
  answers['/app/outside'] = json({ participantIdentifier: newCaller() })
  assert.equal((await phones.find(await phones.call('anonymous', dialled))).legs.length, 1)
  await settled(server, pool)
  const codes = [...cases.map(([, code]) => code), 80404]
  assert.deepEqual(
    await eventCodes(server, pool),
    codes.flatMap((code) => [80902, code]),
  )
  assert.equal((await sessionsOf(outside)).length, 1)
  assert.equal((await phones.listOf(stranger)).length, cases.length)
})

test('a pair seen before comes with its history, and a session that had run out is 80904', async (t) => {
  const outside = await start(t, { '/app/outside': twiml('<Hangup/>') })
  const { server, phones, pool, service, receiver, stranger, dialled, other, ring } = outside
  const bob = newCaller()
  const participants = [
    { Identifier: stranger.identifier, ProxyIdentifier: dialled, FriendlyName: 'Alice' },
    { Identifier: bob, ProxyIdentifier: other },
  ]
  const session = await service.sessions.create({ uniqueName: 'old', ttl: 100, participants })
  await letRunOut(server, session)
  await ring()
  await phones.call('anonymous', dialled)
  const [known, unknown] = requestsTo(receiver, '/app/outside')
  assert(known && isSigned(outside, known))
  const { sessionSid, sessionUniqueName, ttl, inboundParticipantIdentifier, outboundParticipantIdentifier } =
    known.params
  assert.deepEqual(
    [sessionSid, sessionUniqueName, ttl, inboundParticipantIdentifier, outboundParticipantIdentifier],
    [session.sid, 'old', '100', stranger.identifier, bob],
  )
  const { inboundParticipantFriendlyName, inboundParticipantProxyIdentifier, CallStatus } = known.params
  assert.deepEqual(
    [inboundParticipantFriendlyName, inboundParticipantProxyIdentifier, CallStatus],
    ['Alice', dialled, 'ringing'],
  )
  assert.deepEqual([unknown?.params.From, unknown?.params.sessionSid], ['anonymous', undefined])
  assert.deepEqual(await eventCodes(server, pool), [80904, 80902])
})

test('a session without a partner is 80614, and the application decides', async (t) => {
  const office = newHandset('0121')
  const outside = await start(t, { '/app/outside': twiml(`<Dial>${office}</Dial>`) })
  const { server, phones, pool, service, receiver, stranger, dialled, ring } = outside
  const participants = [{ Identifier: stranger.identifier, ProxyIdentifier: dialled }]
  const session = await service.sessions.create({ participants })
  const sid = await ring()
  assert.equal((await legsOf(outside, sid))[1].caller_id, dialled)
  const [asked] = requestsTo(receiver, '/app/outside')
  assert.equal(asked?.params.From, stranger.identifier)
  assert.deepEqual(await service.sessions(session.sid).interactions.list(), [])
  assert.equal((await service.sessions(session.sid).fetch()).status, 'open')
  await service.update({ outOfSessionCallbackUrl: '' })
  const { legs } = await phones.find(await ring())
  assert.deepEqual(legs.map(statusesOf), ['ringing no-answer'])
  assert.deepEqual(await eventCodes(server, pool), [80614, 80614])
})
