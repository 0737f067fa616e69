import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetExpiredMedia } from '../src/core/media.ts'
import { purgeOldRecords } from '../src/core/retention.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { converse, heard, newPerson, settled } from './support/conversation.ts'
import { makeService, openSession, rows, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const getServer = serverForFile()

const count = async (server: TestServer, table: string, where: string, values: unknown[]) => {
  const [found] = await rows(server, `select count(*)::int as n from ${table} where ${where}`, values)
  return found.n
}

/** Closes a session and dates the end back. */
async function closeDaysAgo(server: TestServer, session: { path: string; sid: string }, days: number) {
  await server.post(session.path, { Status: 'closed' })
  const sql = 'update sessions set date_ended = now() - make_interval(days => $2) where sid = $1'
  await rows(server, sql, [session.sid, days])
}

test('a session that closed longer ago than it is kept goes with all that belongs to it, and its name is free', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    const { session, alice, bob } = await converse(server, service, { UniqueName: 'old' })
    await server.text(alice.identifier, alice.proxy, 'Long ago')
    await heard(server, bob, 'Long ago')
    await settled(server, service)
    const recent = await openSession(server, service, { UniqueName: 'recent' })
    const open = await openSession(server, service, { UniqueName: 'open' })
    await closeDaysAgo(server, session, 91)
    await closeDaysAgo(server, recent, 89)

    await purgeClosedSessions({ ...server.store, rules: { ...server.store.rules, retention_days: 0 } }, 100)
    assert.equal((await server.get(session.path)).status, 200, 'with 0 days nothing is ever purged')
    await purgeClosedSessions(server.store, 100)
    assert.equal((await server.get(session.path)).status, 404)
    for (const table of ['participants', 'interactions']) {
      assert.equal(await count(server, table, 'session_sid = $1', [session.sid]), 0, table)
    }
    assert.equal((await server.get(recent.path)).status, 200, 'closed 89 days ago')
    assert.equal((await server.get(open.path)).status, 200, 'still open')
    assert.equal((await server.post(`${service.path}/Sessions`, { UniqueName: 'old' })).status, 201)
  })
})

test('messages of strangers, events, callback attempts and idempotency keys go when they are old, and not before', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 1)
    const number = service.numbers[0]?.phone_number ?? ''
    await server.text(newPerson(), number, 'Anybody?')
    await server.post(service.path, {}, { 'Idempotency-Key': `key-${service.sid}` })
    await settled(server, service)
    const left = async () => ({
      strangers: await count(server, 'interactions', 'service_sid = $1', [service.sid]),
      events: await count(server, 'events', 'service_sid = $1', [service.sid]),
      keys: await count(server, 'idempotency_keys', 'key = $1', [`key-${service.sid}`]),
    })
    await purgeOldRecords(server.store)
    const before = await left()
    assert.deepEqual([before.strangers, before.keys], [1, 1])
    assert.ok(before.events > 0, 'a stranger leaves an event')

    for (const table of ['interactions', 'events', 'idempotency_keys']) {
      await rows(server, `update ${table} set date_created = date_created - interval '91 days'`)
    }
    await purgeOldRecords(server.store)
    assert.deepEqual(await left(), { strangers: 0, events: 0, keys: 0 })
  })
})

test('the bytes of an attachment are forgotten once its address has expired', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 0)
    const bytes = server.store.keys.seal(`KI${'1'.repeat(32)}/media/0/bytes`, 'a picture')
    const insert = `insert into media (service_sid, interaction_sid, position, token, state, source_url_sealed, content_type,
                                     bytes_sealed, expires_at)
                  values ($1, $2, 0, $3, 'hosted', $4, 'image/png', $4, now() + $5::interval)`
    const tokens = ['a'.repeat(32), 'b'.repeat(32)]
    await rows(server, insert, [service.sid, `KI${'1'.repeat(32)}`, tokens[0], bytes, '1 hour'])
    await rows(server, insert, [service.sid, `KI${'2'.repeat(32)}`, tokens[1], bytes, '-1 second'])
    const status = async (token = '') => (await fetch(`${server.url}/media/${service.sid}/${token}`)).status
    assert.deepEqual([await status(tokens[0]), await status(tokens[1])], [200, 404])
    assert.equal(await forgetExpiredMedia(server.store), 1)
    const kept = await rows(server, 'select token from media where service_sid = $1 and bytes_sealed is not null', [
      service.sid,
    ])
    assert.deepEqual(kept, [{ token: tokens[0] }])
  })
})
