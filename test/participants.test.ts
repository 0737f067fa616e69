import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adoptNumber } from '../src/core/phone-numbers.ts'
import {
  addPerson,
  assertRefused,
  makeService,
  newNumber,
  openSession,
  participant,
  serverForFile,
} from './support/proxy-api.ts'
import { makeAccount, person } from './support/server.ts'

const shared = serverForFile()
const [ALICE, BOB, CAROL] = [person(1), person(2), person(3)]

test('a participant has the documented keys and a number of the pool', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const answer = await server.post(`${session.path}/Participants`, { Identifier: ALICE, FriendlyName: 'Alice' })
  assert.equal(answer.status, 201)
  const { sid, date_created, date_updated, ...rest } = answer.body
  assert.match(sid, /^KP[0-9a-f]{32}$/)
  assert.equal(date_created, date_updated)
  const url = `${server.url}${session.path}/Participants/${sid}`
  assert.deepEqual(rest, {
    session_sid: session.sid,
    service_sid: service.sid,
    account_sid: server.account.sid,
    friendly_name: 'Alice',
    identifier: ALICE,
    proxy_identifier: service.numbers[0]?.phone_number,
    proxy_identifier_sid: service.numbers[0]?.sid,
    date_deleted: null,
    url,
    links: { message_interactions: `${url}/MessageInteractions` },
  })
  assert.deepEqual((await server.get(`${session.path}/Participants/${sid}`)).body, answer.body)
  assertRefused(await server.post(`${session.path}/Participants/${sid}`, { FriendlyName: 'New' }), 405, 20004)
})

test('an identifier is one person however it is written', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const spellings = ['+1 (415) 555-0131', '+1.415.555.0131', ' 14155550131', `${ALICE} `]
  for (const Identifier of spellings) {
    const session = await openSession(server, service)
    const added = await server.post(`${session.path}/Participants`, { Identifier })
    assert.equal(added.body.identifier, ALICE, added.text)
    assertRefused(await server.post(`${session.path}/Participants`, { Identifier: ALICE }), 400, 80103)
    await server.delete(session.path)
  }
})

test('what cannot be reached is refused, and a refusal never repeats the whole number', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 1))
  const add = (Identifier: string) => server.post(`${session.path}/Participants`, { Identifier })
  assertRefused(await add(''), 400, 20001, 'Missing required parameter Identifier in the post body')
  assertRefused(await add('x'.repeat(192)), 400, 80701)
  assertRefused(
    await add('+15551234567'),
    400,
    80404,
    /^\+1555123XXXX does not appear to be a valid, reachable identity/,
  )
  for (const bad of [
    '14155550131',
    'Alice',
    'sip:alice@example.com',
    'client:alice',
    '72345',
    '+1',
    'telegram:+14155550131',
  ]) {
    assertRefused(await add(bad), 400, 80404)
  }
  assertRefused(
    await server.post(`${session.path}/Participants`, { Identifier: ALICE, FriendlyName: 'x'.repeat(256) }),
    400,
    80701,
  )
})

test('a session takes two people, each once, and none when it is closed', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 2))
  const add = (Identifier: string) => server.post(`${session.path}/Participants`, { Identifier })
  await addPerson(server, session, ALICE)
  assertRefused(await add(ALICE), 400, 80103, 'Participant has already been added to Session')
  await addPerson(server, session, BOB)
  assertRefused(await add(CAROL), 400, 80609, 'A Session may have at most 2 participants')
  await server.post(session.path, { Status: 'closed' })
  assertRefused(await add(CAROL), 400, 80607, 'Session is closed and cannot be updated')
})

test('of three people who join one session at the same moment, two are in it', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 3))
  const answers = await Promise.all(
    [ALICE, BOB, CAROL].map((Identifier) => server.post(`${session.path}/Participants`, { Identifier })),
  )
  assert.deepEqual(answers.map(({ status, body }) => [status, body.code]).sort(), [
    [201, undefined],
    [201, undefined],
    [400, 80609],
  ])
})

test('a removed person can still be fetched, is listed no more, frees the pair at once and never comes back', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const { sid } = await addPerson(server, session, ALICE)
  await addPerson(server, session, BOB)
  const path = `${session.path}/Participants/${sid}`
  const removed = await server.delete(path)
  assert.deepEqual([removed.status, removed.text], [204, ''])
  assertRefused(await server.delete(path), 404, 20404)

  const { status, body } = await server.get(path)
  assert.equal(status, 200)
  assert.match(body.date_deleted, /^\d{4}-/)
  const listed = (await server.get(`${session.path}/Participants`)).body.participants
  assert.deepEqual(
    listed.map((one: { identifier: string }) => one.identifier),
    [BOB],
  )
  assertRefused(await server.post(`${session.path}/Participants`, { Identifier: ALICE }), 400, 80612)
  assertRefused(await server.post(`${path}/MessageInteractions`, { Body: 'Hello' }), 400, 80612)
  assert.equal((await server.get(session.path)).body.status, 'open', 'the session itself goes on')
  const elsewhere = await openSession(server, service, { Participants: participant(ALICE) })
  assert.equal((await server.get(`${elsewhere.path}/Participants`)).body.participants.length, 1)
})

