import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as settle } from 'node:timers/promises'
import { countSegments } from '../src/carriers/simulator/segments.ts'
import { BadWebhook, CarrierError } from '../src/core/carrier.ts'
import { CATALOGUE } from '../src/core/errors.ts'
import {
  ACCOUNT,
  ALICE,
  BOB,
  CARRIER,
  LEG,
  outbound,
  PROXY,
  SHORT_CODE,
  STARTED,
  startNetwork,
} from './support/simulator-network.ts'

test('a message to a handset is queued, is there at once from the proxy number, and is reported sent and delivered', async () => {
  const { network, carrier, clock, heard } = startNetwork()
  const sent = await carrier.sendMessage(outbound())
  assert.deepEqual(sent, {
    carrier_message_id: sent.carrier_message_id,
    resource_sid: sent.carrier_message_id,
    status: 'queued',
  })
  assert.match(sent.carrier_message_id, /^SM[0-9a-f]{32}$/)
  assert.deepEqual(heard.reports, [], 'reports come after the answer')
  assert.deepEqual(network.messagesOf(ACCOUNT, BOB), [
    {
      sid: sent.carrier_message_id,
      direction: 'inbound',
      from: PROXY,
      to: BOB,
      body: 'On my way',
      media_urls: [],
      date: new Date(STARTED),
    },
  ])
  await clock.advance(0)
  assert.deepEqual(heard.reports, ['sent', 'delivered'])
  assert.equal(clock.pending, 0)
})

test('an attachment makes it an MM, and its address arrives as it was given', async () => {
  const { network, carrier } = startNetwork()
  const media_urls = ['https://masking.example/media/1']
  const { resource_sid } = await carrier.sendMessage(outbound({ body: '', media_urls }))
  assert.match(resource_sid ?? '', /^MM[0-9a-f]{32}$/)
  assert.deepEqual(network.messagesOf(ACCOUNT, BOB)[0]?.media_urls, media_urls)
})

type Row = {
  ends: string
  at_once: string[]
  later?: string[]
  after_ms?: number
  arrives: 'at once' | 'later' | 'never'
}
const BEHAVIOURS: Row[] = [
  { ends: '0100', at_once: ['sent', 'delivered'], arrives: 'at once' },
  { ends: '0103', at_once: ['sent', 'undelivered 30003'], arrives: 'never' },
  { ends: '0105', at_once: ['sent', 'undelivered 30005'], arrives: 'never' },
  { ends: '0106', at_once: ['sent', 'undelivered 30006'], arrives: 'never' },
  { ends: '0107', at_once: ['sent', 'undelivered 30007'], arrives: 'never' },
  { ends: '0110', at_once: ['sent'], later: ['delivery-unknown'], after_ms: 60_000, arrives: 'at once' },
  { ends: '0111', at_once: ['sent', 'delivered', 'delivered'], arrives: 'at once' },
  { ends: '0112', at_once: ['sent', 'delivered'], arrives: 'at once' },
  { ends: '0113', at_once: ['delivered', 'sent'], arrives: 'at once' },
  { ends: '0114', at_once: ['sent'], later: ['delivered'], after_ms: 30_000, arrives: 'later' },
  { ends: '0101', at_once: ['sent', 'delivered'], arrives: 'at once' },
]
for (const { ends, at_once, later = [], after_ms = 0, arrives } of BEHAVIOURS) {
  test(`a handset ending in ${ends} arrives ${arrives} and reports ${[...at_once, ...later].join(', ')}`, async () => {
    const { network, carrier, clock, heard } = startNetwork()
    const to = `+1202555${ends}`
    const count = () => network.messagesOf(ACCOUNT, to).length
    const { status } = await carrier.sendMessage(outbound({ to }))
    assert.equal(status, 'queued')
    assert.deepEqual(heard.reports, ends === '0112' ? at_once : [], 'only 0112 reports before the answer')
    assert.equal(count(), arrives === 'at once' ? 1 : 0)

    await clock.advance(Math.max(0, after_ms - 1))
    assert.deepEqual(heard.reports, at_once)
    assert.equal(count(), arrives === 'at once' ? 1 : 0)

    await clock.advance(24 * 3600_000)
    assert.deepEqual(heard.reports, [...at_once, ...later])
    assert.equal(count(), arrives === 'never' ? 0 : 1)
    assert.deepEqual(network.listHandsets(ACCOUNT), arrives === 'never' ? [] : [{ number: to, messages: 1 }])
  })
}

test('what arrives after 30 s bears that date, and comes no later than its report', async () => {
  const { network, carrier, clock, heard } = startNetwork()
  await carrier.sendMessage(outbound({ to: '+12025550114' }))
  await clock.advance(30_000)
  assert.deepEqual(network.messagesOf(ACCOUNT, '+12025550114')[0]?.date, new Date(STARTED + 30_000))
  assert.deepEqual(heard.reports, ['sent', 'delivered'])
})

