import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { createApiKey } from '../src/core/api-keys.ts'
import { sweepExpiredSessions } from '../src/core/session-state.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { newSid } from '../src/core/sid.ts'
import { newPerson } from './support/conversation.ts'
import { fillPath, makeTree, operationsOf, type Tree } from './support/hostile.ts'
import {
  letRunOut,
  makeService,
  newName,
  newNumber,
  openSession,
  participant,
  rows,
  serverForFile,
  withoutSweeper,
} from './support/proxy-api.ts'
import { makeCall, startRecordingServer } from './support/recording-carrier.ts'
import { type Answer, startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()

type Entry = Record<'action' | 'actor', string> &
  Record<'actor_sid' | 'account_sid' | 'origin' | 'request_sid' | 'service_sid' | 'resource_sid', string | null> & {
    details: Record<string, string | number>
  }

/** What one request did. */
const deedsOf = (server: TestServer, { headers }: Answer): Promise<Entry[]> =>
  rows(server, 'select * from audit_log where request_sid = $1 order by sid', [headers.get('twilio-request-id')])

const deedsOn = (server: TestServer, sid: string): Promise<Entry[]> =>
  rows(server, 'select * from audit_log where resource_sid = $1 order by sid', [sid])

const actionsOf = (entries: Entry[]) => entries.map(({ action }) => action)

/** What an operation is asked for, and the deeds it is on record with. An operation that is new needs a line here. */
const CHANGES: Record<string, { params?: () => Record<string, string>; deeds: string[] }> = {
  'POST /v1/Services': { params: () => ({ UniqueName: newName('made') }), deeds: ['service.create'] },
  'POST /v1/Services/{ServiceSid}': { params: () => ({ DefaultTtl: '0' }), deeds: ['service.update'] },
  'POST /v1/Services/{ServiceSid}/PhoneNumbers': {
    params: () => ({ PhoneNumber: newNumber() }),
    deeds: ['phone-number.create', 'phone-number.add'],
  },
  'POST /v1/Services/{ServiceSid}/PhoneNumbers/{Sid}': {
    params: () => ({ IsReserved: 'true' }),
    deeds: ['phone-number.reserve'],
  },
  'POST /v1/Services/{ServiceSid}/ShortCodes': { params: () => ({ Sid: '' }), deeds: ['phone-number.add'] },
  'POST /v1/Services/{ServiceSid}/ShortCodes/{Sid}': {
    params: () => ({ IsReserved: 'true' }),
    deeds: ['phone-number.reserve'],
  },
  'POST /v1/Services/{ServiceSid}/Sessions': { deeds: ['session.create'] },
  'POST /v1/Services/{ServiceSid}/Sessions/{SessionSid}': {
    params: () => ({ Ttl: '6000' }),
    deeds: ['session.update'],
  },
  'POST /v1/Services/{ServiceSid}/Sessions/{SessionSid}/Participants': {
    params: () => ({ Identifier: newPerson() }),
    deeds: ['participant.add'],
  },
  'POST /v1/Services/{ServiceSid}/Sessions/{SessionSid}/Participants/{ParticipantSid}/MessageInteractions': {
    params: () => ({ Body: 'Hello' }),
    deeds: ['message.send'],
  },
  'POST /maskline/v1/Services/{ServiceSid}/Settings': {
    params: () => ({ RingTimeout: '20' }),
    deeds: ['service.update'],
  },
  'POST /maskline/v1/Services/{ServiceSid}/BlockedNumbers': {
    params: () => ({ PhoneNumber: newPerson() }),
    deeds: ['blocked-number.create'],
  },
  'POST /maskline/v1/Services/{ServiceSid}/Sessions/{SessionSid}/Participants/{ParticipantSid}/Reveal': {
    deeds: ['participant.reveal'],
  },
  'POST /maskline/v1/Services/{ServiceSid}/Sessions/{SessionSid}/Interactions/{InteractionSid}/Reveal': {
    deeds: ['interaction.reveal'],
  },
  'POST /maskline/v1/Callbacks/{CallbackSid}/Replay': { deeds: ['callback.replay'] },
  'POST /maskline/v1/Callbacks/Replay': { deeds: ['callback.replay'] },
  'POST /maskline/v1/Keys': { params: () => ({ FriendlyName: 'made' }), deeds: ['api-key.create'] },
  'POST /maskline/v1/Keys/{Sid}': { params: () => ({ FriendlyName: 'renamed' }), deeds: ['api-key.update'] },
  'DELETE /maskline/v1/Keys/{Sid}': { deeds: ['api-key.revoke'] },
  'POST /maskline/v1/Accounts/{Sid}': { params: () => ({ FriendlyName: 'renamed' }), deeds: ['account.rename'] },
  'POST /maskline/v1/Users': {
    params: () => ({ Name: newName('made'), Role: 'viewer' }),
    deeds: ['user.create', 'user.create-link'],
  },
  'POST /maskline/v1/Users/{Sid}': { params: () => ({ Role: 'operator' }), deeds: ['user.update'] },
  'DELETE /maskline/v1/Users/{Sid}': { deeds: ['user.delete'] },
  'POST /maskline/v1/Settings': { params: () => ({ SessionRetention: '80' }), deeds: ['account.retention'] },
  'POST /maskline/v1/Search': { params: () => ({ Query: newPerson() }), deeds: ['person.search'] },
  'POST /maskline/v1/Privacy/Export': { params: () => ({ Identifier: newPerson() }), deeds: ['privacy.export'] },
  'DELETE /maskline/v1/Services/{ServiceSid}/BlockedNumbers/{Sid}': { deeds: ['blocked-number.delete'] },
  'POST /maskline/v1/Privacy/Erase': {
    params: () => ({ Identifier: newPerson() }),
    deeds: ['privacy.erase', 'privacy.erased'],
  },
  'DELETE /maskline/v1/Services/{ServiceSid}/Sessions/{SessionSid}/Interactions/{InteractionSid}/Recordings/{Sid}': {
    deeds: ['recording.delete'],
  },
  'DELETE /v1/Services/{ServiceSid}/Sessions/{SessionSid}/Interactions/{Sid}': { deeds: ['interaction.delete'] },
  'DELETE /v1/Services/{ServiceSid}/Sessions/{SessionSid}/Participants/{ParticipantSid}': {
    deeds: ['participant.remove'],
  },
  'DELETE /v1/Services/{ServiceSid}/Sessions/{SessionSid}': { deeds: ['session.delete'] },
  'DELETE /v1/Services/{ServiceSid}/ShortCodes/{Sid}': { deeds: ['phone-number.remove'] },
  'DELETE /v1/Services/{ServiceSid}/PhoneNumbers/{Sid}': { deeds: ['phone-number.remove'] },
  'DELETE /v1/Services/{ServiceSid}': { deeds: ['service.delete'] },
}

/** Only users of all accounts make one: `test/users.test.ts`. */
const NOT_FOR_ACCOUNTS = 'POST /maskline/v1/Accounts'

/** Fetching a recording is on record, too, and has a test of its own. */
const READS_ON_RECORD = /\/Recordings\/\{Sid\}\/Media$/

test('every operation that changes something is on record with who did it, and one that reads is not', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  const operations = await operationsOf(server)
  const changing = operations
    .filter(({ method }) => method !== 'GET')
    .map(({ method, template }) => `${method} ${template}`)
  assert.deepEqual(changing.sort(), [...Object.keys(CHANGES), NOT_FOR_ACCOUNTS].sort())

  for (const { template } of operations.filter(
    ({ method, template }) => method === 'GET' && !READS_ON_RECORD.test(template),
  )) {
    const answer = await server.get(fillPath(template, tree))
    assert.equal(answer.status, 200, template)
    assert.deepEqual(await deedsOf(server, answer), [], template)
  }
  for (const [operation, { params, deeds }] of Object.entries(CHANGES)) {
    const [method = '', template = ''] = operation.split(' ')
    // The tree's own session is full, and its short code is in the pool.
    if (template.endsWith('/ShortCodes')) await server.delete(fillPath(`${template}/{Sid}`, tree))
    const sids = template.endsWith('/Participants') ? { ...tree.sids, ...tree.siblings } : tree.sids
    const path = fillPath(template, { sids })
    const given = params?.() ?? {}
    if ('Sid' in given) given.Sid = tree.sids.ShortCodes ?? ''
    if (template === '/v1/Services/{ServiceSid}/PhoneNumbers/{Sid}' && method === 'DELETE') await closeAll(server, tree)
    if (template.endsWith('/Callbacks/Replay')) await addFailedCallback(server, tree)
    const answer = method === 'POST' ? await server.post(path, given) : await server.delete(path)
    assert.ok(answer.status < 300, `${operation}: ${answer.text}`)
    const entries = await deedsOf(server, answer)
    assert.deepEqual(actionsOf(entries), deeds, operation)
    for (const entry of entries) {
      const { actor, actor_sid, account_sid, origin, service_sid } = entry
      assert.deepEqual([actor, actor_sid, account_sid], ['account', server.account.sid, server.account.sid], operation)
      assert.match(origin ?? '', /127\.0\.0\.1$/)
      const service = /\{(Service|Callback)Sid\}/.test(template) ? tree.sids.Services : null
      if (entry.action !== 'phone-number.create' && operation !== 'POST /v1/Services')
        assert.equal(service_sid, service, operation)
    }
    const done = entries.at(-1)
    const { sid, service_sid, account_sid } = answer.body ?? {}
    const named = method === 'DELETE' ? path.split('/').at(-1) : (sid ?? service_sid ?? account_sid ?? null)
    assert.equal(done?.resource_sid, named, operation)
  }
})

