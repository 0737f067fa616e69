import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ACCOUNT,
  ALICE,
  BOB,
  CARRIER,
  dialTwiml,
  PROXY,
  soundsOf,
  startCalls,
  statusesOf,
} from './support/simulator-network.ts'

type Row = { ends: string; callee: string[]; caller?: string[] }
const RINGS = ['initiated 0', 'ringing 0']
const CALLED: Row[] = [
  { ends: '0120', callee: [...RINGS, 'in-progress 2', 'completed 7'] },
  { ends: '0121', callee: ['initiated 0', 'busy 0'] },
  { ends: '0122', callee: [...RINGS, 'no-answer 30'] },
  { ends: '0123', callee: [...RINGS, 'busy 0'] },
  { ends: '0124', callee: [...RINGS, 'in-progress 0', 'completed 30'] },
  { ends: '0126', callee: [...RINGS, 'in-progress 0', 'completed 600'] },
  { ends: '0132', callee: [...RINGS, 'no-answer 30'] },
]
for (const { ends, callee } of CALLED) {
  test(`a called handset ending in ${ends} goes through ${callee.join(', ')}, and we are told so`, async () => {
    const started = startCalls({ calls: dialTwiml('', `+1202555${ends}`) })
    const sid = await started.call(ALICE)
    await started.advance(24 * 3600)
    assert.deepEqual(statusesOf(started.callee(sid)), callee)
    const told = started.asked
      .filter(({ name }) => name === 'leg')
      .map((each) => `${each.params.CallStatus} ${each.at_s}`)
    assert.deepEqual(told, callee)
  })
}

test('an answering machine is heard by the caller, with its tone', async () => {
  const { call, caller } = startCalls({ calls: dialTwiml('', '+12025550124') })
  const [ring, voice, greeting, beep, ...more] = soundsOf(caller(await call(ALICE)))
  assert.deepEqual([ring, voice, beep, more], ['ring', 'voice', 'beep', []])
  assert.match(greeting ?? '', /^voice .*leave a message/)
})

test('a caller ending in 0125 hangs up after three seconds of ringing, but not once it is answered', async () => {
  const { call, act, advance, caller, callee } = startCalls({ calls: dialTwiml() })
  const sid = await call('+12025550125')
  await advance(10)
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'canceled 3'])
  assert.deepEqual(statusesOf(callee(sid)), [...RINGS, 'canceled 3'])
  const answered = await call('+12025550125')
  await advance(2)
  await act(answered, BOB, 'answer')
  await advance(10)
  assert.deepEqual(statusesOf(caller(answered)).at(-1), 'in-progress 12')
})

const FAILS: [from: string, to: string, code: number][] = [
  ['+12025550198', '+15005550001', 21217],
  ['+12025550198', '+15005550002', 21214],
  ['+12025550198', '+15005550003', 21215],
  ['+12025550198', '+15005550004', 21216],
  ['+15005550001', BOB, 21212],
  ['+12025550198', '911', 21217],
]
for (const [from, to, code] of FAILS) {
  test(`a dial from ${from} to ${to} fails with ${code}, and rings nowhere`, async () => {
    const { carrier, call, callee, paramsOf, caller } = startCalls({ calls: dialTwiml(`callerId="${from}"`, to) })
    const sid = await call(ALICE)
    assert.deepEqual(statusesOf(callee(sid)), ['initiated 0', 'failed 0'])
    const { CallStatus, ErrorCode } = paramsOf('leg')
    assert.deepEqual([CallStatus, ErrorCode], ['failed', String(code)])
    assert.equal(paramsOf('dialled').DialCallStatus, 'failed')
    assert.deepEqual(soundsOf(caller(sid)), [])
    const report = await carrier.findCall(callee(sid).sid)
    assert.deepEqual([report?.status, report?.answered, report?.error_code], ['failed', false, code])
  })
}

test('a handset that calls another rings it directly, from its own number, and we hear nothing of it', async () => {
  const { asked, call, act, advance, caller, callee } = startCalls({})
  const sid = await call(ALICE, BOB)
  assert.deepEqual([callee(sid).number, callee(sid).caller_id], [BOB, ALICE])
  await act(sid, BOB, 'answer')
  await advance(9)
  await act(sid, ALICE, 'hangup')
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'in-progress 0', 'completed 9'])
  assert.deepEqual(statusesOf(callee(sid)).at(-1), 'completed 9')
  const busy = await call('anonymous', '+12025550121')
  assert.equal(callee(busy).caller_id, 'anonymous')
  assert.deepEqual([statusesOf(caller(busy)).at(-1), soundsOf(caller(busy))], ['busy 9', ['busy-tone']])
  const unanswered = await call(ALICE, BOB)
  await advance(60)
  assert.equal(statusesOf(caller(unanswered)).at(-1), 'no-answer 69')
  assert.deepEqual(asked, [])
})