const REFUSED: [end: 'from' | 'to', number: string, code: number][] = [
  ['to', '+15005550001', 21211],
  ['to', '+15005550002', 21612],
  ['to', '+15005550003', 21408],
  ['to', '+15005550004', 21610],
  ['to', '+15005550009', 21614],
  ['to', 'whatsapp:+12025550132', 21211],
  ['to', '894546', 21211],
  ['from', '+15005550001', 21212],
  ['from', '+15005550007', 21606],
  ['from', '+15005550008', 21611],
]
for (const [end, number, code] of REFUSED) {
  test(`a message ${end} ${number} is refused for good with ${code}, a code of the catalogue`, async () => {
    const { network, carrier, clock, heard } = startNetwork()
    await assert.rejects(carrier.sendMessage(outbound({ [end]: number })), (error: unknown) => {
      assert(error instanceof CarrierError)
      assert.deepEqual([error.outcome, error.code], ['refused', code])
      assert.doesNotMatch(error.message, /5550/, 'the message names no number')
      return true
    })
    assert.ok(code in CATALOGUE)
    await clock.advance(120_000)
    assert.deepEqual([heard.calls, network.listHandsets(ACCOUNT)], [0, []])
    assert.equal(await carrier.findSentMessage(outbound(), new Date(), async () => false), undefined)
  })
}

test('the magic number 0006 sends, and the other magic numbers mean nothing at the other end', async () => {
  const { network, carrier } = startNetwork()
  await carrier.sendMessage(outbound({ from: '+15005550006' }))
  await carrier.sendMessage(outbound({ from: '+15005550002', reference: 'KI2' }))
  await carrier.sendMessage(outbound({ to: '+15005550007', reference: 'KI3' }))
  assert.deepEqual(
    [network.messagesOf(ACCOUNT, BOB).length, network.messagesOf(ACCOUNT, '+15005550007').length],
    [2, 1],
  )
})

test('a reference sent twice, even at the same moment, is delivered and reported once and answered alike', async () => {
  const { network, carrier, clock, heard } = startNetwork()
  const message = outbound({ to: '+12025550112' })
  const [first, second] = await Promise.all([carrier.sendMessage(message), carrier.sendMessage(message)])
  const third = await carrier.sendMessage(message)
  assert.deepEqual([second, third], [first, first])
  const nobodyKnows = async () => false
  assert.deepEqual(await carrier.findSentMessage(message, new Date(0), nobodyKnows), first)
  assert.equal(await carrier.findSentMessage(outbound({ reference: 'KI2' }), new Date(0), nobodyKnows), undefined)
  const other = await carrier.sendMessage(outbound({ to: '+12025550112', reference: 'KI2' }))
  assert.notEqual(other.carrier_message_id, first.carrier_message_id)
  await clock.advance(120_000)
  assert.equal(network.messagesOf(ACCOUNT, '+12025550112').length, 2)
  assert.equal(heard.reports.length, 4)
})

test('a report that fails is tried again, keeps the next one waiting, and is given up after five tries', async () => {
  const { carrier, clock, heard } = startNetwork()
  heard.faults = 4
  await carrier.sendMessage(outbound())
  await clock.advance(12_599)
  assert.deepEqual([heard.calls, heard.reports], [4, []])
  await clock.advance(1)
  assert.deepEqual([heard.calls, heard.reports], [6, ['sent', 'delivered']])

  heard.faults = 5
  await carrier.sendMessage(outbound({ reference: 'KI2' }))
  await clock.advance(3600_000)
  assert.deepEqual(heard.reports.slice(2), ['delivered'])
  assert.equal(clock.pending, 0)
})

test('a handset that texts us is answered only when we have dealt with the message', async () => {
  const steps: string[] = []
  let finish = () => {}
  const receive = () =>
    new Promise<void>((resolve) => {
      finish = resolve
    })
  const { network } = startNetwork({ receive })
  const text = { from: ALICE, to: PROXY, body: 'Hello', media_urls: [] }
  const sending = network
    .sendFromHandset({ sid: CARRIER, account_sid: ACCOUNT }, text)
    .then(() => steps.push('answered'))
  await settle()
  assert.equal(network.messagesOf(ACCOUNT, ALICE).length, 1, 'its own list has it at once')
  steps.push('dealt with')
  finish()
  await sending
  assert.deepEqual(steps, ['dealt with', 'answered'])
})

test('a handset keeps its newest thousand messages', async () => {
  const { network } = startNetwork()
  for (let i = 0; i <= 1000; i++) {
    await network.sendFromHandset(
      { sid: CARRIER, account_sid: ACCOUNT },
      { from: ALICE, to: BOB, body: String(i), media_urls: [] },
    )
  }
  const bodies = network.messagesOf(ACCOUNT, BOB).map(({ body }) => body)
  assert.deepEqual([bodies.length, bodies[0], bodies.at(-1)], [1000, '1', '1000'])
})

