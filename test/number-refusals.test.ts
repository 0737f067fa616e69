import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addNumber,
  assertRefused,
  eventsOf,
  makeService,
  openSession,
  type Pool,
  participant,
  rows,
  type SessionBody,
  serverForFile,
} from './support/proxy-api.ts'
import { makeAccount, person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const ALICE = person(1)
const MASKED = ALICE.replace(/\d{4}$/, 'XXXX')
const PREFIX = 'This Service has no compatible Proxy numbers for this Participant. '

/** Asks for a number in vain: in the answer and in the event log stand the same code and words, and no number. */
async function refuse(server: TestServer, service: Pool, session: SessionBody, code: number, Identifier = ALICE) {
  const answer = await server.post(`${session.path}/Participants`, { Identifier })
  assertRefused(answer, 400, code)
  assert.ok(answer.body.message.startsWith(PREFIX), answer.body.message)
  assert.ok(!answer.text.includes(Identifier.slice(1)), 'no number in clear')
  assert.deepEqual((await server.get(`${session.path}/Participants`)).body.participants, [])
  const [event, ...others] = await eventsOf(server, service, code)
  assert.deepEqual(
    [event?.error_code, event?.message, event?.session_sid, others.length],
    [code, answer.body.message, session.sid, 0],
  )
  return answer.body.message.slice(PREFIX.length) as string
}

const setCapabilities = (server: TestServer, number: { sid: string } | undefined, voice: boolean, sms: boolean) =>
  rows(server, 'update phone_numbers set capabilities = capabilities || $2 where sid = $1', [
    number?.sid,
    JSON.stringify({ voice, sms }),
  ])

test('an empty pool is 80205', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const words = await refuse(server, service, await openSession(server, service), 80205)
  assert.equal(words, 'This Service has no Proxy numbers configured.')
})

test('a pool without the capability of the mode is 80201 for voice and 80202 for messages', async () => {
  const server = await shared()
  const mute = await makeService(server, 1)
  await setCapabilities(server, mute.numbers[0], false, true)
  await refuse(server, mute, await openSession(server, mute), 80201)
  const deaf = await makeService(server, 1)
  await setCapabilities(server, deaf.numbers[0], true, false)
  await refuse(server, deaf, await openSession(server, deaf, { Mode: 'message-only' }), 80202)
  const split = await makeService(server, 2)
  await setCapabilities(server, split.numbers[0], true, false)
  await setCapabilities(server, split.numbers[1], false, true)
  await refuse(server, split, await openSession(server, split), 80202)

  for (const [service, Mode] of [
    [mute, 'message-only'],
    [deaf, 'voice-only'],
    [split, 'voice-only'],
  ] as const) {
    await openSession(server, service, { Mode, Participants: participant(ALICE) })
  }
})

test('the capabilities of a named number count as well', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  await setCapabilities(server, service.numbers[0], false, true)
  const session = await openSession(server, service)
  const ProxyIdentifier = service.numbers[0]?.phone_number ?? ''
  assertRefused(await server.post(`${session.path}/Participants`, { Identifier: ALICE, ProxyIdentifier }), 400, 80201)
})

test('a pool without a number of the country is 80203', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const words = await refuse(server, service, session, 80203, '+81312345678')
  assert.equal(words, 'This Service has no available Proxy numbers for country code JP.')
})

test('a pool without a number of the area is 80206 at that level, and no other number stands in', async () => {
  const server = await shared()
  const service = await makeService(server, 1, { GeoMatchLevel: 'area-code' })
  const words = await refuse(server, service, await openSession(server, service), 80206)
  assert.ok(words.startsWith(`Failed to find a proxy number for ${MASKED}. `), words)
  await addNumber(server, service, { PhoneNumber: '+14155559001' })
  await openSession(server, service, { Participants: participant(ALICE) })
})

test('a pool in which all that match are reserved is 80207', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await addNumber(server, service, { IsReserved: 'true' })
  await refuse(server, service, await openSession(server, service), 80207)
})

test('a pool whose numbers the person has in other sessions is 80208, until one of those ends', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const others = [
    await openSession(server, service, { Participants: participant(ALICE) }),
    await openSession(server, service, { Participants: participant(ALICE) }),
  ]
  const session = await openSession(server, service)
  const words = await refuse(server, service, session, 80208)
  assert.equal(
    words,
    `Failed to find a proxy number for ${MASKED}. ` +
      'All matching proxies for this Participant are already in use in other Sessions.',
  )
  await server.post(others[0]?.path ?? '', { Status: 'closed' })
  assert.equal((await server.post(`${session.path}/Participants`, { Identifier: ALICE })).status, 201)
})

test('a refusal while a session is created is an event of the service, which no other account sees', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const answer = await server.post(`${service.path}/Sessions`, { Participants: participant(ALICE) })
  assertRefused(answer, 400, 80205)
  const events = await eventsOf(server, service, 80205)
  assert.deepEqual(
    events.map((event) => [event.error_code, event.log_level, event.session_sid]),
    [[80205, 'warning', null]],
  )
  const stranger = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${stranger.sid}:${stranger.auth_token}`).toString('base64')}`
  const theirs = await server.call(`/maskline/v1/Events?ServiceSid=${service.sid}`, { headers: { authorization } })
  assert.deepEqual([theirs.status, theirs.body.events], [200, []])
})

test('the event log is paged and filtered, and refuses what is no filter', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  for (let at = 0; at < 2; at++) await server.post(`${service.path}/Sessions`, { Participants: participant(ALICE) })
  assertRefused(await server.get('/maskline/v1/Events?PageSize=0'), 400, 20001, 'Invalid PageSize.')
  assertRefused(await server.get('/maskline/v1/Events?ServiceSid=KS1'), 400, 80408)
  assertRefused(await server.get('/maskline/v1/Events?ErrorCode=many'), 400, 80701)
  const first = await server.get(`/maskline/v1/Events?PageSize=1&ErrorCode=80205&ServiceSid=${service.sid}`)
  const second = await server.get(
    new URL(first.body.meta.next_page_url).pathname + new URL(first.body.meta.next_page_url).search,
  )
  assert.equal(second.body.meta.next_page_url, null, 'the next page keeps the filter')
  assert.notEqual(second.body.events[0].sid, first.body.events[0].sid)
})
