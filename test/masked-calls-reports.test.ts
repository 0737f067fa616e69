import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addCarrier } from '../src/core/carriers.ts'
import { newSid } from '../src/core/sid.ts'
import { requestsTo, startTalk, voiceOf } from './support/calls.ts'
import {
  type Conversation,
  converse,
  eventCodes,
  hurry,
  interactionsOf,
  newPerson,
  settled,
} from './support/conversation.ts'
import { addNumber, addPerson, eventsOf, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { makeTwilioService, startTwilioServer, type TwilioServer } from './support/twilio-server.ts'

const getServer = serverForFile()
const PURPOSES = [
  'leg',
  'dialled',
  'whisper',
  'recording?kind=call',
  'recorded',
  'via?method=POST&to=http://a.example/',
]

test('nobody but the carrier may answer for a call or report on one', async (t) => {
  const talk = await startTalk(t, await getServer())
  const { server, phones, alice, pool } = talk
  await phones.call(alice.identifier, alice.proxy)
  const [call] = await voiceOf(talk)
  const base = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  // The vendor's own name for the ingress is in no document of ours.
  const vendor = `${server.direct}/v1/Accounts/${server.account.sid}/Proxy/${pool.sid}/Webhooks/Call`
  const urls = [base, vendor, ...PURPOSES.map((purpose) => `${base}/${pool.sid}/${call?.sid}/${purpose}`)]
  const params = { CallSid: newSid('CA'), CallStatus: 'completed', From: alice.identifier, To: alice.proxy }
  for (const url of urls) {
    for (const secret of [undefined, '', 'a'.repeat(64)]) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-simulator-secret': secret ?? '' }
      const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(params), headers })
      assert.equal(answer.status, 403, url)
      assert.equal(await answer.text(), '')
    }
  }
  const [after] = await voiceOf(talk)
  assert.deepEqual(after?.toJSON(), call?.toJSON())
  assert.deepEqual(await eventCodes(server, pool), [])
  assert.equal((await phones.listOf(alice)).length, 1)
})

type Twilio = TwilioServer & { service: Awaited<ReturnType<typeof makeTwilioService>> } & Conversation

/** A call of Alice's as the carrier sees it: its webhook has been answered, and what follows is for the test to post. */
async function receiveCall({ server, twilio, service, alice }: Twilio) {
  const sid = newSid('CA')
  const url = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  const ends = { From: alice.identifier, To: alice.proxy, Direction: 'inbound' }
  const answer = await twilio.post(url, { CallSid: sid, CallStatus: 'ringing', ...ends })
  assert.equal(answer.status, 200)
  const base = /statusCallback="([^"]+)\/leg"/.exec(answer.body)?.[1] ?? assert.fail(answer.body)
  assert(base.startsWith(`${url}/${service.sid}/KI`))
  const child = newSid('CA')
  const leg = { CallSid: child, ParentCallSid: sid, Direction: 'outbound-dial' }
  const reports: Record<string, () => ReturnType<typeof twilio.post>> = {
    ...Object.fromEntries(
      ['initiated', 'ringing', 'in-progress', 'busy', 'no-answer', 'failed', 'canceled'].map((CallStatus) => [
        CallStatus,
        () => twilio.post(`${base}/leg`, { ...leg, CallStatus }),
      ]),
    ),
    completed: () => twilio.post(`${base}/leg`, { ...leg, CallStatus: 'completed', CallDuration: '17' }),
    dialled: () => {
      const dial = { DialCallSid: child, DialCallStatus: 'completed', DialCallDuration: '17' }
      return twilio.post(`${base}/dialled`, { CallSid: sid, CallStatus: 'in-progress', ...dial })
    },
  }
  const report = async (name: string) => {
    const answered = await reports[name]?.()
    assert.deepEqual([answered?.status, answered?.content_type.split(';')[0]], [200, 'text/xml'], name)
  }
  const interaction_sid = base.slice(-34)
  const state = async () => {
    const found = (await interactionsOf(server, { path: `${service.path}/Sessions/${sessionOf}` })).find(
      (each) => each.sid === interaction_sid,
    )
    const { inbound_resource_status, outbound_resource_status, data, outbound_resource_sid } = found ?? {}
    return { inbound_resource_status, outbound_resource_status, data, is_child: outbound_resource_sid === child }
  }
  const [{ session_sid: sessionOf }] = await rows(server, 'select session_sid from interactions where sid = $1', [
    interaction_sid,
  ])
  return { base, child, sid: interaction_sid, report, state }
}

