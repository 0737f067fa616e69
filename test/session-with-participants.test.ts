import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assertRefused,
  makeService,
  newName,
  openSession,
  type Pool,
  participant,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const [ALICE, BOB, CAROL] = [person(1), person(2), person(3)]

async function participantsOf(server: TestServer, session: { path: string }) {
  const { participants } = (await server.get(`${session.path}/Participants`)).body
  return participants as { identifier: string; friendly_name: string | null; proxy_identifier: string }[]
}

/** What is in the service, to show that a refused create has left nothing. */
const stored = (server: TestServer, service: Pool) =>
  rows(
    server,
    `select 'session' as what, sid from sessions where service_sid = $1
     union all select 'participant', sid from participants where service_sid = $1`,
    [service.sid],
  )

test('participants come with the session in any casing of their keys, as repeated values or as one array', async () => {
  const server = await shared()
  const spellings = [
    (n: string) => ({ Identifier: n, FriendlyName: 'Friend' }),
    (n: string) => ({ identifier: n, friendlyName: 'Friend' }),
    (n: string) => ({ identifier: n, friendly_name: 'Friend', unheard: { of: 1 } }),
    (n: string) => ({ IDENTIFIER: n, FRIENDLYNAME: 'Friend', ProxyIdentifier: '', ProxyIdentifierSid: null }),
  ]
  for (const spell of spellings) {
    const service = await makeService(server, 2)
    const [alice, bob] = [spell(ALICE), spell(BOB)]
    for (const Participants of [[JSON.stringify(alice), JSON.stringify(bob)], [JSON.stringify([alice, bob])]]) {
      const people = await participantsOf(server, await openSession(server, service, { Participants }))
      assert.deepEqual(
        people.map((person) => [person.identifier, person.friendly_name]),
        [
          [ALICE, 'Friend'],
          [BOB, 'Friend'],
        ],
      )
    }
  }
})

test('a participant of a new session can name a number, also a reserved one, by itself or by its SID', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [first, second] = service.numbers
  await server.post(`${service.path}/PhoneNumbers/${first?.sid}`, { IsReserved: 'true' })
  const session = await openSession(server, service, {
    Participants: [
      participant(ALICE, { ProxyIdentifier: first?.phone_number ?? '' }),
      participant(BOB, { proxy_identifier_sid: second?.sid ?? '' }),
    ],
  })
  assert.deepEqual(
    (await participantsOf(server, session)).map((person) => person.proxy_identifier),
    [first?.phone_number, second?.phone_number],
  )
})

test('what is no participant is refused, and nothing of the session stays', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const bad: [string | string[], number][] = [
    ['{"Identifier":', 80701],
    ['Alice', 80701],
    ['"+14155550131"', 80701],
    ['null', 80701],
    ['17', 80701],
    ['[[]]', 80701],
    ['[null]', 80701],
    ['{}', 20001],
    ['{"Identifier":""}', 20001],
    ['{"Identifier":14155550131}', 80701],
    [`{"Identifier":"${ALICE}","FriendlyName":{"a":1}}`, 80701],
    [`{"Identifier":"${ALICE}","FriendlyName":"${'x'.repeat(256)}"}`, 80701],
    [`{"Identifier":"${ALICE}","FriendlyName":"\\u0000"}`, 80701],
    ['{"__proto__":{"Identifier":"x"}}', 20001],
    [[participant(ALICE), participant(BOB), participant(CAROL)], 80609],
    [`[${[ALICE, BOB, CAROL].map((one) => participant(one)).join()}]`, 80609],
    [[participant(ALICE), participant(ALICE)], 80103],
    [[participant(ALICE), participant(ALICE.replace(/^\+1(...)/, '+1 ($1) '))], 80103],
    [[participant(ALICE), participant('+15551234567')], 80404],
    [[participant(ALICE), participant(BOB, { ProxyIdentifier: '+12025559999' })], 80304],
    [[participant(ALICE), participant(BOB, { ProxyIdentifierSid: `PN${'0'.repeat(32)}` })], 80305],
    [[participant(ALICE), participant('+442079460001')], 80203],
    [[participant(ALICE), participant(service.numbers[0]?.phone_number ?? '')], 80404],
  ]
  for (const [Participants, code] of bad) {
    const answer = await server.post(`${service.path}/Sessions`, { Participants, UniqueName: newName('never') })
    assertRefused(answer, 400, code)
    assert.deepEqual(await stored(server, service), [], `after ${Participants}`)
  }
})

test('a create that fails at the second person gives the first one back their number and the session its name', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  await openSession(server, service, { Participants: participant(BOB) })
  const create = (second: string) =>
    server.post(`${service.path}/Sessions`, {
      UniqueName: 'contested',
      Participants: [participant(ALICE), participant(second)],
    })
  assertRefused(await create(BOB), 400, 80208)
  assert.equal((await stored(server, service)).length, 2, 'the session of before and its one person')
  assert.equal((await create(CAROL)).status, 201)
})

test('both people may sit on one number where the pool has no other, and sit apart where it has', async () => {
  const server = await shared()
  for (const numbers of [1, 2, 5]) {
    const service = await makeService(server, numbers)
    const session = await openSession(server, service, { Participants: [participant(ALICE), participant(BOB)] })
    const taken = new Set((await participantsOf(server, session)).map((person) => person.proxy_identifier))
    assert.equal(taken.size, Math.min(numbers, 2))
  }
})
