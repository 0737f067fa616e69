import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { simulatorCarrier } from '../src/carriers/simulator/carrier.ts'
import { createNetwork } from '../src/carriers/simulator/network.ts'
import { moreInfo } from '../src/core/errors.ts'
import {
  ACCOUNT,
  ALICE,
  BOB,
  CARRIER,
  OTHER_ACCOUNT,
  outbound,
  PROXY,
  SHORT_CODE,
  serve,
  startNetwork,
} from './support/simulator-network.ts'

test('a handset texts a proxy number: it reaches us before the answer, and is in the handset’s own list', async (t) => {
  const started = startNetwork()
  const call = await serve(t, started)
  const media_urls = ['https://example.com/cat.jpg', 'data:image/png;base64,AAAA']
  const text = await call('POST', '/messages', { from: ALICE, to: PROXY, body: 'x'.repeat(161) })
  assert.equal(text.status, 202)
  assert.deepEqual(Object.keys(text.body), ['sid'])
  assert.match(text.body.sid, /^SM[0-9a-f]{32}$/)
  const picture = await call('POST', '/messages', { from: ALICE, to: PROXY, media_urls })
  assert.match(picture.body.sid, /^MM[0-9a-f]{32}$/)

  const common = { from: ALICE, to: PROXY, geography: {} }
  assert.deepEqual(started.heard.received, [
    {
      carrier_sid: CARRIER,
      account_sid: ACCOUNT,
      message: {
        ...common,
        event_id: text.body.sid,
        resource_sid: text.body.sid,
        body: 'x'.repeat(161),
        media: [],
        num_segments: 2,
      },
    },
    {
      carrier_sid: CARRIER,
      account_sid: ACCOUNT,
      message: {
        ...common,
        event_id: picture.body.sid,
        resource_sid: picture.body.sid,
        body: '',
        media: [
          { url: media_urls[0], content_type: undefined },
          { url: media_urls[1], content_type: 'image/png' },
        ],
        num_segments: 1,
      },
    },
  ])
  const own = await call('GET', `/handsets/${ALICE}/messages`)
  const date = '2030-01-31T12:00:00Z'
  assert.deepEqual(
    [own.status, own.body],
    [
      200,
      {
        messages: [
          {
            sid: text.body.sid,
            direction: 'outbound',
            from: ALICE,
            to: PROXY,
            body: 'x'.repeat(161),
            media_urls: [],
            date,
          },
          { sid: picture.body.sid, direction: 'outbound', from: ALICE, to: PROXY, body: '', media_urls, date },
        ],
      },
    ],
  )
  assert.deepEqual((await call('GET', '/handsets')).body, { handsets: [{ number: ALICE, messages: 2 }] })
})

test('a message to us that fails is answered 202 all the same and tried again as the same event', async (t) => {
  const started = startNetwork()
  const call = await serve(t, started)
  started.heard.faults = 4
  const { status, body } = await call('POST', '/messages', { from: ALICE, to: PROXY, body: 'Hello' })
  assert.deepEqual([status, started.heard.calls, started.heard.received], [202, 1, []])
  await started.clock.advance(12_600)
  assert.deepEqual(
    started.heard.received.map(({ message }) => [message.event_id, message.body]),
    [[body.sid, 'Hello']],
  )

  started.heard.faults = 5
  await call('POST', '/messages', { from: ALICE, to: PROXY, body: 'Lost' })
  await started.clock.advance(3600_000)
  assert.deepEqual([started.heard.calls, started.heard.received.length, started.clock.pending], [10, 1, 0])
})

test('with the clock of the machine, too, what failed once arrives, and a sent message is reported', async (t) => {
  const told = new EventEmitter()
  let tries = 0
  const network = createNetwork({
    receive: async (_carrier, _account, message) => {
      if (++tries === 1) throw new Error('the database is away')
      told.emit('message', message.event_id)
    },
    report: async (_carrier, _leg, { status }) => {
      told.emit(status)
    },
    isProxyNumber: async (_account, number) => number === PROXY,
    request: () => assert.fail('a message makes no request'),
  })
  const call = await serve(t, { network })
  const before = Date.now()
  const received = once(told, 'message')
  const { body } = await call('POST', '/messages', { from: ALICE, to: PROXY, body: 'Hello' })
  assert.deepEqual(await received, [body.sid])
  const delivered = once(told, 'delivered')
  await simulatorCarrier(network, { sid: CARRIER, account_sid: ACCOUNT }).sendMessage(outbound())
  await delivered
  const [message] = network.messagesOf(ACCOUNT, BOB)
  assert.ok(message && message.date.getTime() >= before && message.date.getTime() <= Date.now())
})

