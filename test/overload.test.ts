import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { assertRefused } from './support/proxy-api.ts'
import { eventually, startServer, type TestServer } from './support/server.ts'

/** Nobody reads or writes services until it is let go. */
async function lockServices(t: { after(clean: () => unknown): void }, server: TestServer) {
  const client = new pg.Client({ connectionString: server.database_url })
  // The database is dropped before this has ended.
  client.on('error', () => undefined)
  await client.connect()
  t.after(() => client.end())
  await client.query('begin; lock table services in access exclusive mode')
  return {
    waiting: async () => {
      const { rows } = await client.query('select count(*)::int as n from pg_locks where not granted')
      return rows[0].n as number
    },
    letGo: () => client.query('commit'),
  }
}

const ask = (server: TestServer, path: string, signal: AbortSignal | null = null) => {
  const { sid, auth_token } = server.account
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  return fetch(server.direct + path, { headers: { authorization }, signal })
}

test('with as much in hand as it may, the server says at once to come again, and goes on with what it has', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '2' } })
  const lock = await lockServices(t, server)
  const first = [ask(server, '/v1/Services'), ask(server, '/v1/Services')]
  await eventually(async () => (await lock.waiting()) === 2, 'both wait for the database')

  const refused = await server.get('/v1/Services')
  assertRefused(refused, 503, 20503)
  assert.equal(refused.headers.get('retry-after'), '1')
  const webhook = await fetch(`${server.direct}/webhooks/${server.account.carrier_sid}/messages`, { method: 'POST' })
  assert.deepEqual([webhook.status, webhook.headers.get('retry-after')], [503, '1'])
  for (const probe of ['live', 'ready']) {
    assert.equal((await fetch(`${server.direct}/health/${probe}`)).status, 200)
  }

  await lock.letGo()
  for (const answer of await Promise.all(first)) assert.equal(answer.status, 200)
  assert.equal((await server.get('/v1/Services')).status, 200)
})

test('whoever hangs up makes room', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '1' } })
  const lock = await lockServices(t, server)
  const gone = new AbortController()
  const abandoned = ask(server, '/v1/Services', gone.signal)
  await eventually(async () => (await lock.waiting()) === 1, 'it waits for the database')
  assert.equal((await server.get('/openapi.json')).status, 200)
  assert.equal((await server.get('/v1/Services/KS00000000000000000000000000000000')).status, 503)
  gone.abort()
  await assert.rejects(abandoned)
  // Who is not signed in is refused without the database.
  await eventually(async () => (await fetch(`${server.direct}/v1/Services`)).status === 401, 'there is room')
  await lock.letGo()
})
