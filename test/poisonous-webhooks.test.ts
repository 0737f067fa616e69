import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { Pool } from 'undici'
import { converse, eventCodes, settled } from './support/conversation.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const RUNS = 3000

const FIELDS =
  'MessageSid SmsSid From To Body NumMedia MediaUrl0 MediaContentType0 NumSegments MessageStatus SmsStatus ErrorCode FromCity'
const hard = fc.constantFrom(
  '',
  '\0',
  '0',
  '-1',
  '1',
  '99',
  '1e9',
  'sent',
  'delivered',
  '2147483648',
  '9'.repeat(30),
  '{}',
  '%00',
  '🙂'.repeat(2000),
)
const value = fc.oneof(
  hard,
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ minLength: 2800, maxLength: 6000 }),
)
const pairs = fc.array(fc.tuple(fc.constantFrom(...FIELDS.split(' ')), value), { maxLength: 8 })

test(`${RUNS} random webhooks, genuine or not, are never a fault of ours and never disturb the next message`, async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  const { alice, bob } = await converse(server, service)
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Before' })
  const status_path = new URL((await twilio.nextSent()).status_callback ?? '').pathname

  // A message or a report that is right but for some of its fields, or no form at all.
  const almost = (real: Record<string, string>) =>
    pairs.map((changed) =>
      new URLSearchParams([
        ...Object.entries({ ...real, ...Object.fromEntries(changed) }),
        ...changed.slice(4),
      ]).toString(),
    )
  const real = { MessageSid: `SM${'d'.repeat(32)}`, From: alice.identifier, To: alice.proxy, Body: 'x' }
  const random = fc.record({
    request: fc.oneof(
      almost(real).map((body) => ({ path: `/webhooks/${account.carrier_sid}/messages`, body: Buffer.from(body) })),
      almost({ MessageSid: `SM${'e'.repeat(32)}`, MessageStatus: 'sent' }).map((body) => ({
        path: status_path,
        body: Buffer.from(body),
      })),
      fc
        .uint8Array({ maxLength: 300 })
        .map((body) => ({ path: `/webhooks/${account.carrier_sid}/messages`, body: Buffer.from(body) })),
    ),
    isSigned: fc.nat(9).map((digit) => digit > 0),
    type: fc.oneof(
      { weight: 8, arbitrary: fc.constant('application/x-www-form-urlencoded') },
      fc.constantFrom('application/json', 'text/plain'),
    ),
  })
  const seed = Date.now()
  t.diagnostic(`seed ${seed}`)
  const queue = fc.sample(random, { numRuns: RUNS, seed })
  const door = new Pool(server.direct, { connections: 16 })
  t.after(() => door.destroy())
  const counts = new Map<number, number>()
  const post = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const { path, body } = next.request
      const signature = next.isSigned ? sign(twilio.auth_token, server.url + path, body) : 'AAAA'
      const headers = { 'content-type': next.type, 'x-twilio-signature': signature }
      const response = await door.request({ path, method: 'POST', headers, body })
      const text = await response.body.text()
      counts.set(response.statusCode, (counts.get(response.statusCode) ?? 0) + 1)
      assert.ok(
        response.statusCode < 500,
        `${response.statusCode} ${text} for ${next.type} ${path} ${body.toString('base64')}`,
      )
    }
  }
  await Promise.all(Array.from({ length: 16 }, post))
  t.diagnostic(`answers ${JSON.stringify([...counts])}`)
  for (const status of [200, 400, 403]) assert.ok((counts.get(status) ?? 0) > 100, `${status} is among the answers`)

  await twilio.receive({ from: bob.identifier, to: bob.proxy, body: 'After' })
  await settled(server)
  assert.ok(twilio.sent().some(({ to, body }) => to === alice.identifier && body === 'After'))
  const failures = server.logged.filter((line) => JSON.parse(line).level >= 50)
  assert.equal(failures.length, 0, failures[0])
  assert.ok((await eventCodes(server, service)).length > 0)
})

/** As the carrier would sign a form of these bytes. */
function sign(token: string, url: string, body: Buffer): string {
  const values: Record<string, string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(`&${body}`)) values[name] = [...(values[name] ?? []), value]
  return getExpectedTwilioSignature(token, url, values)
}
