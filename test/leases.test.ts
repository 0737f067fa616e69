import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { renewClaims } from '../src/db/statements/claim-interactions.ts'
import { startLeases } from '../src/jobs/leases.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { eventually } from './support/server.ts'

const server = serverForFile()
const log = pino({ level: 'silent' })

test('work that takes longer than its lease is held on to until it is released', async () => {
  const renewed: string[][] = []
  const leases = startLeases<string>({ lease_s: 0.3, renew: async (held) => void renewed.push(held), log })
  const [job = ''] = await leases.holdAll(async () => ['job'])
  await eventually(async () => renewed.length >= 20, 'twenty renewals, four leases long')
  assert.equal(leases.isHeld(job), true)
  leases.release(job)
  assert.equal(leases.isHeld(job), false)
  leases.stop()
})

test('what could not be renewed for as long as a lease lasts is not held any more, nor renewed later', async () => {
  let asked = 0
  const renew = async () => {
    asked++
    throw new Error('the database is gone')
  }
  const leases = startLeases<string>({ lease_s: 0.3, renew, log })
  await leases.holdAll(async () => ['job'])
  assert.equal(leases.isHeld('job'), true)
  await eventually(async () => !leases.isHeld('job'), 'the lease is lost')
  const before = asked
  assert.ok(before > 0)
  await leases.holdAll(async () => ['other'])
  await eventually(async () => asked > before, 'the other is to be renewed')
  assert.equal(leases.isHeld('job'), false)
  leases.stop()
})

test('a renewal moves what is in hand, and neither what was put off nor what is done', async () => {
  const { store } = await server()
  const service = await makeService(await server(), 2)
  const due = async (sid: string, at: string | null) => {
    await rows(
      await server(),
      `insert into interactions (service_sid, sid, account_sid, type, origin, outcome, carrier_sid, due_at)
       values ($1, $2, 'AC', 'message', 'api', 'sent', 'MC', now() + $3::interval)`,
      [service.sid, sid, at],
    )
    return { service_sid: service.sid, sid }
  }
  const held = [await due('in-hand', '20 seconds'), await due('put-off', '300 seconds'), await due('done', null)]
  await renewClaims(store.pool, held, 25)
  const after = await rows(
    await server(),
    `select sid, round(extract(epoch from due_at - now()))::int as wait from interactions
     where service_sid = $1 and carrier_sid = 'MC' order by sid`,
    [service.sid],
  )
  assert.deepEqual(after, [
    { sid: 'done', wait: null },
    { sid: 'in-hand', wait: 25 },
    { sid: 'put-off', wait: 300 },
  ])
  await rows(await server(), `delete from interactions where carrier_sid = 'MC'`)
})
