import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CarrierError } from '../src/core/carrier.ts'
import {
  ACCOUNT,
  ALICE,
  BOB,
  CARRIER,
  dialTwiml,
  PROXY,
  SERVER,
  soundsOf,
  startCalls,
  statusesOf,
} from './support/simulator-network.ts'

/** The number that the called handset sees. */
const SHOWN = '+12025550198'
const DIAL = dialTwiml(`callerId="${SHOWN}"`)

test('a call to a proxy number asks us what to do, as a carrier would, and the handset we dial rings', async () => {
  const { asked, call, caller, callee, find } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  const ends = { AccountSid: ACCOUNT, ApiVersion: '2010-04-01' }
  assert.match(sid, /^CA[0-9a-f]{32}$/)
  assert.deepEqual(asked[0], {
    name: 'calls',
    url: `/webhooks/${CARRIER}/calls`,
    method: 'POST',
    at_s: 0,
    params: {
      ...ends,
      ...{ CallSid: sid, From: ALICE, To: PROXY, Caller: ALICE, Called: PROXY },
      ...{ CallStatus: 'ringing', Direction: 'inbound' },
    },
  })
  assert.deepEqual([callee(sid).number, callee(sid).caller_id], [BOB, SHOWN])
  assert.deepEqual(statusesOf(callee(sid)), ['initiated 0', 'ringing 0'])
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0'], 'the caller is not answered before the other one')
  assert.deepEqual(soundsOf(caller(sid)), ['ring'])
  assert.deepEqual(
    asked.slice(1).map(({ url, params }) => [url, params]),
    ['initiated', 'ringing'].map((CallStatus, sequence) => [
      `${SERVER}/leg`,
      {
        ...ends,
        ...{ CallSid: callee(sid).sid, ParentCallSid: sid, From: SHOWN, To: BOB, Caller: SHOWN, Called: BOB },
        ...{ CallStatus, Direction: 'outbound-dial', SequenceNumber: String(sequence) },
        ...{ Timestamp: 'Thu, 31 Jan 2030 12:00:00 GMT', CallbackSource: 'call-progress-events' },
      },
    ]),
  )
  assert.deepEqual(find(sid).warnings, [])
})

test('answering connects both, hanging up parts them, and the end of the leg is told before the dial goes on', async () => {
  const { steps, paramsOf, call, act, advance, caller, callee, carrier, pending } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  await advance(4)
  await act(sid, BOB, 'answer')
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'in-progress 4'])
  assert.deepEqual([soundsOf(caller(sid)), soundsOf(callee(sid))], [['ring', 'voice'], ['voice']])
  const leg = callee(sid).sid
  assert.deepEqual(await carrier.findCall(leg), {
    ...{ carrier_call_id: leg, status: 'initiated', answered: true },
    ...{ duration_s: undefined, error_code: undefined },
  })

  await advance(61)
  await act(sid, BOB, 'hangup')
  assert.deepEqual(statusesOf(callee(sid)).slice(2), ['in-progress 4', 'completed 65'])
  assert.deepEqual(statusesOf(caller(sid)).slice(1), ['in-progress 4', 'completed 65'])
  assert.deepEqual(steps().slice(3), ['leg in-progress', 'leg completed', 'dialled in-progress'])
  assert.deepEqual([paramsOf('leg').CallDuration, paramsOf('leg').SequenceNumber], ['61', '3'])
  const { DialCallSid, DialCallStatus, DialCallDuration, CallSid } = paramsOf('dialled')
  assert.deepEqual([DialCallSid, DialCallStatus, DialCallDuration, CallSid], [leg, 'completed', '61', sid])
  const { status, answered, duration_s } = (await carrier.findCall(leg)) ?? assert.fail('it is known')
  assert.deepEqual([status, answered, duration_s], ['completed', true, 61])
  assert.equal(pending(), 0, 'no timer outlives the call')
})

test('the dial goes on only when the end of the leg has been taken, however long that takes', async () => {
  const taken: string[] = []
  const { call, act } = startCalls({
    calls: DIAL,
    leg: async ({ CallStatus }) => {
      for (let turn = 0; turn < 5; turn++) await nextTurn()
      taken.push(`leg ${CallStatus}`)
      return '<Response/>'
    },
    dialled: () => {
      taken.push('dialled')
      return '<Response/>'
    },
  })
  const sid = await call(ALICE)
  await act(sid, BOB, 'reject')
  assert.deepEqual(taken, ['leg initiated', 'leg ringing', 'leg busy', 'dialled'])
})

