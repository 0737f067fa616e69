import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetBriefBodies, purgeBodies } from '../src/core/bodies.ts'
import { purgeOldRecords } from '../src/core/retention.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { type Conversation, converse, heard, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { assertRefused, makeService, type Pool, rows, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import { makeAccount, type TestServer } from './support/server.ts'

const getServer = serverForFile()
const SETTINGS = '/maskline/v1/Settings'
const DAY_MS = 86_400_000

async function closeDaysAgo(server: TestServer, session: { path: string; sid: string }, days: number) {
  await server.post(session.path, { Status: 'closed' })
  const sql = 'update sessions set date_ended = now() - make_interval(days => $2) where sid = $1'
  await rows(server, sql, [session.sid, days])
}

async function say(server: TestServer, service: Pool, talk: Conversation, body: string, media: string[] = []) {
  await server.text(talk.alice.identifier, talk.alice.proxy, body, media)
  await heard(server, talk.bob, body)
  await settled(server, service)
}

const datasOf = async (server: TestServer, { session }: Conversation) =>
  (await interactionsOf(server, session)).map(({ data }) => JSON.parse(data ?? ''))

test('an account says for how long it keeps what, and gives that back to the operator by an empty value', async () => {
  const server = await getServer()
  const first = (await server.get(SETTINGS)).body
  assert.deepEqual([first.session_retention, first.body_retention, first.legal_hold], [90, null, false])
  const set = (await server.post(SETTINGS, { SessionRetention: '30', BodyRetention: '0' })).body
  assert.deepEqual([set.session_retention, set.body_retention], [30, 0])
  assert.deepEqual((await server.get(SETTINGS)).body, set)
  assertRefused(await server.post(SETTINGS, { BodyRetention: '-1' }), 400, 80701)
  const cleared = (await server.post(SETTINGS, { SessionRetention: '', BodyRetention: '' })).body
  assert.deepEqual(cleared, first)
  const audited = await rows(server, `select details from audit_log where action = 'account.retention' order by sid`)
  assert.deepEqual(audited[0]?.details, { retention_days: 30, body_retention_days: 0 })
  assert.equal(audited.length, 2)
})

test('sessions and strangers go by the days of their account, and control: those of another by the server’s', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    const [old, young] = [await converse(server, service), await converse(server, service)]
    await closeDaysAgo(server, old.session, 31)
    await closeDaysAgo(server, young.session, 29)
    await server.text(newPerson(), service.numbers[0]?.phone_number ?? '', 'Anybody?')
    await settled(server, service)
    await rows(server, `update interactions set date_created = now() - interval '31 days' where service_sid = $1`, [
      service.sid,
    ])
    const left = async () => [
      (await server.get(old.session.path)).status,
      (await server.get(young.session.path)).status,
      (await rows(server, 'select from interactions where service_sid = $1', [service.sid])).length,
    ]
    const purge = async () => {
      await purgeClosedSessions(server.store, 100)
      await purgeOldRecords(server.store)
    }
    await rows(server, 'update accounts set retention_days = 1 where sid = $1', [(await makeAccount(server.store)).sid])
    await purge()
    assert.deepEqual(await left(), [200, 200, 1])
    await server.post(SETTINGS, { SessionRetention: '30' })
    await purge()
    assert.deepEqual(await left(), [404, 200, 0])
    await server.post(SETTINGS, { SessionRetention: '0' })
    await closeDaysAgo(server, young.session, 3650)
    await purge()
    assert.equal((await left())[1], 200, '0 is for ever')
    await server.post(SETTINGS, { SessionRetention: '' })
  })
})

test('with no days for bodies a text goes once it is sent, and an attachment once it is there', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    const talk = await converse(server, service)
    await say(server, service, talk, 'Kept')
    await server.post(SETTINGS, { BodyRetention: '0' })
    await say(server, service, talk, 'Forgotten')
    await say(server, service, talk, 'A picture', ['https://example.com/a.png'])
    await server.post(`${talk.session.path}/Participants/${talk.bob.sid}/MessageInteractions`, {
      Body: 'By the office',
    })
    await server.text(newPerson(), service.numbers[0]?.phone_number ?? '', 'Anybody?')
    await settled(server, service)
    await rows(
      server,
      `update interactions set outbound_resource_status = 'sent' where service_sid = $1 and num_media > 0`,
      [service.sid],
    )
    assert.deepEqual(
      (await datasOf(server, talk)).map(({ body }) => body),
      ['Kept', 'Forgotten', 'A picture', 'By the office'],
      'control: until the sweeper comes everything is there',
    )
    assert.equal(await forgetBriefBodies(server.store), 3)
    assert.deepEqual(await datasOf(server, talk), [{ body: 'Kept' }, {}, { body: 'A picture' }, {}])
    await rows(server, `update interactions set outbound_resource_status = 'delivered' where service_sid = $1`, [
      service.sid,
    ])
    assert.equal(await forgetBriefBodies(server.store), 1)
    const media = await rows(server, 'select from media where service_sid = $1', [service.sid])
    assert.deepEqual([(await datasOf(server, talk))[2], media.length], [{}, 0])
    const inClear = 'select from interactions where service_sid = $1 and data_sealed is not null'
    assert.equal((await rows(server, inClear, [service.sid])).length, 1)
    await server.post(SETTINGS, { BodyRetention: '' })
  })
})

test('with days for bodies they go when they are older, each once, and a message that is still due keeps its own', async () => {
  const server = await getServer()
  await withoutSweeper(server, async () => {
    const service = await makeService(server, 2)
    const talk = await converse(server, service)
    for (const body of ['One', 'Two', 'Three']) await say(server, service, talk, body)
    await server.post(SETTINGS, { BodyRetention: '7' })
    const [one, two] = await interactionsOf(server, talk.session)
    await rows(server, `update interactions set stage = 'send', due_at = now() + interval '1 hour' where sid = $1`, [
      two?.sid,
    ])
    assert.equal(await purgeBodies(server.store), 0, 'control: nothing is old yet')
    const later = Date.now() + 7 * DAY_MS + 60_000
    assert.ok((await purgeBodies(server.store, later)) >= 3)
    assert.deepEqual(await datasOf(server, talk), [{}, { body: 'Two' }, {}])
    assert.equal(await purgeBodies(server.store, later), 0, 'they are not gone through again')
    await rows(server, `update interactions set stage = null, due_at = null where sid = $1`, [two?.sid])
    assert.equal(await forgetBriefBodies(server.store), 1)
    assert.deepEqual(await datasOf(server, talk), [{}, {}, {}])
    assert.equal((await server.get(`${talk.session.path}/Interactions/${one?.sid}`)).body.data, '{}')
    await server.post(SETTINGS, { BodyRetention: '' })
  })
})
