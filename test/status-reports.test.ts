import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { MESSAGE_STATUSES, type MessageStatus } from '../src/core/carrier.ts'
import { supersededBy } from '../src/core/outbound.ts'
import { converse, interactionsOf, settled } from './support/conversation.ts'
import { rows } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import type { TwilioServer } from './support/twilio-server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const TERMINAL = new Set<MessageStatus>(['delivery-unknown', 'canceled', 'failed', 'undelivered', 'delivered'])

type Follows = (next: MessageStatus, current: MessageStatus | undefined) => boolean

/**
 * Every sequence of up to `length` reports out of `statuses`, which holds every order of every set with every repeat.
 * Returns how many there are, and in how many the end depends on the order or something terminal was taken back.
 */
function tryAllOrders(statuses: readonly MessageStatus[], length: number, follows: Follows) {
  const ends = new Map<number, MessageStatus>()
  const found = { sequences: 0, diverging: 0, regressing: 0 }
  const goOn = (set: number, current: MessageStatus | undefined, left: number) => {
    if (current) {
      found.sequences++
      const known = ends.get(set)
      if (!known) ends.set(set, current)
      else if (known !== current) found.diverging++
    }
    if (left === 0) return
    statuses.forEach((status, at) => {
      const next = follows(status, current) ? status : current
      if (current && next && TERMINAL.has(current) && !TERMINAL.has(next)) found.regressing++
      goOn(set | (1 << at), next, left - 1)
    })
  }
  goOn(0, undefined, length)
  return found
}

const MAY_FOLLOW = new Map(MESSAGE_STATUSES.map((status) => [status, new Set(supersededBy('message', status))]))
const ours: Follows = (next, current) => current === undefined || MAY_FOLLOW.get(next)?.has(current) === true

/** What each carrier reports of a message it took. */
const REPORTED: Record<string, { statuses: readonly MessageStatus[]; length: number }> = {
  twilio: {
    statuses: ['accepted', 'queued', 'sending', 'sent', 'delivered', 'undelivered', 'failed'],
    length: 7,
  },
  simulator: { statuses: ['queued', 'sent', 'delivery-unknown', 'undelivered', 'delivered'], length: 7 },
  'any there may be': { statuses: MESSAGE_STATUSES, length: 5 },
}

for (const [carrier, { statuses, length }] of Object.entries(REPORTED)) {
  test(`reports of ${carrier} end at the same status in every order, with every repeat`, () => {
    const { sequences, diverging, regressing } = tryAllOrders(statuses, length, ours)
    assert.deepEqual([diverging, regressing], [0, 0])
    assert.ok(sequences >= statuses.length ** length)
  })

  test(`if the last report of ${carrier} won, orders would end differently and what was final be taken back`, () => {
    const { diverging, regressing } = tryAllOrders(statuses, length, () => true)
    assert.ok(diverging > 0 && regressing > 0)
  })
}

test('300 messages whose reports come shuffled, repeated and at once end where their best report says', async (t) => {
  const receiver = await startReceiver(t)
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, { CallbackUrl: receiver.url })
  const { session, alice } = await converse(server, service)
  await inTurns(300, 16, async (at) => {
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body: `${at}` })
  })
  await eventually(async () => twilio.sent().length === 300, 'all are sent')
  await settled(server)

  const random = seeded(t)
  const expected = new Map<string, MessageStatus>()
  const reports = twilio.sent().flatMap(({ sid }) => {
    const some = MESSAGE_STATUSES.filter((status) => status !== 'delivery-unknown' && random() < 0.5)
    expected.set(sid, MESSAGE_STATUSES.findLast((status) => some.includes(status) || status === 'queued')!)
    return [...some, ...some.filter(() => random() < 0.3)].map((status) => ({ sid, status, order: random() }))
  })
  reports.sort((a, b) => a.order - b.order)
  await inTurns(reports.length, 16, async (at) => {
    assert.equal((await twilio.report(reports[at]!.sid, reports[at]!.status)).status, 200)
  })
  await settled(server)

  const found = await rows(
    server,
    'select outbound_resource_sid as sid, outbound_resource_status as status from interactions where session_sid = $1',
    [session.sid],
  )
  assert.deepEqual(new Map(found.map(({ sid, status }) => [sid, status])), expected)
  assertCallbacksTellOnce(await callbackHistories(server))
})