test('a leg nobody answers ends when the ringing does, and not before', async () => {
  const { paramsOf, call, advance, caller, callee } = startCalls({
    calls: DIAL,
    dialled: '<Response><Say>Nobody is there</Say></Response>',
  })
  const sid = await call(ALICE)
  await advance(29.999)
  assert.deepEqual(statusesOf(callee(sid)), ['initiated 0', 'ringing 0'])
  await advance(0.001)
  assert.deepEqual(statusesOf(callee(sid)).at(-1), 'no-answer 30')
  assert.deepEqual([paramsOf('leg').CallStatus, paramsOf('leg').CallDuration], ['no-answer', '0'])
  assert.equal(paramsOf('dialled').DialCallStatus, 'no-answer')
  assert.deepEqual(soundsOf(caller(sid)), ['ring', 'say Nobody is there'])
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'in-progress 30', 'completed 30'])
})

test('pressing reject is busy, as on a phone network', async () => {
  const { paramsOf, call, act, caller, callee } = startCalls({
    calls: DIAL,
    dialled: '<Response><Reject reason="busy"/></Response>',
  })
  const sid = await call(ALICE)
  await act(sid, BOB, 'reject')
  assert.equal(statusesOf(callee(sid)).at(-1), 'busy 0')
  assert.equal(paramsOf('dialled').DialCallStatus, 'busy')
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'busy 0'])
  assert.deepEqual(soundsOf(caller(sid)), ['ring', 'busy-tone'])
})

test('a caller that hangs up while it rings cancels the other leg; one that was answered ends it', async () => {
  const { steps, paramsOf, call, act, advance, caller, callee } = startCalls({ calls: DIAL })
  const early = await call(ALICE)
  await advance(2)
  await act(early, ALICE, 'hangup')
  assert.deepEqual([statusesOf(caller(early)).at(-1), statusesOf(callee(early)).at(-1)], ['canceled 2', 'canceled 2'])
  assert.deepEqual(steps().slice(-2), ['leg canceled', 'dialled canceled'])
  assert.equal(paramsOf('dialled').DialCallStatus, 'canceled')

  const late = await call(ALICE)
  await act(late, BOB, 'answer')
  await advance(5)
  await act(late, ALICE, 'hangup')
  assert.deepEqual([statusesOf(caller(late)).at(-1), statusesOf(callee(late)).at(-1)], ['completed 7', 'completed 7'])
  assert.deepEqual(steps().slice(-2), ['leg completed', 'dialled completed'])
})

test('the time limit ends the talk', async () => {
  const { paramsOf, call, act, advance, caller, callee } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  await advance(10)
  await act(sid, BOB, 'answer')
  await advance(3600)
  assert.deepEqual([statusesOf(caller(sid)).at(-1), statusesOf(callee(sid)).at(-1)], ['completed 610', 'completed 610'])
  assert.equal(paramsOf('dialled').DialCallDuration, '600')
})

test('a Dial that does not wait for the bridge answers the caller at once, and shows the caller’s number', async () => {
  const { call, caller, callee, steps } = startCalls({ calls: `<Response><Dial>${BOB}</Dial></Response>` })
  const sid = await call(ALICE)
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'in-progress 0'])
  assert.equal(callee(sid).caller_id, ALICE)
  assert.deepEqual(steps(), ['calls ringing'], 'nobody asked to be told')
})

test('a whisper is for the one that answered, and the caller waits for its end', async () => {
  const { asked, call, act, advance, caller, callee } = startCalls({
    calls: dialTwiml(`callerId="${SHOWN}"`, BOB, `url="${SERVER}/whisper"`),
    whisper: '<Response><Say>A client calls</Say><Pause length="3"/></Response>',
  })
  const sid = await call(ALICE)
  await act(sid, BOB, 'answer')
  assert.deepEqual([soundsOf(callee(sid)), soundsOf(caller(sid))], [['say A client calls', 'pause'], ['ring']])
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0'])
  const { params } = asked.find(({ name }) => name === 'whisper') ?? assert.fail('the whisper was fetched')
  assert.deepEqual([params.CallSid, params.ParentCallSid, params.To], [callee(sid).sid, sid, BOB])
  await advance(3)
  assert.deepEqual(statusesOf(caller(sid)), ['ringing 0', 'in-progress 3'])
  assert.deepEqual(soundsOf(callee(sid)).at(-1), 'voice')
})

