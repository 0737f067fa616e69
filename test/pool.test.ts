import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adoptNumber } from '../src/core/phone-numbers.ts'
import {
  addNumber,
  addPerson,
  assertRefused,
  eventsOf,
  letRunOut,
  makeService,
  newNumber,
  openSession,
  type Pool,
  participant,
  rows,
  serverForFile,
  withoutSweeper,
} from './support/proxy-api.ts'
import { makeAccount, person, type TestServer } from './support/server.ts'

const shared = serverForFile()

/** A short code of the account, which the simulated carrier does not look up by SID. */
const adoptShortCode = (server: TestServer, phone_number: string, account = server.account) =>
  adoptNumber(
    server.store,
    { account_sid: account.sid, carrier_sid: account.carrier_sid },
    {
      carrier_number_sid: undefined,
      phone_number,
      friendly_name: phone_number,
      iso_country: 'US',
      capabilities: { voice: false, sms: true, mms: true, fax: false },
      webhooks: {},
    },
  )

let filled = 9_000_000_000

/** Fills a pool behind the API's back: what matters is only how many rows there are. */
async function fillPool(server: TestServer, service: Pool, count: number, is_reserved: boolean) {
  const { sid, carrier_sid } = server.account
  await rows(
    server,
    `insert into phone_numbers
       (sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, capabilities, service_sid, is_reserved)
     select 'PN' || md5(at::text), $1, $2, at, '+1' || at, at, '{"voice":true,"sms":true,"mms":true,"fax":false}', $3, $4
     from generate_series($5::bigint, $5::bigint + $6::bigint - 1) at`,
    [sid, carrier_sid, service.sid, is_reserved, filled, count],
  )
  filled += count
}

test('a number is added by itself or by its SID, and keeps that SID in every pool it comes to', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const phone_number = newNumber()
  const { status, body } = await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: phone_number })
  assert.equal(status, 201)
  const { sid, date_created, date_updated, capabilities, ...rest } = body
  assert.match(sid, /^PN[0-9a-f]{32}$/)
  assert.equal(date_created, date_updated)
  assert.deepEqual(rest, {
    account_sid: server.account.sid,
    service_sid: service.sid,
    iso_country: 'US',
    url: `${server.url}/v1/Services/${service.sid}/PhoneNumbers/${sid}`,
    is_reserved: false,
    phone_number,
    friendly_name: phone_number.replace(/^\+1(...)(...)(....)$/, '($1) $2-$3'),
    in_use: 0,
  })
  assert.equal(Object.keys(capabilities).length, 17)
  assert.deepEqual(
    [capabilities.sms_inbound, capabilities.voice_outbound, capabilities.fax_inbound, capabilities.sms],
    [true, true, false, true],
  )
  assert.deepEqual((await server.get(`${service.path}/PhoneNumbers/${sid}`)).body, body)

  assert.equal((await server.delete(`${service.path}/PhoneNumbers/${sid}`)).status, 204)
  const other = await makeService(server, 0)
  const again = await server.post(`${other.path}/PhoneNumbers`, { Sid: sid, IsReserved: 'True' })
  assert.equal(again.status, 201)
  assert.deepEqual([again.body.sid, again.body.service_sid, again.body.is_reserved], [sid, other.sid, true])
})

