import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCallTwiml } from '../src/twiml/call.ts'
import { application, BOB, type Documents, done, RECORDED, run, START, scriptedLeg, voice } from './support/call-leg.ts'

test('verbs run in order, the first that is heard answers, and the end of the document hangs up', async () => {
  const body = voice((it) => {
    it.pause({ length: 3 })
    it.say('One & <two>')
    it.say({ voice: 'Polly.Amy', language: 'en-GB', loop: 2 }, 'Three')
    it.play('https://cdn.example/four.mp3')
    it.play({ loop: 2 }, 'five.mp3')
    it.play({ digits: 'ww12#' })
    it.pause()
  })
  const { done, reasons } = await run(body)
  assert.deepEqual(done, [
    'pause 3',
    'answer',
    'say One & <two>',
    'say Three Polly.Amy en-GB',
    'say Three Polly.Amy en-GB',
    'play https://cdn.example/four.mp3',
    'play https://app.example/proxy/five.mp3',
    'play https://app.example/proxy/five.mp3',
    'send ww12#',
    'pause 1',
    'end hangup',
  ])
  assert.deepEqual(reasons, [])
})

test('a document without verbs, and none at all, answers and hangs up', async () => {
  const hungUp = ['answer', 'end hangup']
  for (const body of [voice(() => {}), '', ' \r\n']) assert.deepEqual(await done(body), hungUp)
  const redirect = voice((it) => it.redirect('/next'))
  for (const answer of [{ status: 204, content_type: '' }, { body: ' ' }, '<Response/>']) {
    assert.deepEqual(await done(redirect, {}, { 'POST https://app.example/next': answer }), hungUp)
  }
})

test('a Hangup ends the call, and a Reject ends it unanswered; nothing after them is done', async () => {
  assert.deepEqual(await done(voice((it) => [it.say('Hi'), it.hangup(), it.say('never')])), [
    'answer',
    'say Hi',
    'end hangup',
  ])
  const rejections = { busy: { reason: 'busy' as const }, rejected: { reason: 'rejected' as const } }
  for (const [how, attributes] of Object.entries(rejections)) {
    assert.deepEqual(await done(voice((it) => [it.reject(attributes), it.say('never')])), [`end ${how}`])
  }
  assert.deepEqual(await done(voice((it) => it.reject())), ['end rejected'])
  assert.deepEqual(await done('<Response><Reject reason="asleep"/></Response>'), ['end rejected'])
})

test('a loop of zero goes on until the caller hangs up, but not for ever', async () => {
  for (const body of [voice((it) => it.say({ loop: 0 }, 'x')), voice((it) => it.play({ loop: 0 }, '/x'))]) {
    assert.equal((await done(body)).length, 1002)
    assert.equal((await done(body, { hangsUpDuring: 20 })).length, 21)
  }
})

test('what has no text and no web address is left out with a warning', async () => {
  const body = `<Response><Say> </Say><Play></Play><Play>file:///etc/passwd</Play><Play digits="call me"/></Response>`
  const { done, reasons } = await run(body)
  assert.deepEqual(done, ['answer', 'end hangup'])
  assert.deepEqual(reasons, [
    'A Say was left out: it has no text.',
    'A Play was left out: its address is not an http or https URL.',
    'A Play was left out: its digits are no keys of a phone.',
  ])
})

test('of markup for the voice, the words are said in their order', async () => {
  const body = voice((it) => {
    const say = it.say('Hello ')
    say.emphasis({ level: 'strong' }, 'dear')
    say.addText(' friend')
  })
  const { done, reasons } = await run(body)
  assert.equal(done[1], 'say Hello dear friend')
  assert.deepEqual(reasons, ['The element emphasis does nothing in a Say here.'])
})

test('keys that were pressed go to the action, and the call goes on with its document', async () => {
  const body = voice((it) => {
    it.gather({ numDigits: 4, finishOnKey: '*', timeout: 9, action: 'menu', method: 'GET' }).say('Press')
    it.say('never')
  })
  const menu = voice((it) => it.say('Menu'))
  const { done, gathers, asked, reasons } = await run(
    body,
    { keys: ['1234'] },
    { 'GET https://app.example/proxy/menu': menu },
  )
  assert.deepEqual(done, ['answer', 'gather', 'say Press', 'say Menu', 'end hangup'])
  assert.deepEqual(gathers, [{ num_digits: 4, finish_on_key: '*', timeout_s: 9 }])
  assert.deepEqual(asked, [{ at: 'GET https://app.example/proxy/menu', params: { Digits: '1234' } }])
  assert.deepEqual(reasons, [])
})

