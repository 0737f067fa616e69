import assert from 'node:assert/strict'
import { test } from 'node:test'
import { converse, eventCodes, heard, inbox, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { addNumber, makeService, openSession, type Pool, serverForFile } from './support/proxy-api.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import type { TestServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const getServer = serverForFile()

const twiml = (body: string) => ({
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><Response>${body}</Response>`,
})
const json = (value: unknown) => ({
  headers: { 'content-type': 'application/json;charset=UTF-8' },
  body: JSON.stringify(value),
})

async function start(t: Parameters<typeof startReceiver>[0], numbers = 2, settings: Record<string, string> = {}) {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const urls = { OutOfSessionCallbackUrl: `${receiver.url}/outside` }
  const service = await makeService(server, numbers, { ...urls, ...settings })
  const number = service.numbers[0]?.phone_number ?? ''
  return { server, receiver, service, number, stranger: { identifier: newPerson() } }
}

const askedAt = ({ requests }: Receiver) => requests.map(({ target }) => target)

const sessionsOf = async (server: TestServer, service: Pool) =>
  (await server.get(`${service.path}/Sessions`)).body.sessions as Record<string, string | number | null>[]

test('TwiML answers the stranger from the number that was texted, once, though the webhook repeats', async (t) => {
  const receiver = await startReceiver(t, () => twiml('<Message>Who are you &amp; what do you want?</Message>'))
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, {
    OutOfSessionCallbackUrl: receiver.url,
    CallbackUrl: `${receiver.url}/status`,
  })
  const [to = '', from] = [service.numbers[0]?.phone_number, newPerson()]
  for (let copy = 0; copy < 3; copy++) await twilio.receive({ from, to, body: 'Hello?', sid: `SM${'f'.repeat(32)}` })
  await settled(server)
  await twilio.receive({ from, to, body: 'Hello?', sid: `SM${'f'.repeat(32)}` })
  await settled(server)
  assert.deepEqual(
    twilio.sent().map((message) => [message.from, message.to, message.body]),
    [[to, from, 'Who are you & what do you want?']],
  )
  await twilio.report(twilio.sent()[0]?.sid ?? '', 'delivered')
  await settled(server)
  assert.deepEqual(askedAt(receiver), ['/'], 'what is not in a session has no status callbacks')
  const { params } = receiver.requests[0]!
  assert.deepEqual(
    [params.From, params.To, params.Body, params.MessageSid],
    [from, to, 'Hello?', `SM${'f'.repeat(32)}`],
  )
  assert.deepEqual([params.FromCity, params.sessionSid, params.SmsStatus], ['WASHINGTON', undefined, 'received'])
})

test('TwiML may redirect, send several messages, name receivers and use the other numbers of the pool', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t)
  const [other, office] = [service.numbers[1]?.phone_number ?? '', { identifier: newPerson() }]
  receiver.answer = ({ target }) =>
    target === '/outside'
      ? twiml('<Message>One</Message><Redirect>more?a=1&amp;b=2</Redirect><Message>Never</Message>')
      : twiml(`<Message>Two</Message><Message to="${office.identifier}" from="${other}">Somebody wrote</Message>`)
  await server.text(stranger.identifier, number, 'Hello?')
  assert.equal((await heard(server, stranger, 'One')).from, number)
  assert.equal((await heard(server, stranger, 'Two')).from, number)
  assert.equal((await heard(server, office, 'Somebody wrote')).from, other)
  await settled(server, service)
  assert.deepEqual(askedAt(receiver), ['/outside', '/more?a=1&b=2'])
  assert.equal((await inbox(server, stranger)).length, 2)
})

test('TwiML that sends from a number outside the pool sends nothing at all', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t)
  const elsewhere = await makeService(server, 1)
  for (const from of [elsewhere.numbers[0]?.phone_number, '+12025550100', 'ACME']) {
    receiver.answer = () => twiml(`<Message>One</Message><Message from="${from}">Two</Message>`)
    await server.text(stranger.identifier, number, 'Hello?')
    await settled(server, service)
  }
  assert.deepEqual(await inbox(server, stranger), [])
  assert.deepEqual(await eventCodes(server, service), [80902, 21606, 80902, 21606, 80902, 21606])
})

test('auto-create makes a session on the reserved number that was texted and relays the same message', async (t) => {
  const { server, receiver, service, stranger } = await start(t, 1, { DefaultTtl: '500' })
  const reserved = await addNumber(server, service, { IsReserved: 'true' })
  await server.post(service.path, {
    InterceptCallbackUrl: `${receiver.url}/intercept`,
    CallbackUrl: `${receiver.url}/status`,
  })
  const office = { identifier: newPerson() }
  receiver.answer = ({ target }) =>
    target === '/outside' ? json({ participantIdentifier: office.identifier, uniqueName: 'auto-1', mode: null }) : {}
  await server.text(stranger.identifier, reserved.phone_number, 'Is this the office?')
  const toOffice = await heard(server, office, 'Is this the office?')
  assert.equal(toOffice.from, service.numbers[0]?.phone_number, 'the second person gets an unreserved number')
  await settled(server, service)
  const [session] = await sessionsOf(server, service)
  const { unique_name, ttl, date_expiry, status, mode } = session ?? {}
  assert.deepEqual(
    [unique_name, ttl, date_expiry, status, mode],
    ['auto-1', 0, null, 'in-progress', 'voice-and-message'],
  )
  const path = `${service.path}/Sessions/${session?.sid}`
  assert.equal((await interactionsOf(server, { path })).length, 1)
  assert.equal(
    askedAt(receiver)
      .filter((target) => target !== '/status')
      .join(),
    '/outside,/intercept',
  )
  assert.ok(askedAt(receiver).includes('/status'))
  assert.equal(receiver.requests.find(({ target }) => target === '/status')?.params.interactionSessionSid, session?.sid)

  await server.text(office.identifier, toOffice.from, 'It is')
  assert.equal((await heard(server, stranger, 'It is')).from, reserved.phone_number)
})

test('two texts of a stranger, both answered with a session, end up in the one that came about first', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t)
  const partner = newPerson()
  // Neither question is answered before both are asked, so that both answers make a session.
  let ask: () => void = () => undefined
  const bothAsked = new Promise<void>((resolve) => {
    ask = resolve
  })
  receiver.answer = async () => {
    if (receiver.requests.length === 2) ask()
    await bothAsked
    return json({ participantIdentifier: partner, uniqueName: 'one-ride' })
  }
  await Promise.all(['First', 'Second'].map((body) => server.text(stranger.identifier, number, body)))
  await heard(server, { identifier: partner }, 'First')
  await heard(server, { identifier: partner }, 'Second')
  const [session, ...more] = await sessionsOf(server, service)
  assert.equal(more.length, 0)
  const listed = await interactionsOf(server, { path: `${service.path}/Sessions/${session?.sid}` })
  assert.equal(listed.length, 2)
})

test('auto-create takes the number, the name, the mode and the expiry it is given', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t, 3)
  const reserved = await addNumber(server, service, { IsReserved: 'true' })
  const office = { identifier: newPerson() }
  const dateExpiry = '2099-12-31T23:59:59Z'
  receiver.answer = () =>
    json({
      participantIdentifier: office.identifier,
      participantProxyIdentifier: reserved.phone_number,
      mode: 'message-only',
      ttl: 1234,
      dateExpiry,
    })
  await server.text(stranger.identifier, number, 'Hello')
  assert.equal((await heard(server, office, 'Hello')).from, reserved.phone_number)
  const [session] = await sessionsOf(server, service)
  assert.deepEqual(
    [session?.unique_name, session?.ttl, session?.date_expiry, session?.mode],
    [null, 1234, dateExpiry, 'message-only'],
  )
})

test('auto-create that cannot be done drops the message, on record, and leaves no session', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t, 1)
  await openSession(server, service, { UniqueName: 'taken' })
  const office = { identifier: newPerson() }
  const before = await sessionsOf(server, service)
  const refusals: [answer: Record<string, unknown>, code: number][] = [
    [{ participantIdentifier: office.identifier, uniqueName: 'taken' }, 80603],
    [{ participantIdentifier: office.identifier, participantProxyIdentifier: '+12025550100' }, 80304],
    [{ participantIdentifier: '12' }, 80404],
    [{ participantIdentifier: stranger.identifier }, 80103],
    [{ participantIdentifier: office.identifier, dateExpiry: '2001-01-01T00:00:00Z' }, 80701],
    [{ uniqueName: 'nobody' }, 12100],
    [{ participantIdentifier: office.identifier, ttl: '10' }, 12100],
    [{ participantIdentifier: office.identifier, mode: 'voice-only' }, 80910],
  ]
  for (const [answer] of refusals) {
    receiver.answer = () => json(answer)
    await server.text(stranger.identifier, number, 'Hello')
    await settled(server, service)
  }
  assert.deepEqual(
    await eventCodes(server, service),
    refusals.flatMap(([, code]) => [80902, code]),
  )
  assert.deepEqual(await sessionsOf(server, service), before)

  // The one number is taken for the office, in another session.
  await converse(server, service, {}, [office.identifier, newPerson()])
  receiver.answer = () => json({ participantIdentifier: office.identifier })
  await server.text(stranger.identifier, number, 'Hello')
  await settled(server, service)
  assert.equal((await eventCodes(server, service)).at(-1), 80208)
  assert.deepEqual(await inbox(server, office), [])
  assert.equal((await sessionsOf(server, service)).length, 2)
})

test('an answer that is of no use drops the message and says why in the event log', async (t) => {
  const { server, receiver, service, number, stranger } = await start(t)
  const text = (body: string, type: string) => ({ headers: { 'content-type': type }, body })
  const answers: [answer: Receiver['answer'], code: number][] = [
    [() => ({ status: 404 }), 80913],
    [() => ({ status: 500 }), 80913],
    [() => ({ status: 302, headers: { location: '/elsewhere' } }), 80913],
    [() => ({ status: 204 }), 80905],
    [() => text('Hello', 'text/plain'), 12300],
    [() => text('<Response><Message>Unclosed</Response>', 'text/xml'), 12100],
    [() => text('{"participantIdentifier":"+14155550199"}', 'application/xml'), 12100],
    [() => text('{"participantIdentifier":"+14155550199"}', 'text/plain'), 12100],
    [() => json(JSON.stringify({ participantIdentifier: '+14155550199' })), 12100],
    [() => text('{', 'application/json'), 12100],
    [() => twiml('<Redirect>http://127.0.0.1:1/</Redirect>'), 11200],
  ]
  for (const [answer] of answers) {
    receiver.answer = answer
    await server.text(stranger.identifier, number, 'Hello')
    await settled(server, service)
  }
  assert.deepEqual(
    await eventCodes(server, service),
    answers.flatMap(([, code]) => [80902, code]),
  )
  assert.equal(receiver.requests.length, answers.length, 'none is asked twice')

  receiver.answer = () => twiml('')
  await server.text(stranger.identifier, number, 'Hello')
  await server.post(service.path, { OutOfSessionCallbackUrl: 'http://127.0.0.1:1/' })
  await settled(server, service)
  await server.text(stranger.identifier, number, 'Hello')
  await settled(server, service)
  assert.deepEqual((await eventCodes(server, service)).slice(-3), [80902, 80902, 11200])
  assert.deepEqual(await inbox(server, stranger), [])
})

test('history comes along when the pair was seen before, of the session that ended last', async (t) => {
  const { server, receiver, service } = await start(t, 1)
  const [alice, first, second] = [newPerson(), newPerson(), newPerson()]
  for (const [name, partner] of [
    ['first', first],
    ['second', second],
  ] as const) {
    const { session } = await converse(server, service, { UniqueName: name }, [alice, partner])
    await server.post(session.path, { Status: 'closed' })
  }
  await server.text(alice, service.numbers[0]?.phone_number ?? '', 'Still there?')
  const { params } = await receiver.next()
  assert.deepEqual(
    [params.sessionUniqueName, params.sessionStatus, params.sessionClosedReason],
    ['second', 'closed', 'api'],
  )
  assert.deepEqual([params.inboundParticipantIdentifier, params.outboundParticipantIdentifier], [alice, second])
  await settled(server, service)
})
