import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatorCarrier } from '../src/carriers/simulator/carrier.ts'
import { SECRET_HEADER } from '../src/carriers/simulator/network.ts'
import { BadWebhook } from '../src/core/carrier.ts'
import { moreInfo } from '../src/core/errors.ts'
import {
  ACCOUNT,
  ALICE,
  BOB,
  CARRIER,
  dialTwiml,
  OTHER_ACCOUNT,
  PROXY,
  SERVER,
  serve,
  startCalls,
} from './support/simulator-network.ts'

const SHOWN = '+12025550198'
const DIAL = dialTwiml(`callerId="${SHOWN}" record="true"`)
const at = (second: number) => `2030-01-31T12:00:${String(second).padStart(2, '0')}Z`

test('a call is made, answered and ended through the API, and shown with all that was heard', async (t) => {
  const started = startCalls({
    calls: DIAL.replace('<Dial', '<Say language="en-GB">Welcome</Say><Play>https://example.com/a.mp3</Play><Dial'),
  })
  const http = await serve(t, started)
  const made = await http('POST', '/calls', { from: ALICE, to: PROXY })
  assert.equal(made.status, 202)
  assert.deepEqual(Object.keys(made.body), ['sid'])
  const { sid } = made.body
  assert.deepEqual((await http('POST', '/clock', { advance_s: 3 })).body, { now: at(3) })
  const answered = await http('POST', `/calls/${sid}/answer`, { number: BOB })
  assert.deepEqual([answered.status, answered.body.state, answered.body.date_ended], [200, 'in-progress', null])
  assert.equal(answered.body.legs[1].status, 'in-progress')
  await http('POST', `/calls/${sid}/digits`, { number: BOB, digits: '5#' })
  await http('POST', '/clock', { advance_s: 10.5 })
  const ended = await http('POST', `/calls/${sid}/hangup`, { number: ALICE })
  assert.equal(ended.body.state, 'ended')

  const shown = await http('GET', `/calls/${sid}`)
  const [caller, callee] = started.find(sid).legs
  assert.deepEqual(
    [shown.status, shown.body],
    [
      200,
      {
        ...{ sid, from: ALICE, to: PROXY, state: 'ended', date_created: at(0), date_ended: at(14), duration_s: 14 },
        legs: [
          {
            ...{ sid: caller?.sid, direction: 'inbound', number: ALICE, caller_id: PROXY, status: 'completed' },
            statuses: [
              { status: 'ringing', date: at(0) },
              { status: 'in-progress', date: at(0) },
              { status: 'completed', date: at(14) },
            ],
            heard: [
              { kind: 'say', text: 'Welcome', language: 'en-GB', date: at(0) },
              { kind: 'play', url: 'https://example.com/a.mp3', date: at(0) },
              { kind: 'ring', date: at(0) },
              { kind: 'voice', date: at(3) },
              { kind: 'digits', digits: '5#', date: at(3) },
            ],
          },
          {
            ...{ sid: callee?.sid, direction: 'outbound', number: BOB, caller_id: SHOWN, status: 'completed' },
            statuses: [
              { status: 'initiated', date: at(0) },
              { status: 'ringing', date: at(0) },
              { status: 'in-progress', date: at(3) },
              { status: 'completed', date: at(14) },
            ],
            heard: [{ kind: 'voice', date: at(3) }],
          },
        ],
        recordings: [{ sid: started.paramsOf('dialled').RecordingSid, duration_s: 11 }],
        warnings: [],
      },
    ],
  )
  assert.deepEqual((await http('GET', `/calls/${callee?.sid}`)).body.sid, sid, 'each leg’s SID finds the call')
})

