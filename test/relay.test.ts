import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addCarrier } from '../src/core/carriers.ts'
import {
  converse,
  eventCodes,
  fetched,
  heard,
  hurry,
  inbox,
  interactionsOf,
  newPerson,
  settled,
} from './support/conversation.ts'
import {
  addPerson,
  letRunOut,
  makeService,
  openSession,
  rows,
  serverForFile,
  withoutSweeper,
} from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, startServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_NUMBER_VALIDATION: 'possible' } }))

// The vendor's published list: https://www.twilio.com/docs/proxy/opt-out-keywords
const STOP_WORDS = 'STOP UNSUBSCRIBE END CANCEL QUIT STOPALL ARRETT ARRET ARRETE UNSTOP'.split(' ')

test('an opt-out word alone, in any case, is not forwarded, not an interaction and not called back', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { CallbackUrl: receiver.url, InterceptCallbackUrl: receiver.url })
  const { session, alice, bob } = await converse(server, service)
  const spellings = STOP_WORDS.flatMap((word) => [
    word,
    word.toLowerCase(),
    ` ${word[0]}${word.slice(1).toLowerCase()}\n`,
  ])
  for (const word of spellings) await server.text(alice.identifier, alice.proxy, word)
  await settled(server, service)
  assert.deepEqual(await inbox(server, bob), [])
  assert.deepEqual(await interactionsOf(server, session), [])
  assert.equal((await fetched(server, session)).status, 'open')
  assert.deepEqual(await eventCodes(server, service), Array(30).fill(80901))
  assert.deepEqual(receiver.requests, [])
})

test('opting in, asking for help and sentences that hold an opt-out word are forwarded', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { alice, bob } = await converse(server, service)
  const texts = ['START', 'YES', 'DEBUT', 'HELP', 'INFO', 'Stop it', 'STOP.', 'the end']
  for (const text of texts) await server.text(alice.identifier, alice.proxy, text)
  for (const text of texts) await heard(server, bob, text)
  assert.deepEqual(await eventCodes(server, service), [])
})

test('a service may have opt-out words forwarded', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { alice, bob } = await converse(server, service)
  const settings = `/maskline${service.path}/Settings`
  assert.equal((await server.post(settings, { OptOutWords: 'false' })).body.opt_out_words, false)
  await server.text(alice.identifier, alice.proxy, 'STOP')
  await heard(server, bob, 'STOP')
  assert.equal((await server.post(settings, { OptOutWords: 'true' })).body.opt_out_words, true)
  await server.text(alice.identifier, alice.proxy, 'Quit')
  await settled(server, service)
  assert.equal((await inbox(server, bob)).length, 1)
})

test('a message into a voice-only session is rejected: no interaction, no callback of any kind', async (t) => {
  const server = await getServer()
  const { url, requests } = await startReceiver(t)
  const urls = { CallbackUrl: url, InterceptCallbackUrl: url, OutOfSessionCallbackUrl: url }
  const service = await makeService(server, 2, urls)
  const { session, alice, bob } = await converse(server, service, { Mode: 'voice-only' })
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await settled(server, service)
  assert.deepEqual([await inbox(server, bob), await interactionsOf(server, session), requests], [[], [], []])
  assert.equal((await fetched(server, session)).status, 'open')
  assert.deepEqual(await eventCodes(server, service), [80910])
})

test('somebody alone in a session reaches nobody, and the out-of-session callback may help', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ headers: { 'content-type': 'text/xml' }, body: '<Response/>' }))
  const service = await makeService(server)
  const session = await openSession(server, service)
  const alice = newPerson()
  const { proxy_identifier } = await addPerson(server, session, alice)
  await server.text(alice, proxy_identifier, 'Anybody?')
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), [80614])
  assert.deepEqual(await interactionsOf(server, session), [])

  await server.post(service.path, { OutOfSessionCallbackUrl: receiver.url })
  await server.text(alice, proxy_identifier, 'Anybody now?')
  const { params } = await receiver.next()
  assert.deepEqual([params.Body, params.From, params.sessionSid], ['Anybody now?', alice, session.sid])
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), [80614, 80614])
})

