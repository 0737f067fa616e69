import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { saveBackup } from '../src/db/backup.ts'
import { createEmptyDatabase, query, runForJson } from './support/backup.ts'
import { dataFolder } from './support/cli.ts'
import { converse, newPerson, settled } from './support/conversation.ts'
import { rows } from './support/proxy-api.ts'
import { type ReceiverAnswer, startReceiver } from './support/receiver.ts'
import { eventually, startServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

/**
 * A server with something due of every kind: two messages that the carrier was too busy for, one about which the intercept
 * callback thinks, and one of a stranger, about which the other callback does. `release` lets both answer.
 */
async function makeDue(t: TestContext) {
  const receiver = await startReceiver(t)
  const { server, twilio, account, master_key } = await startTwilioServer(t)
  const plain = await makeTwilioService(server, twilio, { CallbackUrl: `${receiver.url}/status` })
  const asking = await makeTwilioService(server, twilio, {
    InterceptCallbackUrl: `${receiver.url}/intercept`,
    OutOfSessionCallbackUrl: `${receiver.url}/outside`,
  })
  const [first, closed, asked] = [
    await converse(server, plain),
    await converse(server, plain),
    await converse(server, asking),
  ]
  const stranger = newPerson()
  const number = asked.alice.proxy

  // The application takes its time, and the carrier has a bad moment.
  let release: (answer?: unknown) => void = () => undefined
  const released = new Promise((resolve) => {
    release = resolve
  })
  const reply = `<Response><Message to="${stranger}" from="${number}">Who is this?</Message></Response>`
  receiver.answer = async ({ target }): Promise<ReceiverAnswer> => {
    if (target === '/status') return { status: 503 }
    await released
    return target === '/outside' ? { headers: { 'content-type': 'text/xml' }, body: reply } : {}
  }
  const busy = { kind: 'error', status: 429, code: 20429, headers: { 'retry-after': '3600' } } as const
  twilio.failNext(busy, busy)
  await twilio.receive({ from: first.alice.identifier, to: first.alice.proxy, body: 'Sent later' })
  await twilio.receive({ from: closed.alice.identifier, to: closed.alice.proxy, body: 'Never sent' })
  const putOff = `select from interactions where stage = 'send' and due_at > now() + interval '30 minutes'`
  await eventually(async () => (await rows(server, putOff)).length === 2, 'both are put off for an hour')
  await twilio.receive({ from: asked.alice.identifier, to: number, body: 'Intercepted' })
  await twilio.receive({ from: stranger, to: number, body: 'Hello?' })
  await eventually(
    async () => receiver.requests.filter(({ target }) => target !== '/status').length === 2,
    'both are asked',
  )
  assert.deepEqual(twilio.sent(), [])
  return { server, twilio, account, master_key, receiver, closed, release: () => release() }
}

test('what was due when the backup was made, and done since, is not done again by the restored server', async (t) => {
  const { server, twilio, account, master_key, receiver, closed, release } = await makeDue(t)
  // In this process, because the questions above do not wait for ever.
  const file = join(dataFolder(t), 'maskline.backup')
  await saveBackup(server.store.pool, createWriteStream(file), { version: '0', progress: () => undefined })

  // The server of the backup goes on: one session is closed, everything else is sent.
  await server.post(closed.session.path, { Status: 'closed' })
  release()
  await rows(server, "update interactions set due_at = now() where due_at > now() + interval '30 minutes'")
  const bodies = () =>
    twilio
      .sent()
      .map(({ body }) => body)
      .sort()
  await eventually(async () => bodies().length === 3, 'three are sent', 30_000)
  assert.deepEqual(bodies(), ['Intercepted', 'Sent later', 'Who is this?'])
  await server.stop()
  const told = receiver.requests.filter(({ target }) => target === '/status').length

  const target = await createEmptyDatabase(t)
  const env = { DATABASE_URL: target, MASKLINE_MASTER_KEY: master_key }
  const summary = await runForJson(['restore', file], env)
  assert.deepEqual([summary.in_doubt, summary.not_asked, summary.callbacks], [3, 1, 0])
  receiver.answer = () => ({})
  await query(target, 'update interactions set due_at = now() where due_at is not null')
  const restored = await startServer(t, { database_url: target, master_key, account })
  await settled(restored)
  assert.deepEqual(bodies(), ['Intercepted', 'Never sent', 'Sent later', 'Who is this?'], 'each is sent once')
  const sent = (body: string) => twilio.sent().find((message) => message.body === body)?.sid
  const legs = await rows(
    restored,
    'select outbound_carrier_id as id from interactions where outbound_carrier_id is not null',
  )
  assert.deepEqual(
    legs.map(({ id }) => id).sort(),
    [sent('Intercepted'), sent('Never sent'), sent('Sent later')].sort(),
    'what was sent by the other is known by its id',
  )
  const outside = await rows(restored, "select stage, due_at from interactions where outcome = 'out-of-session'")
  assert.deepEqual(outside, [{ stage: null, due_at: null }])
  assert.equal(receiver.requests.filter(({ target }) => target === '/outside').length, 1, 'nobody is asked again')
  assert.ok(receiver.requests.filter(({ target }) => target === '/status').length > told, 'changes are told')
})

test('a message waits a minute before its carrier is asked, a callback is delivered with the same token', async (t) => {
  const receiver = await startReceiver(t, () => ({ status: 503 }))
  const { server, twilio, account, database_url, master_key } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, { CallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Hello' })
  const token = (await receiver.next()).headers['i-twilio-idempotency-token']
  assert.ok(token)
  await server.stop()
  await query(
    database_url,
    "update interactions set stage = 'send', send_started_at = null, due_at = now() - interval '1 day'",
  )
  const file = join(dataFolder(t), 'maskline.backup')
  await runForJson(['backup', file], { DATABASE_URL: database_url })

  const target = await createEmptyDatabase(t)
  const [{ began }] = await query(target, 'select now() as began')
  const summary = await runForJson(['restore', file], { DATABASE_URL: target, MASKLINE_MASTER_KEY: master_key })
  assert.deepEqual([summary.in_doubt, summary.callbacks], [1, 1])
  const [message] = await query(target, 'select due_at, send_started_at from interactions')
  assert.ok(message.due_at.getTime() >= began.getTime() + 60_000, 'not before a minute has passed')
  assert.notEqual(message.send_started_at, null)

  const before = receiver.requests.length
  receiver.answer = () => ({})
  await query(target, 'update callbacks set due_at = now()')
  await startServer(t, { database_url: target, master_key, account })
  await eventually(
    async () => (await query(target, 'select from callbacks where date_delivered is not null')).length === 1,
    'it is delivered',
  )
  assert.deepEqual(
    receiver.requests.slice(before).map(({ headers }) => headers['i-twilio-idempotency-token']),
    [token],
  )
})