test('a Gather has the defaults of the vendor, its prompts may be anything that is heard, and silence goes on', async () => {
  const body = voice((it) => {
    const gather = it.gather()
    gather.say({ loop: 2 }, 'Press')
    gather.play('/a.mp3')
    gather.pause({ length: 2 })
    it.gather({ finishOnKey: '', timeout: 0 })
    it.say('Nobody there')
  })
  const { done, gathers, asked } = await run(body)
  const heard = ['say Press', 'say Press', 'play https://app.example/a.mp3', 'pause 2']
  assert.deepEqual(done, ['answer', 'gather', ...heard, 'gather', 'say Nobody there', 'end hangup'])
  assert.deepEqual(gathers, [
    { num_digits: undefined, finish_on_key: '#', timeout_s: 5 },
    { num_digits: undefined, finish_on_key: '', timeout_s: 0 },
  ])
  assert.deepEqual(asked, [])
})

test('the document asks itself when a Gather names no action, and silence is told where that is wanted', async () => {
  const again = { [`POST ${START}`]: '<Response/>' }
  const pressed = await run(
    voice((it) => it.gather()),
    { keys: ['7'] },
    again,
  )
  assert.deepEqual(pressed.asked, [{ at: `POST ${START}`, params: { Digits: '7' } }])
  const silent = await run(
    voice((it) => [it.gather({ actionOnEmptyResult: true }), it.say('never')]),
    {},
    again,
  )
  assert.deepEqual(silent.asked, [{ at: `POST ${START}`, params: { Digits: '' } }])
  assert.deepEqual(silent.done, ['answer', 'gather', 'end hangup'])
})

test('speech is not understood: it is as if nothing was pressed, while keys beside it are', async () => {
  const ask = (...input: ('speech' | 'dtmf')[]) =>
    voice((it) => [it.gather({ input, action: '/said' }).say('Speak'), it.say('Goodbye')])
  const speech = await run(ask('speech'), { keys: ['1'] })
  assert.deepEqual(speech.done, ['answer', 'say Speak', 'pause 5', 'say Goodbye', 'end hangup'])
  assert.deepEqual(speech.reasons, ['A Gather takes nothing but keys here.'])
  const both = await run(ask('dtmf', 'speech'), { keys: ['1'] }, { 'POST https://app.example/said': '' })
  assert.deepEqual(both.asked, [{ at: 'POST https://app.example/said', params: { Digits: '1' } }])
  assert.deepEqual(both.reasons, speech.reasons)
})

test('the prompts of a Gather that is over say nothing more', async () => {
  const body = voice((it) => {
    const gather = it.gather({ action: '/next' })
    gather.say({ loop: 2 }, 'One')
    gather.say('Two')
  })
  const { leg, done } = scriptedLeg()
  let finish = () => {}
  let prompting: Promise<void> | undefined
  leg.say = (text) => {
    done.push(`say ${text}`)
    return new Promise((resolve) => {
      finish = resolve
    })
  }
  leg.gather = async ({ prompts }) => {
    prompting = prompts()
    await Promise.resolve()
    return '1'
  }
  // What was being said ends only now, after the key.
  leg.pause = async () => {
    finish()
    await prompting
  }
  const { request } = application({ 'POST https://app.example/next': voice((it) => it.pause()) })
  await runCallTwiml({ body, url: START }, leg, request)
  assert.deepEqual(done, ['answer', 'say One', 'end hangup'])
})

test('a Redirect replaces the document, from where it stands, and without an address it asks for the same again', async () => {
  const documents = {
    'POST https://app.example/b/two': voice((it) => [it.say('2'), it.redirect({ method: 'GET' }, 'three?y=2')]),
    'GET https://app.example/b/three?y=2': voice((it) => [it.play('p.mp3'), it.redirect('')]),
    'POST https://app.example/b/three?y=2': voice((it) => it.hangup()),
  }
  const body = voice((it) => [it.say('1'), it.redirect('/b/two'), it.say('never')])
  const { done, asked } = await run(body, {}, documents)
  assert.deepEqual(done, ['answer', 'say 1', 'say 2', 'play https://app.example/b/p.mp3', 'end hangup'])
  assert.deepEqual(
    asked,
    Object.keys(documents).map((at) => ({ at, params: {} })),
  )
})

