import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetPairs } from '../src/core/cool-down.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { peopleQuery } from '../src/db/statements/read-people.ts'
import { end, letPass, type Met, meet, newStranger, relayed, setCoolDown, trio } from './support/late-reply.ts'
import { makeService, type Pool, rows, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()
const DAY_S = 86_400

/** Gives a number that is in nobody's pool to a service. */
async function give(server: TestServer, service: Pool, { sid }: { sid: string }) {
  const answer = await server.post(`${service.path}/PhoneNumbers`, { Sid: sid })
  assert.equal(answer.status, 201, answer.text)
}

/** Alice has met Bob in a service that lost its only number since, to one that has another besides. */
async function startMoved(server: TestServer, how: 'the number' | 'the service') {
  const [from, to] = [await makeService(server, 1), await makeService(server, 1)]
  const [moved, other] = [from.numbers[0], to.numbers[0]]
  assert(moved && other)
  const people = trio()
  const first = await meet(server, from, [people[0], people[1]])
  if (how === 'the number') {
    await end(server, first, 'closed')
    assert.equal((await server.delete(`${from.path}/PhoneNumbers/${moved.sid}`)).status, 204)
  } else {
    assert.equal((await server.delete(from.path)).status, 204)
  }
  await give(server, to, moved)
  // So that nothing but the hold speaks for the other one, which is busier.
  await meet(server, to, [newStranger(), newStranger()])
  return { from, to, moved, other, people }
}

test('a number that moved to another service is not given there to who used it before, for 45 days', async () => {
  const server = await shared()
  for (const how of ['the number', 'the service'] as const) {
    const { from, to, moved, other, people } = await startMoved(server, how)
    const [alice, , carol] = people
    await letPass(server, from, 44 * DAY_S)
    const second = await meet(server, to, [alice, carol])
    assert.equal(second.numbers[0], other.phone_number, how)
    assert.equal(await relayed(server, to, await server.text(alice, moved.phone_number, 'Late')), false)
    await end(server, second, 'deleted')
    await setCoolDown(server, to, { CoolDown: '0', CoolDownMode: 'strict' })
    await server.post(`${to.path}/PhoneNumbers/${other.sid}`, { IsReserved: 'true' })
    const Participants = [alice, carol].map((Identifier) => JSON.stringify({ Identifier }))
    const refused = await server.post(`${to.path}/Sessions`, { Participants })
    assert.equal(refused.body.code, 80208, `${how}: strict mode holds too`)
    await letPass(server, from, DAY_S)
    assert.equal((await server.post(`${to.path}/Sessions`, { Participants })).status, 201, `${how}: 45 days are over`)
  }
})

test('with a hold of 0 days nothing of other services counts', async (t) => {
  const server = await shared()
  const { database_url, master_key, account } = server
  const env = { MASKLINE_NUMBER_HOLD_DAYS: '0' }
  const careless = await startServer(t, { database_url, master_key, account, env })
  const { to, other, people } = await startMoved(server, 'the number')
  const [alice, , carol] = people
  await setCoolDown(server, to, { CoolDownMode: 'strict' })
  await server.post(`${to.path}/PhoneNumbers/${other.sid}`, { IsReserved: 'true' })
  const Participants = [alice, carol].map((Identifier) => JSON.stringify({ Identifier }))
  assert.equal((await server.post(`${to.path}/Sessions`, { Participants })).body.code, 80208)
  assert.equal((await careless.post(`${to.path}/Sessions`, { Participants })).status, 201)
})

test('a number may come back to its service at once, where the cool-down goes on', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const [alice, bob, carol] = trio()
  const first = await meet(server, service, [alice, bob])
  await end(server, first, 'closed')
  const number = service.numbers.find(({ phone_number }) => phone_number === first.numbers[0])
  assert(number)
  await server.delete(`${service.path}/PhoneNumbers/${number.sid}`)
  await give(server, service, number)
  const second = await meet(server, service, [alice, carol])
  assert.notEqual(second.numbers[0], first.numbers[0])
})

