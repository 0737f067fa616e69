import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { createApiKey } from '../src/core/api-keys.ts'
import { adoptNumber } from '../src/core/phone-numbers.ts'
import { newSid } from '../src/core/sid.ts'
import { makeUser, signedIn } from './support/console.ts'
import {
  addPerson,
  assertRefused,
  makeService,
  newName,
  newNumber,
  openSession,
  type Pool,
  participant,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { eventually, makeAccount, person, type TestServer } from './support/server.ts'

// The second joins the first, so that it has to stop before the first takes the database away.
const joined = serverForFile(() => shared())
const shared = serverForFile()
const [ALICE, BOB] = [person(1), person(2)]

const countSessions = async (server: TestServer, service: Pool) =>
  (await rows(server, 'select count(*)::int from sessions where service_sid = $1', [service.sid]))[0].count

test('of 100 concurrent creates with one key over two servers one session comes, and all are answered with it', async () => {
  const [first, second] = [await shared(), await joined()]
  const service = await makeService(first, 2)
  const create = (headers: Record<string, string>) =>
    Promise.all(
      Array.from({ length: 100 }, (_, at) =>
        (at % 2 ? first : second).post(`${service.path}/Sessions`, { Ttl: '60' }, headers),
      ),
    )
  const key = { 'Idempotency-Key': randomUUID() }
  const answers = await create(key)
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [201])
  // Each server gives out addresses of its own; the answer is that of the one that did the work.
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
  assert.equal(await countSessions(first, service), 1)

  await create({})
  assert.equal(await countSessions(first, service), 101, 'control: without the key each create makes one')
})

