import assert from 'node:assert/strict'
import { test } from 'node:test'
import { purgeBodies } from '../src/core/bodies.ts'
import { setLegalHold } from '../src/core/legal-hold.ts'
import { subjectOf } from '../src/core/privacy/subject.ts'
import { purgeOldRecords } from '../src/core/retention.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { converse, heard, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { assertRefused, makeService, rows, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const getServer = serverForFile()

async function makeWorld(server: TestServer) {
  const service = await makeService(server, 3)
  const talk = await converse(server, service)
  const other = await converse(server, service)
  const stranger = newPerson()
  for (const { alice, bob } of [talk, other]) {
    await server.text(alice.identifier, alice.proxy, 'Evidence')
    await heard(server, bob, 'Evidence')
  }
  await server.text(stranger, service.numbers[0]?.phone_number ?? '', 'Anybody?')
  await settled(server, service)
  return { service, talk, other, stranger }
}
type World = Awaited<ReturnType<typeof makeWorld>>

/** Everything as old as it may get, and purged. */
async function age(server: TestServer, { service }: World) {
  await rows(server, `update sessions set date_ended = now() - interval '91 days' where service_sid = $1`, [
    service.sid,
  ])
  await rows(server, `update interactions set date_created = now() - interval '91 days' where service_sid = $1`, [
    service.sid,
  ])
  await purgeClosedSessions(server.store, 100)
  await purgeBodies(server.store, Date.now() + 100 * 86_400_000)
  await purgeOldRecords(server.store)
}

const countOf = async (server: TestServer, { service }: World, table: string) =>
  (await rows(server, `select from ${table} where service_sid = $1`, [service.sid])).length

test('nothing of an account under legal hold is deleted, by the API or by age, until it is lifted', async () => {
  const server = await getServer()
  const world = await makeWorld(server)
  const { service, talk, other, stranger } = world
  const [said] = await interactionsOf(server, talk.session)
  await server.post(other.session.path, { Status: 'closed' })
  const { account } = server
  await server.post('/maskline/v1/Settings', { BodyRetention: '1' })
  await withoutSweeper(server, async () => {
    await setLegalHold(server.store, account.sid, 'everybody', 'on')
    assert.equal((await server.get('/maskline/v1/Settings')).body.legal_hold, true)
    for (const path of [service.path, talk.session.path, `${talk.session.path}/Interactions/${said?.sid}`]) {
      assertRefused(await server.delete(path), 403, 80615)
    }
    assertRefused(await server.post('/maskline/v1/Privacy/Erase', { Identifier: stranger }), 403, 80615)
    await age(server, world)
    assert.deepEqual([await countOf(server, world, 'sessions'), await countOf(server, world, 'interactions')], [2, 3])
    assert.deepEqual(
      (await interactionsOf(server, other.session)).map(({ data }) => data),
      ['{"body":"Evidence"}'],
    )

    await setLegalHold(server.store, account.sid, 'everybody', 'off')
    await age(server, world)
    assert.deepEqual(
      [await countOf(server, world, 'sessions'), (await interactionsOf(server, talk.session)).map(({ data }) => data)],
      [1, ['{}']],
      'control: without the hold it is',
    )
    assert.equal((await server.delete(service.path)).status, 204)
  })
  await server.post('/maskline/v1/Settings', { BodyRetention: '' })
  const audited = await rows(server, `select action from audit_log where action like 'legal-hold%' order by sid`)
  assert.deepEqual(
    audited.map(({ action }) => action),
    ['legal-hold.on', 'legal-hold.off'],
  )
})

test('a hold on one person keeps their sessions and what they wrote outside of any, and lets all others go', async () => {
  const server = await getServer()
  const world = await makeWorld(server)
  const { service, talk, other, stranger } = world
  await withoutSweeper(server, async () => {
    for (const { session } of [talk, other]) await server.post(session.path, { Status: 'closed' })
    for (const number of [talk.bob.identifier, stranger]) {
      await setLegalHold(server.store, server.account.sid, subjectOf(server.store, server.account.sid, number), 'on')
    }
    for (const path of [service.path, talk.session.path]) assertRefused(await server.delete(path), 403, 80615)
    assertRefused(await server.post('/maskline/v1/Privacy/Erase', { Identifier: talk.bob.identifier }), 403, 80615)
    await age(server, world)
    assert.deepEqual(
      [(await server.get(talk.session.path)).status, (await server.get(other.session.path)).status],
      [200, 404],
    )
    const outside = await rows(
      server,
      `select from interactions where service_sid = $1 and outcome = 'out-of-session'`,
      [service.sid],
    )
    assert.equal(outside.length, 1)
    for (const number of [talk.bob.identifier, stranger]) {
      await setLegalHold(server.store, server.account.sid, subjectOf(server.store, server.account.sid, number), 'off')
    }
    assert.equal((await server.delete(talk.session.path)).status, 204)
    assert.equal((await server.delete(service.path)).status, 204)
  })
})