/** The tree's own is under way again by now. */
async function addFailedCallback(server: TestServer, { sids }: Tree) {
  await rows(
    server,
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at)
     select service_sid, $2, account_sid, interaction_sid, url, now(), null from callbacks where sid = $1`,
    [sids.Callbacks, newSid('CB')],
  )
}

async function closeAll(server: TestServer, { path }: Tree) {
  for (const { sid } of (await server.get(`${path}/Sessions`)).body.sessions)
    await server.post(`${path}/Sessions/${sid}`, { Status: 'closed' })
}

test('a session is on record as made once, the plain way and the careful one, with as many people as came with it', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const people = () => [participant(newPerson()), participant(newPerson())]
  const { key, secret } = await createApiKey(server.store, { account_sid: server.account.sid, friendly_name: 'key' })
  const authorization = `Basic ${Buffer.from(`${key.sid}:${secret}`).toString('base64')}`
  const named = { Identifier: newPerson(), ProxyIdentifier: service.numbers[0]?.phone_number }
  for (const [params, many] of [
    [{ Participants: people() }, 2],
    [{}, 0],
    [{ Participants: [JSON.stringify(named)] }, 1],
  ] as const) {
    const answer = await server.post(`${service.path}/Sessions`, params as Record<string, string[]>, { authorization })
    assert.equal(answer.status, 201, answer.text)
    const [entry, ...others] = await deedsOf(server, answer)
    assert.deepEqual(
      [entry?.action, entry?.actor, entry?.actor_sid, entry?.details, others],
      ['session.create', 'api-key', key.sid, { participants: many }, []],
    )
    assert.equal(entry?.resource_sid, answer.body.sid)
  }
  const closed = await server.post(`${service.path}/Sessions`, { Status: 'closed' })
  assert.deepEqual(actionsOf(await deedsOf(server, closed)), ['session.create', 'session.close'])
})

test('sessions that are made at one moment by different callers are each on record with their own', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const keys = await Promise.all(
    Array.from({ length: 8 }, () =>
      createApiKey(server.store, { account_sid: server.account.sid, friendly_name: 'key' }),
    ),
  )
  await Promise.all(
    keys.map(async ({ key, secret }) => {
      const authorization = `Basic ${Buffer.from(`${key.sid}:${secret}`).toString('base64')}`
      for (let at = 0; at < 5; at++) {
        const answer = await server.post(`${service.path}/Sessions`, {}, { authorization })
        const [entry] = await deedsOf(server, answer)
        assert.deepEqual([entry?.actor_sid, entry?.resource_sid], [key.sid, answer.body.sid])
      }
    }),
  )
})

test('what is refused, repeated or changes nothing leaves no entry', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  const session = await openSession(server, service, { UniqueName: 'taken' })
  const once = { 'Idempotency-Key': `key-${session.sid}` }
  const first = await server.post(`${service.path}/Sessions`, {}, once)
  assert.equal((await deedsOf(server, first)).length, 1)
  for (const answer of [
    await server.post(`${service.path}/Sessions`, {}, once),
    await server.post(`${service.path}/Sessions`, { UniqueName: 'taken' }),
    await server.post(`${service.path}/Sessions`, { DateExpiry: '2020-01-01' }),
    await server.post(`${service.path}/Sessions`, { Participants: [participant(newPerson()), participant('nobody')] }),
    await server.post(`${session.path}/Participants`, { Identifier: 'nobody' }),
    await server.post(session.path, {}),
    await server.post(service.path, {}),
    await server.post(`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`, { IsReserved: 'false' }),
    await server.delete(`${service.path}/Sessions/KC${'0'.repeat(32)}`),
  ]) {
    assert.deepEqual(await deedsOf(server, answer), [], answer.text)
  }
})

test('the life of a session is on record by names of what was changed', async () => {
  const server = await shared()
  const service = await makeService(server, 2)
  const session = await openSession(server, service)
  await server.post(session.path, { Status: 'in-progress', DateExpiry: '2099-01-01T00:00:00Z' })
  await server.post(session.path, { Status: 'closed', Ttl: '60' })
  await server.post(session.path, { Status: 'in-progress' })
  const entries = await deedsOn(server, session.sid)
  assert.deepEqual(
    entries.map(({ action, details }) => [action, details]),
    [
      ['session.create', { participants: 0 }],
      ['session.update', { fields: 'date_expiry status' }],
      ['session.update', { fields: 'ttl' }],
      ['session.close', { reason: 'api' }],
      ['session.reopen', { fields: '' }],
    ],
  )
  await server.post(`/maskline${service.path}/Settings`, { Greeting: 'Hello', CoolDown: '' })
  assert.deepEqual((await deedsOn(server, service.sid)).at(-1)?.details, { fields: 'cool_down_s greeting' })
})

test('what runs out is closed and what is old is purged by the server, whoever comes across it', async () => {
  const server = await shared()
  const service = await makeService(server, 1)
  await withoutSweeper(server, async () => {
    const [swept, met] = [
      await openSession(server, service, { Ttl: '60' }),
      await openSession(server, service, { Ttl: '60' }),
    ]
    for (const session of [swept, met]) await letRunOut(server, session)
    assert.equal((await server.get(met.path)).body.status, 'closed')
    await sweepExpiredSessions(server.store, 100)
    await rows(server, "update sessions set date_ended = now() - interval '91 days' where service_sid = $1", [
      service.sid,
    ])
    await purgeClosedSessions(server.store, 100)
    for (const session of [swept, met]) {
      const entries = (await deedsOn(server, session.sid)).slice(1)
      assert.deepEqual(actionsOf(entries), ['session.close', 'session.delete'])
      assert.equal(entries[0]?.details.reason, 'ttl')
      for (const { actor, actor_sid, origin } of entries)
        assert.deepEqual([actor, actor_sid, origin], ['server', null, hostname()])
    }
  })
})

test('a recording that is fetched is on record, with whose it was', async (t) => {
  const { server, hold, report } = await startRecordingServer(t)
  const call = await makeCall(server)
  const recording = hold()
  await report(call, recording)
  const answer = await server.get(`${call.path}/${recording.carrier_recording_id}/Media`)
  assert.equal(answer.status, 200)
  const [entry] = await deedsOf(server, answer)
  assert.deepEqual(
    [entry?.action, entry?.resource_sid, entry?.details],
    ['recording.fetch', recording.carrier_recording_id, { interaction_sid: call.sid }],
  )
})

test('a server that stops tells in its log where the audit log ends, with all that it did', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_LOG_LEVEL: 'info' } })
  await makeService(server, 0)
  await server.stop()
  const told = server.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'the head of the audit log')
  const again = await startServer(t, server)
  const [last] = await rows(again, "select position, seal from audit_entries where action = 'service.create'")
  const [{ position, seal }] = await rows(again, 'select * from audit_entries where position = $1', [told[0].position])
  assert.deepEqual([told.length, told[0].seal], [1, seal.toString('hex')])
  assert.ok(BigInt(position) >= BigInt(last.position))
})
