import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { Pool } from 'undici'
import { type Conversation, converse, settled } from './support/conversation.ts'
import { rows } from './support/proxy-api.ts'
import { startServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer, type TwilioServer } from './support/twilio-server.ts'
import { inboundParams } from './support/twilio-webhooks.ts'

const COPIES = 5
const AT_ONCE = 32

/** Two servers on one database, ten conversations between them, and the stand-in where what is sent can be counted. */
async function startBoth(t: Parameters<typeof startTwilioServer>[0]) {
  const first = await startTwilioServer(t)
  const { server, twilio, database_url, master_key, account } = first
  // Both stand behind one address, which is the one that is signed.
  const env = { MASKLINE_PUBLIC_URL: server.url }
  const second = await startServer(t, { env, database_url, master_key, account })
  const service = await makeTwilioService(server, twilio)
  const conversations: Conversation[] = []
  for (let at = 0; at < 10; at++) conversations.push(await converse(server, service))
  const doors = [server.direct, second.direct].map((url) => new Pool(url, { connections: AT_ONCE }))
  t.after(async () => void (await Promise.all(doors.map((door) => door.destroy()))))
  return { ...first, conversations, doors }
}

/** Each event five times, the copies next to each other so that they meet, on both servers. */
async function bringEvents(
  { server, twilio, account, conversations, doors }: Awaited<ReturnType<typeof startBoth>>,
  events: number,
) {
  const path = `/webhooks/${account.carrier_sid}/messages`
  const copies = Array.from({ length: events * COPIES }, (_, at) => {
    const event = Math.floor(at / COPIES)
    const { alice } = conversations[event % conversations.length]!
    const sid = `SM${event.toString(16).padStart(32, '0')}`
    const params = inboundParams(twilio.account, {
      from: alice.identifier,
      to: alice.proxy,
      body: `event ${event}`,
      sid,
    })
    return { params, door: doors[at % doors.length]! }
  })
  const statuses = new Set<number>()
  const bring = async () => {
    for (let copy = copies.shift(); copy; copy = copies.shift()) {
      const signature = getExpectedTwilioSignature(twilio.auth_token, server.url + path, copy.params)
      const { statusCode, body } = await copy.door.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
        body: new URLSearchParams(copy.params).toString(),
      })
      await body.dump()
      statuses.add(statusCode)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, bring))
  await settled(server)
  return [...statuses]
}

const sentBodies = ({ twilio }: Pick<TwilioServer, 'twilio'>) => twilio.sent().map(({ body }) => body)

test('1,000 events in five concurrent copies each, at two servers, make exactly 1,000 legs', async (t) => {
  const both = await startBoth(t)
  assert.deepEqual(await bringEvents(both, 1000), [200], 'a repeat is answered like the first')
  const bodies = sentBodies(both)
  assert.equal(bodies.length, 1000)
  assert.equal(new Set(bodies).size, 1000)
  const to = new Map(both.twilio.sent().map((message) => [message.body, message.to]))
  for (let event = 0; event < 1000; event++) {
    assert.equal(to.get(`event ${event}`), both.conversations[event % 10]?.bob.identifier)
  }
  const [{ count }] = await rows(both.server, 'select count(*)::int as count from interactions')
  assert.equal(count, 1000)
})

test('without the key that a repeat meets the same load makes more legs', async (t) => {
  const both = await startBoth(t)
  // The statement needs the index to be there, so what is taken away is the sameness of what stands in it.
  await rows(
    both.server,
    `create function unlike() returns trigger language plpgsql as
       $$ begin new.event_id := gen_random_uuid()::text; return new; end $$`,
  )
  await rows(both.server, 'create trigger unlike before insert on interactions for each row execute function unlike()')
  await bringEvents(both, 20)
  assert.equal(sentBodies(both).length, 100)
})