test('a message from handset to handset is simply delivered, and a short code of ours can be texted', async (t) => {
  const started = startNetwork()
  const call = await serve(t, started)
  const { body } = await call('POST', '/messages', { from: ALICE, to: BOB, body: 'Direct' })
  assert.equal(started.heard.calls, 0)
  for (const [number, direction] of [
    [ALICE, 'outbound'],
    [BOB, 'inbound'],
  ]) {
    const { messages } = (await call('GET', `/handsets/${number}/messages`)).body
    assert.equal(messages.length, 1)
    const { sid, from, to } = messages[0]
    assert.deepEqual([sid, messages[0].direction, from, to], [body.sid, direction, ALICE, BOB])
  }

  assert.equal((await call('POST', '/messages', { from: ALICE, to: SHORT_CODE, body: 'Hello' })).status, 202)
  assert.equal(started.heard.received[0]?.message.to, SHORT_CODE)
  const nobodys = await call('POST', '/messages', { from: ALICE, to: '12345', body: 'Hello' })
  assert.deepEqual([nobodys.status, nobodys.body.code], [400, 21211])
})

test('a handset is found under an encoded and a literal plus, and cleared; an unknown one is empty', async (t) => {
  const call = await serve(t, startNetwork())
  await call('POST', '/messages', { from: ALICE, to: BOB, body: 'one' })
  await call('POST', '/messages', { from: ALICE, to: BOB, body: 'two' })
  for (const path of [`/handsets/${BOB}/messages`, `/handsets/${encodeURIComponent(BOB)}/messages`]) {
    const { messages } = (await call('GET', path)).body
    assert.deepEqual(
      messages.map((message: { body: string }) => message.body),
      ['one', 'two'],
    )
  }
  assert.deepEqual(await call('DELETE', `/handsets/${encodeURIComponent(BOB)}/messages`), {
    status: 204,
    body: undefined,
  })
  assert.deepEqual((await call('GET', `/handsets/${BOB}/messages`)).body, { messages: [] })
  assert.equal((await call('GET', `/handsets/${ALICE}/messages`)).body.messages.length, 2)

  const unknown = '/handsets/+12025550177/messages'
  assert.deepEqual(await call('GET', unknown), { status: 200, body: { messages: [] } })
  assert.equal((await call('DELETE', unknown)).status, 204)
  const { handsets } = (await call('GET', '/handsets')).body
  assert.deepEqual(handsets, [
    { number: ALICE, messages: 2 },
    { number: BOB, messages: 0 },
  ])

  for (const method of ['GET', 'DELETE']) {
    const { status, body } = await call(method, '/handsets/2025550177/messages')
    const message = 'The requested resource /simulator/handsets/202555XXXX/messages was not found'
    assert.deepEqual([status, body], [404, { code: 20404, message, more_info: moreInfo(20404), status: 404 }])
  }
})

test('accounts share nothing, and one without a simulated carrier cannot text', async (t) => {
  const { network, carrier, heard, clock } = startNetwork()
  const call = await serve(t, { network })
  await carrier.sendMessage(outbound())
  assert.deepEqual((await call('GET', '/handsets', undefined, OTHER_ACCOUNT)).body, { handsets: [] })
  assert.deepEqual((await call('GET', `/handsets/${BOB}/messages`, undefined, OTHER_ACCOUNT)).body, { messages: [] })
  await call('DELETE', `/handsets/${BOB}/messages`, undefined, OTHER_ACCOUNT)
  assert.equal(network.messagesOf(ACCOUNT, BOB).length, 1)

  const other = { sid: CARRIER, account_sid: OTHER_ACCOUNT }
  assert.equal(
    await simulatorCarrier(network, other).findSentMessage(outbound(), new Date(0), async () => false),
    undefined,
  )
  // Our proxy number is a mere handset to them.
  await network.sendFromHandset(other, { from: ALICE, to: PROXY, body: 'Hello', media_urls: [] })
  await clock.advance(0)
  assert.deepEqual([heard.received, network.messagesOf(OTHER_ACCOUNT, PROXY).length], [[], 1])

  const refused = await call('POST', '/messages', { from: ALICE, to: PROXY, body: 'Hello' }, OTHER_ACCOUNT)
  assert.deepEqual([refused.status, refused.body.code], [404, 20404])
})

