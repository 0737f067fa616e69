import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addNumber,
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
import { eventually, person, type TestServer } from './support/server.ts'

// The second joins the first, so that it has to stop before the first takes the database away.
const second = serverForFile(() => first())
const first = serverForFile()
const startTwo = async (): Promise<[TestServer, TestServer]> => [await first(), await second()]

let strangers = 0
const stranger = () => person(500 + strangers++)

/** The numbers of a session, in the order of its people. */
const numbersOf = async (server: TestServer, session: { sid: string }): Promise<string[]> =>
  (
    await rows(server, 'select proxy_identifier from participants where session_sid = $1 order by sid', [session.sid])
  ).map(({ proxy_identifier }) => proxy_identifier)

const meet = async (server: TestServer, service: Pool, ...people: string[]) =>
  await numbersOf(server, await openSession(server, service, { Participants: people.map((each) => participant(each)) }))

test('what another server does to the pool is seen at once where it matters', async () => {
  const [one, other] = await startTwo()
  const service = await makeService(one, 1)
  const [old] = service.numbers
  assert(old)
  const session = await openSession(other, service, { Participants: participant(stranger()) })
  await other.post(session.path, { Status: 'closed' })

  const added = await addNumber(one, service)
  assert.equal((await one.delete(`${service.path}/PhoneNumbers/${old.sid}`)).status, 204)
  assert.deepEqual(await meet(other, service, stranger()), [added.phone_number], 'the number that left is not given')
  const person = stranger()
  assert.deepEqual(await meet(other, service, person), [added.phone_number])
  const third = await addNumber(one, service)
  assert.deepEqual(await meet(other, service, person), [third.phone_number], 'nobody is refused for what was')
})

test('a number that another server reserves is given to nobody from then on', async () => {
  const [one, other] = await startTwo()
  const service = await makeService(one, 2)
  const [reserved, left] = service.numbers
  assert(reserved && left)
  await meet(other, service, stranger(), stranger())
  assert.equal((await one.post(`${service.path}/PhoneNumbers/${reserved.sid}`, { IsReserved: 'true' })).status, 200)
  for (let at = 0; at < 6; at++) assert.deepEqual(await meet(other, service, stranger()), [left.phone_number])
})

test('pairs that another server gives are counted before long, and those that this one gives and releases at once', async () => {
  const [one, other] = await startTwo()
  const service = await makeService(one, 2)
  const [busy, idle] = service.numbers
  assert(busy && idle)
  await meet(other, service, stranger())
  for (let at = 0; at < 12; at++) {
    const named = participant(stranger(), { ProxyIdentifier: busy.phone_number })
    await openSession(one, service, { Participants: named })
  }
  // By its own counting alone this server gives none of the two more than twice in a row.
  await eventually(async () => {
    const given = []
    for (let at = 0; at < 4; at++) given.push(...(await meet(other, service, stranger())))
    return given.every((number) => number === idle.phone_number)
  }, 'the idle number is given four times in a row')

  const even = await makeService(one, 2)
  const sessions = []
  for (let at = 0; at < 4; at++) sessions.push(await openSession(one, even, { Participants: participant(stranger()) }))
  const given = await Promise.all(sessions.map(async (session) => (await numbersOf(one, session))[0]))
  assert.equal(new Set(given.slice(0, 2)).size, 2)
  assert.equal(new Set(given.slice(2)).size, 2)
  await Promise.all(
    sessions.filter((_, at) => given[at] === given[0]).map((session) => one.post(session.path, { Status: 'closed' })),
  )
  for (let at = 0; at < 2; at++) assert.deepEqual(await meet(one, even, stranger()), [given[0]], 'it was released')
})

test('what has run out is closed when its person comes again, also while another number is free', async () => {
  const server = await first()
  const service = await makeService(server, 2)
  const outlived = stranger()
  await withoutSweeper(server, async () => {
    const session = await openSession(server, service, { Ttl: '60', Participants: participant(outlived) })
    await letRunOut(server, session)
    await meet(server, service, outlived, stranger())
    const [{ status }] = await rows(server, 'select status from sessions where sid = $1', [session.sid])
    assert.equal(status, 'closed')
  })
})

