import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSends } from '../src/core/capacity/number-sends.ts'
import { readPairHistory } from '../src/core/capacity/pair-history.ts'
import { newSid, sidAt } from '../src/core/sid.ts'
import { askedByKey } from './support/callers.ts'
import { runCli } from './support/cli.ts'
import {
  addNumber,
  addPerson,
  assertRefused,
  letRunOut,
  makeService,
  openSession,
  type Pool,
  participant,
  rows,
  serverForFile,
  withoutSweeper,
} from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const shared = serverForFile()

const pathOf = (service: Pool, more: string) => `/maskline/v1/Services/${service.sid}/${more}`

const between = (...people: number[]) => ({ Participants: people.map((at) => participant(person(at))) })

/** What went out from a number so many hours ago, and what became of it. */
async function sent(server: TestServer, service: Pool, number: string, status: string, count: number, hours = 0) {
  const { sid, carrier_sid } = server.account
  for (let at = 0; at < count; at++) {
    await rows(
      server,
      `insert into interactions (service_sid, sid, account_sid, carrier_sid, type, origin, outcome, outbound_number, outbound_resource_status)
       values ($1, $2, $3, $4, 'message', 'inbound', 'relayed', $5, $6)`,
      [
        service.sid,
        sidAt('KI', Date.now() - hours * 3_600_000) + newSid('KI').slice(14),
        sid,
        carrier_sid,
        number,
        status,
      ],
    )
  }
}

type Picture = Record<string, string | number | boolean | Record<string, boolean>>

async function pictureOf(server: TestServer, service: Pool): Promise<Map<string, Picture>> {
  const { status, body, text } = await server.get(pathOf(service, 'Pool'))
  assert.equal(status, 200, text)
  assert.equal(body.sampled, false)
  return new Map(body.numbers.map((number: Picture) => [number.phone_number, number]))
}

test('the picture of a pool says of each number what it does', async () => {
  const server = await shared()
  const service = await makeService(server, 5, { NumberSelectionBehavior: 'avoid-sticky' })
  const [free, used, draining, failing, flaky] = service.numbers.map((number) => number.phone_number)
  const named = (at: number, number = '') => participant(person(at), { ProxyIdentifier: number })
  const over = await openSession(server, service, { Participants: [named(1, free), named(2, free)] })
  await server.post(over.path, { Status: 'closed' })
  await openSession(server, service, { Participants: [named(1, used), named(2, used)] })
  await openSession(server, service, { Participants: [named(3, used), named(4, draining)] })
  await server.post(`${service.path}/PhoneNumbers/${service.numbers[2]?.sid}`, { IsReserved: 'true' })
  const reserved = (await addNumber(server, service, { IsReserved: 'true' })).phone_number
  await sent(server, service, failing ?? '', 'undelivered', 2)
  await sent(server, service, `whatsapp:${failing}`, 'failed', 1, 5)
  await sent(server, service, failing ?? '', 'delivered', 2, 23)
  await sent(server, service, failing ?? '', 'delivered', 4, 25)
  await sent(server, service, flaky ?? '', 'failed', 3)
  await sent(server, service, flaky ?? '', 'delivered', 3)
  await sent(server, service, flaky ?? '', 'queued', 1)

  const picture = await pictureOf(server, service)
  const figures = (number = '') => {
    const found = picture.get(number)
    return [found?.state, found?.live_sessions, found?.cooling_people, found?.sent_24h, found?.failed_24h]
  }
  assert.equal(picture.size, 6)
  assert.deepEqual(figures(free), ['free', 0, 2, 0, 0])
  assert.deepEqual(figures(used), ['used', 2, 0, 0, 0])
  assert.deepEqual(figures(draining), ['draining', 1, 0, 0, 0])
  assert.deepEqual(figures(reserved), ['reserved', 0, 0, 0, 0])
  assert.deepEqual(figures(failing), ['failing', 0, 0, 2, 3])
  assert.deepEqual(figures(flaky), ['free', 0, 0, 3, 3], 'control: no more failed than went out')
  const { sid, date_created, ...rest } = picture.get(free ?? '') ?? {}
  assert.deepEqual(
    [sid, rest.kind, rest.area_code, rest.iso_country, rest.is_reserved, rest.capabilities],
    [service.numbers[0]?.sid, 'PN', '202', 'US', false, { sms: true, mms: true, voice: true }],
  )

  // What somebody changes here is seen at once.
  await server.post(`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`, { IsReserved: 'true' })
  assert.equal((await pictureOf(server, service)).get(free ?? '')?.state, 'reserved')
})