test('one that declines in the whisper is never connected, nor one whose caller hangs up meanwhile', async () => {
  const { call, act, caller, callee, paramsOf } = startCalls({
    calls: dialTwiml('', BOB, `url="${SERVER}/whisper"`),
    whisper:
      '<Response><Gather numDigits="1" action="https://masking.example/screened"><Say>Press 1</Say></Gather></Response>',
    screened: ({ Digits }) => (Digits === '1' ? '<Response/>' : '<Response><Hangup/></Response>'),
  })
  const declined = await call(ALICE)
  await act(declined, BOB, 'answer')
  await act(declined, BOB, { digits: '2' })
  assert.deepEqual(soundsOf(callee(declined)), ['say Press 1'])
  assert.deepEqual(paramsOf('dialled').DialBridged, 'false')
  assert.deepEqual(statusesOf(caller(declined)), ['ringing 0', 'no-answer 0'])

  const alone = await call(ALICE)
  await act(alone, BOB, 'answer')
  await act(alone, ALICE, 'hangup')
  assert.deepEqual([statusesOf(caller(alone)).at(-1), statusesOf(callee(alone)).at(-1)], ['canceled 0', 'completed 0'])

  const accepted = await call(ALICE)
  await act(accepted, BOB, 'answer')
  await act(accepted, BOB, { digits: '1' })
  assert.deepEqual(soundsOf(callee(accepted)), ['say Press 1', 'voice'])
})

test('keys pressed while two are connected are heard on the other side', async () => {
  const { call, act, caller, callee } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  await act(sid, BOB, 'answer')
  await act(sid, ALICE, { digits: '12#' })
  await act(sid, BOB, { digits: '*' })
  assert.deepEqual([soundsOf(callee(sid)).at(-1), soundsOf(caller(sid)).at(-1)], ['digits 12#', 'digits *'])
})

test('an announcement is heard on both sides of a running call, and refused when it runs no more', async () => {
  const { carrier, call, act, caller, callee } = startCalls({ calls: DIAL })
  const sid = await call(ALICE)
  const ids = { inbound_id: sid, outbound_id: callee(sid).sid }
  const announcement = {
    text: 'One minute left',
    language: 'en-GB',
    room: 'r',
    seconds_left: 60,
    recording_url: undefined,
  }
  await assert.rejects(carrier.announce(ids, announcement), CarrierError)
  await act(sid, BOB, 'answer')
  await carrier.announce(ids, announcement)
  await carrier.announce(ids, { ...announcement, text: 'https://example.com/minute.mp3' })
  for (const leg of [caller(sid), callee(sid)]) {
    assert.deepEqual(soundsOf(leg).slice(-2), ['say One minute left', 'play https://example.com/minute.mp3'])
  }
  await act(sid, BOB, 'hangup')
  await assert.rejects(carrier.announce(ids, announcement), { outcome: 'refused' })
  assert.equal(await carrier.findCall(`CA${'0'.repeat(32)}`), undefined)
})

const RECOVERS: [what: string, failure: () => number][] = [
  ['throws', () => assert.fail('the database is away')],
  ['answers 503', () => 503],
]
for (const [what, failure] of RECOVERS) {
  test(`a webhook that ${what} is asked once more, and then the call has failed`, async () => {
    let faults = 1
    const { steps, call, caller, callee, find } = startCalls({ calls: () => (faults-- > 0 ? failure() : DIAL) })
    const sid = await call(ALICE)
    assert.deepEqual(steps().slice(0, 2), ['calls ringing', 'calls ringing'])
    assert.equal(callee(sid).number, BOB)

    faults = 2
    const failed = await call(ALICE)
    assert.deepEqual(statusesOf(caller(failed)), ['ringing 0', 'failed 0'])
    assert.deepEqual([find(failed).legs.length, find(failed).warnings[0]?.error_code], [1, 11200])
  })
}

test('a webhook that refuses is not asked again, and one that answers no TwiML ends the call', async () => {
  const refused = startCalls({ calls: 403 })
  const sid = await refused.call(ALICE)
  assert.deepEqual([refused.asked.length, statusesOf(refused.caller(sid)).at(-1)], [1, 'failed 0'])
  const broken = startCalls({ calls: '<Response><Dial>' })
  const call = await broken.call(ALICE)
  assert.equal(broken.find(call).warnings[0]?.error_code, 12100)
  assert.deepEqual(statusesOf(broken.caller(call)), ['ringing 0', 'no-answer 0'])
})

test('a status callback that fails is tried again, as long as reports are, and holds nothing up', async () => {
  let faults = 4
  const { asked, call, advance, callee } = startCalls({
    calls: DIAL,
    leg: ({ CallStatus }) => (CallStatus === 'initiated' && faults-- > 0 ? 500 : '<Response/>'),
  })
  const sid = await call(ALICE)
  assert.equal(statusesOf(callee(sid)).at(-1), 'ringing 0')
  await advance(29)
  const initiated = asked.filter(({ name, params }) => name === 'leg' && params.CallStatus === 'initiated')
  assert.deepEqual(
    initiated.map(({ at_s }) => at_s),
    [0, 0.1, 0.6, 2.6, 12.6],
  )
})