const valid = { from: ALICE, to: PROXY, body: 'Hello' }
const media = (count: number) => Array.from({ length: count }, (_, i) => `https://example.com/${i}.jpg`)
const BAD: [what: string, body: unknown, code: number][] = [
  ['no to', { ...valid, to: undefined }, 21211],
  ['a to without a plus', { ...valid, to: '12025550199' }, 21211],
  ['a to that is a number', { ...valid, to: 12025550199 }, 21211],
  ['a to with a channel', { ...valid, to: `whatsapp:${PROXY}` }, 21211],
  ['no from', { ...valid, from: undefined }, 80701],
  ['a short code as from', { ...valid, from: '12345' }, 80701],
  ['neither body nor media', { ...valid, body: undefined }, 21602],
  ['an empty body and no media', { ...valid, body: '', media_urls: [] }, 21602],
  ['a body that is no text', { ...valid, body: 5 }, 80701],
  ['1601 characters', { ...valid, body: '😀'.repeat(1601) }, 21617],
  ['media that are no list', { ...valid, media_urls: 'https://example.com/a.jpg' }, 80701],
  ['eleven media', { ...valid, media_urls: media(11) }, 21623],
  ['a relative medium', { ...valid, media_urls: ['/cat.jpg'] }, 21620],
  ['a medium without slashes', { ...valid, media_urls: ['https:cat.jpg'] }, 21620],
  ['a medium that is a file', { ...valid, media_urls: ['file:///cat.jpg'] }, 21620],
  ['a medium that is no text', { ...valid, media_urls: [{}] }, 21620],
  ['an array', [valid], 20001],
  ['null', 'null', 20001],
  ['a string', '"text"', 20001],
  ['broken JSON', '{"from":', 20001],
  ['a form', 'From=%2B12025550131', 20001],
  ['nothing', undefined, 20001],
]
test('bad input is refused in the vendor’s codes, and leaves no trace', async (t) => {
  const { network, heard } = startNetwork()
  const call = await serve(t, { network })
  for (const [what, sent, code] of BAD) {
    const { status, body } = await call('POST', '/messages', sent)
    assert.deepEqual([status, body.code], [400, code], what)
    const expected = {
      code,
      message: body.message,
      more_info: `https://www.twilio.com/docs/errors/${code}`,
      status: 400,
    }
    assert.deepEqual(body, expected, what)
    assert.doesNotMatch(body.message, /\{|5550199|5550131/, what)
  }
  assert.deepEqual([heard.calls, network.listHandsets(ACCOUNT)], [0, []])
  for (const fine of [
    { ...valid, body: '😀'.repeat(1600) },
    { ...valid, media_urls: media(10) },
  ]) {
    assert.equal((await call('POST', '/messages', fine)).status, 202)
  }
})

test('who may come in, and faults that are ours, are left to the server around it', async (t) => {
  const isProxyNumber = async () => Promise.reject(new Error('the database is away'))
  const { network } = startNetwork({ isProxyNumber })
  const call = await serve(t, { network })
  assert.deepEqual(await call('GET', '/handsets', undefined, ''), {
    status: 599,
    body: { outside: 'ProxyError: Authenticate' },
  })
  const failed = await call('POST', '/messages', valid)
  assert.deepEqual(failed, { status: 599, body: { outside: 'Error: the database is away' } })
  assert.deepEqual(network.listHandsets(ACCOUNT), [], 'what was not taken is in no list')
})
