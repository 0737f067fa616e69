import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, type TestContext } from 'node:test'
import pino from 'pino'
import { type Database, openDatabase, sharedBuffers } from '../src/db/open.ts'

const data_dir = mkdtempSync(join(tmpdir(), 'maskline-open-'))
const log = pino({ level: 'silent' })
const progress = () => {}
let server: Database

before(async () => {
  const postgres_flags = ['-c', 'fsync=off']
  server = await openDatabase({ database_url: undefined, data_dir, pool: 2, progress, log, postgres_flags })
})
after(async () => {
  await server.stop()
  rmSync(data_dir, { recursive: true })
})

const openUrl = (database_url: string) => openDatabase({ database_url, data_dir, pool: 3, progress, log })

/** The URL of the test's server with other parts. */
function urlWith(parts: { password?: string; pathname?: string; port?: string }) {
  return Object.assign(new URL(server.url), parts).href
}

test('the embedded PostgreSQL keeps a quarter of the memory, within bounds', async () => {
  const gigabytes = [0.25, 1, 4, 64].map((memory) => sharedBuffers(memory * 2 ** 30))
  assert.deepEqual(gigabytes, [128, 256, 1024, 8192])
  const { rows } = await server.pool.query(
    "select (setting::int * 8192::bigint / (1024 * 1024))::int as mb from pg_settings where name = 'shared_buffers'",
  )
  assert.deepEqual(rows, [{ mb: sharedBuffers() }])
})

test('a PostgreSQL of your own is used through DATABASE_URL, and left running', async () => {
  const db = await openUrl(server.url)
  assert.equal(db.embedded, false)
  assert.equal(db.url, server.url)
  assert.equal(db.pool.options.max, 3)
  assert.deepEqual((await db.pool.query("select current_setting('application_name') as name")).rows, [
    { name: 'maskline' },
  ])
  await db.stop()
  assert.deepEqual((await server.pool.query('select 1 as one')).rows, [{ one: 1 }])
})

test('a connection that the server closes while idle is replaced', async (t) => {
  const db = await openUrl(server.url)
  t.after(db.stop)
  const { rows } = await db.pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  const lost = once(db.pool, 'error')
  await server.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid])
  await lost
  assert.deepEqual((await db.pool.query('select 1 as one')).rows, [{ one: 1 }])
})

test('what is wrong with DATABASE_URL is said, without the password', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const address = closed.address()
  assert(typeof address === 'object' && address)
  closed.close()
  await once(closed, 'close')
  const { host } = new URL(server.url)
  const cases: [string, RegExp][] = [
    [urlWith({ port: String(address.port), password: 'hunter2' }), /127\.0\.0\.1:\d+\/maskline: nothing listens there/],
    [urlWith({ password: 'hunter2' }), new RegExp(`${host}/maskline: the password is wrong`)],
    [urlWith({ pathname: '/nowhere' }), new RegExp(`${host}/nowhere: this database does not exist`)],
    ['postgres://maskline:hunter2@database.invalid/maskline', /database\.invalid\/maskline: the host name/],
  ]
  for (const [url, message] of cases) {
    await assert.rejects(openUrl(url), (error: Error) => {
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, new RegExp(new URL(url).password))
      return true
    })
  }
})

test('a database in another encoding is refused', async () => {
  await server.pool.query("create database latin encoding 'LATIN1' template template0")
  await assert.rejects(openUrl(urlWith({ pathname: '/latin' })), /encoding LATIN1, and maskline needs UTF8/)
})

test('a PostgreSQL older than version 15 is refused', async (t) => {
  const row = ['140012', '14.12', 'UTF8', 'f']
  await assert.rejects(openUrl(await startServerAnswering(t, row)), /PostgreSQL 14\.12 is too old: .* 15 or newer/)
  const db = await openUrl(await startServerAnswering(t, ['150000', '15.0', 'UTF8', 'f']))
  await db.stop()
})

test('a standby is refused', async (t) => {
  const url = await startServerAnswering(t, ['160000', '16.0', 'UTF8', 't'])
  await assert.rejects(openUrl(url), /read-only standby/)
})

/** A server that speaks PostgreSQL's protocol as far as to answer any query with this row. */
async function startServerAnswering(t: TestContext, row: string[]): Promise<string> {
  const frame = (type: string, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts)
    return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
  }
  const ready = frame('Z', Buffer.from('I'))
  const columns = ['number', 'version', 'encoding', 'standby'].map((name, index) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32([23, 25, 25, 16][index] ?? 25),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  )
  const values = row.map((text) => Buffer.concat([int32(text.length), Buffer.from(text)]))
  const answer = Buffer.concat([
    frame('T', int16(row.length), ...columns),
    frame('D', int16(row.length), ...values),
    frame('C', Buffer.from('SELECT 1\0')),
    ready,
  ])
  const converse = (socket: Socket) => {
    socket.once('data', () => {
      socket.write(Buffer.concat([frame('R', int32(0)), ready]))
      socket.on('data', (data) => {
        if (data.toString('latin1', 0, 1) === 'Q') socket.write(answer)
      })
    })
  }
  const fake = createServer(converse).listen(0, '127.0.0.1')
  t.after(() => fake.close())
  await once(fake, 'listening')
  const address = fake.address()
  assert(typeof address === 'object' && address)
  return `postgres://maskline@127.0.0.1:${address.port}/maskline`
}

function int16(value: number) {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number) {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