test('beyond a hundred thousand the quietest handset and the oldest reference are forgotten', async () => {
  const { network } = startNetwork()
  const numberOf = (i: number) => `+1${2_000_000 + i}0199`
  const send = (i: number) => {
    const message = outbound({ reference: `KI${i}`, to: numberOf(i) })
    return network.sendToHandset({ sid: CARRIER, account_sid: ACCOUNT }, message)
  }
  for (let i = 0; i < 100_000; i++) await send(i)
  await network.sendFromHandset(
    { sid: CARRIER, account_sid: ACCOUNT },
    { from: numberOf(0), to: PROXY, body: 'I am here', media_urls: [] },
  )
  await send(100_000)
  const numbers = network.listHandsets(ACCOUNT).map(({ number }) => number)
  assert.deepEqual([numbers.length, numbers[0], numbers.at(-1)], [100_000, numberOf(2), numberOf(100_000)])
  assert.equal(network.messagesOf(ACCOUNT, numberOf(0)).length, 2)
  assert.equal(network.findSent(ACCOUNT, 'KI0'), undefined)
  assert.ok(network.findSent(ACCOUNT, 'KI1'))
})

test('any number can be had, with its national name and country, and a short code without voice', async () => {
  const { carrier } = startNetwork()
  assert.deepEqual(await carrier.findNumber({ phone_number: '+12025550101' }), {
    carrier_number_sid: undefined,
    phone_number: '+12025550101',
    friendly_name: '(202) 555-0101',
    iso_country: 'US',
    capabilities: { voice: true, sms: true, mms: true, fax: false },
    webhooks: {},
  })
  assert.deepEqual(await carrier.findNumber({ phone_number: SHORT_CODE }), {
    carrier_number_sid: undefined,
    phone_number: SHORT_CODE,
    friendly_name: SHORT_CODE,
    iso_country: null,
    capabilities: { voice: false, sms: true, mms: true, fax: false },
    webhooks: {},
  })
  assert.equal((await carrier.findNumber({ phone_number: '+442079460123' }))?.iso_country, 'GB')
  const ofNoCountry = await carrier.findNumber({ phone_number: '+9991234567' })
  assert.deepEqual([ofNoCountry?.friendly_name, ofNoCountry?.iso_country], ['+9991234567', null])
  for (const phone_number of ['2025550101', '+0123456789', '12', '1234567', '']) {
    assert.equal(await carrier.findNumber({ phone_number }), undefined, phone_number)
  }
})

test('a SID alone finds nothing, and beside a number it does not get in the way', async () => {
  const { carrier } = startNetwork()
  const sid = `PN${'c'.repeat(32)}`
  assert.equal(await carrier.findNumber({ sid }), undefined)
  assert.equal((await carrier.findNumber({ sid, phone_number: PROXY }))?.phone_number, PROXY)
})

test('it attaches and restores numbers without ado, hands on media as they are, and takes no message by webhook', async () => {
  const { carrier } = startNetwork()
  assert.equal(carrier.kind, 'simulator')
  await carrier.check()
  const webhooks = { message_url: 'https://a.example/messages', call_url: 'https://a.example/calls' }
  await carrier.attachNumber({ carrier_number_sid: 'PN1' }, webhooks)
  await carrier.restoreNumber({ carrier_number_sid: 'PN1' }, {})
  assert.equal(await carrier.fetchMedia('https://example.com/cat.jpg', 1), 'public')
  const webhook = { method: 'POST', url: 'https://masking.example/', headers: {}, body: Buffer.from('') }
  assert.throws(() => carrier.parseMessage(webhook), BadWebhook)
  assert.throws(() => carrier.parseStatus(webhook), BadWebhook)
})

test('a status address that names no leg is a fault of ours and sends nothing', async () => {
  const { network, carrier } = startNetwork()
  for (const path of ['/status/KS1/KI1', `/${LEG.service_sid}/${LEG.sid}`, `/status/${LEG.sid}/${LEG.service_sid}`]) {
    await assert.rejects(carrier.sendMessage(outbound({ status_url: `https://masking.example${path}` })), {
      name: 'AssertionError',
    })
  }
  assert.deepEqual(network.listHandsets(ACCOUNT), [])
})

test('a text travels in as many parts as its alphabet needs', () => {
  const cases: [string, number][] = [
    ['', 1],
    ['x'.repeat(160), 1],
    ['x'.repeat(161), 2],
    ['x'.repeat(306), 2],
    ['x'.repeat(307), 3],
    ['€'.repeat(80), 1],
    ['€'.repeat(81), 2],
    // An escaped character does not fit into the last place of a part, so each of these holds 152.
    ['€'.repeat(153), 3],
    ['é'.repeat(160), 1],
    ['ж'.repeat(70), 1],
    ['ж'.repeat(71), 2],
    ['ж'.repeat(135), 3],
    ['😀'.repeat(35), 1],
    ['😀'.repeat(36), 2],
    // 33 pairs are 66 of 67 places.
    ['😀'.repeat(67), 3],
  ]
  for (const [body, segments] of cases) assert.equal(countSegments(body), segments, `${body.length} × ${body[0]}`)
})
