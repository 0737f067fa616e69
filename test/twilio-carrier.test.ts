import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { Agent } from 'undici'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { CarrierError, type OutboundMessage } from '../src/core/carrier.ts'
import { type Fault, type RecordedRequest, startTwilioApi } from './support/twilio-api.ts'

const PROXY = '+12025550100'
const PERSON = '+12025550124'

const outbound = (changes: Partial<OutboundMessage> = {}): OutboundMessage => ({
  reference: 'KI00000000000000000000000000000001',
  from: PROXY,
  to: PERSON,
  body: 'On my way, +1 & 50% «sure»?',
  media_urls: [],
  status_url: 'https://masking.example/carriers/twilio/status',
  ...changes,
})

async function start(t: TestContext, options: { timeout_ms?: number; onRequest?: (r: RecordedRequest) => void } = {}) {
  const { timeout_ms = 5000, onRequest } = options
  const api = await startTwilioApi(t, onRequest && { onRequest })
  api.addNumber({ phone_number: PROXY })
  const { account_sid, auth_token, url: base_url } = api
  return { api, carrier: twilioCarrier({ account_sid, auth_token, base_url, timeout_ms }) }
}

async function errorOf(promise: Promise<unknown>): Promise<CarrierError> {
  const error = await promise.then(
    () => assert.fail('it was accepted'),
    (reason) => reason,
  )
  assert(error instanceof CarrierError, inspect(error))
  // Neither the error nor what caused it may name a person.
  assert.doesNotMatch(inspect(error, { depth: 10 }), /2025550/)
  return error
}

const nobodyKnows = async () => false

test('a message is sent from the proxy number, with its text, attachments and status callback as given', async (t) => {
  const { api, carrier } = await start(t)
  const sent = await carrier.sendMessage(outbound())
  const message = await api.nextSent()
  assert.deepEqual(sent, { carrier_message_id: message.sid, resource_sid: message.sid, status: 'queued' })
  assert.deepEqual(
    [message.from, message.to, message.body, message.status_callback],
    [PROXY, PERSON, outbound().body, outbound().status_url],
  )

  const media_urls = ['https://masking.example/media/1', 'https://masking.example/media/2']
  const withMedia = await carrier.sendMessage(outbound({ body: '', media_urls }))
  assert.match(withMedia.resource_sid ?? '', /^MM/)
  assert.deepEqual((await api.nextSent()).media_urls, media_urls)
  const names = api.requests.map(({ form }) => form.map(([name]) => name))
  assert.deepEqual(names, [
    ['To', 'From', 'Body', 'StatusCallback'],
    ['To', 'From', 'MediaUrl', 'MediaUrl', 'StatusCallback'],
  ])
})

test('every request is visible to whoever checks it against the vendor’s own description', async (t) => {
  const seen: string[] = []
  const { api, carrier } = await start(t, { onRequest: ({ method, template }) => seen.push(`${method} ${template}`) })
  await carrier.check()
  await carrier.sendMessage(outbound())
  assert.deepEqual(seen, [
    'GET /2010-04-01/Accounts/{Sid}.json',
    'POST /2010-04-01/Accounts/{AccountSid}/Messages.json',
  ])
  assert.deepEqual(api.requests[1]?.path_params, { AccountSid: api.account_sid })
})