test('a call without end is ended after a day', async () => {
  const { call, advance, caller } = startCalls({
    calls: `<Response>${'<Pause length="600"/>'.repeat(200)}</Response>`,
  })
  const sid = await call(ALICE)
  await advance(24 * 3600 - 1)
  assert.equal(statusesOf(caller(sid)).length, 1)
  await advance(1)
  assert.equal(statusesOf(caller(sid)).at(-1), `no-answer ${24 * 3600}`)
})

type Keys = { gather: string; keys: [after_s: number, keys: string][]; gives: string; at_s: number }
const GATHERS: Keys[] = [
  { gather: '', keys: [[1, '12#']], gives: '12', at_s: 1 },
  {
    gather: '',
    keys: [
      [1, '1'],
      [4, '2'],
    ],
    gives: '12',
    at_s: 10,
  },
  {
    gather: 'numDigits="2"',
    keys: [
      [1, '1'],
      [0, '23'],
    ],
    gives: '12',
    at_s: 1,
  },
  { gather: 'finishOnKey="*"', keys: [[2, '#*9']], gives: '#', at_s: 2 },
  { gather: 'finishOnKey=""', keys: [[0, '#*']], gives: '#*', at_s: 5 },
  { gather: 'timeout="2" actionOnEmptyResult="true"', keys: [], gives: '', at_s: 2 },
]
for (const { gather, keys, gives, at_s } of GATHERS) {
  test(`a Gather ${gather} with ${JSON.stringify(keys)} gives ${gives} after ${at_s} s`, async () => {
    const { asked, call, act, advance } = startCalls({
      calls: `<Response><Gather action="https://masking.example/keys" ${gather}><Say>Press</Say></Gather></Response>`,
    })
    const sid = await call(ALICE)
    for (const [after_s, pressed] of keys) {
      await advance(after_s)
      await act(sid, ALICE, { digits: pressed })
    }
    await advance(60)
    const told = asked.find(({ name }) => name === 'keys')
    assert.deepEqual([told?.params.Digits, told?.at_s, told?.params.CallStatus], [gives, at_s, 'in-progress'])
  })
}

test('a key cuts short what a Gather says, and keys pressed while nobody listens are lost', async () => {
  const { call, act, advance, caller, paramsOf } = startCalls({
    calls:
      '<Response><Say>Hello</Say><Pause length="5"/><Gather numDigits="2" action="https://masking.example/keys">' +
      '<Say>One</Say><Pause length="10"/><Say>Two</Say></Gather></Response>',
  })
  const sid = await call(ALICE)
  await act(sid, ALICE, { digits: '9' })
  await advance(6)
  await act(sid, ALICE, { digits: '1' })
  await act(sid, ALICE, { digits: '2' })
  assert.deepEqual(soundsOf(caller(sid)), ['say Hello', 'pause', 'say One', 'pause'])
  assert.equal(paramsOf('keys').Digits, '12')
})

test('of ten thousand calls and more the oldest are forgotten', async () => {
  const { network, call } = startCalls({})
  const first = await call(ALICE, '+12025550121')
  const place = () => network.calls.place({ sid: CARRIER, account_sid: ACCOUNT }, { from: ALICE, to: '+12025550121' })
  const second = await place()
  for (let i = 0; i < 9999; i++) await place()
  assert.equal(network.calls.list(ACCOUNT).length, 10_000)
  assert.equal(network.calls.find(ACCOUNT, first), undefined)
  assert.ok(network.calls.find(ACCOUNT, second))
})

test('calls are of one account: another finds none of them, and its dialled proxy number is a handset', async () => {
  const { network, call, asked } = startCalls({ calls: dialTwiml() })
  const other = `AC${'2'.repeat(32)}`
  const sid = await call(ALICE)
  assert.equal(network.calls.find(other, sid), undefined)
  await assert.rejects(network.calls.act(other, sid, ALICE, 'hangup'), { code: 20404 })
  const count = asked.length
  const theirs = await network.calls.place({ sid: CARRIER, account_sid: other }, { from: ALICE, to: PROXY })
  await network.clockOf(other).advance(0)
  assert.equal(network.calls.find(other, theirs)?.legs[1]?.number, PROXY)
  assert.equal(asked.length, count)
})
