import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbersIn } from '../src/core/search/query.ts'
import { newSid } from '../src/core/sid.ts'
import { askedByKey } from './support/callers.ts'
import { runCli } from './support/cli.ts'
import { converse, heard, newPerson, settled } from './support/conversation.ts'
import { assertRefused, makeService, newName, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { makeAccount, type TestServer } from './support/server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' } }))

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
type Found = Record<string, any>

const search = async (server: TestServer, Query: string): Promise<Found> => {
  const answer = await server.post('/maskline/v1/Search', { Query })
  assert.equal(answer.status, 200, answer.text)
  return answer.body
}

const sidsOf = (list: { sid: string }[]) => list.map(({ sid }) => sid)

/** Alice and Bob have talked, and the application was told of it. */
async function talked(server: TestServer, settings: Record<string, string> = {}) {
  const service = await makeService(server, 3, settings)
  const UniqueName = newName('trip')
  const talk = await converse(server, service, { UniqueName })
  await server.text(talk.alice.identifier, talk.alice.proxy, 'Hello')
  await heard(server, talk.bob, 'Hello')
  await settled(server, service)
  const [interaction] = (await server.get(`${talk.session.path}/Interactions`)).body.interactions
  return { service, ...talk, interaction, name: UniqueName }
}

test('a SID of any kind leads to where it stands', async (t) => {
  const server = await getServer()
  const { url } = await startReceiver(t)
  const { service, session, alice, interaction } = await talked(server, { CallbackUrl: url })
  const [callback] = (await server.get(`/maskline/v1/Callbacks?ServiceSid=${service.sid}`)).body.callbacks
  const number = service.numbers.find(({ phone_number }) => phone_number === alice.proxy)
  const inSession = { service_sid: service.sid, session_sid: session.sid }
  for (const [kind, sid, place] of [
    ['service', service.sid, { service_sid: service.sid, session_sid: null }],
    ['session', session.sid, inSession],
    ['participant', alice.sid, inSession],
    ['interaction', interaction.sid, inSession],
    ['callback', callback.sid, inSession],
    ['message', interaction.inbound_resource_sid, inSession],
    ['message', interaction.outbound_resource_sid, inSession],
    ['phone-number', number?.sid ?? '', { service_sid: service.sid, session_sid: null }],
  ] as const) {
    for (const spelling of [sid, ` ${sid.slice(0, 2).toLowerCase()}${sid.slice(2).toUpperCase()} `]) {
      const { query_kind, found, sessions, interactions, numbers } = await search(server, spelling)
      assert.deepEqual([query_kind, found], ['sid', { kind, sid, ...place }])
      const isNumber = kind === 'phone-number'
      if (kind !== 'service') assert.deepEqual(sidsOf(sessions), [session.sid], kind)
      assert.deepEqual(sidsOf(interactions), isNumber ? [] : [interaction.sid], kind)
      assert.deepEqual(sidsOf(numbers), isNumber ? [sid] : [])
    }
  }
  const found = await search(server, alice.sid)
  assert.equal(found.sessions[0].match, alice.sid)
  assert.deepEqual(found.sessions[0].participants.length, 2)
  assert.equal(found.interactions[0].verdict.code, 'delivered')
})

test('what is not there, is another account’s or cannot be looked for is nothing, and says why', async () => {
  const server = await getServer()
  const other = await askedByKey(server, { type: 'main' }, (await makeAccount(server.store)).sid)
  const { service, session, alice, interaction, name } = await talked(server)
  const theirs = [service.sid, session.sid, alice.sid, interaction.sid, interaction.inbound_resource_sid, name]
  for (const query of [...theirs, service.numbers[0]?.sid ?? '', alice.proxy, alice.identifier]) {
    assert.equal((await search(other, query)).query_kind, 'nothing', query)
    assert.notEqual((await search(server, query)).query_kind, 'nothing', 'control')
  }
  for (const [query, note] of [
    [newSid('KC'), /^Nothing/],
    [newSid('SM'), /found by its session/],
    [newSid('AU'), /begin with AU/],
    ['no such thing', /^Nothing/],
    [newPerson(), /^Nothing/],
  ] as const) {
    const found = await search(server, query)
    assert.deepEqual([found.query_kind, found.found, found.sessions], ['nothing', null, []], query)
    assert.match(found.note, note)
  }
  assertRefused(await server.post('/maskline/v1/Search'), 400, 20001)
})

test('a unique name is found in any service of the account, and so is a service by its own', async () => {
  const server = await getServer()
  const { service, session, interaction, name } = await talked(server)
  const one = await search(server, name)
  assert.deepEqual([one.query_kind, one.found?.sid], ['unique-name', session.sid])
  assert.deepEqual(sidsOf(one.interactions), [interaction.sid])
  const elsewhere = await openSession(server, await makeService(server, 1), { UniqueName: name })
  const both = await search(server, name)
  assert.deepEqual([sidsOf(both.sessions).sort(), both.found], [[session.sid, elsewhere.sid].sort(), null])
  const { unique_name } = (await server.get(service.path)).body
  assert.equal((await search(server, unique_name)).found.sid, service.sid)
})

