import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { requestBytes } from '../bench/programs/connection.ts'
import { type LoadResult, runRate } from '../bench/programs/loops.ts'
import { type Asked, createRateLimiter } from '../src/core/rate-limit.ts'
import { createDatabase } from './support/database.ts'
import { assertRefused, makeService, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { clientOf, eventually, makeAccount, startServer, type TestServer } from './support/server.ts'

const ASKED: Asked = { account_sid: 'AC1', service_sid: 'KS1', endpoint: 'GET /v1/Services/:ServiceSid' }

/** A limiter whose clock stands still until it is told. */
function limiterAt(per_endpoint: number, per_account = 0) {
  const clock = { ms: 1_000_000 }
  const limiter = createRateLimiter({ per_endpoint, per_account }, () => clock.ms)
  const passed = (count: number, asked = ASKED) =>
    Array.from({ length: count }, () => limiter.admit(asked)).filter((refusal) => !refusal).length
  return { clock, limiter, passed }
}

test('five seconds of requests may come at once, and the next when they have left the window', () => {
  const { clock, limiter, passed } = limiterAt(30)
  assert.equal(passed(400), 150)
  assert.deepEqual(limiter.admit(ASKED), { retry_after_s: 6, is_first: false })
  clock.ms += 3_000
  assert.equal(limiter.admit(ASKED)?.retry_after_s, 3)
  clock.ms += 1_999
  assert.equal(passed(1), 0)
  clock.ms += 251
  assert.equal(passed(400), 150)
  assert.equal(createRateLimiter({ per_endpoint: 0, per_account: 0 }).admit(ASKED), undefined)
})

test('the limit itself passes for ever, and of ten times as many so many as the limit allows', () => {
  const steady = limiterAt(30)
  const flood = limiterAt(30)
  const counts = { steady: 0, flood: 0 }
  for (let second = 0; second < 60; second++) {
    for (let at = 0; at < 30; at++) {
      steady.clock.ms += 1000 / 30
      flood.clock.ms += 1000 / 30
      counts.steady += steady.passed(1)
      counts.flood += flood.passed(10)
    }
  }
  assert.equal(counts.steady, 1800)
  assert.ok(counts.flood > 0.97 * 1800 && counts.flood < 1.03 * 1800, `${counts.flood} passed`)
})

test('whatever comes when: no five seconds hold more than the limit, nor is anything refused that they would hold', () => {
  const gaps = fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3_000 })), {
    maxLength: 300,
  })
  // What leaves the window in one slot leaves it evenly, wherever in the slot it came.
  const SLOT_MS = 250
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 12 }), (gaps, per_second) => {
      const { clock, passed } = limiterAt(per_second)
      const times: number[] = []
      for (const gap of gaps) {
        clock.ms += gap
        const within = (ms: number) => times.filter((time) => time > clock.ms - ms).length
        if (passed(1) === 0) assert.ok(within(5_000 + SLOT_MS) >= 5 * per_second - 1)
        else {
          times.push(clock.ms)
          assert.ok(within(5_000 - SLOT_MS) <= 5 * per_second)
        }
      }
    }),
  )
})

test('endpoints, services and accounts are counted apart, and an account as a whole where it is limited', () => {
  const { passed } = limiterAt(1)
  assert.equal(passed(9), 5)
  const others: Partial<Asked>[] = [{ endpoint: 'POST x' }, { service_sid: 'KS2' }, { account_sid: 'AC2' }]
  for (const other of others) assert.equal(passed(9, { ...ASKED, ...other }), 5)
  assert.equal(passed(9, { ...ASKED, service_sid: undefined }), 5)

  const whole = limiterAt(0, 2)
  assert.equal(whole.passed(7), 7)
  assert.equal(whole.passed(9, { ...ASKED, service_sid: 'KS2' }), 3, 'of ten in five seconds')
  assert.equal(whole.passed(9, { ...ASKED, account_sid: 'AC2' }), 9)
  const both = limiterAt(1, 2)
  assert.equal(both.passed(100), 5, 'what is refused counts for nothing')
  assert.equal(both.passed(100, { ...ASKED, service_sid: 'KS2' }), 5)
})

test('of more keys than are kept the oldest are forgotten', () => {
  const { passed } = limiterAt(1)
  passed(5)
  const services = Array.from({ length: 9_999 }, (_, at) => ({ ...ASKED, service_sid: `KS${at + 2}` }))
  for (const other of services) passed(1, other)
  assert.equal(passed(1), 0)
  passed(1, { ...ASKED, service_sid: 'one more' })
  assert.equal(passed(1), 1)
})

test('what a server said counts until it leaves the window, but nothing more is presumed of one that is gone', async (t) => {
  const pool = new pg.Pool({ connectionString: await createDatabase(t), max: 1 })
  const one = limiterAt(30)
  const other = limiterAt(30)
  assert.equal(other.passed(50), 50)
  await other.limiter.exchange(pool)
  assert.equal(one.passed(20), 20)
  await one.limiter.exchange(pool)
  await pool.end()
  for (let tenth = 0; tenth < 30; tenth++) {
    one.clock.ms += 100
    assert.equal(one.passed(2), 2)
  }
  one.clock.ms += 600
  assert.equal(one.passed(100), 150 - 50 - 20 - 60)
  await assert.rejects(one.limiter.exchange(pool))
  one.clock.ms += 6_000
  assert.equal(one.passed(400), 150)
})

