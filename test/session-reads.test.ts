import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import type { ShownSession } from '../src/db/statements/read-sessions.ts'
import { parseTimestamp } from '../src/db/timestamps.ts'
import { presentSession, writeSession } from '../src/http/api/session-body.ts'
import { assertRefused, letRunOut, makeService, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { makeAccount, startServer } from './support/server.ts'

const shared = serverForFile()

const NAMES = ['"quoted"', 'back\\slash', 'a\nline', '\u2028 \u007f \u0001', 'Grüße, 東京 🎈', '</script>']

const SESSION: ShownSession = {
  ...{ service_sid: `KS${'1'.repeat(32)}`, sid: `KC${'2'.repeat(32)}`, account_sid: `AC${'3'.repeat(32)}` },
  ...{ unique_name: null, status: 'open', mode: 'voice-only', ttl: 0, closed_reason: null },
  ...{ date_expiry: null, date_started: null, date_ended: null, date_last_interaction: null },
  ...{ date_created: '2030-01-31 12:00:00.123456+00', date_updated: new Date('2030-01-31T12:00:01.999Z') },
}

test('a session is written exactly as JSON.stringify writes its body', () => {
  const variants: Partial<ShownSession>[] = [
    ...NAMES.map((unique_name) => ({ unique_name })),
    { status: 'closed', closed_reason: 'api', ttl: 2147483646, date_ended: '2030-01-31 12:00:02+00' },
    { date_started: new Date(0), date_expiry: '9999-12-31 23:59:59.5+00', date_last_interaction: new Date() },
  ]
  for (const base of ['http://127.0.0.1:8080/v1', 'https://example.com/a"b\\c/v1']) {
    for (const variant of [{}, ...variants]) {
      const session = { ...SESSION, ...variant }
      assert.equal(writeSession(base)(session), JSON.stringify(presentSession(base)(session)))
    }
  }
})

test('a page of sessions has the bytes of its sessions, each as it is fetched', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  for (const UniqueName of NAMES) await openSession(server, service, { UniqueName, Ttl: '60' })
  const { text, headers } = await server.get(`${service.path}/Sessions`)
  const page = JSON.parse(text)
  assert.equal(text, JSON.stringify(page))
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  assert.deepEqual(
    page.sessions.map((each: { unique_name: string }) => each.unique_name),
    NAMES,
  )
  for (const each of page.sessions) {
    for (const name of [each.sid, encodeURIComponent(each.unique_name)]) {
      const fetched = await server.get(`${service.path}/Sessions/${name}`)
      assert.equal(fetched.text, JSON.stringify(each))
      assert.equal(fetched.headers.get('content-type'), 'application/json; charset=utf-8')
    }
  }
})

test('of sessions fetched at the same moment each caller is given what is theirs, and those that ran out are closed', async () => {
  const server = await shared()
  const [one, other] = [await makeService(server, 0), await makeService(server, 0)]
  const made = await Promise.all(
    Array.from({ length: 30 }, (_, at) =>
      openSession(server, at % 2 ? one : other, { UniqueName: `at ${at}`, Ttl: '3600' }),
    ),
  )
  const over = made.slice(0, 5)
  for (const session of over) await letRunOut(server, session)
  const stranger = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${stranger.sid}:${stranger.auth_token}`).toString('base64')}`
  const [found, refused, misplaced] = await Promise.all([
    Promise.all(made.map(({ path }) => server.get(path))),
    Promise.all(made.map(({ path }) => server.call(path, { headers: { authorization } }))),
    Promise.all(
      made.map(({ path, sid }, at) =>
        server.get(path.replace(/^.*$/, `${(at % 2 ? other : one).path}/Sessions/${sid}`)),
      ),
    ),
  ])
  for (const [at, { sid }] of made.entries()) {
    assert.equal(found[at]?.body.sid, sid)
    assert.equal(found[at]?.body.status, at < over.length ? 'closed' : 'open')
  }
  for (const answer of [...refused, ...misplaced]) assertRefused(answer, 404, 20404)
})

test('an empty page is of a service of the account, and that of any other is not found', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const empty = await server.get(`${service.path}/Sessions`)
  assert.deepEqual([empty.status, empty.body.sessions], [200, []])
  await openSession(server, service)
  const beyond = await server.get(`${service.path}/Sessions?Page=7`)
  assert.deepEqual([beyond.status, beyond.body.sessions], [200, []])
  const { sid, auth_token } = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  assertRefused(await server.call(`${service.path}/Sessions`, { headers: { authorization } }), 404, 20404)
  assertRefused(await server.get(`/v1/Services/KS${'0'.repeat(32)}/Sessions`), 404, 20404)
})

test('sessions read the same on a connection in another time zone', async (t) => {
  const server = await shared()
  const service = await makeService(server, 0)
  const session = await openSession(server, service, { DateExpiry: '2099-12-31T23:30:00Z' })
  const url = new URL(server.database_url)
  url.searchParams.set('options', '-c timezone=Asia/Kolkata')
  const { database_url, master_key, account } = { ...server, database_url: url.href }
  const abroad = await startServer(t, { database_url, master_key, account })
  const [written] = await rows(abroad, 'select date_created::text as at from sessions where sid = $1', [session.sid])
  assert.match(written.at, /\+05:30$/, 'this is another time zone')
  const strip = (text: string) => text.replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, '')
  for (const path of [session.path, `${service.path}/Sessions`]) {
    assert.equal(strip((await abroad.get(path)).text), strip((await server.get(path)).text))
  }
})

test('every moment that PostgreSQL can write is read, to the millisecond', () => {
  for (let at = 0; at < 5_000; at++) {
    const moment = new Date(Date.UTC(100, 0, 1) + ((at * 7919) % 5_000) * 62_467_200_123)
    const [day, time] = moment.toISOString().slice(0, -1).split('T')
    const written = [`${day} ${time}+00`, `${day} ${time}999+00`, `${day} ${time?.replace(/\.?0+$/, '')}+00`]
    for (const text of moment.getUTCSeconds() % 10 === 0 ? written.slice(0, 2) : written) {
      assert.equal(parseTimestamp(text).getTime(), moment.getTime(), text)
    }
  }
  const driver = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ, 'text')
  const odd = [
    '0001-01-01 00:00:00+00',
    '0099-12-31 23:59:59.5+00',
    '0044-03-15 12:00:00+00 BC',
    '10000-01-01 00:00:00+00',
  ]
  for (const text of [...odd, 'infinity', '-infinity', '2030-01-31 17:30:00+05:30', '2030-01-31 09:00:00.25-03']) {
    assert.deepEqual(parseTimestamp(text), driver(text), text)
  }
})