test('a proxy number leads to the sessions that are live on it', async () => {
  const server = await getServer()
  const { service, session, alice } = await talked(server)
  const number = service.numbers.find(({ phone_number }) => phone_number === alice.proxy)
  const found = await search(server, alice.proxy.replace(/^\+1(\d{3})(\d{3})/, '($1) $2-'))
  assert.deepEqual([found.query_kind, found.found.sid], ['proxy-number', number?.sid])
  assert.deepEqual(sidsOf(found.sessions), [session.sid])
  await server.post(session.path, { Status: 'closed' })
  assert.deepEqual((await search(server, alice.proxy)).sessions, [], 'control')
})

test('a person is found in every session, with what they sent in and out of it, in whatever spelling, and on record', async () => {
  const server = await getServer()
  const { service, session, alice, bob, interaction } = await talked(server)
  await server.post(session.path, { Status: 'closed' })
  await server.text(alice.identifier, service.numbers[2]?.phone_number ?? '', 'Anybody?')
  await settled(server, service)
  const again = await converse(server, service, {}, [alice.identifier, newPerson()])
  const [, area, office, line] = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(alice.identifier) ?? []
  for (const spelling of [
    alice.identifier,
    ` ${alice.identifier} `,
    `+1 (${area}) ${office}-${line}`,
    `001 ${area} ${office} ${line}`,
    `1${area}${office}${line}`,
    `(${area}) ${office}-${line}`,
    `${area}.${office}.${line}`,
  ]) {
    const found = await search(server, spelling)
    assert.equal(found.query_kind, 'person', spelling)
    assert.deepEqual(sidsOf(found.sessions).sort(), [session.sid, again.session.sid].sort(), spelling)
    assert.deepEqual(
      found.sessions.map(({ match }: { match: string }) => match).sort(),
      [alice.sid, again.alice.sid].sort(),
    )
    const outcomes = found.interactions.map(({ outcome }: { outcome: string }) => outcome)
    assert.deepEqual(outcomes, ['out-of-session', 'relayed'], 'the newest first')
    assert.equal(found.interactions[1].sid, interaction.sid)
  }
  assert.deepEqual(sidsOf((await search(server, bob.identifier)).interactions), [interaction.sid], 'what was for them')
  const deeds = await rows(server, `select details::text as details from audit_log where action = 'person.search'`)
  assert.ok(deeds.length >= 8)
  for (const { details } of deeds) {
    assert.match(details, /^\{"subject": "[0-9a-f]{32}"\}$/)
    assert.ok(!details.includes(alice.identifier.slice(-7)))
  }
})

test('both scopes are needed, and without pii the people who are found are hidden', async () => {
  const server = await getServer()
  const { alice, bob } = await talked(server)
  for (const scope of ['sessions:read', 'interactions:read'] as const) {
    const half = await askedByKey(server, { scopes: [scope] })
    assertRefused(await half.post('/maskline/v1/Search', { Query: alice.identifier }), 403, 20006)
  }
  const blind = await askedByKey(server, { scopes: ['sessions:read', 'interactions:read'] })
  const hidden = await search(blind, alice.identifier)
  assert.equal(hidden.query_kind, 'person')
  const text = JSON.stringify(hidden)
  for (const secret of [alice.identifier, bob.identifier, 'Hello']) assert.ok(!text.includes(secret), secret)
  assert.ok(JSON.stringify(await search(server, alice.identifier)).includes(bob.identifier), 'control')
})

test('a number is read in the spellings that people use, and what is none is no number', () => {
  for (const [text, country, expected] of [
    ['+12025550101', undefined, ['+12025550101']],
    ['00 1 202 555 0101', undefined, ['+12025550101']],
    ['(202) 555-0101', 'US', ['+12025550101', '+2025550101', '2025550101']],
    ['(202) 555-0101', undefined, ['+2025550101', '2025550101']],
    ['020 7946 0958', 'GB', ['+442079460958', '+02079460958', '02079460958']],
    ['+44 (0)20 7946 0958', undefined, ['+442079460958']],
    ['WhatsApp:+1 202 555 0101', 'US', ['whatsapp:+12025550101']],
    ['55600', 'US', ['+55600', '55600']],
    ['trip-17', 'US', []],
    ['', 'US', []],
  ] as const) {
    assert.deepEqual(numbersIn(text, country), expected, text)
  }
})

test('on the command line a number leads to what became of its messages, and each of these to how that came about', async () => {
  const server = await getServer()
  const { alice, bob, interaction } = await talked(server)
  const { database_url, master_key, account } = server
  const why = (...args: string[]) =>
    runCli(['why', ...args], { DATABASE_URL: database_url, MASKLINE_MASTER_KEY: master_key })
  const listed = await why(alice.identifier, '--json')
  assert.equal(listed.code, 0, listed.stderr)
  const [line] = JSON.parse(listed.stdout)
  assert.deepEqual([line.interaction, line.state], [interaction.sid, 'delivered'])
  const traced = await why(interaction.sid, '--account', account.sid)
  assert.match(traced.stdout, /^delivered: The carrier reported/)
  assert.match(traced.stdout, /maskline +decided +ok/)
  const asJson = JSON.parse((await why(interaction.sid, '--json')).stdout)
  assert.deepEqual([asJson.verdict.code, asJson.candidates[0].reason], ['delivered', 'chosen'])
  for (const { stdout } of [listed, traced]) {
    for (const secret of [alice.identifier, bob.identifier, 'Hello']) assert.ok(!stdout.includes(secret), stdout)
  }
  const nothing = await why('no such thing')
  assert.deepEqual([nothing.code, nothing.stdout], [2, ''])
})
