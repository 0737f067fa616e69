import assert from 'node:assert/strict'
import { test } from 'node:test'
import { phonesOf, requestsTo, startTalk, statusesOf } from './support/calls.ts'
import { converse, eventCodes, heard, inbox, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { assertRefused, makeService, type Pool, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { startServer, type TestServer } from './support/server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' } }))

const listOf = ({ path }: Pool) => `/maskline${path}/BlockedNumbers`

async function block(server: TestServer, service: Pool, PhoneNumber: string) {
  const answer = await server.post(listOf(service), { PhoneNumber })
  assert.equal(answer.status, 201, answer.text)
  return answer.body
}

test('numbers are blocked, listed without showing them, and let in again, with a record of who did it', async () => {
  const server = await getServer()
  const service = await makeService(server, 0)
  const first = await block(server, service, '+1 (415) 555-0171')
  assert.deepEqual(
    { ...first, sid: '', date_created: '', url: '' },
    {
      ...{ sid: '', date_created: '', url: '', account_sid: server.account.sid, service_sid: service.sid },
      phone_number: '+1415•••0171',
    },
  )
  assert.deepEqual(await block(server, service, '+14155550171'), first, 'blocked twice it is one')
  const second = await block(server, service, '+14155550172')
  const listed = await server.get(`${listOf(service)}?PageSize=1`)
  assert.deepEqual(listed.body.blocked_numbers, [first])
  assert.deepEqual((await server.get(listed.body.meta.next_page_url.replace(server.url, ''))).body.blocked_numbers, [
    second,
  ])
  assert.deepEqual((await server.get(`${listOf(service)}/${second.sid}`)).body, second)
  assert.equal((await server.delete(`${listOf(service)}/${first.sid}`)).status, 204)
  assertRefused(await server.delete(`${listOf(service)}/${first.sid}`), 404, 20404)
  assert.deepEqual((await server.get(listOf(service))).body.blocked_numbers, [second])

  const deeds = await rows(
    server,
    'select action, resource_sid, details from audit_log where service_sid = $1 and action like $2 order by sid',
    [service.sid, 'blocked-number.%'],
  )
  assert.deepEqual(deeds, [
    { action: 'blocked-number.create', resource_sid: first.sid, details: {} },
    { action: 'blocked-number.create', resource_sid: second.sid, details: {} },
    { action: 'blocked-number.delete', resource_sid: first.sid, details: {} },
  ])
  for (const PhoneNumber of ['12', 'nobody', '+1']) {
    assertRefused(await server.post(listOf(service), { PhoneNumber }), 400, 80404)
  }
  assertRefused(await server.post(listOf(service)), 400, 20001)
  await server.delete(service.path)
  assert.deepEqual(await rows(server, 'select from blocked_numbers where service_sid = $1', [service.sid]), [])
})

test('of a blocked person neither a text nor a call reaches the partner, who can still reach them', async (t) => {
  const server = await getServer()
  const talk = await startTalk(t, server)
  const { alice, bob, pool, phones, receiver } = talk
  const { sid } = await block(server, pool, alice.identifier)
  await server.text(alice.identifier, alice.proxy, 'Nobody reads this')
  const call = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual((await phones.find(call)).legs.map(statusesOf), ['ringing no-answer'])
  await settled(server, pool)
  assert.deepEqual([await inbox(server, bob), await phones.listOf(bob)], [[], []])
  assert.deepEqual(await eventCodes(server, pool), [80909, 80909])
  assert.deepEqual(receiver.requests, [], 'the application hears nothing of it')
  const path = `${pool.path}/Sessions/${(await talk.session.fetch()).sid}`
  assert.deepEqual(
    (await interactionsOf(server, { path })).map((row) => [
      ...[row.type, row.inbound_participant_sid, row.inbound_resource_status],
      ...[row.outbound_participant_sid, row.outbound_resource_status],
    ]),
    [
      ['message', alice.sid, 'delivered', null, null],
      ['voice', alice.sid, 'failed', null, null],
    ],
  )
  await server.text(bob.identifier, bob.proxy, 'I can still write')
  await heard(server, alice, 'I can still write')

  assert.equal((await server.delete(`${listOf(pool)}/${sid}`)).status, 204)
  await server.text(alice.identifier, alice.proxy, 'Let in again')
  await heard(server, bob, 'Let in again')
})

test('a stranger who is blocked is not asked about, in this service; in another nothing has changed', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 404 }))
  const urls = { OutOfSessionCallbackUrl: `${receiver.url}/outside` }
  const [service, other] = [await makeService(server, 1, urls), await makeService(server, 1, urls)]
  const stranger = newPerson()
  await block(server, service, stranger)
  await server.text(stranger, service.numbers[0]?.phone_number ?? '', 'Anybody?')
  const phones = phonesOf(server)
  const call = await phones.call(stranger, service.numbers[0]?.phone_number ?? '')
  assert.deepEqual((await phones.find(call)).legs.map(statusesOf), ['ringing no-answer'])
  await settled(server, service)
  assert.deepEqual(requestsTo(receiver, '/outside'), [])
  const kept = await rows(server, 'select outcome, session_sid from interactions where service_sid = $1', [service.sid])
  assert.deepEqual(kept, Array(2).fill({ outcome: 'blocked', session_sid: null }))
  await server.text(stranger, other.numbers[0]?.phone_number ?? '', 'Anybody here?')
  await settled(server, other)
  assert.equal(requestsTo(receiver, '/outside').length, 1, 'control: of others the application is asked')
})

test('a change of the list holds for the next text, also on another server', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  const { alice, bob } = await converse(server, service)
  const { database_url, master_key, account } = server
  const second = await startServer(t, { database_url, master_key, account })
  const { sid } = await block(second, service, alice.identifier)
  await server.text(alice.identifier, alice.proxy, 'Too late')
  assert.equal((await second.delete(`${listOf(service)}/${sid}`)).status, 204)
  await server.text(alice.identifier, alice.proxy, 'In time')
  await heard(server, bob, 'In time')
  await settled(server, service)
  assert.deepEqual(
    (await inbox(server, bob)).map(({ body }) => body),
    ['In time'],
  )
})