/** Every POST there is, with what to send; what it makes is counted in `table`. */
async function operations(server: TestServer) {
  const service = await makeService(server, 2)
  const session = await openSession(server, service)
  const alice = await addPerson(server, session, ALICE)
  const code = await adoptNumber(
    server.store,
    { account_sid: server.account.sid, carrier_sid: server.account.carrier_sid },
    {
      carrier_number_sid: undefined,
      phone_number: '55502',
      friendly_name: '55502',
      iso_country: 'US',
      capabilities: { voice: false, sms: true, mms: true, fax: false },
      webhooks: {},
    },
  )
  const { key } = await createApiKey(server.store, { account_sid: server.account.sid, friendly_name: 'keyed' })
  const user = await makeUser(server, { role: 'viewer', account_sid: server.account.sid })
  const callback = newSid('CB')
  await rows(
    server,
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated)
     values ($1, $2, $3, $4, 'http://127.0.0.1:1/', now())`,
    [service.sid, callback, server.account.sid, newSid('KI')],
  )
  const operations: [path: string, params: Record<string, string>][] = [
    ['/v1/Services', { UniqueName: newName('keyed') }],
    [service.path, { DefaultTtl: '7' }],
    [`${service.path}/PhoneNumbers`, { PhoneNumber: newNumber() }],
    [`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`, { IsReserved: 'true' }],
    [`${service.path}/ShortCodes`, { Sid: code.sid }],
    [`${service.path}/ShortCodes/${code.sid}`, { IsReserved: 'true' }],
    [`${service.path}/Sessions`, { UniqueName: 'keyed', Participants: participant(BOB) }],
    [session.path, { Ttl: '60' }],
    [`${session.path}/Participants`, { Identifier: BOB }],
    [`${session.path}/Participants/${alice.sid}/MessageInteractions`, { Body: 'Hello' }],
    [`/maskline/v1/Services/${service.sid}/Settings`, { OptOutWords: 'false' }],
    ['/maskline/v1/Settings', { SessionRetention: '80' }],
    [`/maskline/v1/Services/${service.sid}/BlockedNumbers`, { PhoneNumber: newNumber() }],
    [`/maskline/v1/Keys/${key.sid}`, { FriendlyName: 'renamed' }],
    [`/maskline/v1/Users/${user.sid}`, { Role: 'operator' }],
    [`/maskline/v1/Accounts/${server.account.sid}`, { FriendlyName: 'renamed' }],
    [`/maskline/v1/Callbacks/${callback}/Replay`, {}],
    ['/maskline/v1/Callbacks/Replay', {}],
  ]
  return { operations, service, session }
}

type Described = { paths: Record<string, { post?: { parameters?: { name: string }[] } }> }

/** Of a repeat the secret is missing, which is nowhere to be had again: `api-keys.test.ts`, `users.test.ts`, and below. */
const OTHERWISE = ['/maskline/v1/Keys', '/maskline/v1/Users', '/maskline/v1/Accounts']

test('every POST of the API repeated with its key is answered as the first time and done once', async () => {
  const server = await shared()
  const { operations: list } = await operations(server)
  const document = (await (await fetch(`${server.direct}/openapi.json`)).json()) as Described
  const posts = Object.entries(document.paths).filter(
    ([path, { post }]) => !OTHERWISE.includes(path) && post?.parameters?.some(({ name }) => name === 'Idempotency-Key'),
  )
  assert.equal(list.length, posts.length, 'a POST has come or gone: add it here')

  const tables = ['services', 'sessions', 'participants', 'interactions', 'events']
  const counts = () => rows(server, `select ${tables.map((table) => `(select count(*) from ${table}) as ${table}`)}`)
  for (const [path, params] of list) {
    const headers = { 'Idempotency-Key': randomUUID() }
    const first = await server.post(path, params, headers)
    assert.ok(first.status === 200 || first.status === 201, first.text)
    const before = await counts()
    const second = await server.post(path, params, headers)
    assert.deepEqual([second.status, second.text], [first.status, first.text], path)
    assert.deepEqual(await counts(), before, path)

    assertRefused(await server.post(path, { ...params, FriendlyName: 'other' }, headers), 422, 20422)
    assert.deepEqual(await counts(), before, path)
  }
})

test('of an account that is made again with the key there is one, and its token is shown once', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const create = (key: string) =>
    browser.post('/maskline/v1/Accounts', { FriendlyName: 'once' }, { 'Idempotency-Key': key })
  const [first, second, other] = [await create('one'), await create('one'), await create('another')]
  assert.match(first.body.auth_token, /^[0-9a-f]{32}$/)
  assert.deepEqual(second.body, { ...first.body, auth_token: null })
  assert.notEqual(other.body.sid, first.body.sid, 'control')
})

test('a message sent with a key reaches the phone once', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const to = person(40)
  const { sid } = await addPerson(server, session, to)
  const path = `${session.path}/Participants/${sid}/MessageInteractions`
  const headers = { 'Idempotency-Key': randomUUID() }
  const answers = await Promise.all(Array.from({ length: 5 }, () => server.post(path, { Body: 'Once' }, headers)))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  await server.post(path, { Body: 'Last' })
  await eventually(async () => (await server.handset(to)).length === 2, 'both messages have come')
  assert.deepEqual((await server.handset(to)).map(({ body }) => body).sort(), ['Last', 'Once'])
})

test('a key belongs to one path, one set of parameters and one account', async () => {
  const server = await shared()
  const [service, other] = [await makeService(server, 0), await makeService(server, 0)]
  const headers = { 'Idempotency-Key': randomUUID() }
  assert.equal((await server.post(`${service.path}/Sessions`, {}, headers)).status, 201)
  assertRefused(await server.post(`${other.path}/Sessions`, {}, headers), 422, 20422)
  assertRefused(await server.post(`${service.path}/Sessions`, { Ttl: '1' }, headers), 422, 20422)

  const stranger = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${stranger.sid}:${stranger.auth_token}`).toString('base64')}`
  const theirs = await server.post('/v1/Services', { UniqueName: 'same key' }, { ...headers, authorization })
  assert.equal(theirs.status, 201)
})

test('a refused request leaves no key, so that the same request may succeed later', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const headers = { 'Idempotency-Key': randomUUID() }
  const create = () => server.post(`${service.path}/Sessions`, { Participants: participant(ALICE) }, headers)
  assertRefused(await create(), 400, 80205)
  assert.deepEqual(
    await rows(server, 'select * from idempotency_keys where key = $1', [headers['Idempotency-Key']]),
    [],
  )
  await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: newNumber() })
  const created = await create()
  assert.equal(created.status, 201)
  assert.equal((await create()).text, created.text)
})

test('a kept answer shows no number in the database', async () => {
  const server = await shared()
  const session = await openSession(server, await makeService(server, 1))
  const headers = { 'Idempotency-Key': randomUUID() }
  const answer = await server.post(`${session.path}/Participants`, { Identifier: ALICE }, headers)
  assert.ok(answer.text.includes(ALICE))
  const [kept] = await rows(server, 'select * from idempotency_keys where key = $1', [headers['Idempotency-Key']])
  assert.ok(kept.body_sealed.length > answer.text.length)
  assert.ok(!kept.body_sealed.toString('latin1').includes(ALICE.slice(1)))
})

test('an empty key is none, and one that is too long or not printable is refused', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const create = (key: string) => server.post(`${service.path}/Sessions`, {}, { 'Idempotency-Key': key })
  assert.equal((await create('')).status, 201)
  assert.equal((await create('')).status, 201)
  assert.equal((await create('x'.repeat(255))).status, 201)
  assertRefused(await create('x'.repeat(256)), 400, 20001)
  assertRefused(await create('ü'), 400, 20001)
  assert.equal(await countSessions(server, service), 3)
})
