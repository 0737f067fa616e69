import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setInterval } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { requestsTo, startTalk, statusesOf, type Talk } from './support/calls.ts'
import { converse, eventCodes, heard, inbox, interactionsOf, settled } from './support/conversation.ts'
import { eventsOf, serverForFile } from './support/proxy-api.ts'
import { type ReceiverAnswer, startReceiver } from './support/receiver.ts'
import { selfSigned } from './support/self-signed.ts'
import { eventually } from './support/server.ts'
import { vendorSid } from './support/twilio-numbers.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const getServer = serverForFile(async () => ({
  env: { MASKLINE_INTERCEPT_TIMEOUT_MS: '400', MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' },
}))

/** Starts a customer's application; where it is asked. */
type Application = (t: TestContext) => Promise<string>

const answering =
  (answer: (t: TestContext) => ReceiverAnswer | Promise<ReceiverAnswer>): Application =>
  async (t) =>
    (await startReceiver(t, ({ target }) => (target === '/yes' ? {} : answer(t)))).url

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** It does so once it has been asked. */
const onSocket =
  (act: (socket: Socket) => unknown): Application =>
  async (t) => {
    const server = createServer((socket) => socket.once('data', () => act(socket)))
    return `http://127.0.0.1:${await listen(t, server)}/`
  }

async function* endless(t: TestContext) {
  const stop = new AbortController()
  t.after(() => stop.abort())
  for await (const _ of setInterval(20, undefined, { signal: stop.signal })) yield '.'
}

async function* broken() {
  yield 'half'
  throw new Error('the application breaks off')
}

const YES = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n'
const never = new Promise<never>(() => undefined)

const FAILURES: [what: string, application: Application, reason: RegExp][] = [
  ['does not answer in time', answering(() => never), /There was no complete answer within 400 ms\./],
  ['refuses the connection', async () => 'http://127.0.0.1:1/', /The connection was refused\./],
  ['breaks the connection', onSocket((socket) => socket.destroy()), /The connection broke before/],
  ['does not speak HTTP', onSocket((socket) => socket.end('220 mail.example\r\n')), /The answer is not HTTP\./],
  [
    'has no end of headers',
    onSocket((socket) => socket.end(`${YES}x-long: ${'x'.repeat(40_000)}\r\n\r\n`)),
    /The request failed \(UND_ERR_HEADERS_OVERFLOW\)/,
  ],
  ['says yes at length', answering(() => ({ body: 'x'.repeat(70_000) })), /The answer is larger than 64 KiB\./],
  ['does not end its yes', answering((t) => ({ body: endless(t) })), /There was no complete answer within 400 ms\./],
  ['breaks off in its yes', answering(() => ({ body: broken() })), /The connection broke before/],
  [
    'redirects to a yes',
    answering(() => ({ status: 302, headers: { location: '/yes' } })),
    /It answered with status 302\./,
  ],
  ...[400, 401, 404, 429, 500, 503].map((status): (typeof FAILURES)[number] => [
    `answers ${status}`,
    answering(() => ({ status })),
    new RegExp(`It answered with status ${status}\\.`),
  ]),
  [
    'has a certificate that nobody vouches for',
    async (t) => {
      const server = createTlsServer(selfSigned(), (socket) => void socket.end(`${YES}\r\n`))
      return `https://127.0.0.1:${await listen(t, server)}/`
    },
    /The request failed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
  ],
  [
    'does not speak TLS',
    async (t) => (await startReceiver(t)).url.replace('http:', 'https:'),
    /The (request failed \(ERR_SSL_\w+\)|connection broke before)/,
  ],
  // A label may have 63 characters, so no name server is asked.
  ['has a name that leads nowhere', async () => `http://${'x'.repeat(64)}.example/`, /The host name does not resolve/],
  ['is at a private address', async () => 'http://10.0.0.1/', /Callbacks may not reach .* \(private\)/],
]

const set = async ({ server, pool }: Talk, url: string, InterceptFailure: string) => {
  assert.equal((await server.post(pool.path, { InterceptCallbackUrl: url })).status, 200)
  const settings = await server.post(`/maskline${pool.path}/Settings`, { InterceptFailure })
  assert.equal(settings.status, 200, settings.text)
}

/** A text and a call, both of which reach Bob. */
async function reach({ server, phones, alice, bob, pool }: Talk, body: string) {
  await server.text(alice.identifier, alice.proxy, body)
  await heard(server, bob, body)
  const sid = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual(
    (await phones.find(sid)).legs.map(({ status }) => status),
    ['ringing', 'ringing'],
  )
  await phones.act(sid, alice, 'hangup')
  await settled(server, pool)
}

