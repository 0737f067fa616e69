import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ACCOUNT, ALICE, BOB, dialTwiml, SERVER, soundsOf, startCalls } from './support/simulator-network.ts'

const RECORD =
  `<Response><Say>Leave a message</Say><Record action="${SERVER}/recorded" maxLength="20" ` +
  `recordingStatusCallback="${SERVER}/recording"/></Response>`

test('a voicemail ends with a key, the hanging up or its greatest length, and is told as a carrier would', async () => {
  const { call, act, advance, caller, paramsOf, steps } = startCalls({ calls: RECORD })
  const sid = await call(ALICE)
  assert.deepEqual(soundsOf(caller(sid)), ['say Leave a message', 'beep'])
  await advance(7)
  await act(sid, ALICE, { digits: '#' })
  const { RecordingSid, RecordingUrl, ...rest } = paramsOf('recording')
  assert.match(RecordingSid ?? '', /^RE[0-9a-f]{32}$/)
  assert.equal(RecordingUrl, `simulator://recordings/${RecordingSid}`)
  assert.deepEqual(rest, {
    ...{ AccountSid: ACCOUNT, CallSid: sid, RecordingStatus: 'completed', RecordingDuration: '7' },
    ...{ RecordingChannels: '1', RecordingSource: 'RecordVerb' },
  })
  const { Digits, RecordingDuration, RecordingSid: told } = paramsOf('recorded')
  assert.deepEqual([Digits, RecordingDuration, told], ['#', '7', RecordingSid])

  const left = await call(ALICE)
  await advance(3)
  await act(left, ALICE, 'hangup')
  assert.deepEqual([paramsOf('recorded').Digits, paramsOf('recorded').CallStatus], ['hangup', 'completed'])
  assert.equal(paramsOf('recording').RecordingDuration, '3')
  await call(ALICE)
  await advance(60)
  assert.deepEqual([paramsOf('recording').RecordingDuration, paramsOf('recorded').Digits], ['20', ''])

  const count = steps().length
  await act(await call(ALICE), ALICE, 'hangup')
  assert.deepEqual(steps().slice(count), ['calls ringing'], 'of nothing there is no recording')
})

test('a recorded talk is from the answer to the end, and nothing is recorded of one that was not', async () => {
  const { call, act, advance, paramsOf, find, asked } = startCalls({
    calls: dialTwiml(`record="record-from-answer-dual" recordingStatusCallback="${SERVER}/recording"`),
  })
  const sid = await call(ALICE)
  await advance(3)
  await act(sid, BOB, 'answer')
  await advance(12)
  await act(sid, ALICE, 'hangup')
  const { CallSid, RecordingDuration, RecordingSid, RecordingChannels } = paramsOf('recording')
  assert.deepEqual([CallSid, RecordingDuration, RecordingChannels], [sid, '12', '2'])
  assert.equal(paramsOf('dialled').RecordingSid, RecordingSid)
  assert.deepEqual(find(sid).recordings, [RecordingSid])

  const count = asked.filter(({ name }) => name === 'recording').length
  const unanswered = await call(ALICE)
  await advance(60)
  assert.deepEqual(find(unanswered).recordings, [])
  const silent = await call(ALICE)
  await act(silent, BOB, 'answer')
  await act(silent, BOB, 'hangup')
  assert.deepEqual(find(silent).recordings, [])
  assert.equal(asked.filter(({ name }) => name === 'recording').length, count)
})

test('a recording is a sound file that is as long as it says, but for a few seconds, and can be deleted', async () => {
  const { network, carrier } = startCalls({})
  for (const [duration_s, sounding_s] of [
    [2, 2],
    [3600, 5],
  ] as const) {
    const { recording_sid, url } = network.recordings.add(ACCOUNT, duration_s)
    const place = { carrier_recording_id: recording_sid, url }
    const { content_type, bytes } = await carrier.fetchRecording(place, 100_000)
    assert.equal(content_type, 'audio/wav')
    assert.deepEqual([bytes.toString('latin1', 0, 4), bytes.toString('latin1', 8, 16)], ['RIFF', 'WAVEfmt '])
    const [format, channels] = [bytes.readUInt16LE(20), bytes.readUInt16LE(22)]
    const [rate, perSecond] = [bytes.readUInt32LE(24), bytes.readUInt32LE(28)]
    assert.deepEqual([format, channels, rate, perSecond, bytes.readUInt16LE(34)], [1, 1, 8000, 16_000, 16])
    assert.deepEqual([bytes.readUInt32LE(4), bytes.readUInt32LE(40)], [bytes.length - 8, bytes.length - 44])
    assert.equal((bytes.length - 44) / perSecond, sounding_s)
    const loudest = Math.max(...Array.from({ length: rate }, (_, at) => bytes.readInt16LE(44 + at * 2)))
    assert.ok(loudest > 1000 && loudest < 10_000, 'it can be heard, and is no fright')

    await assert.rejects(carrier.fetchRecording(place, bytes.length - 1), { outcome: 'refused' })
    await carrier.fetchRecording(place, bytes.length)
    await carrier.deleteRecording(place)
    await assert.rejects(carrier.fetchRecording(place, 100_000), { outcome: 'refused', code: 20404 })
    await carrier.deleteRecording(place)
  }
})

test('a recording is of one account, and of ten thousand and more the oldest is forgotten', async () => {
  const { network } = startCalls({})
  const { recording_sid } = network.recordings.add(ACCOUNT, 1)
  assert.throws(() => network.recordings.fetch(`AC${'2'.repeat(32)}`, recording_sid, 100_000), { outcome: 'refused' })
  for (let i = 0; i < 9999; i++) network.recordings.add(ACCOUNT, 1)
  assert.equal(network.recordings.lengthOf(ACCOUNT, recording_sid), 1)
  network.recordings.add(ACCOUNT, 1)
  assert.equal(network.recordings.lengthOf(ACCOUNT, recording_sid), undefined)
})
