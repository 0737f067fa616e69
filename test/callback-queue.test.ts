import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newSid } from '../src/core/sid.ts'
import { startWorker } from '../src/jobs/worker.ts'
import { createLogger } from '../src/log.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'

const getServer = serverForFile()

/** Makes so many callbacks due at once, of one interaction. */
async function makeDue(service: { sid: string }, url: string, many: number): Promise<{ interaction_sid: string }> {
  const server = await getServer()
  const interaction_sid = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, carrier_sid)
     values ($1, $2, $3, 'KC', 'message', 'api', 'sent', 'MC')`,
    [service.sid, interaction_sid, server.account.sid],
  )
  await rows(
    server,
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at)
     select $1, 'CB' || md5($2 || n::text), $3, $2, $4, now(), now() from generate_series(1, $5) as n`,
    [service.sid, interaction_sid, server.account.sid, url, many],
  )
  return { interaction_sid }
}

const attemptsAt = async ({ interaction_sid }: { interaction_sid: string }) =>
  await rows(
    await getServer(),
    'select callback_sid, attempt, status_code from callback_attempts where interaction_sid = $1',
    [interaction_sid],
  )

test('an application that does not answer holds up nobody else, however much waits for it', async (t) => {
  const service = await makeService(await getServer())
  const slow = await startReceiver(t, () => new Promise(() => undefined))
  const quick = await startReceiver(t)
  await makeDue(service, `${slow.url}/silent`, 400)
  await eventually(async () => slow.requests.length >= 100, 'as much is under way as may be')
  await makeDue(service, `${quick.url}/told`, 1)
  await quick.next()
  assert.ok(slow.requests.length < 200, `${slow.requests.length} of 200 places are taken by one host`)
  await rows(await getServer(), 'delete from callbacks where service_sid = $1', [service.sid])
})

test('each callback is told once and is on record once, however many end together', async (t) => {
  const service = await makeService(await getServer())
  const receiver = await startReceiver(t)
  const about = await makeDue(service, receiver.url, 300)
  const left = async () =>
    await rows(await getServer(), 'select from callbacks where service_sid = $1 and due_at is not null', [service.sid])
  await eventually(async () => (await left()).length === 0, 'all are delivered')
  const told = receiver.requests.map(({ headers }) => headers['i-twilio-idempotency-token'])
  assert.deepEqual([told.length, new Set(told).size], [300, 300])
  const attempts = await attemptsAt(about)
  assert.deepEqual(attempts.map(({ callback_sid }) => callback_sid).sort(), [...told].sort())
  assert.ok(attempts.every(({ attempt, status_code }) => attempt === 1 && status_code === 200))
})

test('of a callback that was deleted while it was under way nothing is kept', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  let answer: () => void = () => undefined
  const receiver = await startReceiver(t, ({ target }) =>
    target === '/deleted' ? new Promise((resolve) => (answer = () => resolve({}))) : {},
  )
  const deleted = await makeDue(service, `${receiver.url}/deleted`, 1)
  await receiver.next()
  await rows(server, 'delete from callbacks where service_sid = $1', [service.sid])
  answer()
  const kept = await makeDue(service, `${receiver.url}/kept`, 1)
  await eventually(async () => (await attemptsAt(kept)).length === 1, 'the next one is on record')
  assert.deepEqual(await attemptsAt(deleted), [])
})

test('a worker that is woken often claims now and then, and leaves nothing', async (t) => {
  const due: number[] = []
  const done: number[] = []
  let claims = 0
  const worker = startWorker<number>({
    ...{ name: 'test', concurrency: 500, log: createLogger('silent') },
    claim: async (limit) => {
      claims++
      // As long as an answer of the database takes, there is more to do.
      for (let at = 0; at < 3; at++) await new Promise((resolve) => setImmediate(resolve))
      return due.splice(0, limit)
    },
    work: async (job) => void done.push(job),
  })
  t.after(() => worker.stop())
  for (let at = 0; at < 1000; at++) {
    due.push(at)
    worker.wake()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually(async () => done.length === 1000, 'all is done')
  assert.ok(claims < 200, `${claims} claims for 1,000 jobs`)
})

test('while all that is due waits for one queue, a worker does not look through it with each wake-up', async (t) => {
  const ends: (() => void)[] = []
  const due = Array.from({ length: 50 }, () => 'full')
  const looks: string[][] = []
  const worker = startWorker<string>({
    ...{ name: 'test', concurrency: 20, isPatient: true },
    queues: { of: (job) => job, most: 5 },
    claim: async (limit, full) => {
      looks.push(full)
      // As long as it takes to read what is due.
      await new Promise((resolve) => setTimeout(resolve, 8))
      return due.splice(0, full.includes('full') ? 0 : Math.min(limit, 5))
    },
    work: () => new Promise((resolve) => ends.push(resolve)),
    log: createLogger('silent'),
  })
  t.after(async () => {
    for (const end of ends) end()
    await worker.stop()
  })
  await eventually(async () => looks.some((full) => full.length > 0), 'it has looked beside the full queue')
  const seen = looks.length
  const began = performance.now()
  while (performance.now() - began < 400) {
    worker.wake()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(looks.length - seen <= 6, `${looks.length - seen} looks in 0.4 s`)
  const left = due.length
  ends.shift()?.()
  await eventually(async () => due.length < left, 'what has room again is claimed at once')
})