test('a removed person makes room for another one', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 1))
  const { sid } = await addPerson(server, session, ALICE)
  await addPerson(server, session, BOB)
  await server.delete(`${session.path}/Participants/${sid}`)
  await addPerson(server, session, CAROL)
  assertRefused(await server.post(`${session.path}/Participants`, { Identifier: person(4) }), 400, 80609)
})

test('a named number may be reserved and far away, by itself or by its SID, and both together when they agree', async () => {
  const server = await shared()
  const service = await makeService(server, 1, { GeoMatchLevel: 'area-code' })
  const [number] = service.numbers
  await server.post(`${service.path}/PhoneNumbers/${number?.sid}`, { IsReserved: 'true' })
  const named: Record<string, string>[] = [
    { ProxyIdentifier: number?.phone_number ?? '' },
    { ProxyIdentifierSid: number?.sid ?? '' },
    { ProxyIdentifier: number?.phone_number ?? '', ProxyIdentifierSid: number?.sid ?? '' },
    { ProxyIdentifier: number?.phone_number.replace('+', ' ') ?? '' },
  ]
  for (const [at, params] of named.entries()) {
    const session = await openSession(server, service)
    const added = await addPerson(server, session, at % 2 ? '+442079460001' : person(10 + at), params)
    assert.equal(added.proxy_identifier, number?.phone_number)
    await server.delete(session.path)
  }
})

test('a named number that cannot be had is refused in the code that says why', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const other = await makeService(server, 1)
  const [first, second] = service.numbers
  const session = await openSession(server, service, {
    Participants: participant(ALICE, { ProxyIdentifier: first?.phone_number ?? '' }),
  })
  const rival = await openSession(server, service)
  const add = (params: Record<string, string>, Identifier = ALICE) =>
    server.post(`${rival.path}/Participants`, { Identifier, ...params })

  const inUse = 'Proxy identifier already in use with requested identifier.'
  assertRefused(await add({ ProxyIdentifier: first?.phone_number ?? '' }), 400, 80604, inUse)
  assertRefused(await add({ ProxyIdentifierSid: first?.sid ?? '' }), 400, 80604, inUse)
  assertRefused(await add({ ProxyIdentifier: other.numbers[0]?.phone_number ?? '' }), 400, 80605)
  assertRefused(await add({ ProxyIdentifierSid: other.numbers[0]?.sid ?? '' }), 400, 80605)
  assertRefused(await add({ ProxyIdentifier: '+12025559999' }), 400, 80304, /^Unmanaged Proxy Identifier not found/)
  assertRefused(await add({ ProxyIdentifierSid: `PN${'0'.repeat(32)}` }), 400, 80305)
  assertRefused(await add({ ProxyIdentifierSid: 'PN1' }), 400, 80305)
  assertRefused(
    await add({ ProxyIdentifier: second?.phone_number ?? '', ProxyIdentifierSid: first?.sid ?? '' }, BOB),
    400,
    80701,
  )
  const stranger = await makeAccount(server.store)
  const foreign = await adoptNumber(
    server.store,
    { account_sid: stranger.sid, carrier_sid: stranger.carrier_sid },
    {
      carrier_number_sid: undefined,
      phone_number: newNumber(),
      friendly_name: 'foreign',
      iso_country: 'US',
      capabilities: { voice: true, sms: true, mms: true, fax: false },
      webhooks: {},
    },
  )
  assertRefused(await add({ ProxyIdentifier: foreign.phone_number }), 400, 80606)
  assertRefused(await add({ ProxyIdentifierSid: foreign.sid }), 400, 80606)

  assert.equal((await add({}, BOB)).status, 201, 'the refusals left no trace')
  await server.post(session.path, { Status: 'closed' })
  assert.equal((await add({ ProxyIdentifier: first?.phone_number ?? '' })).status, 201, 'closing frees the pair')
})

test('a channel address needs a named number of its channel, and a session with messages', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const number = service.numbers[0]?.phone_number ?? ''
  const session = await openSession(server, service)
  const add = (Identifier: string, ProxyIdentifier = '', to = session) =>
    server.post(`${to.path}/Participants`, { Identifier, ProxyIdentifier })
  assertRefused(await add(`whatsapp:${ALICE}`), 400, 80305)
  assertRefused(await add(`whatsapp:${ALICE}`, number), 400, 80304)
  assertRefused(await add(ALICE, `whatsapp:${number}`), 400, 80304)
  const added = await add(`WhatsApp:${ALICE}`, `whatsapp:${number}`)
  assert.deepEqual([added.body.identifier, added.body.proxy_identifier], [`whatsapp:${ALICE}`, `whatsapp:${number}`])
  const voice = await openSession(server, service, { Mode: 'voice-only' })
  assertRefused(await add(`whatsapp:${BOB}`, `whatsapp:${number}`, voice), 400, 80616, new RegExp(voice.sid))
  assert.equal((await server.get(`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`)).body.in_use, 1)
})

test('a number of the own pool is nobody to talk to, under any channel', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const session = await openSession(server, service)
  const own = service.numbers[0]?.phone_number ?? ''
  for (const Identifier of [own, `whatsapp:${own}`]) {
    const answer = await server.post(`${session.path}/Participants`, {
      Identifier,
      ProxyIdentifier: service.numbers[1]?.phone_number ?? '',
    })
    assertRefused(answer, 400, 80404)
    assert.ok(!answer.text.includes(own.slice(1)), 'the number is masked')
  }
})