test('a handset lists its calls as its phone would show them, and can clear those that are over', async (t) => {
  const started = startCalls({ calls: DIAL })
  const http = await serve(t, started)
  const { sid } = (await http('POST', '/calls', { from: ALICE, to: PROXY })).body
  await http('POST', '/clock', { advance_s: 1 })
  const callsOf = async (number: string) => (await http('GET', `/handsets/${encodeURIComponent(number)}/calls`)).body
  const entry = { sid, state: 'ringing', answered: false, duration_s: null, date: at(0) }
  assert.deepEqual(await callsOf(BOB), { calls: [{ ...entry, direction: 'inbound', number: SHOWN }] })
  assert.deepEqual(await callsOf(ALICE), { calls: [{ ...entry, direction: 'outbound', number: PROXY }] })
  assert.doesNotMatch(JSON.stringify(await callsOf(BOB)), new RegExp(`${ALICE.slice(1)}|${PROXY.slice(1)}`))
  assert.deepEqual(await callsOf(PROXY), { calls: [] })

  assert.equal((await http('DELETE', `/handsets/${BOB}/calls`)).status, 204)
  assert.equal((await callsOf(BOB)).calls.length, 1, 'what rings stays')
  await http('POST', `/calls/${sid}/answer`, { number: BOB })
  await http('POST', '/clock', { advance_s: 5 })
  await http('POST', `/calls/${sid}/hangup`, { number: BOB })
  await http('POST', '/clock', { advance_s: 0 })
  const [own] = (await callsOf(BOB)).calls
  assert.deepEqual([own.state, own.answered, own.duration_s], ['ended', true, 5])
  await http('DELETE', `/handsets/${BOB}/calls`)
  assert.deepEqual([(await callsOf(BOB)).calls.length, (await callsOf(ALICE)).calls.length], [0, 1])
})

test('a handset that was busy or could not be reached never knew of the call', async (t) => {
  const started = startCalls({ calls: dialTwiml('', '+12025550121') })
  const http = await serve(t, started)
  await started.call(ALICE)
  assert.deepEqual((await http('GET', '/handsets/+12025550121/calls')).body, { calls: [] })
})

test('the newest hundred calls are listed, newest first', async (t) => {
  const started = startCalls({})
  const http = await serve(t, started)
  const sids: string[] = []
  for (let i = 0; i < 101; i++) sids.unshift((await http('POST', '/calls', { from: ALICE, to: BOB })).body.sid)
  const { calls } = (await http('GET', '/calls')).body
  assert.deepEqual(
    calls.map(({ sid }: { sid: string }) => sid),
    sids.slice(0, 100),
  )
  assert.deepEqual((await http('GET', '/calls', undefined, OTHER_ACCOUNT)).body, { calls: [] })
})

test('what a handset cannot do now is refused with the reason, and changes nothing', async (t) => {
  const started = startCalls({ calls: DIAL })
  const http = await serve(t, started)
  const sid = await started.call(ALICE)
  const refusals: [action: string, number: string, reason: RegExp][] = [
    ['answer', ALICE, /made the call/],
    ['reject', ALICE, /made the call/],
    ['hangup', BOB, /answer the call or reject it/],
    ['digits', BOB, /not connected yet/],
    ['digits', ALICE, /not connected yet/],
    ['hangup', SHOWN, /no part in the call/],
  ]
  const refuse = async (action: string, number: string, reason: RegExp) => {
    const { status, body } = await http('POST', `/calls/${sid}/${action}`, { number, digits: '1' })
    assert.deepEqual([status, body.code, body.more_info], [400, 80701, moreInfo(80701)], action)
    assert.match(body.message, reason)
  }
  for (const each of refusals) await refuse(...each)
  assert.equal(started.callee(sid).statuses.length, 2)
  await http('POST', `/calls/${sid}/answer`, { number: BOB })
  await refuse('answer', BOB, /does not ring/)
  await http('POST', `/calls/${sid}/hangup`, { number: BOB })
  await started.advance(0)
  await refuse('hangup', ALICE, /over for this handset/)
})

test('unknown calls are 404, for every action and every account but its own', async (t) => {
  const started = startCalls({ calls: DIAL })
  const http = await serve(t, started)
  const sid = await started.call(ALICE)
  const unknown = `CA${'0'.repeat(32)}`
  const message = `The requested resource /simulator/calls/${unknown} was not found`
  const expected = { code: 20404, message, more_info: moreInfo(20404), status: 404 }
  assert.deepEqual(await http('GET', `/calls/${unknown}`), { status: 404, body: expected })
  for (const action of ['answer', 'reject', 'hangup', 'digits']) {
    const body = { number: BOB, digits: '1' }
    assert.deepEqual(await http('POST', `/calls/${unknown}/${action}`, body), { status: 404, body: expected })
    assert.equal((await http('POST', `/calls/${sid}/${action}`, body, OTHER_ACCOUNT)).status, 404)
  }
  assert.equal((await http('GET', `/calls/${sid}`, undefined, OTHER_ACCOUNT)).status, 404)
  assert.equal((await http('GET', '/calls/+12025550131')).body.message.includes('0131'), false)
  assert.equal((await http('GET', '/handsets/2025550131/calls')).status, 404)
  assert.equal((await http('POST', '/calls', { from: ALICE, to: PROXY }, OTHER_ACCOUNT)).status, 404)
})