async function startTwilio(t: Parameters<typeof startReceiver>[0]) {
  const receiver = await startReceiver(t)
  const started = await startTwilioServer(t)
  const service = await makeTwilioService(started.server, started.twilio, { CallbackUrl: `${receiver.url}/status` })
  return { ...started, service, receiver, ...(await converse(started.server, service)) }
}

const COMPLETED = {
  inbound_resource_status: 'completed',
  outbound_resource_status: 'completed',
  data: '{"duration":"17"}',
  is_child: true,
}

test('reports in any order, repeated and at once, end in the same state, and the end is told once', async (t) => {
  const twilio = await startTwilio(t)
  const { server, service, receiver } = twilio
  const steps = ['initiated', 'ringing', 'in-progress', 'completed', 'dialled']
  const orders = fc.tuple(
    fc.shuffledSubarray(steps, { minLength: 5 }),
    fc.array(fc.constantFrom(...steps)),
    fc.boolean(),
  )
  await fc.assert(
    fc.asyncProperty(orders, async ([order, repeats, isAtOnce]) => {
      const { sid, report, state } = await receiveCall(twilio)
      const reports = [...order, ...repeats]
      if (isAtOnce) await Promise.all(reports.map(report))
      else for (const step of reports) await report(step)
      assert.deepEqual(await state(), COMPLETED)
      await settled(server, service)
      const told = requestsTo(receiver, '/status')
        .filter(({ params }) => params.interactionSid === sid)
        .map(({ params }) => params.outboundResourceStatus)
        .sort()
      assert(['completed', 'completed initiated'].includes(told.join(' ')), told.join(' '))
    }),
    { numRuns: 25 },
  )
  assert.deepEqual(await eventCodes(server, service), [])
})

test('a report that contradicts the end is on record as 80906 and changes nothing', async (t) => {
  const twilio = await startTwilio(t)
  const { server, service, receiver } = twilio
  const { report, state } = await receiveCall(twilio)
  for (const step of ['initiated', 'completed', 'completed', 'dialled', 'busy', 'initiated']) await report(step)
  assert.deepEqual(await state(), COMPLETED)
  await settled(server, service)
  const events = await eventsOf(server, service, 80906)
  assert.deepEqual([events.length, events[0]?.log_level], [1, 'warning'])
  assert.equal(requestsTo(receiver, '/status').length, 2)
  assert.deepEqual(await eventCodes(server, service), [80906])
})

test('a report about a leg that we do not know is answered, and on record as 80907', async (t) => {
  const twilio = await startTwilio(t)
  const { server, service } = twilio
  const { base, child, report, state } = await receiveCall(twilio)
  for (const step of ['initiated', 'completed']) await report(step)
  const unknown = base.replace(/KI\w+$/, newSid('KI'))
  const elsewhere = base.replace(/KS\w{32}/, newSid('KS'))
  const leg = { CallSid: child, CallStatus: 'busy' }
  const urls = [`${unknown}/leg`, `${unknown}/dialled`, `${elsewhere}/leg`, `${elsewhere}/dialled`]
  for (const url of urls) assert.equal((await twilio.twilio.post(url, leg)).status, 200)
  const stranger = await twilio.twilio.post(`${base}/leg`, { ...leg, CallSid: newSid('CA') })
  assert.equal(stranger.status, 200)
  const { body } = await server.get('/maskline/v1/Events?ErrorCode=80907')
  assert.equal(body.events.length, urls.length + 1)
  assert.deepEqual(await state(), COMPLETED)
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), [])
})

