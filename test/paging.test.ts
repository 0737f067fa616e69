import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addNumber,
  addPerson,
  assertRefused,
  makeService,
  openSession,
  type Pool,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const shared = serverForFile()

const sidAt = (prefix: string, at: number) => prefix + at.toString(16).padStart(32, '0')

/** Sessions at every second SID from 2 on, so that others fit in between. */
const insertSessions = (server: TestServer, service: Pool, count: number) =>
  rows(
    server,
    `insert into sessions (service_sid, sid, account_sid, status, mode, ttl)
     select $1, 'KC' || lpad(to_hex(2 * at), 32, '0'), $2, 'open', 'voice-only', 0 from generate_series(1, $3::int) at`,
    [service.sid, server.account.sid, count],
  )

const local = (url: string) => url.slice(new URL(url).origin.length)
const sids = (list: { sid: string }[]) => list.map(({ sid }) => sid)

const ROWS = 10_000
/** Of the rows that are there at first, those that go while somebody reads. */
const isDoomed = (at: number) => at % 100 < 3

test('a client that reads 10,000 rows meets each one that stays exactly once, while others come and go', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await insertSessions(server, service, ROWS)
  const sessions = `${service.path}/Sessions`
  const doomed = Array.from({ length: ROWS }, (_, at) => at + 1).filter(isDoomed)
  const met = new Map<string, number>()
  let reading = true
  let created = 0
  let deleted = 0

  /** Rows go before, at and behind the place where the reader is, and come in between and at the end. */
  const write = async () => {
    while (reading) {
      const victim = doomed.splice(Math.floor(Math.random() * doomed.length), 1)[0]
      if (victim !== undefined) {
        assert.equal((await server.delete(`${sessions}/${sidAt('KC', 2 * victim)}`)).status, 204)
        deleted++
      }
      await openSession(server, service)
      await rows(
        server,
        `insert into sessions (service_sid, sid, account_sid, status, mode, ttl)
         values ($1, $2, $3, 'open', 'voice-only', 0) on conflict do nothing`,
        [service.sid, sidAt('KC', 2 * Math.ceil(Math.random() * ROWS) + 1), server.account.sid],
      )
      created++
    }
  }
  const read = new Promise<void>((resolve, reject) => {
    server.client.proxy.v1.services(service.sid).sessions.each({
      pageSize: 100,
      callback: ({ sid }) => met.set(sid, (met.get(sid) ?? 0) + 1),
      done: (error?: Error) => (error ? reject(error) : resolve()),
    })
  }).finally(() => {
    reading = false
  })
  await Promise.all([read, write()])

  assert.ok(created > 10 && deleted > 10, `only ${created} came and ${deleted} went: too few to disturb anybody`)
  for (let at = 1; at <= ROWS; at++) {
    const times = met.get(sidAt('KC', 2 * at)) ?? 0
    if (isDoomed(at)) assert.ok(times <= 1)
    else assert.equal(times, 1, `row ${at} was met ${times} times`)
  }
  for (const [sid, times] of met) assert.equal(times, 1, `${sid} was met ${times} times`)
})

/** Follows a list page by page; between two pages a row that was read is deleted. Returns what was not met exactly once. */
async function readWhileRowsMove(by: 'token' | 'page number') {
  const server = await shared()
  const service = await makeService(server, 0)
  await insertSessions(server, service, 400)
  const met: string[] = []
  let path: string | null = `${service.path}/Sessions?PageSize=50`
  for (let page = 1; path; page++) {
    const { body } = await server.get(path)
    met.push(...sids(body.sessions))
    const next: string | null = body.meta.next_page_url
    await server.delete(`${service.path}/Sessions/${sidAt('KC', 2 * page)}`)
    path = next && (by === 'token' ? local(next) : `${service.path}/Sessions?PageSize=50&Page=${page}`)
  }
  const stay = Array.from({ length: 380 }, (_, at) => sidAt('KC', 2 * (at + 20)))
  return stay.filter((sid) => met.filter((one) => one === sid).length !== 1)
}

test('a row that goes between two pages hides no other row', async () => {
  assert.deepEqual(await readWhileRowsMove('token'), [])
})

test('control: read by page number, the same list loses rows', async () => {
  assert.ok((await readWhileRowsMove('page number')).length > 0)
})