test('a Record answers with the vendor’s defaults, and its action hears what was recorded', async () => {
  const body = voice((it) => [it.record(), it.say('never')])
  const { done, records, asked } = await run(body, { recordings: [RECORDED] }, { [`POST ${START}`]: '' })
  assert.deepEqual(done, ['answer', 'record', 'end hangup'])
  assert.deepEqual(records, [
    {
      max_length_s: 3600,
      timeout_s: 5,
      finish_on_key: '1234567890*#',
      play_beep: true,
      recording_status_callback: undefined,
    },
  ])
  const params = { RecordingUrl: RECORDED.url, RecordingSid: RECORDED.recording_sid }
  assert.deepEqual(asked, [{ at: `POST ${START}`, params: { ...params, RecordingDuration: '7', Digits: '#' } }])
})

test('a Record takes all its attributes, and where nothing was recorded the next verb runs', async () => {
  const body = voice((it) => {
    it.record({
      ...{ maxLength: 60, timeout: 2, finishOnKey: '#', playBeep: false, action: '/recorded', method: 'GET' },
      ...{ recordingStatusCallback: 'told', recordingStatusCallbackMethod: 'GET' },
      recordingStatusCallbackEvent: ['completed'],
    })
    it.say('Nothing')
  })
  const { done, records, asked, reasons } = await run(body)
  const recording_status_callback = { url: 'https://app.example/proxy/told', method: 'GET' as const }
  assert.deepEqual(records, [
    { max_length_s: 60, timeout_s: 2, finish_on_key: '#', play_beep: false, recording_status_callback },
  ])
  assert.deepEqual(done, ['answer', 'record', 'say Nothing', 'end hangup'])
  assert.deepEqual([asked, reasons], [[], []])
})

test('the action of what ran when the caller hung up is still asked, and its answer is not carried out', async () => {
  const never = voice((it) => [it.say('never'), it.redirect('/never')])
  const documents: Documents[] = ['<Response>', never, { status: 500 }].map((document) => ({
    'POST https://app.example/after': document,
  }))
  const record = voice((it) => [it.record({ action: '/after' }), it.say('never')])
  const dial = voice((it) => [it.dial({ action: '/after' }, BOB), it.say('never')])
  for (const each of documents) {
    const recorded = await run(record, { recordings: [{ ...RECORDED, digits: '' }], hangsUpDuring: 'record' }, each)
    assert.deepEqual(recorded.done, ['answer', 'record'])
    assert.deepEqual(
      recorded.asked.map(({ at, params }) => [at, params.Digits]),
      [['POST https://app.example/after', 'hangup']],
    )
    const canceled = { status: 'canceled' as const, duration_s: 0 }
    const dialled = await run(dial, { dials: [canceled], hangsUpDuring: 'dial' }, each)
    assert.deepEqual(dialled.done, ['answer', `dial ${BOB}`])
    assert.deepEqual(
      dialled.asked.map(({ at, params }) => [at, params.DialCallStatus]),
      [['POST https://app.example/after', 'canceled']],
    )
    const failed = each === documents[2] ? ['was answered with status 500.'] : []
    for (const { reasons } of [recorded, dialled]) {
      assert.deepEqual(
        reasons.map((reason) => reason.replace(/^The action of a (Dial|Record) /, '')),
        failed,
      )
    }
  }
})

