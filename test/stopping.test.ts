import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import pg from 'pg'
import { makeService, openSession } from './support/proxy-api.ts'
import { eventually, startServer } from './support/server.ts'

test('a request under way at the stop is answered, and its kept connection does not hold the stop up', async (t) => {
  const server = await startServer(t)
  const session = await openSession(server, await makeService(server, 0))
  const holder = new pg.Client({ connectionString: server.database_url })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select from sessions where sid = $1 for update', [session.sid])

  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const status = new Promise((resolve, reject) => {
    const auth = `${server.account.sid}:${server.account.auth_token}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const asked = request(`${server.direct}${session.path}`, { method: 'POST', agent, auth, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode))
    })
    asked.on('error', reject).end('Status=closed')
  })
  const waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
  await eventually(async () => (await holder.query(waiting)).rowCount === 1, 'the request waits')

  const stopped = server.stop()
  const isClosed = () =>
    fetch(`${server.direct}/health/live`).then(
      () => false,
      () => true,
    )
  await eventually(isClosed, 'the door is closed')
  await holder.query('rollback')
  await holder.end()
  assert.equal(await status, 200)
  const answered_at = performance.now()
  await stopped
  assert.ok(performance.now() - answered_at < 30_000, 'the stop waited for the connection')
})
