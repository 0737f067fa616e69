import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine } from '../src/core/doctor.ts'
import { newCaller, phonesOf, twiml } from './support/calls.ts'
import { converse, heard, inbox, newPerson, settled } from './support/conversation.ts'
import { searchLiveRows } from './support/person-search.ts'
import { addPerson, assertRefused, makeService, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'

const getServer = serverForFile()
const EXPORT = '/maskline/v1/Privacy/Export'
const ERASE = '/maskline/v1/Privacy/Erase'

/** Alice texts, calls, writes where she is in no session or is blocked, and is written to; and so is Bob, who stays. */
async function livePublicly(t: Parameters<typeof startReceiver>[0], server: TestServer) {
  const receiver = await startReceiver(t, () => twiml('<Message>Who is it?</Message>'))
  const service = await makeService(server, 3, {
    CallbackUrl: `${receiver.url}/status`,
    OutOfSessionCallbackUrl: receiver.url,
  })
  await server.post(`/maskline${service.path}/Settings`, { Recording: 'true', ContentGuardOwnNumber: 'redact' })
  const people = [newCaller(), newPerson()]
  const talk = await converse(server, service, {}, people)
  const { session, alice, bob } = talk
  await server.text(alice.identifier, alice.proxy, 'Words of Alice', ['https://example.com/alice.png'])
  await heard(server, bob, 'Words of Alice')
  await server.text(alice.identifier, alice.proxy, `Words judged ${alice.identifier}`)
  await heard(server, bob, JUDGED)
  await server.text(bob.identifier, bob.proxy, 'Words to Alice')
  await heard(server, alice, 'Words to Alice')
  await server.post(
    `${session.path}/Participants/${alice.sid}/MessageInteractions`,
    { Body: 'Words of the office' },
    { 'Idempotency-Key': `office-${alice.sid}` },
  )
  await heard(server, alice, 'Words of the office')
  const phones = phonesOf(server)
  const call = await phones.call(alice.identifier, alice.proxy)
  await phones.act(call, bob, 'answer')
  await phones.advance(5)
  await phones.act(call, bob, 'hangup')
  // A session that is over and deleted, of which a cool-down remembers.
  const gone = await converse(server, service, {}, people)
  await server.delete(gone.session.path)
  const away = service.numbers.find(({ phone_number }) => phone_number !== alice.proxy)?.phone_number ?? ''
  await server.text(alice.identifier, away, 'Words outside')
  await heard(server, alice, 'Who is it?')
  const bystanders = await converse(server, service)
  await server.text(bystanders.alice.identifier, bystanders.alice.proxy, 'Words of others')
  await heard(server, bystanders.bob, 'Words of others')
  await settled(server, service)
  const elsewhere = await makeService(server, 0)
  const PhoneNumber = alice.identifier
  const block = (await server.post(`/maskline${elsewhere.path}/BlockedNumbers`, { PhoneNumber })).body
  return { service, talk, bystanders, block }
}

const JUDGED = 'Words judged ***'
const WORDS = ['Words of Alice', JUDGED, 'Words to Alice', 'Words of the office', 'Words outside', 'alice.png']

/** What the doctor says of the data; the tests' own PostgreSQL does without fsync. */
async function faultsOf({ store }: TestServer): Promise<string[]> {
  const { keys, pool } = store
  const { checks } = await examine(pool, {
    keys,
    migrations: { pending: [] },
    now: Date.now,
    depth: 'deep',
    progress: () => undefined,
  })
  const faults = checks.filter(({ status, level }) => status === 'found' && level === 'fault')
  return faults.map(({ id }) => id).filter((id) => id !== 'durability')
}

/** Twice, with counts and without the number. */
async function assertAudited(server: TestServer, number: string) {
  const audited = await rows(
    server,
    `select action, details, t::text as row from audit_log t where action like 'privacy.eras%' and resource_sid = $1 order by sid`,
    [server.account.sid],
  )
  assert.deepEqual(
    audited.map(({ action }) => action),
    ['privacy.erase', 'privacy.erased', 'privacy.erase', 'privacy.erased'],
  )
  assert.equal(
    new Set(audited.map(({ details }) => details.subject)).size,
    1,
    'two requests are known to be of one person',
  )
  for (const { row } of audited) assert.ok(!row.includes(number.slice(2)))
}

test('an erased person is in no live row, and who is left is as before', async (t) => {
  const server = await getServer()
  const { service, talk, bystanders } = await livePublicly(t, server)
  const { session, alice, bob } = talk
  const Identifier = alice.identifier
  const before = await searchLiveRows(server.store, [Identifier], WORDS)
  const where = [...new Set(before)]
  for (const column of [
    ...['participants.identifier_sealed', 'participants.identifier_hash', 'interactions.data_sealed'],
    ...['interactions.sender_sealed', 'interactions.sender_hash', 'interactions.recipient_sealed'],
    ...['interactions.recipient_hash', 'media.source_url_sealed', 'released_pairs.identifier_hash'],
    ...['released_pairs.partner_hash', 'idempotency_keys.body_sealed', 'interactions.sent_data_sealed'],
    ...['blocked_numbers.identifier_sealed', 'blocked_numbers.identifier_hash'],
  ]) {
    assert.ok(where.includes(column), `control: before, she is in ${column}; found: ${where}`)
  }
  const judged = () =>
    rows(server, 'select from interactions where service_sid = $1 and content_found is not null', [service.sid])
  assert.equal((await judged()).length, 1, 'control: before, it is known what was found in her text')
  const { body: dry } = await server.post(ERASE, { Identifier, DryRun: 'true' })
  assert.deepEqual(await searchLiveRows(server.store, [Identifier], WORDS), before, 'a dry run changes nothing')

  const began = Date.now()
  const { status, body } = await server.post(ERASE, { Identifier })
  assert.equal(status, 200)
  assert.deepEqual({ ...body, dry_run: true }, dry, 'what was counted was erased')
  assert.deepEqual(await searchLiveRows(server.store, [Identifier], WORDS), [])
  assert.deepEqual(await judged(), [])
  assert.ok(Date.now() - began < 60_000)
  assert.equal(body.blocked_numbers, 1)
  assert.ok(body.participants >= 1 && body.interactions >= 4 && body.strangers_messages >= 2, JSON.stringify(body))

  assert.equal((await server.get(session.path)).body.status, 'closed')
  const { interactions } = (await server.get(`${session.path}/Interactions`)).body
  assert.ok(interactions.length >= 4, 'that something was said is still there')
  const people = (await server.get(`${session.path}/Participants`)).body.participants
  assert.deepEqual(
    people.map((person: { identifier: string }) => person.identifier),
    [bob.identifier],
  )
  await eventually(
    async () =>
      (await rows(server, 'select from recordings where service_sid = $1 and delete_at is null', [service.sid]))
        .length === 0,
    'recordings are deleted at the carrier',
  )
  await server.text(bystanders.bob.identifier, bystanders.bob.proxy, 'Still here')
  await heard(server, bystanders.alice, 'Still here')
  await settled(server)
  assert.deepEqual(await faultsOf(server), [])

  const again = (await server.post(ERASE, { Identifier })).body
  assert.deepEqual([again.participants, again.interactions, again.strangers_messages], [0, 0, 0])
  await assertAudited(server, Identifier)
})

test('a session somebody is in is closed before they are erased, so that nothing reaches them any more', async () => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const { session, alice, bob } = await converse(server, service, { UniqueName: `with ${newPerson()}` })
  const named = await openSession(server, service, { UniqueName: `of ${alice.identifier}` })
  await addPerson(server, named, alice.identifier)
  await server.post(ERASE, { Identifier: alice.identifier })
  await server.text(bob.identifier, bob.proxy, 'Are you there?')
  await settled(server, service)
  assert.deepEqual(await inbox(server, alice), [])
  assert.equal((await server.get(session.path)).body.status, 'closed')
  assert.equal((await server.get(named.path)).body.unique_name, null)
  assert.deepEqual(await searchLiveRows(server.store, [alice.identifier]), [])
  const reopened = await server.post(session.path, { Status: 'in-progress' })
  assert.equal(reopened.status, 200)
  await server.text(bob.identifier, bob.proxy, 'Hello?')
  await settled(server, service)
  assert.deepEqual(await inbox(server, alice), [], 'nor when it is opened again')
})