test('a session that has run out does not relay, though nothing has swept it', async () => {
  const server = await getServer()
  const service = await makeService(server)
  await withoutSweeper(server, async () => {
    for (const [name, value] of Object.entries({ Ttl: '60', DateExpiry: '2099-01-31T00:00:00Z' })) {
      const { session, alice, bob } = await converse(server, service, { [name]: value })
      await server.text(alice.identifier, alice.proxy, 'In time')
      await heard(server, bob, 'In time')
      await letRunOut(server, session)
      await server.text(alice.identifier, alice.proxy, 'Too late')
      await settled(server, service)
      assert.equal((await inbox(server, bob)).length, 1)
      const [row] = await rows(server, 'select status from sessions where sid = $1', [session.sid])
      assert.equal(row.status, 'in-progress', 'the session is unswept')
    }
  })
  assert.deepEqual(await eventCodes(server, service), [80904, 80905, 80904, 80905])
})

test('a stranger, a removed participant and a closed session are out of session', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { session, alice, bob } = await converse(server, service)
  await server.text(newPerson(), alice.proxy, 'Who is this?')
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), [80902, 80905])

  assert.equal((await server.delete(`${session.path}/Participants/${alice.sid}`)).status, 204)
  await server.text(alice.identifier, alice.proxy, 'I was removed')
  await settled(server, service)
  assert.deepEqual((await eventCodes(server, service)).slice(2), [80902, 80905])
  await server.text(bob.identifier, bob.proxy, 'To whom?')
  await settled(server, service)
  assert.deepEqual((await eventCodes(server, service)).slice(4), [80614])

  await server.post(session.path, { Status: 'closed' })
  await server.text(bob.identifier, bob.proxy, 'After the close')
  await settled(server, service)
  assert.deepEqual((await eventCodes(server, service)).slice(5), [80902, 80905])
  assert.deepEqual([await inbox(server, alice), await inbox(server, bob)], [[], []])
})

test('two people on one shared number reach each other, never themselves', async () => {
  const server = await getServer()
  const { alice, bob } = await converse(server, await makeService(server, 1))
  assert.equal(alice.proxy, bob.proxy)
  await server.text(alice.identifier, alice.proxy, 'From Alice')
  await server.text(bob.identifier, bob.proxy, 'From Bob')
  assert.equal((await heard(server, bob, 'From Alice')).from, bob.proxy)
  assert.equal((await heard(server, alice, 'From Bob')).from, alice.proxy)
  await settled(server)
  assert.deepEqual([(await inbox(server, alice)).length, (await inbox(server, bob)).length], [1, 1])
})

test('somebody in two sessions speaks to the partner of the number that was texted', async () => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const driver = newPerson()
  const first = await converse(server, service, {}, [driver, newPerson()])
  const second = await converse(server, service, {}, [driver, newPerson()])
  assert.notEqual(first.alice.proxy, second.alice.proxy)
  await server.text(driver, first.alice.proxy, 'For the first')
  await server.text(driver, second.alice.proxy, 'For the second')
  await heard(server, first.bob, 'For the first')
  await heard(server, second.bob, 'For the second')
  await server.text(second.bob.identifier, second.bob.proxy, 'Back')
  assert.equal((await heard(server, { identifier: driver }, 'Back')).from, second.alice.proxy)
  await settled(server, service)
  assert.deepEqual([(await inbox(server, first.bob)).length, (await inbox(server, second.bob)).length], [1, 1])
})

test('an interaction starts the session and its ttl over', async () => {
  const server = await getServer()
  const { session, alice, bob } = await converse(server, await makeService(server), { Ttl: '100' })
  assert.deepEqual([session.status, session.date_started, session.date_last_interaction], ['open', null, null])
  const age = () =>
    rows(server, `update sessions set ttl_since = ttl_since - interval '90 s' where sid = $1`, [session.sid])
  for (const body of ['One', 'Two', 'Three']) {
    await age()
    await server.text(alice.identifier, alice.proxy, body)
    await heard(server, bob, body)
  }
  const { status, date_started, date_last_interaction, date_updated } = await fetched(server, session)
  assert.equal(status, 'in-progress')
  assert.ok(Date.parse(date_started) <= Date.parse(date_last_interaction))
  assert.equal(date_last_interaction, date_updated)
  await age()
  await age()
  assert.equal((await fetched(server, session)).closed_reason, 'ttl', 'without an interaction it does run out')
})

