import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertRefused, makeService, type Pool, participant, rows, serverForFile } from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const NUMBERS = 60
const SESSIONS = 40
const PEOPLE = [person(1), person(2), person(3)]

// The second joins the first, so that it has to stop before the first takes the database away.
const second = serverForFile(() => first())
const first = serverForFile()
const startTwo = async (): Promise<[TestServer, TestServer]> => [await first(), await second()]

/** Sessions of two of the three people each, in changing order, all at once and over both servers. */
const createAll = (servers: TestServer[], service: Pool) =>
  Promise.all(
    Array.from({ length: SESSIONS }, (_, at) =>
      servers[at % servers.length]!.post(`${service.path}/Sessions`, {
        Participants: [participant(PEOPLE[at % 3]!), participant(PEOPLE[(at + 1 + (at % 2)) % 3]!)],
      }),
    ),
  )

/** (proxy number, person) pairs that lead to more than one live participant. */
const ambiguous = (server: TestServer, service: Pool) =>
  rows(
    server,
    `select proxy_identifier, count(*)::int from participants where service_sid = $1 and date_released is null
     group by proxy_identifier, identifier_hash having count(*) > 1`,
    [service.sid],
  )

test('many sessions created at once for the same people never fail while numbers are free, and no pair is ambiguous', async () => {
  const servers = await startTwo()
  const service = await makeService(servers[0], NUMBERS)
  const answers = await createAll(servers, service)
  const failed = answers.filter(({ status }) => status !== 201)
  assert.deepEqual(
    failed.map(({ text }) => text),
    [],
  )
  assert.deepEqual(await ambiguous(servers[0], service), [])
  const live = await rows(servers[0], 'select sid from participants where service_sid = $1', [service.sid])
  assert.equal(live.length, 2 * SESSIONS)
})

test('the last number of a person goes to one of many sessions, and the others are told that none is left', async () => {
  const servers = await startTwo()
  const service = await makeService(servers[0], 3)
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      servers[at % 2]!.post(`${service.path}/Sessions`, { Participants: participant(PEOPLE[0]!) }),
    ),
  )
  assert.equal(answers.filter(({ status }) => status === 201).length, 3)
  for (const { status, body } of answers) assert.ok(status === 201 || body.code === 80208, JSON.stringify(body))
})

test('two sessions that take in the same two people in opposite order both succeed', async () => {
  const servers = await startTwo()
  for (let round = 0; round < 4; round++) {
    const service = await makeService(servers[0], 2)
    const [first, second] = [participant(PEOPLE[0]!), participant(PEOPLE[1]!)]
    const answers = await Promise.all([
      servers[0].post(`${service.path}/Sessions`, { Participants: [first, second] }),
      servers[1].post(`${service.path}/Sessions`, { Participants: [second, first] }),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [201, 201],
      answers.map(({ text }) => text).join('\n'),
    )
    assert.deepEqual(await ambiguous(servers[0], service), [])
  }
})

test('two sessions that ask for one number for the same two people in opposite order end with one of them', async () => {
  const servers = await startTwo()
  const service = await makeService(servers[0], 1)
  const named = { ProxyIdentifierSid: service.numbers[0]?.sid ?? '' }
  const [first, second] = [participant(PEOPLE[0]!, named), participant(PEOPLE[1]!, named)]
  const answers = await Promise.all([
    servers[0].post(`${service.path}/Sessions`, { Participants: [first, second] }),
    servers[1].post(`${service.path}/Sessions`, { Participants: [second, first] }),
  ])
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.code]).sort(),
    [
      [201, undefined],
      [400, 80604],
    ],
    answers.map(({ text }) => text).join('\n'),
  )
})

// What follows breaks the schema.
test('control: without the unique index the same load does make ambiguous pairs', async () => {
  const servers = await startTwo()
  await rows(servers[0], 'drop index participants_pair')
  const service = await makeService(servers[0], NUMBERS)
  // A single round may have luck; that all of them have is as good as impossible.
  let found = 0
  for (let round = 0; round < 5 && found === 0; round++) {
    await createAll(servers, service)
    found = (await ambiguous(servers[0], service)).length
    await rows(servers[0], 'delete from participants where service_sid = $1', [service.sid])
  }
  assert.ok(found > 0, 'the load does not race, so that it proves nothing')
})

test('a create that collides with others again and again is 409, to be tried again, and leaves nothing', async () => {
  const server = await first()
  const service = await makeService(server, 1)
  await rows(
    server,
    `create function collide() returns trigger language plpgsql as
       $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$;
     create trigger collide before insert on participants execute function collide()`,
  )
  const answer = await server.post(`${service.path}/Sessions`, { Participants: participant(PEOPLE[0]!) })
  assertRefused(answer, 409, 80623, 'Possible duplicate Participant created in multiple Sessions.')
  assert.deepEqual(await rows(server, 'select sid from sessions where service_sid = $1', [service.sid]), [])
})
