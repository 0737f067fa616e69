import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageStatus } from '../src/core/carrier.ts'
import { isTakenByAnother, supersededBy } from '../src/core/outbound.ts'
import { newSid } from '../src/core/sid.ts'
import { type LegMove, moveLegStatement } from '../src/db/statements/move-leg.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'

const getServer = serverForFile()

type Leg = { service_sid: string; sid: string }
const CARRIER = newSid('MC')

/** A message that is at the carrier. `carrier_id` is what the carrier calls it, when that is on record. */
async function makeLeg({ sid: service_sid }: { sid: string }, carrier_id: string | null = null): Promise<Leg> {
  const server = await getServer()
  const sid = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, carrier_sid,
                               outbound_carrier_sid, outbound_carrier_id, stage, due_at, date_updated)
     values ($1, $2, $3, 'KC', 'message', 'inbound', 'relayed', $4, $4, $5, 'send', now() + interval '1 hour', now())`,
    [service_sid, sid, server.account.sid, CARRIER, carrier_id],
  )
  return { service_sid, sid }
}

const reported = ({ service_sid, sid }: Leg, status: MessageStatus, more: Partial<LegMove> = {}): LegMove => ({
  ...{ service_sid, sid, status, superseded: supersededBy('message', status), carrier_leg_id: null },
  ...{ resource_sid: null, error_code: null, callback_sid: newSid('CB'), carrier_sid: CARRIER, ends: true },
  ...{ duration_s: null, ...more },
})

const statusOf = async ({ sid }: Leg) =>
  (
    await rows(await getServer(), 'select outbound_resource_status as status from interactions where sid = $1', [sid])
  )[0]?.status

const count = (times: number) => Array.from({ length: times }, (_, at) => at)

test('reports that come together share a commit', async () => {
  const { store } = await getServer()
  const service = await makeService(await getServer())
  const legs = await Promise.all(count(20).map(() => makeLeg(service)))
  const moved = await Promise.all(legs.map((leg) => moveLegStatement(store.pool, reported(leg, 'sent'))))
  assert.ok(moved.every((leg) => leg?.advances && leg.status === 'sent'))
  const [found] = await rows(
    await getServer(),
    `select count(*)::int as legs, count(distinct date_updated)::int as commits from interactions
     where service_sid = $1 and outbound_resource_status = 'sent' and due_at is null`,
    [service.sid],
  )
  assert.deepEqual(found, { legs: 20, commits: 1 })
})

test('several reports of one leg at once end at the best of them in either order, and each change is told', async (t) => {
  const { store } = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(await getServer(), 2, { CallbackUrl: receiver.url })
  const others = await Promise.all(count(5).map(() => makeLeg(service)))
  const order: MessageStatus[] = ['queued', 'sent', 'delivered']
  for (const [statuses, advances, told] of [
    [order, [true, true, true], order],
    [order.toReversed(), [true, false, false], ['delivered']],
  ] as const) {
    const leg = await makeLeg(service)
    const moves = [...statuses.map((status) => reported(leg, status)), ...others.map((one) => reported(one, 'sent'))]
    const moved = await Promise.all(moves.map((move) => moveLegStatement(store.pool, move)))
    assert.deepEqual(
      moved.slice(0, 3).map((each) => each?.advances),
      advances,
    )
    assert.equal(await statusOf(leg), 'delivered')
    const callbacks = await rows(
      await getServer(),
      `select outbound_resource_status as status from callbacks where interaction_sid = $1 order by interaction_date_updated`,
      [leg.sid],
    )
    assert.deepEqual(
      callbacks.map(({ status }) => status),
      told,
    )
  }
})

test('a report that cannot be stored, or is of no leg of its carrier, harms none that comes with it', async () => {
  const { store } = await getServer()
  const service = await makeService(await getServer())
  await makeLeg(service, 'taken')
  const [wrong, foreign, ...right] = await Promise.all(count(6).map(() => makeLeg(service)))
  assert.ok(wrong && foreign)
  const nobody = { service_sid: service.sid, sid: newSid('KI') }
  const moves = [
    reported(right[0]!, 'sent'),
    reported(wrong, 'sent', { carrier_leg_id: 'taken' }),
    reported(foreign, 'sent', { carrier_sid: newSid('MC') }),
    reported(nobody, 'sent'),
    ...right.slice(1).map((leg) => reported(leg, 'sent')),
  ]
  const [first, taken, ofAnother, ofNobody, ...rest] = await Promise.allSettled(
    moves.map((move) => moveLegStatement(store.pool, move)),
  )
  assert.ok(taken?.status === 'rejected' && isTakenByAnother(taken.reason))
  for (const each of [ofAnother, ofNobody]) assert.deepEqual(each, { status: 'fulfilled', value: undefined })
  for (const each of [first, ...rest]) assert.ok(each?.status === 'fulfilled' && each.value?.advances)
  assert.deepEqual(await Promise.all([wrong, foreign, ...right].map(statusOf)), [
    null,
    null,
    ...right.map(() => 'sent'),
  ])
})

test('what was blocked or deleted has no leg that could move', async () => {
  const server = await getServer()
  const service = await makeService(server)
  for (const outcome of ['blocked', 'deleted']) {
    const leg = await makeLeg(service)
    await rows(server, 'update interactions set outcome = $1 where sid = $2', [outcome, leg.sid])
    assert.equal(await moveLegStatement(server.store.pool, reported(leg, 'canceled', { carrier_sid: null })), undefined)
    assert.equal(await statusOf(leg), null)
  }
})
