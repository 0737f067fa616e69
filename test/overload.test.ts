import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { assertRefused } from './support/proxy-api.ts'
import { eventually, startServer, type TestServer } from './support/server.ts'

/** Nobody reads or writes services until it is let go. */
async function lockServices(t: TestContext, server: TestServer) {
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

const credentials = ({ account: { sid, auth_token } }: TestServer) =>
  `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`

const ask = (server: TestServer, path: string, signal: AbortSignal | null = null) =>
  fetch(server.direct + path, { headers: { authorization: credentials(server) }, signal })

/** One connection, on which requests are sent without waiting for answers, and the statuses that have come, in their order. */
function openConnection(t: TestContext, server: TestServer) {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.direct).port) })
  t.after(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  return {
    send(method: string, path: string, body = '') {
      const head = `host: a\r\nauthorization: ${credentials(server)}\r\ncontent-length: ${body.length}`
      socket.write(`${method} ${path} HTTP/1.1\r\n${head}\r\n\r\n${body}`)
    },
    statuses: () => [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)),
  }
}

test('with as much in hand as it may, the server says at once to come again, and goes on with what it has', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '2' } })
  const lock = await lockServices(t, server)
  const first = [ask(server, '/v1/Services'), ask(server, '/v1/Services')]
  await eventually(async () => (await lock.waiting()) === 2, 'both wait for the database')

  const refused = await server.get('/v1/Services')
  assertRefused(refused, 503, 20503)
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.match(refused.headers.get('twilio-request-id') ?? '', /^RQ[0-9a-f]{32}$/)
  const webhook = await fetch(`${server.direct}/webhooks/${server.account.carrier_sid}/messages`, { method: 'POST' })
  assert.deepEqual([webhook.status, webhook.headers.get('retry-after')], [503, '1'])
  assert.equal(webhook.headers.get('x-content-type-options'), 'nosniff')
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
  assert.equal((await server.get('/v1/Services/KS00000000000000000000000000000000')).status, 503)
  gone.abort()
  await assert.rejects(abandoned)
  // Who is not signed in is refused without the database.
  await eventually(async () => (await fetch(`${server.direct}/v1/Services`)).status === 401, 'there is room')
  await lock.letGo()
})

test('a refusal leaves the connection in order, whatever was sent with the request and before it', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '2' } })
  const lock = await lockServices(t, server)
  const busy = openConnection(t, server)
  busy.send('GET', '/v1/Services')
  busy.send('GET', '/v1/Services')
  await eventually(async () => (await lock.waiting()) === 2, 'both wait for the database')
  busy.send('GET', '/v1/Services')
  const other = openConnection(t, server)
  // Longer than what is read of a request that nobody listens to, and than any body may be.
  other.send('POST', '/v1/Services', 'a'.repeat(1_000_000))
  other.send('POST', '/v1/Services', 'UniqueName=b')
  other.send('GET', '/health/live')
  other.send('GET', '/v1/Services')
  await eventually(async () => other.statuses().length === 4, 'all of them are answered')
  assert.deepEqual(other.statuses(), [503, 503, 200, 503])
  assert.deepEqual(busy.statuses(), [])

  await lock.letGo()
  await eventually(async () => busy.statuses().length === 3, 'what was in hand is answered')
  assert.deepEqual(busy.statuses(), [200, 200, 503])
  for (const connection of [busy, other]) {
    connection.send('GET', '/v1/Services')
    const before = connection.statuses().length
    await eventually(async () => connection.statuses().length > before, 'the connection is still served')
    assert.equal(connection.statuses().at(-1), 200)
  }
})