test('the same arrival again, even at once, is the same call', async (t) => {
  const twilio = await startTwilio(t)
  const { server, service, session, alice } = twilio
  const url = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  const arrival = { CallSid: newSid('CA'), CallStatus: 'ringing', From: alice.identifier, To: alice.proxy }
  const answers = await Promise.all([1, 2, 3].map(() => twilio.twilio.post(url, arrival)))
  answers.push(await twilio.twilio.post(url, arrival))
  assert.deepEqual(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size, 1)
  assert.match(answers[0]?.body ?? '', /<Dial /)
  assert.equal((await interactionsOf(server, session)).length, 1)
  assert.deepEqual(await eventCodes(server, service), [])
})

test('a call whose end nobody tells is looked after, and what the carrier does not know has failed', async (t) => {
  const twilio = await startTwilio(t)
  const { server, service, receiver } = twilio
  const [rung, never] = [await receiveCall(twilio), await receiveCall(twilio)]
  await rung.report('in-progress')
  await hurry(server, 'interactions')
  await settled(server, service)
  const { data, ...failed } = await rung.state()
  assert.deepEqual(
    { ...failed, data },
    { ...COMPLETED, inbound_resource_status: 'failed', outbound_resource_status: 'failed', data: '{}' },
  )
  const canceled = await never.state()
  assert.deepEqual([canceled.inbound_resource_status, canceled.outbound_resource_status], ['canceled', 'canceled'])
  assert.equal(requestsTo(receiver, '/status').length, 3)
  await rung.report('completed')
  assert.deepEqual(await rung.state(), COMPLETED, 'who knows better is believed')
})

test('a call is not put through when only another carrier could show the partner’s number', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const receiver = await startReceiver(t)
  const names = { account_sid: server.account.sid, kind: 'simulator', friendly_name: 'test' }
  await addCarrier(server.store, { ...names, credentials: {} })
  const service = await makeTwilioService(server, twilio, { CallbackUrl: `${receiver.url}/status` }, 1)
  const session = await openSession(server, service)
  const { phone_number } = await addNumber(server, service)
  const [alice, bob] = [newPerson(), newPerson()]
  const { proxy_identifier } = await addPerson(server, session, alice, {
    ProxyIdentifier: service.numbers[0]!.phone_number,
  })
  await addPerson(server, session, bob, { ProxyIdentifier: phone_number })
  const url = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  const arrival = { CallSid: newSid('CA'), CallStatus: 'ringing', From: alice, To: proxy_identifier }
  for (const again of [1, 2]) {
    const { body } = await twilio.post(url, arrival)
    assert(body.includes('<Hangup') && !body.includes('<Dial') && !body.includes(bob), `${again}: ${body}`)
  }
  await settled(server, service)
  const [interaction, ...more] = await interactionsOf(server, session)
  assert.deepEqual(more, [])
  const { inbound_resource_status, outbound_resource_status, outbound_resource_sid } = interaction ?? {}
  assert.deepEqual(
    [inbound_resource_status, outbound_resource_status, outbound_resource_sid],
    ['failed', 'failed', null],
  )
  assert.deepEqual(await eventCodes(server, service), [80613])
  assert.deepEqual(
    requestsTo(receiver, '/status').map(({ params }) => params.outboundResourceStatus),
    ['failed'],
  )
})

test('a webhook for calls that is no call, or no form of ours, is refused as unreadable', async (t) => {
  const { twilio, server, service } = await startTwilio(t)
  const url = `${server.url}/webhooks/${server.account.carrier_sid}/calls`
  const leg = `${url}/${service.sid}/${newSid('KI')}/leg`
  const bad: [string, Record<string, string>][] = [
    [url, {}],
    [url, { CallSid: newSid('CA'), CallStatus: 'completed', From: '+12025550100', To: '+12025550101' }],
    [url, { CallSid: 'a\0b', CallStatus: 'ringing', From: '+12025550100', To: '+12025550101' }],
    [leg, { CallSid: newSid('CA'), CallStatus: 'melted' }],
    [leg.replace(service.sid, 'KS1'), { CallSid: newSid('CA'), CallStatus: 'busy' }],
  ]
  for (const [to, params] of bad) assert.equal((await twilio.post(to, params)).status, 400, JSON.stringify(params))
  assert.deepEqual(await rows(server, 'select sid from interactions'), [])
})
