import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import {
  assertRefused,
  makeService,
  newName,
  openSession,
  participant,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { eventually, makeAccount, person } from './support/server.ts'

const shared = serverForFile()

test('a service has its documented keys and defaults, and another account may use its name', async () => {
  const server = await shared()
  const name = newName('service')
  const { status, body } = await server.post('/v1/Services', { UniqueName: name })
  assert.equal(status, 201)
  const { sid, date_created, date_updated, ...rest } = body
  assert.match(sid, /^KS[0-9a-f]{32}$/)
  assert.match(date_created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.equal(date_updated, date_created)
  const url = `${server.url}/v1/Services/${sid}`
  assert.deepEqual(rest, {
    account_sid: server.account.sid,
    chat_instance_sid: null,
    unique_name: name,
    default_ttl: 0,
    callback_url: null,
    geo_match_level: 'country',
    number_selection_behavior: 'prefer-sticky',
    intercept_callback_url: null,
    out_of_session_callback_url: null,
    url,
    links: { sessions: `${url}/Sessions`, phone_numbers: `${url}/PhoneNumbers`, short_codes: `${url}/ShortCodes` },
  })

  const other = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${other.sid}:${other.auth_token}`).toString('base64')}`
  const namesake = await server.post('/v1/Services', { UniqueName: name }, { authorization })
  assert.equal(namesake.status, 201)
  assert.equal(namesake.body.account_sid, other.sid)
})

const SETTINGS = {
  DefaultTtl: '3600',
  CallbackUrl: 'https://example.com/status?a=1&b=%20',
  GeoMatchLevel: 'area-code',
  NumberSelectionBehavior: 'avoid-sticky',
  InterceptCallbackUrl: 'http://example.com:8081/intercept',
  OutOfSessionCallbackUrl: 'https://example.com/outside',
  ChatInstanceSid: `IS${'a'.repeat(32)}`,
}
const SET = {
  default_ttl: 3600,
  callback_url: 'https://example.com/status?a=1&b=%20',
  geo_match_level: 'area-code',
  number_selection_behavior: 'avoid-sticky',
  intercept_callback_url: 'http://example.com:8081/intercept',
  out_of_session_callback_url: 'https://example.com/outside',
  chat_instance_sid: `IS${'a'.repeat(32)}`,
}
const settingsIn = (body: Record<string, unknown>) =>
  Object.fromEntries(Object.keys(SET).map((key) => [key, body[key]]))

test('every setting is kept when it is created, updated and fetched, and an empty update changes nothing', async () => {
  const server = await shared()
  const created = await server.post('/v1/Services', { UniqueName: newName('service'), ...SETTINGS })
  assert.deepEqual(settingsIn(created.body), SET)

  const { path } = await makeService(server, 0)
  const updated = await server.post(path, SETTINGS)
  assert.equal(updated.status, 200)
  assert.deepEqual(settingsIn(updated.body), SET)
  assert.deepEqual((await server.get(path)).body, updated.body)
  const untouched = await server.post(path)
  assert.equal(untouched.status, 200)
  assert.deepEqual(untouched.body, updated.body)
})

test('an empty value clears a URL on update, and everywhere else means that nothing was given', async () => {
  const server = await shared()
  const none = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']))
  const created = await server.post('/v1/Services', { UniqueName: newName('service'), ...none, Unheard: 'of' })
  assert.equal(created.status, 201)
  assert.equal(created.body.callback_url, null)

  const { path } = await makeService(server, 0, SETTINGS)
  const cleared = await server.post(path, { ...none, UniqueName: '' })
  assert.deepEqual(settingsIn(cleared.body), {
    ...SET,
    callback_url: null,
    intercept_callback_url: null,
    out_of_session_callback_url: null,
    chat_instance_sid: null,
  })
})

test('a service needs a name of at most 191 characters that no other service of the account has', async () => {
  const server = await shared()
  const missing = 'Missing required parameter UniqueName in the post body'
  assertRefused(await server.post('/v1/Services'), 400, 20001, missing)
  assertRefused(await server.post('/v1/Services', { UniqueName: '' }), 400, 20001, missing)
  assertRefused(await server.post('/v1/Services', { UniqueName: 'x'.repeat(192) }), 400, 80701)
  const taken = newName('service')
  const { path } = await makeService(server, 0, { UniqueName: taken })
  assertRefused(
    await server.post('/v1/Services', { UniqueName: taken }),
    400,
    80602,
    'Service UniqueName must be unique.',
  )
  const other = await makeService(server, 0)
  assertRefused(await server.post(other.path, { UniqueName: taken }), 400, 80602)
  assert.equal((await server.post(path, { UniqueName: taken })).status, 200, 'its own name is no conflict')
  assert.equal((await server.post(other.path, { UniqueName: newName('renamed') })).status, 200)
})

test('of two services that take one name at the same moment, one gets it', async () => {
  const server = await shared()
  const name = newName('wanted')
  const services = await Promise.all([makeService(server, 0), makeService(server, 0), makeService(server, 0)])
  const answers = await Promise.all(services.map(({ path }) => server.post(path, { UniqueName: name })))
  assert.deepEqual(answers.map(({ status, body }) => [status, body.code]).sort(), [
    [200, undefined],
    [400, 80602],
    [400, 80602],
  ])
})

test('a service is fetched by its name as well as its SID, whatever the name is made of, and changed by SID only', async () => {
  const server = await shared()
  const names = ['a/b c?d#e%f+g', '\u{1f697}'.repeat(191), `KS${'0'.repeat(32)}`, 'Ωmega']
  for (const name of names) {
    const { sid } = await makeService(server, 0, { UniqueName: name })
    const path = `/v1/Services/${encodeURIComponent(name)}`
    const fetched = await server.get(path)
    assert.equal(fetched.body.sid, sid, `${name}: ${fetched.text}`)
    assertRefused(await server.post(path, { DefaultTtl: '1' }), 404, 20404)
    assertRefused(await server.delete(path), 404, 20404)
    assertRefused(await server.get(`${path}/Sessions`), 404, 20404)
  }
})

test('a callback URL is an absolute http or https address that is not this server', async () => {
  const server = await shared()
  const { path } = await makeService(server, 0)
  const bad = [
    'example.com',
    '/relative',
    'ftp://example.com/',
    'http://',
    'javascript:alert(1)',
    'https://example.com/ü',
    'https://example.com/a b',
    `https://example.com/${'x'.repeat(4000)}`,
    `${server.url}/webhooks/loop`,
  ]
  for (const name of ['CallbackUrl', 'InterceptCallbackUrl', 'OutOfSessionCallbackUrl']) {
    for (const value of bad) {
      assertRefused(await server.post(path, { [name]: value }), 400, 80701, new RegExp(`^'${name}' is invalid\\. `))
    }
  }
  assertRefused(await server.post('/v1/Services', { UniqueName: newName('loop'), CallbackUrl: bad[0]! }), 400, 80701)
})

test('geo levels and selection behaviours are taken in old spellings too, and others are refused', async () => {
  const server = await shared()
  const { path } = await makeService(server, 0)
  for (const level of ['area-code', 'extended-area-code', 'overlay', 'radius', 'country']) {
    assert.equal((await server.post(path, { GeoMatchLevel: level })).body.geo_match_level, level)
  }
  const old = await server.post(path, { GeoMatchLevel: 'AREA_CODE', NumberSelectionBehavior: 'avoid_sticky' })
  assert.equal(old.body.geo_match_level, 'area-code')
  assert.equal(old.body.number_selection_behavior, 'avoid-sticky')
  assertRefused(await server.post(path, { GeoMatchLevel: 'continent' }), 400, 20001)
  assertRefused(await server.post(path, { NumberSelectionBehavior: 'sticky' }), 400, 20001)
  for (const ttl of ['-1', '1.5', 'ten', '2147483647', '9'.repeat(30)]) {
    assertRefused(await server.post(path, { DefaultTtl: ttl }), 400, 80701)
  }
  assertRefused(await server.post(path, { ChatInstanceSid: 'IS1' }), 400, 80701)
})

test('deleting a service takes its open sessions with it, and frees its name and its numbers at once', async () => {
  const server = await shared()
  const name = newName('service')
  const service = await makeService(server, 2, { UniqueName: name })
  const session = await openSession(server, service, {
    Participants: [participant(person(1)), participant(person(2))],
  })
  assert.equal((await server.delete(service.path)).status, 204)

  for (const path of [service.path, session.path, `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`]) {
    assertRefused(await server.get(path), 404, 20404)
  }
  assertRefused(await server.delete(service.path), 404, 20404)
  for (const table of ['sessions', 'participants', 'services']) {
    const column = table === 'services' ? 'sid' : 'service_sid'
    assert.deepEqual(await rows(server, `select * from ${table} where ${column} = $1`, [service.sid]), [])
  }
  const heir = await makeService(server, 0, { UniqueName: name })
  const number = await server.post(`${heir.path}/PhoneNumbers`, { Sid: service.numbers[0]?.sid ?? '' })
  assert.equal(number.status, 201)
  assert.equal(number.body.service_sid, heir.sid)
})

test('sessions and numbers that arrive while their service is deleted leave nothing behind and break nothing', async () => {
  const server = await shared()
  for (let round = 0; round < 5; round++) {
    const service = await makeService(server, 3)
    const creates = Array.from({ length: 12 }, (_, at) =>
      server.post(`${service.path}/Sessions`, {
        Participants: [participant(person(2 * at)), participant(person(2 * at + 1))],
      }),
    )
    const [deleted, ...answers] = await Promise.all([
      server.delete(service.path),
      ...creates,
      ...service.numbers.map(({ sid }) => server.post(`${service.path}/PhoneNumbers/${sid}`, { IsReserved: 'true' })),
      server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: `+1312555${1000 + round}` }),
    ])
    assert.equal(deleted.status, 204)
    for (const answer of answers) assert.ok(answer.status < 500, answer.text)
    for (const table of ['sessions', 'participants', 'phone_numbers']) {
      const left = await rows(server, `select sid from ${table} where service_sid = $1`, [service.sid])
      assert.deepEqual(left, [], `${table} of a deleted service`)
    }
  }
})

test('a session that is being created while its service is deleted goes with it', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const waiting = (count: number) =>
    eventually(async () => {
      const statement = `select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return (await rows(server, statement))[0].count === count
    }, `${count} requests wait`)
  const client = new pg.Client({ connectionString: server.database_url })
  await client.connect()
  // The create has begun, and waits for the number, when the service is deleted.
  await client.query('begin')
  await client.query('select from phone_numbers where service_sid = $1 for update', [service.sid])
  const created = server.post(`${service.path}/Sessions`, { Participants: participant(person(1)) })
  await waiting(1)
  const deleted = server.delete(service.path)
  await waiting(2)
  await client.query('commit')
  await client.end()
  assert.deepEqual([(await created).status, (await deleted).status], [201, 204])
  for (const table of ['sessions', 'participants']) {
    assert.deepEqual(await rows(server, `select sid from ${table} where service_sid = $1`, [service.sid]), [], table)
  }
})
