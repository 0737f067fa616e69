import assert from 'node:assert/strict'
import { test } from 'node:test'
import { converse, eventCodes, hurry, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { startCuttableLine } from './support/cuttable-line.ts'
import { makeService, newNumber, rows } from './support/proxy-api.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import { makeTwilioService, startTwilioServer, type TwilioServer } from './support/twilio-server.ts'

/** What is due, with how long from now. */
const due = async ({ server }: Pick<TwilioServer, 'server'>) =>
  (await rows(
    server,
    `select attempts, send_started_at is not null as in_doubt, extract(epoch from due_at - now())::float as wait_s
     from interactions where due_at is not null`,
  )) as { attempts: number; in_doubt: boolean; wait_s: number }[]

const toldStatuses = ({ requests }: Receiver) => requests.map(({ params }) => params.outboundResourceStatus)

async function startConversation(t: Parameters<typeof startTwilioServer>[0], settings: Record<string, string> = {}) {
  const started = await startTwilioServer(t)
  const service = await makeTwilioService(started.server, started.twilio, settings)
  const conversation = await converse(started.server, service)
  const text = (body: string, sid?: string) =>
    started.twilio.receive({
      from: conversation.alice.identifier,
      to: conversation.alice.proxy,
      body,
      ...(sid ? { sid } : {}),
    })
  return { ...started, ...conversation, service, text }
}

test('a number in the pool calls us, and when it leaves it calls whom it called before', async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const ours = `${server.url}/webhooks/${account.carrier_sid}/messages`
  const settings = {
    sms_url: 'https://before.example/sms',
    sms_method: 'GET',
    voice_application_sid: `AP${'1'.repeat(32)}`,
  }
  const numbers = [0, 1].map(() =>
    twilio.addNumber({ phone_number: newNumber(), ...settings, sms_fallback_url: 'https://before.example/2' }),
  )
  const before = structuredClone(numbers)
  const [bySid, byNumber] = numbers
  const isRestored = (at: number) => async () =>
    Object.entries(before[at]!).every(
      ([name, value]) => (numbers[at]![name] ?? '') === (value ?? '') || typeof value === 'object',
    )

  const service = await makeService(server, 0)
  const path = `${service.path}/PhoneNumbers`
  const added = await server.post(path, { Sid: bySid!.sid })
  assert.deepEqual([added.status, added.body.sid, added.body.phone_number], [201, bySid!.sid, bySid!.phone_number])
  const other = await server.post(path, { PhoneNumber: String(byNumber!.phone_number) })
  assert.deepEqual([other.status, other.body.sid], [201, byNumber!.sid])
  for (const { sms_url, sms_method, sms_fallback_url } of numbers) {
    assert.deepEqual([sms_url, sms_method, sms_fallback_url], [ours, 'POST', ''])
  }
  assert.equal((await server.post(path, { Sid: `PN${'0'.repeat(32)}` })).body.code, 80301)

  assert.equal((await server.delete(`${path}/${bySid!.sid}`)).status, 204)
  await eventually(isRestored(0), 'the removed number is as it was')
  assert.equal(byNumber!.sms_url, ours)
  assert.equal((await server.delete(service.path)).status, 204)
  await eventually(isRestored(1), 'the number of the deleted service is as it was')
})

test('a signed message goes to the partner from the partner’s own number, and its reports to the CallbackUrl', async (t) => {
  const receiver = await startReceiver(t)
  const { server, twilio, account, service, session, alice, bob, text } = await startConversation(t, {
    CallbackUrl: receiver.url,
  })
  const answer = await text('Grüße 👋', `SM${'a'.repeat(32)}`)
  assert.deepEqual([answer.status, answer.content_type, answer.body], [200, 'text/xml', '<Response/>'])
  const sent = await twilio.nextSent()
  const request = twilio.requests.find(({ path, method }) => method === 'POST' && path.endsWith('/Messages.json'))
  const [interaction] = await interactionsOf(server, session)
  assert.deepEqual(Object.fromEntries(request?.form ?? []), {
    To: bob.identifier,
    From: bob.proxy,
    Body: 'Grüße 👋',
    StatusCallback: `${server.url}/webhooks/${account.carrier_sid}/status/${service.sid}/${interaction?.sid}`,
  })
  await eventually(async () => toldStatuses(receiver).includes('queued'), 'queued is told')
  for (const status of ['sent', 'delivered']) {
    assert.equal((await twilio.report(sent.sid, status)).status, 200)
    await eventually(async () => toldStatuses(receiver).includes(status), `${status} is told`)
  }
  const [delivered] = await interactionsOf(server, session)
  assert.equal(delivered?.outbound_resource_status, 'delivered')
  assert.equal(delivered?.outbound_resource_sid, sent.sid)
  assert.equal(delivered?.inbound_resource_sid, `SM${'a'.repeat(32)}`)
  assert.equal(delivered?.inbound_participant_sid, alice.sid)
  const { params } = receiver.requests.find((told) => told.params.outboundResourceStatus === 'delivered')!
  assert.deepEqual([params.inboundResourceSid, params.outboundResourceSid], [delivered?.inbound_resource_sid, sent.sid])
})