test('wherever the caller hangs up, nothing more is done and no further document is requested', async () => {
  const body = voice((it) => {
    it.pause()
    it.say({ loop: 2 }, 'Hello')
    it.gather({ input: ['speech'] }).say('Speak')
    const gather = it.gather({ action: '/pressed' })
    gather.say('Press')
    gather.say('Now')
  })
  const pressed = voice((it) => [it.dial(BOB), it.record(), it.redirect('/end')])
  const documents = {
    'POST https://app.example/pressed': pressed,
    'POST https://app.example/end': voice((it) => it.say('End')),
  }
  const keys = ['1']
  const whole = await run(body, { keys }, documents)
  assert.equal(whole.asked.length, 2)
  for (let after = 0; after < whole.done.length; after++) {
    const { done, asked } = await run(body, { keys, hangsUpDuring: after }, documents)
    assert.deepEqual(done, whole.done.slice(0, after + 1))
    const heard = (what: string) => done.length > whole.done.indexOf(what) + 1
    assert.equal(asked.length, Number(heard('say Now')) + Number(heard('record')), `after ${done.at(-1)}`)
  }
})

test('a caller who is gone before the first document, or before the next is there, hears none of it', async () => {
  const body = voice((it) => [it.say('Hello'), it.redirect('/next')])
  const early = scriptedLeg({ hangsUpDuring: 'pause' })
  await early.leg.pause(1)
  assert.deepEqual(await runCallTwiml({ body, url: START }, early.leg, application().request), { warnings: [] })

  const late = scriptedLeg()
  const { request } = application({ 'POST https://app.example/next': body })
  const run = await runCallTwiml({ body, url: START }, late.leg, async (...of) => {
    await late.leg.end('hangup')
    return await request(...of)
  })
  assert.deepEqual([late.done, run], [['answer', 'say Hello', 'end hangup'], { warnings: [] }])
})

test('what is unknown does nothing, with a warning, and the rest is done', async () => {
  const body = voice((it) => {
    it.enqueue('support')
    it.say({ voice: 'alice' }, 'One')
    it.connect().stream({ url: 'wss://app.example' })
    it.record({ transcribe: true, trim: 'trim-silence' })
    it.gather({ hints: 'a' }).addChild('Dial', {})
    it.say('Two')
  }).replace('<Say>Two', '<constructor __proto__="1"/><say>lower</say><Say toString="x">Two')
  const { done, reasons } = await run(body)
  assert.deepEqual(done, ['answer', 'say One alice', 'record', 'gather', 'say Two', 'end hangup'])
  assert.deepEqual(reasons, [
    'The verb Enqueue does nothing in a call here.',
    'The verb Connect does nothing in a call here.',
    'The attribute transcribe of a Record does nothing here.',
    'The attribute trim of a Record does nothing here.',
    'The attribute hints of a Gather does nothing here.',
    'The element Dial does nothing in a Gather here.',
    'The verb constructor does nothing in a call here.',
    'The verb say does nothing in a call here.',
    'The attribute toString of a Say does nothing here.',
  ])
})

test('numbers keep to their limits, and what is none is the default, with a warning', async () => {
  const lengths = async (length: string) => run(`<Response><Pause length="${length}"/></Response>`)
  const cases = [
    ['0', 1],
    ['-3', 1],
    ['+7', 7],
    [' 600 ', 600],
    ['601', 600],
    ['9'.repeat(400), 600],
  ] as const
  for (const [given, seconds] of cases) {
    const { done, reasons } = await lengths(given)
    assert.deepEqual([done[0], reasons], [`pause ${seconds}`, []])
  }
  for (const given of ['', '1.5', '1e3', '0x10', 'NaN', 'soon', '\u0665']) {
    const { done, reasons } = await lengths(given)
    assert.deepEqual([done[0], reasons], ['pause 1', ['The length of a Pause is no whole number.']])
  }

  const { gathers, records, dials, reasons } = await run(`<Response>
    <Gather timeout="9999" numDigits="0" finishOnKey="enter"/>
    <Record maxLength="99999" timeout="0" finishOnKey="x"/>
    <Dial timeout="0" timeLimit="99999">${BOB}</Dial>
  </Response>`)
  assert.deepEqual(gathers, [{ num_digits: 1, finish_on_key: '#', timeout_s: 600 }])
  assert.deepEqual(
    records.map((each) => [each.max_length_s, each.timeout_s, each.finish_on_key]),
    [[14_400, 1, '1234567890*#']],
  )
  assert.deepEqual(
    dials.map((each) => [each.timeout_s, each.time_limit_s]),
    [[1, 86_400]],
  )
  assert.deepEqual(reasons, [
    'The finishOnKey of a Gather is no key of a phone.',
    'The finishOnKey of a Record is no key of a phone.',
  ])
})