const FAULTS: [title: string, fault: Fault, outcome: string, code?: number, retry_after_s?: number][] = [
  ['opted out', { kind: 'error', status: 400, code: 21610 }, 'refused', 21610],
  ['not a mobile', { kind: 'error', status: 400, code: 21614 }, 'refused', 21614],
  ['wrong credentials', { kind: 'error', status: 401, code: 20003 }, 'not-sent', 20003],
  ['no such account', { kind: 'error', status: 404, code: 20404 }, 'refused', 20404],
  ['a code that is somebody’s number', { kind: 'error', status: 400, code: 12025550124 }, 'not-sent'],
  ['a 4xx of something in between', { kind: 'error', status: 403, body: '<h1>Forbidden</h1>' }, 'not-sent'],
  ['too fast', { kind: 'error', status: 429, code: 20429, headers: { 'retry-after': '7' } }, 'not-sent', 20429, 7],
  ['too fast, without a body', { kind: 'error', status: 429 }, 'not-sent'],
  ['queue full', { kind: 'error', status: 400, code: 21611 }, 'not-sent', 21611],
  ['too many between two numbers', { kind: 'error', status: 400, code: 14107 }, 'not-sent', 14107],
  ['unavailable', { kind: 'error', status: 503, headers: { 'retry-after': '30' } }, 'not-sent', undefined, 30],
  ['odd Retry-After', { kind: 'error', status: 503, headers: { 'retry-after': 'soon' } }, 'not-sent'],
  ['internal error', { kind: 'error', status: 500, code: 20500, stored: true }, 'unknown', 20500],
  ['bad gateway', { kind: 'error', status: 502, stored: true }, 'unknown'],
  ['request time-out', { kind: 'error', status: 408, code: 20408 }, 'unknown', 20408],
  ['a redirect', { kind: 'error', status: 303, headers: { location: '/elsewhere' } }, 'unknown'],
  ['a success without a SID', { kind: 'error', status: 201, body: '{"status":"queued"}', stored: true }, 'unknown'],
  ['a success with a list', { kind: 'error', status: 200, body: '[]', stored: true }, 'unknown'],
  ['an unreadable success', { kind: 'garbled', stored: true }, 'unknown'],
  ['a reset before it was taken', { kind: 'reset' }, 'unknown'],
  ['a reset after it was taken', { kind: 'reset', stored: true }, 'unknown'],
]

test('every answer is classified by whether the message may be sent again, and none sends it twice', async (t) => {
  const { api, carrier } = await start(t)
  for (const [title, fault, outcome, code, retry_after_s] of FAULTS) {
    const before = api.requests.length
    api.failNext(fault)
    const error = await errorOf(carrier.sendMessage(outbound()))
    assert.deepEqual([error.outcome, error.code, error.retry_after_s], [outcome, code, retry_after_s], title)
    assert.equal(api.requests.length, before + 1, title)
    assert(outcome === 'unknown' || !fault.stored, `${title}: what was stored is in doubt`)
  }
  await carrier.sendMessage(outbound())
  assert.equal(api.sent().length, FAULTS.filter(([, { stored }]) => stored).length + 1)
})

test('an answer that does not come within the time limit leaves the outcome unknown', async (t) => {
  const { api, carrier } = await start(t, { timeout_ms: 300 })
  for (const fault of [{ kind: 'hang' }, { kind: 'hang', stored: true }, { kind: 'stall', stored: true }] as Fault[]) {
    api.failNext(fault)
    assert.equal((await errorOf(carrier.sendMessage(outbound()))).outcome, 'unknown')
  }
  assert.equal(api.requests.length, 3)
})

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a carrier that cannot be reached has certainly not been sent the message', async (t) => {
  const closed = createTcpServer()
  const closedPort = await listen(t, closed)
  await new Promise((done) => closed.close(done))
  const silent = createTcpServer((socket) => t.after(() => socket.destroy()))
  const plain = createServer((_, response) => response.end())

  const addresses = [
    `http://127.0.0.1:${closedPort}`,
    `http://localhost:${closedPort}`,
    'http://carrier.invalid',
    `https://127.0.0.1:${await listen(t, silent)}`,
    `https://127.0.0.1:${await listen(t, plain)}`,
  ]
  const account = { account_sid: `AC${'0'.repeat(32)}`, auth_token: 'x', timeout_ms: 1500 }
  for (const base_url of addresses) {
    const started = performance.now()
    const error = await errorOf(twilioCarrier({ ...account, base_url }).sendMessage(outbound()))
    assert.equal(error.outcome, 'not-sent', `${base_url}: ${error.message}`)
    assert.match(error.message, /cannot be reached/)
    // Left to itself the client goes on connecting for ten seconds, whatever the time limit.
    const took = performance.now() - started
    assert(took < 5000, `${base_url} took ${took} ms`)
  }

  const both = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]
  const dispatcher = new Agent({ connect: { lookup: (_host, _options, done) => done(null, both) } })
  const carrier = twilioCarrier({ ...account, base_url: `http://carrier.invalid:${closedPort}`, dispatcher })
  const error = await errorOf(carrier.sendMessage(outbound()))
  assert(error.cause instanceof AggregateError, inspect(error))
  assert.equal(error.outcome, 'not-sent')
})