test('a whole pool of 5,500 numbers comes at once', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await rows(
    server,
    `insert into phone_numbers
       (sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, capabilities, service_sid, is_reserved)
     select 'PN' || md5(at::text), $1, $2, at, '+1' || at, at, '{"voice":true,"sms":true,"mms":true,"fax":false}', $3, at % 11 > 0
     from generate_series(9200000000, 9200005499) at`,
    [server.account.sid, server.account.carrier_sid, service.sid],
  )
  assert.equal((await pictureOf(server, service)).size, 5_500)
  const { body } = await server.get(pathOf(service, 'Capacity'))
  assert.deepEqual([body.now.sessions_left, body.now.groups.length], [500, 1])
})

test('capacity says how many numbers the busiest person has left, and what another cool-down or ttl would change', async () => {
  const server = await shared()
  const service = await makeService(server, 5, { DefaultTtl: '3600' })
  await server.post(`${service.path}/PhoneNumbers/${service.numbers[4]?.sid}`, { IsReserved: 'true' })
  // Person 1 is in two live sessions, and was in one that was closed and in one that has run out.
  const closed = await openSession(server, service, between(1, 2))
  await server.post(closed.path, { Status: 'closed' })
  const run_out = await openSession(server, service, between(1, 3))
  await letRunOut(server, run_out)
  await server.get(run_out.path)
  for (const other of [4, 5]) await openSession(server, service, between(1, other))

  const capacity = async (query = '') => {
    const { status, body, text } = await server.get(pathOf(service, `Capacity${query}`))
    assert.equal(status, 200, text)
    return body
  }
  const { now, what_if, sampled } = await capacity()
  assert.deepEqual(what_if, now)
  assert.equal(sampled, false)
  assert.deepEqual([now.default_ttl, now.cool_down_s], [3600, 3 * 86_400])
  assert.deepEqual([now.busiest_held, now.sessions_left, now.peak_held], [4, 0, 4])
  assert.match(now.date_peak, /^\d{4}-.*Z$/)
  assert.deepEqual(now.groups, [
    {
      ...{ iso_country: 'US', area_code: '202', numbers: 5, reserved: 1 },
      ...{ live_pairs: 4, cooling_pairs: 4, busiest_held: 4, sessions_left: 0 },
    },
  ])
  assert.equal(now.history.length, 200)
  assert.equal(now.history.at(-1).held, 4)

  const none = (await capacity('?CoolDown=0&Days=1')).what_if
  assert.deepEqual([none.busiest_held, none.sessions_left, none.groups[0].cooling_pairs], [2, 2, 0])
  const longer = (await capacity('?CoolDown=0&DefaultTtl=86400')).what_if
  assert.deepEqual([longer.busiest_held, longer.groups[0].live_pairs], [3, 6], 'the one that has run out would be live')
  const forever = (await capacity('?CoolDown=0&DefaultTtl=0')).what_if
  assert.equal(forever.busiest_held, 3)
  assertRefused(await server.get(pathOf(service, 'Capacity?Days=31')), 400, 80701)
  assertRefused(await server.get(pathOf(service, 'Capacity?CoolDown=-1')), 400, 80701)

  await server.delete(closed.path)
  const deleted = (await capacity('?Days=2')).now
  assert.deepEqual(
    [deleted.busiest_held, deleted.groups[0].cooling_pairs],
    [4, 4],
    'of deleted sessions it is remembered',
  )
})

test('where there is too much, only the newest is read, and it is said', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const { sid, carrier_sid } = server.account
  const number = service.numbers[0]?.phone_number ?? ''
  const [row] = await rows(server, 'select * from services where sid = $1', [service.sid])
  await rows(
    server,
    `insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash, proxy_identifier, proxy_identifier_sid)
     select $1, $2 || lpad(at::text, 20, '0'), 'KC' || at, $3, '', sha256(int4send(at)), $4, 'PN' from generate_series(1, 12000) at`,
    [service.sid, sidAt('KP', Date.now()), sid, number],
  )
  const read = (most?: number) =>
    readPairHistory(server.store, row, new Map([[number, 0]]), { seconds: 1, live: true, ttl: true }, most)
  const whole = await read()
  assert.deepEqual([whole.people.length, whole.whole_since], [12_000, undefined])
  const part = await read(10_000)
  assert.equal(part.people.length, 10_000)
  assert.ok(Math.abs((part.whole_since ?? 0) - part.now) < 60, 'as old as the oldest that was read')

  const busy = (count: number) =>
    rows(
      server,
      `insert into interactions (service_sid, sid, account_sid, carrier_sid, type, origin, outcome, outbound_number, outbound_resource_status)
       select $1, $2 || lpad(at::text, 10, '0') || $3, $4, $5, 'message', 'inbound', 'relayed', $6, 'delivered' from generate_series(1, $7::int) at`,
      [service.sid, sidAt('KI', Date.now()), newSid('KI').slice(24), sid, carrier_sid, number, count],
    )
  await busy(3_999)
  assert.equal((await readSends(server.store, service.sid)).is_sample, false)
  await busy(2)
  const sends = await readSends(server.store, service.sid)
  assert.deepEqual([sends.is_sample, sends.of.get(number)], [true, { sent: 4_000, failed: 0 }])
})

