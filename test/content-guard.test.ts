import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, startTalk } from './support/calls.ts'
import {
  converse,
  eventCodes,
  heard,
  hurry,
  inbox,
  interactionsOf,
  newPerson,
  settled,
  type Talker,
} from './support/conversation.ts'
import { watchStatements } from './support/plans.ts'
import { assertRefused, eventsOf, makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, type TestServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const GUARDS = [
  ...['ContentGuardOwnNumber', 'ContentGuardOtherNumbers', 'ContentGuardEmailAddresses', 'ContentGuardLinks'],
  'ContentGuardPaymentWords',
]
const snakeCase = (name: string) => name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

const getServer = serverForFile(async () => ({ env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' } }))

async function guarded(server: TestServer, settings: Record<string, string | string[]>, params = {}) {
  const service = await makeService(server, 2, params)
  const answer = await server.post(`/maskline${service.path}/Settings`, settings)
  assert.equal(answer.status, 200, answer.text)
  return { service, ...(await converse(server, service)) }
}

const write = (server: TestServer, { identifier, proxy }: Talker, body: string, media: string[] = []) =>
  server.text(identifier, proxy, body, media)

const guardOf = async (server: TestServer, session: { path: string }, at: number) => {
  const sid = (await interactionsOf(server, session))[at]?.sid
  return (await server.get(`/maskline${session.path}/Interactions/${sid}/ContentGuard`)).body
}

const spelled = (number: string) =>
  [...number.slice(2)]
    .map((digit) => 'oh one two three four five six seven eight nine'.split(' ')[Number(digit)])
    .join(' ')

test('what is flagged passes as it is, and is on record with the interaction and in the event log', async () => {
  const server = await getServer()
  const { service, session, alice, bob } = await guarded(server, { ContentGuardOwnNumber: 'flag' })
  const text = `I am at ${spelled(alice.identifier)}`
  await write(server, alice, text)
  await heard(server, bob, text)
  await settled(server, service)
  const { found, body, sent_body } = await guardOf(server, session, 0)
  assert.deepEqual([found, body, sent_body], [[{ kind: 'own_number', action: 'flag' }], text, null])
  const [event] = await eventsOf(server, service, 80914)
  assert.equal(event?.message, 'The content guard found in a message: the number of one of the two (flagged).')
  assert.ok(!JSON.stringify(event).includes(alice.identifier.slice(-7)))
})

test('what is redacted leaves without it, a kind that is only flagged stays in it, and the sender is told', async () => {
  const server = await getServer()
  const settings = {
    ContentGuardLinks: 'redact',
    ContentGuardEmailAddresses: 'flag',
    ContentGuardNotice: 'Not like this',
  }
  const { service, session, alice, bob } = await guarded(server, settings)
  await write(server, alice, 'See www.example.org or bob@example.com')
  await heard(server, bob, 'See *** or bob@example.com')
  await heard(server, alice, 'Not like this')
  await settled(server, service)
  const { found, body, sent_body } = await guardOf(server, session, 0)
  assert.deepEqual(found, [
    { kind: 'links', action: 'redact' },
    { kind: 'email_addresses', action: 'flag' },
  ])
  assert.deepEqual([body, sent_body], ['See www.example.org or bob@example.com', 'See *** or bob@example.com'])
})

test('what is blocked reaches nobody, ends as a refusal by the intercept does, and the customer is not asked about it', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const urls = { InterceptCallbackUrl: `${receiver.url}/ask`, CallbackUrl: `${receiver.url}/status` }
  const { service, session, alice, bob } = await guarded(server, { ContentGuardOtherNumbers: 'block' }, urls)
  await write(server, alice, 'Call my brother: 415-555-0199')
  await settled(server, service)
  assert.deepEqual(await inbox(server, bob), [])
  assert.deepEqual(await inbox(server, alice), [], 'nobody is told unless the service has words for it')
  assert.deepEqual(receiver.requests, [])
  const [record] = await interactionsOf(server, session)
  assert.deepEqual([record?.inbound_participant_sid, record?.inbound_resource_status], [alice.sid, 'delivered'])
  for (const [name, value] of Object.entries(record ?? {})) if (name.startsWith('outbound_')) assert.equal(value, null)
  const clock = (await server.get(session.path)).body
  assert.deepEqual([clock.status, clock.date_last_interaction], ['open', null])
  assert.deepEqual(await eventCodes(server, service), [80909])
  assert.deepEqual((await guardOf(server, session, 0)).found, [{ kind: 'other_numbers', action: 'block' }])

  await write(server, alice, 'Call me when you are there')
  await heard(server, bob, 'Call me when you are there')
  assert.deepEqual(
    receiver.requests.map(({ target }) => target).filter((target) => target === '/ask'),
    ['/ask'],
    'control: of what passes the customer is asked',
  )
})

test('the customer is asked about a text, and is told of it, as it was typed', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const urls = { InterceptCallbackUrl: `${receiver.url}/ask`, CallbackUrl: `${receiver.url}/status` }
  const { service, session, alice, bob } = await guarded(server, { ContentGuardPaymentWords: 'redact' }, urls)
  await write(server, alice, 'In cash, please')
  await heard(server, bob, 'In ***, please')
  await settled(server, service)
  assert.ok(receiver.requests.length >= 3)
  for (const { params } of receiver.requests) assert.equal(params.interactionData, '{"body":"In cash, please"}')
  assert.equal((await interactionsOf(server, session))[0]?.data, '{"body":"In cash, please"}')
})

test('a text that is sent later, after the carrier refused it for now, leaves redacted too', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  await server.post(`/maskline${service.path}/Settings`, { ContentGuardLinks: 'redact' })
  const { alice } = await converse(server, service)
  twilio.failNext({ kind: 'error', status: 503 })
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'See www.example.org' })
  const isPostponed = async () =>
    (await rows(server, "select from interactions where stage = 'send' and attempts > 0 and due_at > now()")).length > 0
  await eventually(isPostponed, 'it is postponed')
  await hurry(server, 'interactions')
  assert.equal((await twilio.nextSent()).body, 'See ***')
})