test('a message whose answer was lost is found again, and one that was not taken is not', async (t) => {
  const { api, carrier } = await start(t)
  const since = new Date()
  api.failNext({ kind: 'reset', stored: true }, { kind: 'reset' })
  await errorOf(carrier.sendMessage(outbound({ body: 'taken' })))
  await errorOf(carrier.sendMessage(outbound({ body: 'lost' })))

  const taken = await api.nextSent()
  const found = await carrier.findSentMessage(outbound({ body: 'taken' }), since, nobodyKnows)
  assert.deepEqual(found, { carrier_message_id: taken.sid, resource_sid: taken.sid, status: 'queued' })
  assert.equal(await carrier.findSentMessage(outbound({ body: 'lost' }), since, nobodyKnows), undefined)

  taken.status = 'read'
  const later = await carrier.findSentMessage(outbound({ body: 'taken' }), since, nobodyKnows)
  assert.equal(later?.status, 'delivered')
})

test('only a message that is the same, ours, recent and not yet known is found', async (t) => {
  const { api, carrier } = await start(t)
  api.addNumber({ phone_number: PERSON })
  const since = new Date()
  const search = async (changes: Partial<OutboundMessage> = {}, known: string[] = []) =>
    (await carrier.findSentMessage(outbound(changes), since, async (id) => known.includes(id)))?.carrier_message_id

  // The same words between the same two numbers, but received rather than sent by us.
  await api.receive({ from: PROXY, to: PERSON, body: outbound().body, url: `${api.url}/nowhere` })
  assert.equal(await search(), undefined)

  api.account.now = () => new Date(since.getTime() - 600_000)
  await carrier.sendMessage(outbound())
  assert.equal(await search(), undefined)

  api.account.now = () => since
  const first = (await carrier.sendMessage(outbound())).carrier_message_id
  const second = (await carrier.sendMessage(outbound())).carrier_message_id
  assert.equal(await search({}, [second]), first)
  assert.equal(await search({}, [first]), second)
  assert.equal(await search({}, [first, second]), undefined)
  assert.equal(await search({ body: 'On my way' }), undefined)
  assert.equal(await search({ to: '+12025550125' }), undefined)
  assert.equal(await search({ media_urls: ['https://masking.example/media/1'] }, [first]), second)
  for (const message of api.sent()) message.status = 'delivered'
  assert.equal(await search({ media_urls: ['https://masking.example/media/1'] }), undefined)
})

test('a trial account’s preamble and a changed line end do not hide a message', async (t) => {
  const { api, carrier } = await start(t)
  await carrier.sendMessage(outbound({ body: 'Sent from your Twilio trial account - one\ntwo' }))
  const { sid } = await api.nextSent()
  const found = await carrier.findSentMessage(outbound({ body: 'one\r\ntwo ' }), new Date(), nobodyKnows)
  assert.equal(found?.carrier_message_id, sid)
})