test('what removing a number would do is what then happens', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [number, other] = service.numbers
  const path = `${service.path}/PhoneNumbers/${number?.sid}`
  const effect = async () => {
    const { status, body, text } = await server.get(`/maskline${path}/Effect`)
    assert.equal(status, 200, text)
    return body
  }
  const named = (at: number) => participant(person(at), { ProxyIdentifier: number?.phone_number ?? '' })
  const session = await openSession(server, service, { Participants: [named(1), named(2)] })
  const alone = await openSession(server, service)
  await addPerson(server, alone, person(3), { ProxyIdentifier: number?.phone_number ?? '' })
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, carrier_sid, session_sid, type, origin, outcome, outbound_participant_sid, due_at)
     select service_sid, $2, account_sid, $3, session_sid, 'message', 'api', 'sent', sid, now() + interval '1 hour' from participants
     where session_sid = $1 limit 1`,
    [session.sid, newSid('KI'), server.account.carrier_sid],
  )
  const used = await effect()
  assert.deepEqual(
    [
      used.live_sessions,
      used.live_participants,
      used.queued_interactions,
      used.cooling_people,
      used.can_remove_quietly,
    ],
    [2, 3, 1, 0, false],
  )
  assert.equal(used.last_of_country, false)
  assert.deepEqual(used.texts.slice(0, 3), [
    '2 sessions are live on it, in which 3 people have this number: it cannot be removed until they are over.',
    'Reserve it, and these go on while no new session is given it.',
    '1 message waits to be sent from it, and will be sent all the same.',
  ])
  assertRefused(await server.delete(path), 400, 80611)

  // A session that has run out does not hold it up.
  await withoutSweeper(server, async () => {
    await server.post(session.path, { Status: 'closed' })
    await server.post(alone.path, { Ttl: '60' })
    await letRunOut(server, alone)
    await server.post(`${service.path}/PhoneNumbers/${other?.sid}`, { IsReserved: 'true' })
    const left = await effect()
    assert.deepEqual([left.live_sessions, left.live_participants, left.last_of_country], [0, 0, true])
    assert.match(left.texts.join('\n'), /^No session is live on it.*\nIt is the last number of US that is given out/)
    assert.equal((await server.delete(path)).status, 204)
  })
  assertRefused(await server.get(`/maskline${path}/Effect`), 404, 20404)
})

test('people who were released from a number are counted, and nobody is named', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const session = await openSession(server, service, between(1, 2))
  const { participants } = (await server.get(`${session.path}/Participants`)).body
  await server.post(session.path, { Status: 'closed' })
  const blind = await askedByKey(server, { scopes: ['numbers:read'] })
  const path = `/maskline${service.path}/PhoneNumbers/${participants[0].proxy_identifier_sid}/Effect`
  const { body } = await blind.get(path)
  assert.ok(body.cooling_people > 0 && !body.can_remove_quietly)
  assert.match(body.texts.join('\n'), /\d (person was|people were) released from it within the cool-down/)
  for (const what of ['Pool', 'Capacity']) {
    const { status, text } = await blind.get(pathOf(service, what))
    assert.equal(status, 200)
    assert.doesNotMatch(text, /•••|415555/)
  }
})

test('the operator sees the pool and what it bears on the command line', async () => {
  const server = await shared()
  const service = await makeService(server, 3)
  await openSession(server, service, between(1, 2))
  const of_service = ['--account', server.account.sid, '--service', service.sid]
  const tool = (...args: string[]) =>
    runCli(['numbers', ...args], { DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key })
  const listed = await tool('list', ...of_service, '--json')
  const numbers = JSON.parse(listed.stdout) as { number: string; state: string }[]
  assert.deepEqual(
    numbers.map(({ number }) => number),
    service.numbers.map((number) => number.phone_number),
  )
  assert.ok(numbers.some(({ state }) => state === 'used'))
  const text = await tool('capacity', ...of_service, '--cool-down', '0')
  assert.match(text.stdout, /^country +area +numbers.*\nUS +202 +3 +0 +2 +0 +1 +2\n/)
  assert.match(
    text.stdout,
    /has 1, and can be given 2 more\.\nThe most in 7 days were 1, from .*\n\nWith a ttl of 0 s and a cool-down of 0 s/,
  )
  const found = JSON.parse((await tool('capacity', ...of_service, '--json')).stdout)
  assert.deepEqual([found.now.busiest_held, found.now.history.length], [1, 200])
  for (const [args, what] of [
    [['capacity', ...of_service, '--days', '31'], /--days a whole number from 1 to 30/],
    [['list', '--account', server.account.sid, '--service', `KS${'0'.repeat(32)}`], /has no service KS0/],
  ] as const) {
    const wrong = await tool(...args)
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, what)
  }
})