test('a number may be written with separators or with its plus lost to form encoding', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const [first, second] = [newNumber(), newNumber()]
  const written = first.replace(/^\+1(...)(...)(....)$/, '+1 ($1) $2-$3')
  assert.equal((await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: written })).body.phone_number, first)
  const lost = await server.call(`${service.path}/PhoneNumbers`, {
    method: 'POST',
    body: `PhoneNumber=${second}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  assert.equal(lost.body.phone_number, second)
})

test('a number that is unknown, malformed, taken or not named at all is refused in its own code', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const other = await makeService(server, 1)
  const [own, theirs] = [service.numbers[0]!, other.numbers[0]!]
  const add = (params: Record<string, string>) => server.post(`${service.path}/PhoneNumbers`, params)

  assertRefused(await add({}), 400, 20001, 'Missing required parameter Sid or PhoneNumber in the post body')
  assertRefused(await add({ Sid: 'PN1' }), 400, 80407, 'Invalid Phone Number Sid')
  assertRefused(await add({ Sid: `SC${'0'.repeat(32)}` }), 400, 80407)
  assertRefused(await add({ Sid: `PN${'0'.repeat(32)}` }), 400, 80301)
  for (const bad of ['2025550180', '+0123456789', 'alice', '+1', `+1${'2'.repeat(20)}`]) {
    assertRefused(await add({ PhoneNumber: bad }), 400, 80406, 'Invalid Phone Number Did')
  }
  const added = 'PhoneNumber has already been added to Service'
  assertRefused(await add({ Sid: own.sid }), 400, 80104, added)
  assertRefused(await add({ PhoneNumber: own.phone_number }), 400, 80104, added)
  assertRefused(await add({ Sid: theirs.sid }), 400, 80101)
  assertRefused(await add({ PhoneNumber: theirs.phone_number }), 400, 80101)
  assertRefused(await add({ PhoneNumber: newNumber(), IsReserved: 'perhaps' }), 400, 80701)

  const stranger = await makeAccount(server.store)
  const foreign = await adoptShortCode(server, newNumber(), stranger)
  assertRefused(await add({ Sid: foreign.sid }), 400, 80301)
  assertRefused(await add({ PhoneNumber: foreign.phone_number }), 400, 80301)
  assert.equal((await server.get(`${service.path}/PhoneNumbers`)).body.phone_numbers.length, 1)
})

test('of two services that add one number at the same moment, one gets it', async () => {
  const server = await shared()
  const services = await Promise.all([makeService(server, 0), makeService(server, 0)])
  const PhoneNumber = newNumber()
  const answers = await Promise.all(services.map(({ path }) => server.post(`${path}/PhoneNumbers`, { PhoneNumber })))
  assert.deepEqual(answers.map(({ status, body }) => [status, body.code]).sort(), [
    [201, undefined],
    [400, 80101],
  ])
})

test('reserving is switched at any time without disturbing sessions, and an empty update changes nothing', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const path = `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`
  const session = await openSession(server, service)
  const alice = await addPerson(server, session, person(1))

  const reserved = await server.post(path, { IsReserved: 'true' })
  assert.deepEqual([reserved.status, reserved.body.is_reserved, reserved.body.in_use], [200, true, 1])
  assert.deepEqual((await server.post(path)).body, reserved.body)
  const kept = await server.get(`${session.path}/Participants/${alice.sid}`)
  assert.equal(kept.body.proxy_identifier, service.numbers[0]?.phone_number)
  assertRefused(await server.post(`${session.path}/Participants`, { Identifier: person(2) }), 400, 80207)
  assert.equal((await server.post(path, { IsReserved: 'FALSE' })).body.is_reserved, false)
  assert.equal((await server.post(`${session.path}/Participants`, { Identifier: person(2) })).status, 201)
})

test('in_use counts active sessions, each once, however many people of it sit on the number', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const path = `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`
  const inUse = async () => (await server.get(path)).body.in_use
  const both = [participant(person(1)), participant(person(2))]
  const first = await openSession(server, service, { Participants: both })
  assert.equal(await inUse(), 1)
  const second = await openSession(server, service, { Participants: participant(person(3)) })
  assert.equal(await inUse(), 2)
  const listed = (await server.get(`${service.path}/PhoneNumbers`)).body.phone_numbers
  assert.equal(listed[0].in_use, 2)
  await server.post(first.path, { Status: 'closed' })
  assert.equal(await inUse(), 1)
  await server.delete(second.path)
  assert.equal(await inUse(), 0)
})

test('a number leaves the pool once no active session uses it, also when the last has run out unnoticed', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [number, other] = service.numbers
  const path = `${service.path}/PhoneNumbers/${number?.sid}`
  const session = await openSession(server, service, { Ttl: '60' })
  await addPerson(server, session, person(1), { ProxyIdentifierSid: number?.sid ?? '' })
  assertRefused(await server.delete(path), 400, 80611)
  assert.equal((await server.delete(`${service.path}/PhoneNumbers/${other?.sid}`)).status, 204)

  await withoutSweeper(server, async () => {
    await letRunOut(server, session)
    assert.equal((await server.delete(path)).status, 204)
  })
  assertRefused(await server.delete(path), 404, 20404)
  assertRefused(await server.get(path), 404, 20404)
  assertRefused(await server.post(path), 404, 20404)
  assert.deepEqual((await server.get(`${service.path}/PhoneNumbers`)).body.phone_numbers, [])
})

test('a pool takes 500 numbers and 5000 reserved ones, and warns in the event log from 85 per cent', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await fillPool(server, service, 424, false)
  assert.deepEqual(await eventsOf(server, service, 80624), [])
  await addNumber(server, service)
  const [warning] = await eventsOf(server, service, 80624)
  assert.equal(warning?.log_level, 'warning')
  assert.match(warning?.message ?? '', /425 of at most 500 unreserved/)

  await fillPool(server, service, 74, false)
  const last = await addNumber(server, service)
  assertRefused(await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: newNumber() }), 400, 80622)
  const reserved = await addNumber(server, service, { IsReserved: 'true' })
  const path = `${service.path}/PhoneNumbers/${reserved.sid}`
  assertRefused(await server.post(path, { IsReserved: 'false' }), 400, 80622)

  await fillPool(server, service, 4999, true)
  assertRefused(
    await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: newNumber(), IsReserved: 'true' }),
    400,
    80622,
  )
  assertRefused(await server.post(`${service.path}/PhoneNumbers/${last.sid}`, { IsReserved: 'true' }), 400, 80622)
  assert.equal((await server.delete(`${service.path}/PhoneNumbers/${last.sid}`)).status, 204)
  assert.equal((await server.post(path, { IsReserved: 'false' })).status, 200, 'there is room again')
})

test('short codes are a collection of their own: added by SID, without in_use, and never among the phone numbers', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const code = await adoptShortCode(server, '55501')
  const collection = `${service.path}/ShortCodes`
  assertRefused(await server.post(collection), 400, 20001, 'Missing required parameter Sid in the post body')
  assertRefused(await server.post(collection, { Sid: `SC${'0'.repeat(32)}` }), 400, 80303)
  assertRefused(await server.post(collection, { Sid: service.numbers[0]?.sid ?? '' }), 400, 80407)
  const { status, body } = await server.post(collection, { Sid: code.sid })
  assert.equal(status, 201)
  assert.deepEqual(
    [body.sid, body.short_code, body.capabilities.voice, 'in_use' in body, 'friendly_name' in body],
    [...[code.sid, '55501', false, false, false]],
  )
  assertRefused(await server.post(collection, { Sid: code.sid }), 400, 80105)
  assertRefused(await server.get(`${service.path}/PhoneNumbers/${code.sid}`), 404, 20404)
  assertRefused(await server.get(`${collection}/${service.numbers[0]?.sid}`), 404, 20404)
  assert.equal((await server.get(`${service.path}/PhoneNumbers`)).body.phone_numbers.length, 1)
  assert.deepEqual((await server.get(collection)).body.short_codes, [body])
  assert.equal((await server.post(`${collection}/${code.sid}`, { IsReserved: 'true' })).body.is_reserved, true)
  assert.equal((await server.delete(`${collection}/${code.sid}`)).status, 204)
  assert.deepEqual((await server.get(collection)).body.short_codes, [])
})

test('a number of an unknown country is shown without one, and serves people by its calling code', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  // No country has this area code.
  const added = await addNumber(server, service, { PhoneNumber: '+12995550123' })
  assert.equal((added as unknown as { iso_country: unknown }).iso_country, null)
  const session = await openSession(server, service)
  const alice = await addPerson(server, session, person(1))
  assert.equal(alice.proxy_identifier, '+12995550123')
})