test('the search goes from page to page, stops at what is too old, and admits when there is too much', async (t) => {
  const { api, carrier } = await start(t)
  const since = new Date()
  const stored = (count: number, date_created: Date) => {
    const model = { ...api.messages[0]!, body: 'another', date_created }
    for (let i = 0; i < count; i++)
      api.messages.push({ ...model, sid: `SM${String(api.messages.length).padStart(32, '0')}` })
  }
  const { carrier_message_id } = await carrier.sendMessage(outbound())
  stored(450, since)
  api.requests.length = 0
  const found = await carrier.findSentMessage(outbound(), since, nobodyKnows)
  assert.equal(found?.carrier_message_id, carrier_message_id)
  assert.equal(api.requests.length, 3)

  stored(600, since)
  const error = await errorOf(carrier.findSentMessage(outbound(), since, nobodyKnows))
  assert.equal(error.outcome, 'unknown')

  api.messages.splice(0, api.messages.length, ...api.messages.slice(0, 1))
  stored(450, new Date(since.getTime() - 3_600_000))
  api.requests.length = 0
  assert.equal(await carrier.findSentMessage(outbound({ body: 'new' }), since, nobodyKnows), undefined)
  assert.equal(api.requests.length, 1)
})

test('a failed search says nothing about the message, and follows no page to another host', async (t) => {
  const { api, carrier } = await start(t)
  const away = ['https://other.example/next', '//other.example/next', '@other.example']
  const faults: Fault[] = [
    { kind: 'error', status: 401, code: 20003 },
    { kind: 'error', status: 503 },
    ...away.map((next_page_uri): Fault => {
      const messages = [{ date_created: new Date().toUTCString() }]
      return { kind: 'error', status: 200, body: JSON.stringify({ messages, next_page_uri }) }
    }),
  ]
  for (const fault of faults) {
    api.failNext(fault)
    const error = await errorOf(carrier.findSentMessage(outbound(), new Date(), nobodyKnows))
    assert.equal(error.outcome, 'unknown')
  }
  assert.equal(api.requests.length, faults.length)
})

test('the credentials are checked, and an account that may not send is reported', async (t) => {
  const { api, carrier } = await start(t)
  await carrier.check()

  const stranger = twilioCarrier({ account_sid: api.account_sid, auth_token: 'wrong', base_url: `${api.url}/` })
  assert.equal((await errorOf(stranger.check())).code, 20003)

  api.account.status = 'suspended'
  assert.match((await errorOf(carrier.check())).message, /not active but suspended/)
})

test('what the carrier posts for a received message and a status is genuine and readable', async (t) => {
  const { api, carrier } = await start(t)
  const read: unknown[] = []
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const url = `https://masking.example${request.url}`
    const webhook = { method: request.method ?? '', url, headers: request.headers, body: Buffer.concat(chunks) }
    if (!carrier.verify(webhook)) return void response.writeHead(403).end()
    read.push(request.url === '/status' ? carrier.parseStatus(webhook) : carrier.parseMessage(webhook))
    const { contentType, body } = carrier.acknowledgement
    response.writeHead(200, { 'content-type': contentType }).end(body)
  })
  const port = await listen(t, receiver)
  api.reach = (url) => url.replace('https://masking.example', `http://127.0.0.1:${port}`)
  api.numbers[0]!.sms_url = 'https://masking.example/messages?carrier=1'

  const url = api.addMedia({ content_type: 'image/png', bytes: Buffer.from('png') })
  const answer = await api.receive({ from: PERSON, to: PROXY, body: 'Hi', mediaUrls: [url] })
  assert.deepEqual(answer, { status: 200, content_type: 'text/xml', body: '<Response/>' })
  const message = read[0] as ReturnType<typeof carrier.parseMessage>
  assert.deepEqual([message.from, message.to, message.body], [PERSON, PROXY, 'Hi'])
  assert.deepEqual(message.media, [{ url, content_type: 'image/png' }])

  const sent = await carrier.sendMessage(outbound({ status_url: 'https://masking.example/status' }))
  assert.equal((await api.report(sent.carrier_message_id, 'undelivered', 30003)).status, 200)
  const { carrier_message_id } = sent
  assert.deepEqual(read[1], { carrier_message_id, status: 'undelivered', error_code: 30003 })

  const forged = await api.post('https://masking.example/messages', { MessageSid: 'SM1' }, 'another token')
  assert.equal(forged.status, 403)
  assert.equal(read.length, 2)
})