test('of many sessions created at the same moment each stands or falls by itself', async () => {
  const server = await first()
  const service = await makeService(server, 4)
  const outlived = stranger()
  for (let at = 0; at < 4; at++) {
    await letRunOut(server, await openSession(server, service, { Ttl: '60', Participants: participant(outlived) }))
  }
  const twice = participant(stranger())
  const own = participant(service.numbers[0]?.phone_number ?? '')
  const odd: [Record<string, string | string[]>, number | undefined][] = [
    [{ UniqueName: 'taken' }, undefined],
    [{ UniqueName: 'taken', Participants: participant(stranger()) }, 80603],
    [{ DateExpiry: '2020-01-01T00:00:00Z', Participants: participant(stranger()) }, 80701],
    [{ Participants: [participant(stranger()), own] }, 80404],
    [{ Participants: [twice, twice] }, 80103],
    [{ Participants: [participant(stranger()), participant('+120')] }, 80404],
    [{ Participants: participant('whatsapp:+12025550199') }, 80305],
    [{ Participants: participant(outlived) }, undefined],
  ]
  await openSession(server, service, odd[0]?.[0])
  const answers = await Promise.all(
    [...odd.slice(1), ...odd.slice(1)].flatMap(([params, code]) => [
      server.post(`${service.path}/Sessions`, params).then((answer) => ({ answer, code })),
      server
        .post(`${service.path}/Sessions`, { Participants: [participant(stranger()), participant(stranger())] })
        .then((answer) => ({ answer, code: undefined })),
    ]),
  )
  for (const { answer, code } of answers) {
    if (code) assertRefused(answer, answer.status, code)
    else assert.equal(answer.status, 201, answer.text)
  }
  const done = answers.filter(({ code }) => !code)
  const [made] = await rows(
    server,
    `select count(distinct s.sid)::int as sessions, count(distinct p.sid)::int as people
     from sessions s left join participants p on p.session_sid = s.sid and p.date_released is null
     where s.service_sid = $1 and s.status = 'open'`,
    [service.sid],
  )
  assert.deepEqual(made, { sessions: done.length + 1, people: 2 * (done.length - 2) + 2 })
})

test('a session has what was asked for, whoever else is created with it', async () => {
  const server = await first()
  const service = await makeService(server, 2, { DefaultTtl: '77' })
  const people = [stranger(), stranger()]
  const Participants = people.map((each, at) => participant(each, { FriendlyName: `Friend ${at}` }))
  const asked = { UniqueName: 'all', Mode: 'message-only', Ttl: '120', Status: 'in-progress', DateExpiry: '2040-01-01' }
  const [full, plain] = await Promise.all([
    openSession(server, service, { ...asked, Participants }),
    openSession(server, service),
  ])
  const { date_started, date_created } = full
  assert.equal(date_started, date_created)
  const shown = { unique_name: 'all', mode: 'message-only', ttl: 120, status: 'in-progress' }
  assert.deepEqual({ ...full, ...shown, date_expiry: '2040-01-01T00:00:00Z' }, full)
  assert.deepEqual(
    { ...plain, unique_name: null, mode: 'voice-and-message', ttl: 77, status: 'open', date_started: null },
    plain,
  )
  const { body } = await server.get(`${full.path}/Participants`)
  const found = body.participants as {
    identifier: string
    friendly_name: string
    proxy_identifier_sid: string
    proxy_identifier: string
  }[]
  assert.deepEqual(
    found.map(({ identifier, friendly_name }) => [identifier, friendly_name]),
    people.map((each, at) => [each, `Friend ${at}`]),
  )
  for (const { proxy_identifier, proxy_identifier_sid } of found) {
    assert(
      service.numbers.some(
        ({ sid, phone_number }) => sid === proxy_identifier_sid && phone_number === proxy_identifier,
      ),
    )
  }
})