test('what is not signed by the carrier is answered 403 and stores nothing', async (t) => {
  const { server, twilio, account, alice, session, text } = await startConversation(t)
  const door = `${server.url}/webhooks/${account.carrier_sid}/messages`
  const params = {
    MessageSid: `SM${'b'.repeat(32)}`,
    From: alice.identifier,
    To: alice.proxy,
    Body: 'x',
    NumMedia: '0',
  }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const post = async (url: string, headers: Record<string, string>) =>
    (
      await fetch(twilio.reach(url), {
        method: 'POST',
        headers: { ...form, ...headers },
        body: new URLSearchParams(params),
      })
    ).status
  assert.equal((await twilio.post(door, params, 'another token')).status, 403)
  assert.equal(await post(door, {}), 403)
  assert.equal(await post(door, { 'x-twilio-signature': 'AAAA' }), 403)
  twilio.reach = (url) => `${url.replace(server.url, server.direct)}?more=1`
  assert.equal((await twilio.post(door, params)).status, 403, 'another address than the signed one')
  twilio.reach = (url) => url.replace(server.url, server.direct)
  assert.equal((await twilio.post(door.replace(/MC\w+/, `MC${'0'.repeat(32)}`), params)).status, 404)
  assert.deepEqual(await rows(server, 'select sid from interactions'), [])

  await text('Genuine')
  const { sid, status_callback } = await twilio.nextSent()
  await settled(server)
  const report = { MessageSid: sid, MessageStatus: 'delivered' }
  assert.equal((await twilio.post(String(status_callback), report, 'another token')).status, 403)
  assert.equal((await interactionsOf(server, session))[0]?.outbound_resource_status, 'queued')
  assert.equal((await twilio.post(String(status_callback), report)).status, 200)
  assert.equal((await interactionsOf(server, session))[0]?.outbound_resource_status, 'delivered')
})

test('while the database is away the carrier is asked to try again, and afterwards the message goes through once', async (t) => {
  let line: Awaited<ReturnType<typeof startCuttableLine>> | undefined
  const { server, twilio } = await startTwilioServer(t, {
    database_url: async (text) => {
      const url = new URL(text)
      line = await startCuttableLine(t, url)
      url.port = String(line.port)
      return url.href
    },
  })
  const { alice, bob } = await converse(server, await makeTwilioService(server, twilio))
  const text = { from: alice.identifier, to: alice.proxy, body: 'Persistent', sid: `SM${'c'.repeat(32)}` }
  line?.cut()
  for (let at = 0; at < 3; at++) assert.equal((await twilio.receive(text)).status, 503)
  line?.mend()
  await eventually(async () => (await twilio.receive(text)).status === 200, 'the message is taken')
  assert.equal((await twilio.receive(text)).status, 200)
  const sent = await twilio.nextSent()
  assert.deepEqual([sent.to, sent.from, sent.body], [bob.identifier, bob.proxy, 'Persistent'])
  await settled(server)
  assert.equal(twilio.sent().length, 1)
})

test('a send whose outcome is unknown is looked up, and repeated only when the carrier does not have it', async (t) => {
  const started = await startConversation(t)
  const { server, twilio, session, text } = started
  for (const stored of [true, false]) {
    twilio.failNext({ kind: 'reset', stored })
    await text(stored ? 'Taken' : 'Not taken')
    const isWaiting = async () =>
      (await due(started)).some((row) => row.in_doubt && row.wait_s < 90 && row.wait_s > 50 && row.attempts === 1)
    await eventually(
      async () =>
        twilio.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/Messages.json')).length ===
          (stored ? 1 : 2) && isWaiting(),
      'it is in doubt',
    )
    // Not before the claim has been given back with its pause.
    await eventually(async () => (await due(started))[0]!.wait_s < 61, 'it waits before asking')
    await hurry(server, 'interactions')
    await settled(server)
  }
  assert.deepEqual(
    twilio.sent().map(({ body }) => body),
    ['Taken', 'Not taken'],
  )
  const known = (await interactionsOf(server, session)).map((row) => row.outbound_resource_sid)
  assert.deepEqual(
    known.sort(),
    twilio
      .sent()
      .map(({ sid }) => sid)
      .sort(),
  )

  // A report may make the message known while its sender is about to look it up: the row as the sender claimed it.
  await rows(server, `update interactions set stage = 'send', send_started_at = now(), due_at = now()`)
  await settled(server)
  assert.equal(twilio.sent().length, 2, 'a message known by a report is found too')
})