test('the body arrives as it was typed, whatever is in it', async () => {
  const server = await getServer()
  const { session, alice, bob } = await converse(server, await makeService(server))
  const bodies = [
    'Grüße 👋🏽 👩‍👩‍👧 مرحبا 你好',
    'e\u0301 is not é, \u200b\ufeff\u202e',
    ' <b>&amp;</b> "quoted" \\n %20 + \r\n\ttabbed ',
    `x${'long '.repeat(300)}`,
    'with a \0 inside',
  ]
  for (const body of bodies) {
    await server.text(alice.identifier, alice.proxy, body)
    await heard(server, bob, body)
  }
  const listed = (await interactionsOf(server, session)).map(({ data }) => JSON.parse(data ?? '').body)
  assert.deepEqual(listed.sort(), bodies.toSorted())
})

test('a message through the API goes from the person’s own number and is in both collections', async () => {
  const server = await getServer()
  const { session, bob } = await converse(server, await makeService(server))
  const path = `${session.path}/Participants/${bob.sid}/MessageInteractions`
  const { status, body: sent } = await server.post(path, { Body: 'Your car is here' })
  assert.equal(status, 200)
  assert.equal((await heard(server, bob, 'Your car is here')).from, bob.proxy)
  assert.deepEqual(
    [sent.participant_sid, sent.outbound_participant_sid, sent.inbound_resource_sid],
    [bob.sid, bob.sid, null],
  )
  await eventually(async () => {
    const [only] = (await server.get(path)).body.interactions
    const [same] = await interactionsOf(server, session)
    return only.sid === sent.sid && same?.sid === sent.sid && only.outbound_resource_status === 'delivered'
  }, 'it is delivered in both')
  assert.equal((await fetched(server, session)).status, 'in-progress')
})

test('a message that cannot be sent through the API is refused in the messaging code', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { session, alice, bob } = await converse(server, service)
  const path = (who: { sid: string }) => `${session.path}/Participants/${who.sid}/MessageInteractions`
  const code = async (who: { sid: string }, params: Record<string, string>) => {
    const { status, body } = await server.post(path(who), params)
    return [status, body.code]
  }
  assert.deepEqual(await code(bob, {}), [400, 21602])
  assert.deepEqual(await code(bob, { Body: '' }), [400, 21602])
  assert.deepEqual(await code(bob, { Body: 'x'.repeat(1601) }), [400, 21617])
  assert.equal((await server.delete(`${session.path}/Participants/${alice.sid}`)).status, 204)
  for (const [to, expected] of [
    ['+15005550004', 21610],
    ['+15005550009', 21614],
  ] as const) {
    const person = await addPerson(server, session, to)
    assert.deepEqual(await code(person, { Body: 'Hello' }), [400, expected])
    const [failed] = (await server.get(path(person))).body.interactions
    assert.equal(failed.outbound_resource_status, 'failed')
    assert.equal((await server.delete(`${session.path}/Participants/${person.sid}`)).status, 204)
  }
  await server.post(session.path, { Status: 'closed' })
  assert.deepEqual(await code(bob, { Body: 'Hello' }), [400, 80607])
  assert.deepEqual(await inbox(server, bob), [])
})

