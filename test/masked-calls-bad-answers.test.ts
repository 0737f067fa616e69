import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertTold,
  newCaller,
  newHandset,
  openTalk,
  startService,
  statusesOf,
  twiml,
  wordsOf,
} from './support/calls.ts'
import { eventCodes, settled } from './support/conversation.ts'
import { rows, serverForFile } from './support/proxy-api.ts'
import type { ReceiverAnswer } from './support/receiver.ts'
import { eventually } from './support/server.ts'

const getServer = serverForFile()

const SORRY = 'We are sorry, your call cannot be completed. Goodbye.'
const APOLOGY = { statuses: 'ringing in-progress completed', words: [SORRY] }
const REJECTION = { statuses: 'ringing no-answer', words: [] }

const answer = (type: string, body: string, status = 200): ReceiverAnswer => ({
  status,
  headers: { 'content-type': type },
  body,
})
const xml = (body: string) => answer('application/xml', body)
const DTD = '<!DOCTYPE Response [<!ENTITY a "aaaa">]><Response><Say>&a;</Say></Response>'
const TEN_MB = `<Response><Say>${'a'.repeat(10 * 1024 * 1024)}</Say></Response>`
const DEEP = `<Response>${'<Say>'.repeat(30)}deep${'</Say>'.repeat(30)}</Response>`

/** What an application must not answer, and how each is on record: when it is asked first, and when a verb leads to it. */
const BAD: [what: string, answer: ReceiverAnswer, first: number, later: number][] = [
  ['a fault of its own', answer('application/xml', '<Response/>', 500), 80913, 11200],
  ['a refusal', answer('text/plain', '', 404), 80913, 11200],
  ['a redirect of HTTP', { status: 302, headers: { location: '/elsewhere' } }, 80913, 11200],
  ['another type', answer('text/plain', 'Hello'), 12300, 12300],
  ['JSON of another type', answer('text/plain', '{"participantIdentifier":"+12025550100"}'), 12100, 12300],
  ['JSON that says it is XML', xml('{"participantIdentifier":"+12025550100"}'), 12100, 12100],
  ['JSON in a JSON string', answer('application/json', '"{}"'), 12100, 12300],
  ['broken JSON', answer('application/json', '{'), 12100, 12300],
  ['broken XML', xml('<Response><Say>Hi</Response>'), 12100, 12100],
  ['something else than TwiML', xml('<Answer><Say>Hi</Say></Answer>'), 12100, 12100],
  ['a document type', xml(DTD), 12100, 12100],
  ['endless depth', xml(DEEP), 12100, 12100],
  ['ten megabytes', xml(TEN_MB), 11200, 11200],
  ['a Redirect to nowhere', xml('<Response><Redirect>ftp://example.com/</Redirect></Response>'), 11200, 11200],
]

test('whatever a broken application answers, the caller hears of it politely, and other calls go on', async (t) => {
  const server = await getServer()
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }))
  const { receiver, phones, pool } = outside
  const busy = { ...outside, ...(await openTalk(outside, { bob: newHandset('0121') })) }
  const talk = { ...outside, ...(await openTalk(outside)) }
  const talking = await phones.call(talk.alice.identifier, talk.alice.proxy)
  await phones.act(talking, talk.bob, 'answer')

  // From here on a customer's answer is awaited all the time, so nobody may wait for the network to come to rest.
  const patient = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  let release: (answer: ReceiverAnswer) => void = () => undefined
  const late = new Promise<ReceiverAnswer>((resolve) => {
    release = resolve
  })
  t.after(() => release({}))
  patient.receiver.answer = () => late
  let current: ReceiverAnswer = {}
  receiver.answer = ({ target }) => (target === '/outside' ? current : {})
  const dialled = pool.numbers[0]?.phone_number ?? ''
  const started = Date.now()
  const slow = await phones.place(newCaller(), patient.pool.numbers[0]?.phone_number ?? '')
  const ended = (sid: string) =>
    eventually(async () => {
      const call = await phones.find(sid)
      return call.state === 'ended' && { statuses: statusesOf(call.legs[0]!), words: wordsOf(call.legs[0]!) }
    }, 'the call is over')

  const sid = await phones.place(busy.alice.identifier, busy.alice.proxy)
  assert.deepEqual(await ended(sid), { statuses: 'ringing busy', words: [] })
  assert.equal((await phones.find(slow)).state, 'ringing')

  for (const [what, bad] of BAD) {
    current = bad
    assert.deepEqual(await ended(await phones.place(newCaller(), dialled)), APOLOGY, what)
  }
  current = xml('')
  assert.deepEqual(await ended(await phones.place(newCaller(), dialled)), REJECTION, 'an empty body')
  current = twiml('')
  const nothing = await ended(await phones.place(newCaller(), dialled))
  assert.deepEqual(nothing, { ...APOLOGY, words: [] }, 'an empty Response is an answer')
  await talk.service.update({ outOfSessionCallbackUrl: 'http://127.0.0.1:1/' })
  assert.deepEqual(await ended(await phones.place(newCaller(), dialled)), APOLOGY, 'nobody there')

  assert.deepEqual(await ended(slow), APOLOGY, 'the slow one')
  assert(Date.now() - started < 15_000, 'before a carrier gives up')
  await phones.act(talking, talk.alice, 'hangup')
  await settled(server, pool)
  const codes = [...BAD.map(([, , first]) => first), 80905].flatMap((code) => [80902, code])
  assert.deepEqual(await eventCodes(server, pool), [...codes, 80902, 80902, 11200])
  assert.deepEqual(await eventCodes(server, patient.pool), [80902, 11200])
  await assertTold(busy, { sid, from: busy.alice, to: busy.bob, inbound: 'busy', outbound: 'busy' })
  const [interaction] = await talk.session.interactions.list()
  assert.deepEqual(
    [interaction?.inboundResourceStatus, interaction?.outboundResourceStatus],
    ['completed', 'completed'],
  )
})