test('of two texts that are alike and both in doubt, the one the carrier has stands for one of them only', async (t) => {
  const started = await startConversation(t)
  const { server, twilio, session, text } = started
  twilio.failNext({ kind: 'reset', stored: true }, { kind: 'reset', stored: false })
  await text('Ok')
  await text('Ok')
  const inDoubt = async () => (await due(started)).filter((row) => row.in_doubt && row.wait_s < 61).length === 2
  await eventually(inDoubt, 'both are in doubt')
  // Both look at once and both find it; whoever comes second has to look again. Only what waits is made due, for a minute:
  // what a worker has in hand is held for less.
  const isOver = async () => {
    const waits = `due_at > now() + interval '30 seconds'`
    await rows(server, `update interactions set due_at = now() where ${waits}`)
    return (await due(started)).length === 0
  }
  await eventually(isOver, 'neither is in doubt any more')
  const sids = twilio.sent().map(({ sid }) => sid)
  assert.equal(sids.length, 2)
  const known = (await interactionsOf(server, session)).map((row) => row.outbound_resource_sid)
  assert.deepEqual(known.sort(), sids.sort())
})

test('a throttled send waits as long as the carrier says, and any other failure a while', async (t) => {
  const started = await startConversation(t)
  const { server, twilio, text } = started
  twilio.failNext({ kind: 'error', status: 429, code: 20429, headers: { 'retry-after': '40' } })
  await text('Patience')
  // Neither still due, nor claimed for its 25 s.
  const isPostponed = ({ in_doubt, wait_s }: Awaited<ReturnType<typeof due>>[number]) =>
    !in_doubt && wait_s > 1 && Math.abs(wait_s - 25) > 2
  const wait = () => eventually(async () => (await due(started)).find(isPostponed), 'it is postponed')
  const { wait_s } = await wait()
  assert.ok(wait_s > 30 && wait_s <= 40, String(wait_s))
  twilio.failNext({ kind: 'error', status: 503 })
  await hurry(server, 'interactions')
  await eventually(async () => (await due(started)).find(({ attempts }) => attempts === 2), 'it is tried again')
  const again = await wait()
  assert.ok(again.wait_s > 2 && again.wait_s <= 6.25, String(again.wait_s))
  await hurry(server, 'interactions')
  await settled(server)
  assert.deepEqual(
    twilio.sent().map(({ body }) => body),
    ['Patience'],
  )
})

test('a message that the carrier refuses fails once and for all, on record and told', async (t) => {
  const receiver = await startReceiver(t)
  const { server, twilio, service, session, text } = await startConversation(t, { CallbackUrl: receiver.url })
  twilio.failNext({ kind: 'error', status: 400, code: 21610 })
  await text('Unwanted')
  await settled(server)
  const [failed] = await interactionsOf(server, session)
  assert.deepEqual([failed?.outbound_resource_status, failed?.outbound_resource_sid], ['failed', null])
  assert.deepEqual(await eventCodes(server, service), [21610])
  const { params } = await receiver.next()
  assert.equal(params.outboundResourceStatus, 'failed')
  assert.deepEqual([twilio.sent().length, receiver.requests.length], [0, 1])
})

test('a failure that is reported later carries the carrier’s reason into the event log', async (t) => {
  const { server, twilio, service, session, text } = await startConversation(t)
  await text('To nowhere')
  const { sid } = await twilio.nextSent()
  await settled(server)
  await twilio.report(sid, 'undelivered', 30003)
  await twilio.report(sid, 'undelivered', 30003)
  assert.equal((await interactionsOf(server, session))[0]?.outbound_resource_status, 'undelivered')
  assert.deepEqual(await eventCodes(server, service), [30003])
  const gone = `${server.url}/webhooks/${server.account.carrier_sid}/status/${service.sid}/KI${'0'.repeat(32)}`
  assert.equal((await twilio.post(gone, { MessageSid: sid, MessageStatus: 'sent' })).status, 200)
})

test('a message that cannot be told from a stranger’s is dropped when nobody handles it', async (t) => {
  const { server, twilio, service, alice, bob } = await startConversation(t)
  for (const from of [newPerson(), '', 'ACME', '12345', `whatsapp:${alice.identifier}`]) {
    assert.equal((await twilio.receive({ from, to: bob.proxy, body: 'Who?' })).status, 200)
  }
  await settled(server)
  assert.equal(twilio.sent().length, 0)
  assert.deepEqual((await eventCodes(server, service)).sort(), [...Array(5).fill(80902), ...Array(5).fill(80905)])
})