test('the address of an attachment that names a person is left out where that is redacted, others stay', async () => {
  const server = await getServer()
  const { service, alice, bob } = await guarded(server, { ContentGuardOwnNumber: 'redact', ContentGuardLinks: 'block' })
  const named = `https://example.com/${encodeURIComponent(alice.identifier)}.jpg`
  await write(server, alice, 'Two pictures', [named, 'https://example.com/dog.jpg'])
  const { media_urls } = await heard(server, bob, 'Two pictures')
  assert.deepEqual(media_urls, ['https://example.com/dog.jpg'])
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), [80914])
})

test('the customer’s own messages are not judged, and calls go through', async (t) => {
  const server = await getServer()
  const talk = await startTalk(t, server)
  const settings = Object.fromEntries(GUARDS.map((name) => [name, 'block']))
  assert.equal((await server.post(`/maskline${talk.pool.path}/Settings`, settings)).status, 200)
  const path = `${talk.pool.path}/Sessions/${(await talk.session.fetch()).sid}/Participants/${talk.bob.sid}/MessageInteractions`
  assert.equal((await server.post(path, { Body: `Write to help@example.com or ${talk.bob.identifier}` })).status, 200)
  await heard(server, talk.bob, `Write to help@example.com or ${talk.bob.identifier}`)
  const sid = await talk.phones.call(talk.alice.identifier, talk.alice.proxy)
  assert.deepEqual(
    (await talk.phones.find(sid)).legs.map(({ status }) => status),
    ['ringing', 'ringing'],
  )
  await talk.phones.act(sid, talk.alice, 'hangup')
})

test('a text for which a session is made on the fly is judged as others are', async (t) => {
  const server = await getServer()
  const bob = newPerson()
  const receiver = await startReceiver(t, () => json({ uniqueName: 'made on the fly', participantIdentifier: bob }))
  const service = await makeService(server, 2, { OutOfSessionCallbackUrl: receiver.url })
  await server.post(`/maskline${service.path}/Settings`, { ContentGuardLinks: 'redact' })
  await server.text(newPerson(), service.numbers[0]?.phone_number ?? '', 'Is it www.example.org?')
  await heard(server, { identifier: bob }, 'Is it ***?')
})

test('with all of it off nothing is judged, noted or changed, whatever a text holds, and no statement is made for it', async () => {
  const server = await getServer()
  const { service, session, alice, bob } = await guarded(server, { ContentGuardNotice: 'Not like this' })
  const text = `${alice.identifier} +1 415 555 0199 a@example.com https://www.example.org/x cash ＠ ２０２`
  const say = async (body: string) => {
    const watched = watchStatements()
    await write(server, alice, body)
    await heard(server, bob, body)
    await settled(server, service)
    return watched.stop().flatMap(({ name, text }) => (name === 'begin-send' || /content_found/.test(text) ? 1 : []))
  }
  assert.deepEqual(await say(text), [])
  assert.deepEqual((await guardOf(server, session, 0)).found, [])
  assert.deepEqual(await eventCodes(server, service), [])
  await server.post(`/maskline${service.path}/Settings`, { ContentGuardLinks: 'flag' })
  assert.equal((await say('And www.example.org now')).length, 2, 'control: with a guard it is judged')
})

test('settings of the guard are shown as they are set, cleared by an empty value, and refused when they cannot work', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const path = `/maskline${service.path}/Settings`
  const before = (await server.get(path)).body
  assert.deepEqual(
    GUARDS.map((name) => before[snakeCase(name)]),
    GUARDS.map(() => 'off'),
  )
  assert.deepEqual([before.allowed_domains, before.payment_words, before.content_guard_notice], [[], [], null])
  assert.deepEqual([before.allow_vcards, before.flood_limit, before.repeat_limit], [false, 0, 0])
  const lists = { AllowedDomains: ['Shop.example', 'bücher.example'], PaymentWords: ['Kasse', 'bar auf die Hand'] }
  const set = await server.post(path, { ContentGuardLinks: 'redact', ...lists, FloodLimit: '7', AllowVcards: 'true' })
  assert.deepEqual(
    [set.body.allowed_domains, set.body.payment_words],
    [['shop.example', 'bücher.example'], lists.PaymentWords],
  )
  assert.deepEqual([set.body.content_guard_links, set.body.flood_limit, set.body.allow_vcards], ['redact', 7, true])
  const cleared = await server.post(path, {
    ContentGuardLinks: 'off',
    AllowedDomains: '',
    PaymentWords: '',
    FloodLimit: '',
    AllowVcards: '',
  })
  assert.deepEqual({ ...cleared.body, url: '' }, { ...before, url: '' })
  assertRefused(await server.post(path, { ContentGuardLinks: 'shout' }), 400, 20001)
  for (const AllowedDomains of ['https://example.com', 'example', '-a.example', 'a..example', 'x@example.com']) {
    assertRefused(await server.post(path, { AllowedDomains }), 400, 80701)
  }
  for (const PaymentWords of ['...', 'x'.repeat(61)])
    assertRefused(await server.post(path, { PaymentWords }), 400, 80701)
  assertRefused(await server.post(path, { FloodLimit: '-1' }), 400, 80701)
})
