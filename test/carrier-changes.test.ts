import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { twilioCarrier, twilioCredentials } from '../src/carriers/twilio/adapter.ts'
import { setAccountStatus } from '../src/core/accounts.ts'
import { createCarriers } from '../src/core/carriers.ts'
import { runCli } from './support/cli.ts'
import { converse } from './support/conversation.ts'
import { newNumber, rows } from './support/proxy-api.ts'
import { eventually } from './support/server.ts'
import { vendorSid } from './support/twilio-numbers.ts'
import { makeTwilioService, startTwilioServer, type TwilioServer } from './support/twilio-server.ts'

const credentials = ({ server, account }: TwilioServer, ...pairs: string[]) =>
  runCli(['carriers', 'update', account.carrier_sid, '--credential', ...pairs], {
    DATABASE_URL: server.database_url,
    MASKLINE_MASTER_KEY: server.master_key,
  })

const update = async (started: TwilioServer, ...pairs: string[]) => {
  const { code, stderr } = await credentials(started, ...pairs)
  assert.equal(code, 0, stderr)
}

/** What a message that is signed with this token is answered. */
const answerTo = async ({ server, twilio, account }: TwilioServer, auth_token: string, to: string) => {
  const message = { MessageSid: vendorSid('SM'), From: '+14155550199', To: to, Body: 'Hello', NumMedia: '0' }
  const url = `${server.url}/webhooks/${account.carrier_sid}/messages`
  return (await twilio.post(url, message, auth_token)).status
}

test('the token of a carrier is changed while webhooks signed with either come in', async (t) => {
  const started = await startTwilioServer(t)
  const { server, twilio, account } = started
  const service = await makeTwilioService(server, twilio)
  const to = service.numbers[0]?.phone_number ?? ''
  const [first, second] = [twilio.auth_token, randomBytes(16).toString('hex')]
  const statuses = async () => [await answerTo(started, first, to), await answerTo(started, second, to)]
  const become = (what: string, expected: [number, number]) =>
    eventually(async () => String(await statuses()) === String(expected), what, 20_000)
  await become('the first alone fits', [200, 403])
  await update(started, `auth_token=${second}`, `secondary_auth_token=${first}`)
  await become('both fit', [200, 200])
  await update(started, 'secondary_auth_token=')
  await become('the second alone fits', [403, 200])

  for (const [pair, message] of [
    ['auth_token=', /auth_token is missing/],
    ['account_sid=AC1', /account_sid must be/],
  ] as const) {
    const { code, stderr } = await credentials(started, pair)
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
  const deeds = await rows(
    server,
    "select action, resource_sid, details->>'credentials' as what from audit_log where action = 'carrier.update' order by sid",
  )
  const by = (what: string) => ({ action: 'carrier.update', resource_sid: account.carrier_sid, what })
  assert.deepEqual(deeds, [by('auth_token, secondary_auth_token'), by('secondary_auth_token')])
})

test('a carrier is read again after five seconds, once for all who ask, and opened anew only when it changed', async (t) => {
  const started = await startTwilioServer(t)
  const { store } = started.server
  let now = 0
  let opened = 0
  const factory = (given: Record<string, string>) => {
    opened++
    return twilioCarrier(twilioCredentials(given))
  }
  let reads = 0
  const db = new Proxy(store.db, {
    get(target, name) {
      if (name === 'selectFrom') reads++
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const carriers = createCarriers({ ...store, db }, { twilio: factory }, () => now)
  const find = async () => await carriers.find(started.account.carrier_sid)
  await Promise.all(Array.from({ length: 50 }, find))
  const before = await find()
  assert.deepEqual([opened, reads, before?.account_status], [1, 1, 'active'])
  await setAccountStatus(store, started.server.account.sid, 'suspended')
  assert.equal((await find())?.account_status, 'active', 'within five seconds nobody asks')
  now += 5_000
  const after = await find()
  assert.equal(after?.account_status, 'suspended')
  assert.equal(after?.carrier, before?.carrier, 'with the connections it has')
  assert.deepEqual([opened, reads], [1, 2])
  await update(started, 'secondary_auth_token=another-token-of-it')
  now += 5_000
  assert.notEqual((await find())?.carrier, before?.carrier)
  assert.equal(opened, 2)
})

test('what comes in for a suspended account is refused and leaves nothing, and reports of what began before are heard', async (t) => {
  const started = await startTwilioServer(t)
  const { server, twilio, account } = started
  const service = await makeTwilioService(server, twilio)
  const { alice } = await converse(server, service)
  const arrive = () => twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Hello' })
  assert.equal((await arrive()).status, 200)
  const sent = () => twilio.messages.filter(({ direction }) => direction !== 'inbound')
  await eventually(async () => sent().length === 1, 'the first message is relayed')
  const kept = async () => (await rows(server, 'select count(*)::int as count from interactions'))[0].count

  await setAccountStatus(server.store, account.sid, 'suspended')
  await eventually(async () => (await arrive()).status === 403, 'messages are refused', 20_000)
  const before = await kept()
  assert.equal((await arrive()).status, 403)
  const call = {
    CallSid: vendorSid('CA'),
    From: alice.identifier,
    To: alice.proxy,
    CallStatus: 'ringing',
    Direction: 'inbound',
  }
  for (const path of [
    `/webhooks/${account.carrier_sid}/calls`,
    `/v1/Accounts/${account.sid}/Proxy/${service.sid}/Webhooks/Call`,
  ]) {
    assert.equal((await twilio.post(server.url + path, call)).status, 403, path)
  }
  assert.equal(await answerTo(started, 'another token than its own', newNumber()), 403)
  assert.equal(await kept(), before)
  const relayed = sent()
  assert.equal((await twilio.report(relayed[0]?.sid ?? '', 'delivered')).status, 200)
  assert.ok(server.logged.some((line) => line.includes('the account is suspended')))

  await setAccountStatus(server.store, account.sid, 'active')
  await eventually(async () => (await arrive()).status === 200, 'it works again', 20_000)
  await eventually(async () => sent().length > relayed.length, 'and is relayed')
})