test('sessions that are purged before the cool-down is over are remembered for it, without a word of who it was', async () => {
  const server = await shared()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    await setCoolDown(server, service, { CoolDown: String(100 * DAY_S), CoolDownMode: 'strict' })
    const [alice, bob, carol] = trio()
    const first = await meet(server, service, [alice, bob])
    await end(server, first, 'closed')
    await ago(server, service, first, 95)
    await purgeClosedSessions(server.store, 100)
    assert.equal((await server.get(first.session.path)).status, 404)
    assert.notEqual((await meet(server, service, [alice, carol])).numbers[0], first.numbers[0])

    const [row] = await rows(server, 'select * from released_pairs where service_sid = $1', [service.sid])
    assert.deepEqual(Object.keys(row).sort(), [
      ...['date_released', 'identifier_hash', 'kept_until', 'partner_hash', 'proxy_identifier', 'service_sid', 'sid'],
    ])
    assert.equal((await meet(server, service, [alice, bob])).numbers[0], first.numbers[0], 'and so is whom they met')
  })
})

test('what is remembered is forgotten when it is over, and what is over already is not remembered', async () => {
  const server = await shared()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    const remembered = async () =>
      (await rows(server, 'select sid from released_pairs where service_sid = $1', [service.sid])).length
    const [first, second] = [await meet(server, service, pair()), await meet(server, service, pair())]
    await end(server, first, 'closed')
    await ago(server, service, first, 46)
    await end(server, first, 'deleted')
    assert.equal(await remembered(), 0)
    await end(server, second, 'deleted')
    assert.equal(await remembered(), 2)
    await forgetPairs(server.store)
    assert.equal(await remembered(), 2)
    await rows(
      server,
      "update released_pairs set kept_until = kept_until - interval '45 days' where service_sid = $1",
      [service.sid],
    )
    await forgetPairs(server.store)
    assert.equal(await remembered(), 0)
  })
})

test('what is read for a person does not grow with the history of others', async () => {
  const server = await shared()
  const service = await makeService(server, 10)
  const alice = newStranger()
  for (let at = 0; at < 10; at++) await end(server, await meet(server, service, [alice, newStranger()]), 'closed')
  await rows(
    server,
    `insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash,
                               proxy_identifier, proxy_identifier_sid, date_released)
     select case when at % 2 = 0 then $1 else 'KS' || md5(at::text) end, 'KP' || md5(at::text), 'KC' || md5((at / 2)::text), $2, '', sha256(at::text::bytea), $3, $4, now()
     from generate_series(1, 100000) at`,
    [service.sid, server.account.sid, service.numbers[0]?.phone_number, service.numbers[0]?.sid],
  )
  await rows(server, 'analyze participants')
  const [identifier_hash, partner_hash] = [alice, newStranger()].map((each) => server.store.keys.blindIndex(each))
  assert(identifier_hash)
  const measure = async () => {
    const people = [{ number: alice, identifier_hash, partner_hash }]
    const window = { service_sid: service.sid, cool_down_s: 3 * DAY_S, hold_s: 45 * DAY_S }
    const { text, values } = peopleQuery({ ...window, people })
    const [found] = await rows(server, text, values)
    const [plan] = await rows(server, `explain (analyze, buffers, format json) ${text}`, values)
    const root = plan['QUERY PLAN'][0].Plan
    return {
      found: found.cooling.length,
      pages: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
      text: JSON.stringify(root),
    }
  }
  const { found, pages, text } = await measure()
  assert.equal(found, 10)
  assert.match(text, /"Index Name":"participants_released"/)
  assert.ok(pages < 120, `${pages} pages for ten numbers and ten releases`)

  // The last test of the file, because it breaks the schema.
  await rows(server, 'drop index participants_released')
  const control = await measure()
  assert.equal(control.found, 10)
  assert.ok(control.pages > 500, `control: without the index ${control.pages} pages`)
})

const pair = (): [string, string] => [newStranger(), newStranger()]

/** As if a session had ended so many days ago. */
async function ago(server: TestServer, service: Pool, { session }: Met, days: number) {
  await rows(server, 'update sessions set date_ended = date_ended - make_interval(days => $2) where sid = $1', [
    session.sid,
    days,
  ])
  await letPass(server, service, days * DAY_S)
}