test('every list has all seven meta keys, also when it is empty, and its own key', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service)
  const { sid } = await addPerson(server, session, person(1))
  const lists: Record<string, string> = {
    '/v1/Services': 'services',
    [`${service.path}/PhoneNumbers`]: 'phone_numbers',
    [`${service.path}/ShortCodes`]: 'short_codes',
    [`${service.path}/Sessions`]: 'sessions',
    [`${session.path}/Participants`]: 'participants',
    [`${session.path}/Interactions`]: 'interactions',
    [`${session.path}/Participants/${sid}/MessageInteractions`]: 'interactions',
    '/maskline/v1/Events': 'events',
  }
  for (const [path, key] of Object.entries(lists)) {
    const { status, body } = await server.get(`${path}?PageSize=100`)
    assert.equal(status, 200)
    assert.deepEqual(Object.keys(body).sort(), [key, 'meta'].sort())
    assert.ok(Array.isArray(body[key]))
    const url = `${server.url}${path}?PageSize=100&Page=0`
    const { next_page_url, ...meta } = body.meta
    assert.deepEqual(meta, { page: 0, page_size: 100, first_page_url: url, previous_page_url: null, url, key })
    assert.equal(next_page_url, null)
  }
})

test('a list of an unknown parent is not found', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  assertRefused(await server.get(`/v1/Services/KS${'0'.repeat(32)}/Sessions`), 404, 20404)
  assertRefused(await server.get(`${service.path}/Sessions/KC${'0'.repeat(32)}/Participants`), 404, 20404)
})

test('a page has 50 rows unless asked otherwise, never more than 100, and a PageSize that is no count is refused', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await insertSessions(server, service, 150)
  const page = (query: string) => server.get(`${service.path}/Sessions${query}`)
  const lengths: Record<string, number> = {
    '': 50,
    '?PageSize=7': 7,
    '?PageSize=99999999': 100,
    [`?PageSize=${'9'.repeat(400)}`]: 100,
    '?PageSize=': 50,
    '?PageSize=1&PageSize=2': 2,
  }
  for (const [query, length] of Object.entries(lengths)) {
    const { body } = await page(query)
    assert.deepEqual([body.sessions.length, body.meta.page_size], [length, length], query)
  }
  for (const bad of ['0', '-1', 'ten', '1.5', '+5', '1e2', '\u0665']) {
    assertRefused(await page(`?PageSize=${encodeURIComponent(bad)}`), 400, 20001, 'Invalid PageSize.')
  }
  for (const bad of ['-1', 'one']) assertRefused(await page(`?Page=${bad}`), 400, 20001, 'Invalid Page.')
  for (const bad of [
    '1',
    'PA',
    'PAKC1',
    `PX${sidAt('KC', 1)}`,
    `${sidAt('KC', 1)}`,
    'PA\0',
    `PA${sidAt('KC', 1)}'--`,
  ]) {
    assertRefused(await page(`?PageToken=${encodeURIComponent(bad)}`), 400, 20001, 'Invalid PageToken.')
  }
})

test('next and previous lead through all pages and back, and first to the first', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  await insertSessions(server, service, 25)
  const read = async (path: string) => (await server.get(path)).body
  const there = [await read(`${service.path}/Sessions?PageSize=10`)]
  while (there.at(-1)?.meta.next_page_url) there.push(await read(local(there.at(-1)?.meta.next_page_url)))
  assert.deepEqual(
    there.map(({ meta, sessions }) => [meta.page, sessions.length]),
    [
      [0, 10],
      [1, 10],
      [2, 5],
    ],
  )
  let back = there[2]!
  for (const at of [1, 0]) {
    back = await read(local(back.meta.previous_page_url))
    assert.equal(back.meta.page, at)
    assert.deepEqual(sids(back.sessions), sids(there[at]!.sessions))
    assert.deepEqual(await read(local(back.meta.url)), back, 'a page is read again by its own address')
  }
  assert.equal(back.meta.previous_page_url, null)
  assert.deepEqual(sids((await read(local(there[2]!.meta.first_page_url))).sessions), sids(there[0]!.sessions))
})

test('a page number without a token counts pages', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  for (let at = 0; at < 5; at++) service.numbers.push(await addNumber(server, service))
  const { body } = await server.get(`${service.path}/PhoneNumbers?PageSize=2&Page=1`)
  assert.deepEqual(sids(body.phone_numbers), sids(service.numbers.slice(2, 4)))
  assert.deepEqual(sids((await server.get(local(body.meta.next_page_url))).body.phone_numbers), [
    service.numbers[4]?.sid,
  ])
  assert.deepEqual(
    sids((await server.get(local(body.meta.previous_page_url))).body.phone_numbers),
    sids(service.numbers.slice(0, 2)),
  )
  const beyond = await server.get(`${service.path}/PhoneNumbers?PageSize=2&Page=2147483647`)
  assert.deepEqual([beyond.status, beyond.body.phone_numbers, beyond.body.meta.next_page_url], [200, [], null])
})