/** A text and a call, neither of which does. */
async function meetBlock(talk: Talk) {
  const { server, phones, session, alice, bob, pool, receiver } = talk
  const known = async () => [await inbox(server, bob), await phones.listOf(bob), requestsTo(receiver, '/status').length]
  const clock = async () => {
    const { dateStarted, dateLastInteraction, dateUpdated } = await session.fetch()
    return [dateStarted, dateLastInteraction, dateUpdated]
  }
  const before = [await known(), await clock()]
  await server.text(alice.identifier, alice.proxy, 'Nobody reads this')
  await settled(server, pool)
  const sid = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual((await phones.find(sid)).legs.map(statusesOf), ['ringing no-answer'])
  await settled(server, pool)
  assert.deepEqual([await known(), await clock()], before)
  const { path } = { path: `${pool.path}/Sessions/${(await session.fetch()).sid}` }
  const records = (await interactionsOf(server, { path })).slice(-2)
  assert.deepEqual(
    records.map((record) => [record.type, record.inbound_participant_sid, record.inbound_resource_status]),
    [
      ['message', alice.sid, 'delivered'],
      ['voice', alice.sid, 'failed'],
    ],
  )
  for (const record of records) {
    const outbound = Object.entries(record).filter(([name]) => name.startsWith('outbound_'))
    assert(outbound.length > 3)
    for (const [name, value] of outbound) assert.equal(value, null, name)
  }
}

for (const [what, application, reason] of FAILURES) {
  test(`an application that ${what} stops nothing, or everything where failures block`, async (t) => {
    const talk = await startTalk(t, await getServer())
    const { server, pool } = talk
    const url = await application(t)
    await set(talk, url, '')
    await reach(talk, 'Asked in vain')
    assert.deepEqual(await eventCodes(server, pool), [])

    await set(talk, url, 'block')
    await meetBlock(talk)
    const events = await eventsOf(server, pool, 11200)
    assert.deepEqual(await eventCodes(server, pool), [11200, 11200], 'one for the text, one for the call')
    for (const { message, session_sid } of events) {
      assert(message.startsWith(`${url} could not be fetched. `), message)
      assert.match(message, reason)
      assert.match(message, /So the interaction was blocked, as InterceptFailure says\.$/)
      assert(session_sid)
    }
  })
}

test('where failures block, 403 is still a no of its own, any 2xx is a yes, and without an address nobody is asked', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, pool, receiver } = talk
  let status = 403
  receiver.answer = ({ target }) => ({ status: target === '/ask' ? status : 200 })
  await set(talk, `${receiver.url}/ask`, 'block')
  await meetBlock(talk)
  assert.deepEqual(await eventCodes(server, pool), [80909, 80909])
  for (status of [200, 201, 204, 299]) await reach(talk, `answered ${status}`)
  status = 500
  assert.equal((await server.post(pool.path, { InterceptCallbackUrl: '' })).status, 200)
  await reach(talk, 'nobody was asked')
  assert.deepEqual(await eventCodes(server, pool), [80909, 80909])
  assert.equal(requestsTo(receiver, '/ask').length, 10, 'each once')
})

test('a call that was blocked stays so when a repeat of its arrival is let through later', async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const answers: ((answer: ReceiverAnswer) => void)[] = []
  const receiver = await startReceiver(t, ({ target }) =>
    target === '/ask' ? new Promise<ReceiverAnswer>((resolve) => answers.push(resolve)) : {},
  )
  const callbacks = { InterceptCallbackUrl: `${receiver.url}/ask`, CallbackUrl: `${receiver.url}/status` }
  const service = await makeTwilioService(server, twilio, callbacks)
  await server.post(`/maskline${service.path}/Settings`, { InterceptFailure: 'block' })
  const { session, alice } = await converse(server, service)
  const path = `/webhooks/${account.carrier_sid}/calls`
  const arrival = {
    ...{ AccountSid: twilio.account_sid, ApiVersion: '2010-04-01', CallSid: vendorSid('CA'), CallStatus: 'ringing' },
    ...{ From: alice.identifier, To: alice.proxy, Direction: 'inbound' },
  }
  const signature = getExpectedTwilioSignature(twilio.auth_token, server.url + path, arrival)
  const arrive = async (nth: number) => {
    const headers = { 'x-twilio-signature': signature }
    const answer = fetch(server.direct + path, { method: 'POST', headers, body: new URLSearchParams(arrival) })
    await eventually(async () => answers.length === nth, `the application is asked for the ${nth}. time`)
    return { text: async () => (await answer).text() }
  }
  const first = await arrive(1)
  const second = await arrive(2)
  answers[0]?.({ status: 503 })
  assert.match(await first.text(), /<Reject/)
  answers[1]?.({ status: 200 })
  assert.match(await second.text(), /<Reject/)
  await settled(server, service)
  const [record, ...more] = await interactionsOf(server, session)
  assert.deepEqual(
    [record?.inbound_resource_status, record?.outbound_resource_status, more.length],
    ['failed', null, 0],
  )
  assert.deepEqual(requestsTo(receiver, '/status'), [])
  assert.deepEqual(await eventCodes(server, service), [11200])
})