test('the same answers at a later document end the call as politely', async (t) => {
  const server = await getServer()
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  const { receiver, phones, pool } = outside
  const dialled = pool.numbers[0]?.phone_number ?? ''
  let current: ReceiverAnswer = {}
  receiver.answer = ({ target }) => (target === '/outside' ? twiml('<Say>Hi</Say><Redirect>next</Redirect>') : current)
  for (const [what, bad] of BAD) {
    current = bad
    const { legs, warnings } = await phones.find(await phones.call(newCaller(), dialled))
    assert.deepEqual(legs.map(wordsOf), [['Hi', SORRY]], what)
    assert.deepEqual(legs.map(statusesOf), [APOLOGY.statuses])
    assert.deepEqual(warnings, [])
  }
  current = answer('text/plain', '')
  const { legs } = await phones.find(await phones.call(newCaller(), dialled))
  assert.deepEqual(legs.map(wordsOf), [['Hi']], 'an empty body is the end')
  assert.deepEqual(await eventCodes(server, pool), [...BAD.flatMap(([, , , later]) => [80902, later]), 80902])
})

test('documents that lead in circles come to an end, and the caller is not kept', async (t) => {
  const server = await getServer()
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  const { receiver, phones, pool } = outside
  receiver.answer = () => twiml('<Redirect>again</Redirect>')
  const sid = await phones.call(newCaller(), pool.numbers[0]?.phone_number ?? '')
  assert.equal((await phones.find(sid)).state, 'ended')
  assert(receiver.requests.length <= 60, `${receiver.requests.length} requests`)
})

test('an application that sends every call back to the ingress is not asked for ever', async (t) => {
  const server = await getServer()
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  const { receiver, phones, pool } = outside
  const ingress = `${server.url}/v1/Accounts/${server.account.sid}/Proxy/${pool.sid}/Webhooks/Call`
  receiver.answer = () => twiml(`<Redirect>${ingress}</Redirect>`)
  const { legs } = await phones.find(await phones.call(newCaller(), pool.numbers[0]?.phone_number ?? ''))
  assert.deepEqual(legs.map(wordsOf), [[SORRY]])
  assert.equal(receiver.requests.length, 21)
  assert.equal((await eventCodes(server, pool)).filter((code) => code === 11200).length, 1)
})

test('an address that says who calls is on record without that', async (t) => {
  const server = await getServer()
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  const { receiver, phones, pool } = outside
  const [lost, odd] = [newCaller(), newCaller()]
  receiver.answer = ({ target, params }) => {
    if (target === '/outside') return twiml(`<Redirect>next?who=${encodeURIComponent(params.From ?? '')}</Redirect>`)
    return params.From === lost ? { status: 404 } : answer(`text/${params.From?.slice(1)}`, 'Hello')
  }
  for (const from of [lost, odd]) await phones.call(from, pool.numbers[0]?.phone_number ?? '')
  const kept = await rows(
    server,
    `select error_code::text as what, message as said from events where service_sid = $1
     union all select kind, url from callback_attempts where service_sid = $1`,
    [pool.sid],
  )
  assert.deepEqual(kept.map(({ what }) => what).sort(), [
    '11200',
    '12300',
    '80902',
    '80902',
    ...Array(4).fill('out-of-session'),
  ])
  for (const from of [lost, odd]) assert.equal(JSON.stringify(kept).includes(from.slice(2)), false)
})

test('nobody asked stays unanswered: a service without the URL rejects the call', async (t) => {
  const outside = await startService(t, await getServer(), () => ({}), 1)
  const { server, phones, pool } = outside
  const { legs } = await phones.find(await phones.call(newCaller(), pool.numbers[0]?.phone_number ?? ''))
  assert.deepEqual(legs.map(statusesOf), [REJECTION.statuses])
  assert.deepEqual(legs.map(wordsOf), [[]])
  assert.deepEqual(await eventCodes(server, pool), [80902, 80905])
})

test('what cannot be done without showing the caller is left out with a warning, and the rest is carried out', async (t) => {
  const outside = await startService(t, await getServer(), (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }), 1)
  const { server, receiver, phones, pool } = outside
  const office = newHandset('0121')
  receiver.answer = ({ params }) =>
    twiml(
      `<Refer><Sip>sip:a@b.example</Sip></Refer><Dial><Sip>sip:a@b.example?x-from=${params.From?.slice(1)}</Sip></Dial>` +
        `<Say>Now the office</Say><Dial>${office}</Dial>`,
    )
  const sid = await phones.call(newCaller(), pool.numbers[0]?.phone_number ?? '')
  const { legs } = await phones.find(sid)
  assert.deepEqual(wordsOf(legs[0]!), ['Now the office'])
  assert.deepEqual(
    legs.slice(1).map(({ number, caller_id }) => [number, caller_id]),
    [[office, pool.numbers[0]?.phone_number]],
  )
  await settled(server, pool)
  assert.deepEqual(await eventCodes(server, pool), [80902, 12200, 12200])
})
