import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { digestOf, isFlood, noteMessage } from '../src/core/flood.ts'
import { createKeyring } from '../src/core/seal.ts'
import type { Rules } from '../src/core/store.ts'
import { json } from './support/calls.ts'
import { converse, eventCodes, heard, inbox, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { eventsOf, makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import type { TestServer } from './support/server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' } }))

async function talkIn(server: TestServer, settings: Record<string, string>) {
  const service = await makeService(server)
  await server.post(`/maskline${service.path}/Settings`, settings)
  return { service, ...(await converse(server, service)) }
}

test('more texts a minute than the limit are blocked, on record each, and one event tells of them', async () => {
  const server = await getServer()
  const { service, session, alice, bob } = await talkIn(server, { FloodLimit: '3' })
  for (let at = 1; at <= 6; at++) await server.text(alice.identifier, alice.proxy, `number ${at}`)
  await settled(server, service)
  assert.deepEqual(
    (await inbox(server, bob)).map(({ body }) => body),
    ['number 1', 'number 2', 'number 3'],
  )
  const records = await interactionsOf(server, session)
  assert.deepEqual(
    records.map(({ outbound_participant_sid }) => outbound_participant_sid !== null),
    [true, true, true, false, false, false],
  )
  assert.deepEqual(await eventCodes(server, service), [80909])
  const [event] = await eventsOf(server, service, 80909)
  assert.match(event?.message ?? '', /^So much came from one person to one proxy number/)
  await server.text(bob.identifier, bob.proxy, 'The other way there is room')
  await heard(server, alice, 'The other way there is room')
})

test('control: without a limit they all pass', async () => {
  const server = await getServer()
  const { service, alice, bob } = await talkIn(server, { FloodLimit: '0', RepeatLimit: '0' })
  for (let at = 1; at <= 12; at++) await server.text(alice.identifier, alice.proxy, 'again')
  await settled(server, service)
  assert.equal((await inbox(server, bob)).length, 12)
})

test('two automatic answers that answer each other are parted, and a person who says something else gets through', async () => {
  const server = await getServer()
  const { service, alice, bob } = await talkIn(server, { RepeatLimit: '4' })
  const said = ['I am out of office.', 'This is an automatic answer.'] as const
  const answered = { alice: 0, bob: 0 }
  await server.text(alice.identifier, alice.proxy, said[0])
  for (let round = 0; round < 20; round++) {
    await settled(server, service)
    const [toBob, toAlice] = [(await inbox(server, bob)).length, (await inbox(server, alice)).length]
    if (toBob === answered.bob && toAlice === answered.alice) break
    if (toBob > answered.bob) await server.text(bob.identifier, bob.proxy, said[1])
    if (toAlice > answered.alice) await server.text(alice.identifier, alice.proxy, said[0])
    Object.assign(answered, { alice: toAlice, bob: toBob })
  }
  assert.deepEqual(answered, { alice: 4, bob: 4 })
  await server.text(alice.identifier, alice.proxy, 'I am back.')
  await heard(server, bob, 'I am back.')
})

test('pictures in a row are no repeats, nor is the same text with others between', async () => {
  const server = await getServer()
  const { service, alice, bob } = await talkIn(server, { RepeatLimit: '2' })
  for (let at = 0; at < 4; at++) await server.text(alice.identifier, alice.proxy, '', [`https://example.com/${at}.png`])
  for (let at = 0; at < 4; at++) await server.text(alice.identifier, alice.proxy, at % 2 ? 'yes' : 'no')
  await settled(server, service)
  assert.equal((await inbox(server, bob)).length, 8)
})

test('a stranger’s automatic answer to the application’s answer is cut, too, and the application is asked no more', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => json({ nothing: true }))
  const service = await makeService(server, 1, { OutOfSessionCallbackUrl: receiver.url })
  await server.post(`/maskline${service.path}/Settings`, { FloodLimit: '2' })
  const stranger = newPerson()
  for (let at = 0; at < 5; at++) await server.text(stranger, service.numbers[0]?.phone_number ?? '', `answer ${at}`)
  await settled(server, service)
  assert.equal(receiver.requests.length, 2)
  const found = await rows(
    server,
    'select outcome, session_sid from interactions where service_sid = $1 order by sid',
    [service.sid],
  )
  assert.deepEqual(
    found.map(({ outcome, session_sid }) => [outcome, session_sid]),
    [...Array(2).fill(['out-of-session', null]), ...Array(3).fill(['blocked', null])],
  )
})

test('a minute later there is room again, and ten minutes later for the same text', () => {
  const purposes = ['seal', 'index', 'digest'] as const
  const keys = createKeyring(purposes.map((purpose, at) => ({ id: at + 1, purpose, key: randomBytes(32) })))
  const store = { keys, rules: { flood_limit: 3, repeat_limit: 2 } as Rules }
  const to = '+12025550180'
  const send = (text: string, now: number, sender = 'a') => {
    const sending = { sender: Buffer.from(sender), to, digest: digestOf(text) }
    const is_flood = isFlood(store, sending, now)
    noteMessage(store, sending, { is_flood, flood_limit: null, repeat_limit: null }, now)
    return is_flood
  }
  const verdicts = (texts: string[], from: number) => texts.map((text, at) => send(text, from + at))
  assert.deepEqual(verdicts(['1', '2', '3', '4', '5'], 0), [false, false, false, true, true])
  assert.equal(send('6', 0, 'b'), false, 'somebody else has a count of their own')
  assert.equal(send('7', 59_999), true)
  assert.deepEqual(verdicts(['8', '8', '8'], 60_000), [false, false, true])
  assert.equal(send('8', 300_000), true)
  assert.equal(send('8', 700_000), false)
})
