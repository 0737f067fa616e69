import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { DatabaseLate, limitPool } from '../src/core/time-limit.ts'
import { converse } from './support/conversation.ts'
import { openPool } from './support/database.ts'
import { rows } from './support/proxy-api.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

test('a statement that takes too long is given up with its connection, and the next one gets another', async (t) => {
  const pool = await openPool(t, 1)
  const limited = limitPool(pool, 200)
  await assert.rejects(limited.query('select pg_sleep(30)'), DatabaseLate)
  assert.equal(pool.totalCount, 0)
  assert.deepEqual((await limited.query('select 1 as one')).rows, [{ one: 1 }])
})

test('who waits too long for a connection is told so, and the one that comes late goes back', async (t) => {
  const pool = await openPool(t, 1)
  const limited = limitPool(pool, 100)
  const taken = await pool.connect()
  await assert.rejects(limited.query('select'), DatabaseLate)
  await assert.rejects(limited.connect(), DatabaseLate)
  taken.release()
  assert.deepEqual((await limited.query('select 1 as one')).rows, [{ one: 1 }])
  assert.equal(pool.idleCount, 1)
})

test('a transaction whose statement was given up does nothing more on that connection', async (t) => {
  const pool = await openPool(t, 1)
  const client = await limitPool(pool, 200).connect()
  await client.query('begin')
  await assert.rejects(client.query('select pg_sleep(30)'), DatabaseLate)
  await assert.rejects(client.query('commit'), DatabaseLate)
  client.release()
  assert.equal(pool.totalCount, 0)
})

test('a refusal of the database is handed on as it is', async (t) => {
  const pool = await openPool(t, 1)
  const limited = limitPool(pool, 10_000)
  await assert.rejects(limited.query('select 1 / 0'), { code: '22012' })
  assert.deepEqual((await limited.query('select $1::int as one', [1])).rows, [{ one: 1 }])
})

test('a webhook that the database keeps waiting is answered 503, and sent once when it comes again', async (t) => {
  const { server, twilio, database_url } = await startTwilioServer(t)
  const { session, alice, bob } = await converse(server, await makeTwilioService(server, twilio))
  const holder = new pg.Client({ connectionString: database_url })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select from sessions where sid = $1 for update', [session.sid])

  const text = { from: alice.identifier, to: alice.proxy, body: 'Are you there?', sid: `SM${'1'.repeat(32)}` }
  assert.equal((await twilio.receive(text)).status, 503)
  await holder.query('rollback')
  await holder.end()
  assert.equal((await twilio.receive(text)).status, 200)
  const sent = await twilio.nextSent()
  assert.deepEqual([sent.to, sent.body], [bob.identifier, 'Are you there?'])
  const [{ count }] = await rows(server, 'select count(*)::int as count from interactions')
  assert.equal(count, 1)
})