const BAD: [path: string, body: unknown, code: number][] = [
  ['/calls', { from: ALICE }, 21211],
  ['/calls', { from: ALICE, to: '894546' }, 21211],
  ['/calls', { from: ALICE, to: 'anonymous' }, 21211],
  ['/calls', { from: 'nobody', to: PROXY }, 80701],
  ['/calls', { to: PROXY }, 80701],
  ['/calls', '[]', 20001],
  [`/calls/CA${'0'.repeat(32)}/answer`, {}, 80701],
  [`/calls/CA${'0'.repeat(32)}/hangup`, 'x', 20001],
  [`/calls/CA${'0'.repeat(32)}/digits`, { number: BOB }, 80701],
  [`/calls/CA${'0'.repeat(32)}/digits`, { number: BOB, digits: '' }, 80701],
  [`/calls/CA${'0'.repeat(32)}/digits`, { number: BOB, digits: '1a' }, 80701],
  [`/calls/CA${'0'.repeat(32)}/digits`, { number: BOB, digits: '1'.repeat(101) }, 80701],
  ['/clock', {}, 80701],
  ['/clock', { advance_s: -1 }, 80701],
  ['/clock', { advance_s: '5' }, 80701],
  ['/clock', { advance_s: 0, stopped: 'yes' }, 80701],
  ['/clock', { advance_s: 31 * 24 * 3600 + 1 }, 80701],
  ['/clock', undefined, 20001],
]
test('bad input is refused, and leaves no trace', async (t) => {
  const started = startCalls({ calls: DIAL })
  const http = await serve(t, started)
  for (const [path, sent, code] of BAD) {
    const { status, body } = await http('POST', path, sent)
    assert.deepEqual([status, body.code], [400, code], `${path} ${JSON.stringify(sent)}`)
  }
  assert.deepEqual([started.asked, (await http('GET', '/calls')).body], [[], { calls: [] }])
  assert.deepEqual((await http('POST', '/clock', { advance_s: 31 * 24 * 3600 })).status, 200)
})

test('a caller that withholds its number is nobody we are told of, and can still hang up', async (t) => {
  const started = startCalls({ calls: DIAL })
  const http = await serve(t, started)
  const { sid } = (await http('POST', '/calls', { from: 'anonymous', to: PROXY })).body
  await started.advance(0)
  assert.deepEqual([started.asked[0]?.params.From, started.asked[0]?.params.Caller], ['anonymous', 'anonymous'])
  const { body } = await http('POST', `/calls/${sid}/hangup`, { number: 'anonymous' })
  assert.deepEqual([body.state, body.legs[1].status], ['ended', 'canceled'])
})

test('only what bears the secret of the network is its webhook, and it is read as TwiML carriers’ are', async () => {
  const { network, carrier, paramsOf, call, act } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  const webhook = (params: Record<string, string>, headers: Record<string, string | string[] | undefined>) => ({
    method: 'POST',
    url: `${SERVER}/webhooks/${CARRIER}/calls`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: Buffer.from(new URLSearchParams(params).toString()),
  })
  const params = paramsOf('calls')
  assert.equal(carrier.verify(webhook(params, { [SECRET_HEADER]: network.secret })), true)
  const other = startCalls({}).network.secret
  for (const wrong of [
    undefined,
    '',
    'undefined',
    other,
    `${network.secret}0`,
    [network.secret, 'x'],
    `é${'x'.repeat(62)}`,
  ]) {
    assert.equal(carrier.verify(webhook(params, { [SECRET_HEADER]: wrong })), false, String(wrong))
  }
  assert.equal(simulatorCarrier(network, { sid: CARRIER, account_sid: ACCOUNT }).verify(webhook(params, {})), false)

  const { event_id, resource_sid, from, to } = carrier.parseCall(webhook(params, {}))
  assert.deepEqual([event_id, resource_sid, from, to], [sid, sid, ALICE, PROXY])
  assert.equal(carrier.parseCallReport(webhook(paramsOf('leg'), {})).status, 'initiated')
  await act(sid, BOB, 'reject')
  assert.equal(carrier.parseCallReport(webhook(paramsOf('leg'), {})).status, 'busy')
  assert.equal(carrier.parseCallReport(webhook(paramsOf('dialled'), {})).status, 'busy')
  assert.throws(() => carrier.parseCall(webhook(params, { 'content-type': 'application/json' })), BadWebhook)
})