type Histories = { statuses: MessageStatus[] }[]

const callbackHistories = (server: TwilioServer['server']): Promise<Histories> =>
  rows(
    server,
    `select array_agg(outbound_resource_status order by interaction_date_updated) as statuses
     from callbacks group by interaction_sid`,
  )

/** Each change of a status is told, in which it only goes forward. */
function assertCallbacksTellOnce(histories: Histories) {
  assert.equal(histories.length, 300)
  for (const { statuses } of histories) {
    const ranks = statuses.map((status) => MESSAGE_STATUSES.indexOf(status))
    assert.deepEqual(
      ranks,
      [...new Set(ranks)].sort((a, b) => a - b),
    )
  }
}

/** Stands before the stand-in and does not pass on that a message was taken before its delivery has been reported. */
async function startHastyCarrier(t: Pick<TestContext, 'after'>, report: (sid: string) => Promise<unknown>) {
  let target = ''
  const front = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = incoming
    const response = await fetch(target + url, {
      method,
      headers: { authorization: headers.authorization ?? '', 'content-type': headers['content-type'] ?? '' },
      ...(method === 'POST' ? { body: Buffer.concat(chunks) } : {}),
    })
    const text = await response.text()
    if (method === 'POST' && url.endsWith('/Messages.json')) await report(JSON.parse(text).sid)
    outgoing.writeHead(response.status, { 'content-type': 'application/json' }).end(text)
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    front.closeAllConnections()
    front.close()
  })
  return async (url: string) => {
    target = url
    return `http://127.0.0.1:${(front.address() as AddressInfo).port}`
  }
}

async function sendToHastyCarrier(
  t: TestContext,
  messages: number,
  prepare: (server: TwilioServer['server']) => Promise<unknown>,
) {
  const answers: number[] = []
  const base_url = await startHastyCarrier(t, async (sid) => {
    answers.push((await started.twilio.report(sid, 'delivered')).status)
  })
  const started = await startTwilioServer(t, { base_url })
  const { server, twilio } = started
  const { session, alice } = await converse(server, await makeTwilioService(server, twilio))
  await prepare(server)
  await inTurns(messages, 16, async (at) => {
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body: `${at}` })
  })
  await eventually(async () => answers.length === messages, 'all are reported', 30_000)
  await settled(server)
  assert.deepEqual([...new Set(answers)], [200])
  const found = await rows(server, 'select * from interactions where session_sid = $1', [session.sid])
  assert.equal(new Set(found.map((row) => row.outbound_resource_sid)).size, messages, 'each knows its own message')
  assert.equal(twilio.sent().length, messages)
  assert.equal((await interactionsOf(server, session)).length, Math.min(messages, 100))
  return found.filter((row) => row.outbound_resource_status === 'delivered').length
}

test('of 1,000 reports that come before the carrier has answered the send, none is lost', async (t) => {
  assert.equal(await sendToHastyCarrier(t, 1000, async () => undefined), 1000)
})

test('if a report had to know its message by the id that the answer brings, such reports would be lost', async (t) => {
  const forgetful = async (server: TwilioServer['server']) => {
    await rows(
      server,
      `create function forget() returns trigger language plpgsql as $$ begin
         return case when old.outbound_carrier_id is null and new.outbound_resource_status = 'delivered' then old else new end;
       end $$`,
    )
    await rows(server, 'create trigger forget before update on interactions for each row execute function forget()')
  }
  assert.equal(await sendToHastyCarrier(t, 20, forgetful), 0)
})

/** Runs `work` for 0, 1, 2, …, `atOnce` at a time. */
async function inTurns(count: number, atOnce: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const run = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, run))
}

/** Numbers between 0 and 1 from a seed that is printed, so that a failure can be repeated. */
function seeded(t: TestContext): () => number {
  let state = Math.floor(Math.random() * 2 ** 32)
  t.diagnostic(`seed ${state}`)
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