test('what an erasure that broke off has left is erased when it is asked for again', async () => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const { alice, bob } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Half gone')
  await heard(server, bob, 'Half gone')
  await settled(server, service)
  await rows(server, `create function refuse() returns trigger language plpgsql as $$ begin raise 'broken off'; end $$`)
  await rows(
    server,
    `create trigger refuse before update of date_erased on participants for each row when (new.date_erased is not null)
     execute function refuse()`,
  )
  assert.equal((await server.post(ERASE, { Identifier: alice.identifier })).status, 500)
  await rows(server, 'drop function refuse cascade')
  assert.ok((await searchLiveRows(server.store, [alice.identifier])).length > 0, 'control: she is still there')
  assert.equal((await server.post(ERASE, { Identifier: alice.identifier })).body.participants, 1)
  assert.deepEqual(await searchLiveRows(server.store, [alice.identifier], ['Half gone']), [])
})

test('an export has all there is of a person, and of the partner only what they wrote to them', async (t) => {
  const server = await getServer()
  const { talk, block } = await livePublicly(t, server)
  const { session, alice, bob } = talk
  const { status, text, body } = await server.post(EXPORT, { Identifier: alice.identifier })
  assert.equal(status, 200)
  for (const words of WORDS) assert.ok(text.includes(words), words)
  assert.ok(!text.includes(bob.identifier.slice(2)), 'the partner’s number is not in it')
  assert.ok(!text.includes('Words of others'))
  assert.deepEqual(body.identifiers, [alice.identifier, `whatsapp:${alice.identifier}`])
  assert.ok(
    body.participants.some(
      ({ sid, identifier }: Record<string, string>) => sid === alice.sid && identifier === alice.identifier,
    ),
  )
  assert.ok(body.sessions.some(({ sid }: Record<string, string>) => sid === session.sid))
  const said = body.interactions as {
    role: string
    type: string
    data: object
    sent_data?: object
    media: object[]
    recordings: object[]
    callbacks: object[]
  }[]
  assert.deepEqual(said.find(({ media }) => media.length > 0)?.data, { body: 'Words of Alice' })
  assert.ok(said.some(({ role, data }) => role === 'recipient' && JSON.stringify(data).includes('Words to Alice')))
  const changed = said.filter(({ sent_data }) => sent_data)
  assert.deepEqual(
    changed.map(({ data, sent_data }) => [data, sent_data]),
    [[{ body: `Words judged ${alice.identifier}` }, { body: JUDGED }]],
    'what was typed, and what left',
  )
  assert.equal(said.find(({ type }) => type === 'voice')?.recordings.length, 1)
  assert.ok(said.some(({ callbacks }) => callbacks.length > 0))
  assert.deepEqual(
    body.outside_sessions.map(({ role }: { role: string }) => role),
    ['sender', 'recipient'],
  )
  assert.ok(body.outside_sessions[0].events.length > 0 && body.released_pairs.length > 0)
  const partners = (await server.post(EXPORT, { Identifier: bob.identifier })).text
  assert.ok(partners.includes(JUDGED), 'the partner has what got to them')
  assert.ok(!partners.includes(alice.identifier.slice(2)), 'and not the number that was taken out')
  const { sid, account_sid, service_sid, date_created } = block
  const [blocked] = body.blocked_numbers
  assert.deepEqual(
    [{ ...blocked, date_created: (Date.parse(blocked.date_created) / 1000) | 0 }, body.blocked_numbers.length],
    [{ sid, account_sid, service_sid, date_created: Date.parse(date_created) / 1000 }, 1],
  )
  const deeds: string[] = body.audit.map(({ action }: { action: string }) => action)
  assert.ok(deeds.includes('privacy.export') && deeds.at(-1) === 'blocked-number.create', deeds.join())

  await server.post(ERASE, { Identifier: alice.identifier })
  const after = (await server.post(EXPORT, { Identifier: alice.identifier })).body
  const left = Object.entries(after).filter(([, value]) => Array.isArray(value) && value.length > 0)
  assert.deepEqual(left.map(([name]) => name).sort(), ['audit', 'identifiers'], 'control: then there is nothing')
})

test('a person is exported and erased within one account, whoever asks', async () => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const { alice } = await converse(server, service)
  const other = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${other.sid}:${other.auth_token}`).toString('base64')}`
  const exported = await server.post(EXPORT, { Identifier: alice.identifier }, { authorization })
  assert.deepEqual(exported.body.participants, [])
  assert.equal((await server.post(ERASE, { Identifier: alice.identifier }, { authorization })).body.participants, 0)
  assert.ok((await searchLiveRows(server.store, [alice.identifier])).length > 0)
  assertRefused(await server.post(ERASE, { Identifier: 'nobody' }), 400, 80404)
  assertRefused(await server.post(EXPORT), 400, 20001)
})