test('a number that moved to another service is served there, though another server remembers the old one', async (t) => {
  const asked = await startReceiver(t)
  const server = await startServer(t)
  const { database_url, master_key, account } = server
  const other = await startServer(t, { database_url, master_key, account })
  const before = await makeService(server, 1, { OutOfSessionCallbackUrl: `${asked.url}/before` })
  const after = await makeService(server, 0, { OutOfSessionCallbackUrl: `${asked.url}/after` })
  const [number] = before.numbers
  const proxy = number!.phone_number
  await other.text(newPerson(), proxy, 'Now it is remembered')
  assert.equal((await asked.next()).target, '/before')

  assert.equal((await server.delete(`${before.path}/PhoneNumbers/${number!.sid}`)).status, 204)
  assert.equal((await server.post(`${after.path}/PhoneNumbers`, { Sid: number!.sid })).status, 201)
  const { session, alice, bob } = await converse(server, after)
  await other.text(alice.identifier, proxy, 'In the new session')
  await eventually(async () => (await inbox(server, bob)).length + (await inbox(other, bob)).length > 0, 'Bob hears')
  assert.equal((await interactionsOf(server, session)).length, 1)
  await server.delete(session.path)
  await other.text(alice.identifier, proxy, 'And again a stranger')
  assert.equal((await asked.next()).target, '/after')

  assert.equal((await server.delete(`${after.path}/PhoneNumbers/${number!.sid}`)).status, 204)
  await other.text(alice.identifier, proxy, 'To a number in no service')
  await settled(server)
  const bodies = asked.requests.map(({ target, params }) => [target, params.Body])
  assert.deepEqual(bodies, [
    ['/before', 'Now it is remembered'],
    ['/after', 'And again a stranger'],
  ])
})

test('a carrier speaks for its own numbers only', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  const { alice, bob } = await converse(server, service)
  const foreign = await makeAccount(server.store)
  const { account_sid, auth_token } = twilio
  const params = { account_sid: foreign.sid, kind: 'twilio', friendly_name: 'foreign' }
  const carrier = await addCarrier(server.store, { ...params, credentials: { account_sid, auth_token } })

  const url = `${server.url}/webhooks/${carrier.sid}/messages`
  const text = { from: alice.identifier, to: alice.proxy }
  assert.equal((await twilio.receive({ ...text, body: 'Through a strange door', url })).status, 200)
  assert.equal((await twilio.receive({ ...text, body: 'Through the right one' })).status, 200)
  assert.equal((await twilio.nextSent()).body, 'Through the right one')
  await settled(server)
  assert.deepEqual(
    twilio.sent().map(({ to }) => to),
    [bob.identifier],
  )
  const events = await rows(server, 'select account_sid, error_code from events')
  assert.deepEqual(events, [{ account_sid: foreign.sid, error_code: 80905 }])
})

test('what waits for a carrier that is down does not leave once the session is closed or a person removed', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const receiver = await startReceiver(t)
  const service = await makeTwilioService(server, twilio, { CallbackUrl: receiver.url })
  const conversations = []
  for (const body of ['closed', 'sender removed', 'receiver removed', 'expired', 'left alone']) {
    const conversation = await converse(server, service, { Ttl: '3600' })
    const { alice } = conversation
    conversations.push(conversation)
    twilio.failNext({ kind: 'error', status: 503 })
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body })
    const waiting = 'select from interactions where session_sid = $1 and attempts = 1 and send_started_at is null'
    await eventually(async () => (await rows(server, waiting, [conversation.session.sid])).length === 1, 'it waits')
  }
  const [closed, left, leaves, expired, alone] = conversations
  assert(closed && left && leaves && expired && alone)
  await server.post(closed.session.path, { Status: 'closed' })
  await server.delete(`${left.session.path}/Participants/${left.alice.sid}`)
  await server.delete(`${leaves.session.path}/Participants/${leaves.bob.sid}`)
  await withoutSweeper(server, async () => {
    await letRunOut(server, expired.session)
    await hurry(server, 'interactions')
    await settled(server)
  })
  assert.deepEqual(
    twilio.sent().map(({ body }) => body),
    ['left alone'],
  )
  const statuses = await Promise.all(conversations.map(({ session }) => interactionsOf(server, session)))
  assert.deepEqual(
    statuses.map(([only]) => only?.outbound_resource_status),
    ['canceled', 'canceled', 'canceled', 'canceled', 'queued'],
  )
  const told = receiver.requests.map(({ params }) => params.outboundResourceStatus)
  assert.deepEqual(told.sort(), ['canceled', 'canceled', 'canceled', 'canceled', 'queued'])
})