const limited = serverForFile(async () => ({ env: { MASKLINE_RATE_LIMIT: '1' } }))

test('over the limit: 429 with 20429 and Retry-After, and nothing else happened, not even an idempotency key taken', async () => {
  const server = await limited()
  const service = await makeService(server, 0)
  const create = (name: string, headers = {}) =>
    server.post(`${service.path}/Sessions`, { UniqueName: name }, { 'Idempotency-Key': name, ...headers })
  for (let at = 0; at < 5; at++) assert.equal((await create(`session-${at}`)).status, 201)
  const refused = await create('one-more')
  assertRefused(refused, 429, 20429, 'Too Many Requests')
  assert.match(refused.headers.get('retry-after') ?? '', /^[1-6]$/)
  const stored = `select (select count(*)::int from sessions) as sessions, (select count(*)::int from idempotency_keys) as keys,
    (select count(*)::int from events) as events`
  assert.deepEqual(await rows(server, stored), [{ sessions: 5, keys: 5, events: 0 }])
  assert.deepEqual(
    server.logged.map((line) => JSON.parse(line)).map(({ level, msg, service_sid }) => [level, msg, service_sid]),
    [[40, 'requests over the limit are refused', service.sid]],
  )

  // Other endpoints of the service, and the same of another, are not concerned.
  assert.equal((await server.get(`${service.path}/Sessions`)).status, 200)
  const other = await makeService(server, 0)
  await openSession(server, other)
  const [later] = [
    await eventually(async () => {
      const answer = await create('one-more')
      return answer.status === 201 && answer
    }, 'the session is made when the time has come'),
  ]
  assert.equal(later.body.unique_name, 'one-more')
})

test('nobody uses up what is another account’s, nor without its credentials', async () => {
  const server = await limited()
  const service = await makeService(server, 0)
  const wrong = { headers: { authorization: `Basic ${Buffer.from(`${server.account.sid}:wrong`).toString('base64')}` } }
  for (let at = 0; at < 20; at++) assert.equal((await server.call(service.path, wrong)).status, 401)
  const stranger = clientOf(server.url, await makeAccount(server.store))
  for (let at = 0; at < 5; at++) {
    await assert.rejects(stranger.proxy.v1.services(service.sid).fetch(), { status: 404 })
  }
  await assert.rejects(stranger.proxy.v1.services(service.sid).fetch(), { status: 429, code: 20429 })
  assert.equal((await server.get(service.path)).status, 200)
})

test('services by name, lists of them and events are counted for the account; probes and carriers never are', async () => {
  const server = await limited()
  const until429 = async (path: string) => {
    for (let at = 0; at < 20; at++) if ((await server.get(path)).status === 429) return at
    return undefined
  }
  assert.equal(await until429('/v1/Services'), 5)
  assert.equal(await until429('/maskline/v1/Events'), 5)
  assert.equal(await until429(`/v1/Services/no-such-name`), 5)
  assert.equal((await server.get('/v1/Services/another-name')).status, 429)
  for (let at = 0; at < 20; at++) {
    const answers = await Promise.all(
      ['/health/live', '/openapi.json', '/simulator/handsets/%2B14155550130/messages'].map(server.get),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
  }
})

/** `fetch` of a service, as often as asked for. */
const flood = (server: TestServer, path: string, per_second: number, seconds: number): Promise<LoadResult> => {
  const { sid, auth_token } = server.account
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  const request = requestBytes('GET', path, { authorization })
  const { port } = new URL(server.direct)
  return runRate(Number(port), { next: () => request, expects: 200 }, { connections: 8, seconds, per_second })
}

const LIMIT = 12

test('two servers on one database keep one limit together, and control: without it everything passes', async (t) => {
  const env = { MASKLINE_RATE_LIMIT: String(LIMIT) }
  const one = await startServer(t, { env })
  const { database_url, master_key, account } = one
  const two = await startServer(t, { env, database_url, master_key, account })
  const service = await makeService(one, 0)
  const seconds = 9.9
  const results = await Promise.all([one, two].map((server) => flood(server, service.path, 5 * LIMIT, seconds)))
  const passed = results.reduce((sum, { answered }) => sum + answered, 0)
  const ratio = passed / (LIMIT * seconds)
  const each = results.map(({ answered, failures }) => `${answered} ${JSON.stringify(failures)}`).join(', ')
  assert.ok(ratio >= 0.9 && ratio <= 1.2, `${ratio.toFixed(2)} of the limit passed: ${each}`)

  const free = await startServer(t, { database_url, master_key, account })
  const all = await flood(free, service.path, 10 * LIMIT, 1)
  assert.equal(all.answered, 10 * LIMIT)
})
