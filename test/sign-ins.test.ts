import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listAccounts } from '../src/core/accounts.ts'
import { createApiKey, listApiKeys, revokeApiKey } from '../src/core/api-keys.ts'
import { createSignIns } from '../src/core/sign-ins.ts'
import { presentDate } from '../src/http/api/present.ts'
import { askedByKey } from './support/callers.ts'
import { converse } from './support/conversation.ts'
import { assertRefused, makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()

const basic = (name: string, secret: string) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`

const ask = (server: TestServer, authorization?: string) =>
  fetch(`${server.direct}/v1/Services`, { headers: authorization ? { authorization } : {} })

type Refusal = {
  account_sid: string | null
  resource_sid: string | null
  origin: string | null
  details: { count: number }
}

const refusalsOf = async (server: TestServer, origin: string) =>
  (
    await rows(
      server,
      "select account_sid, resource_sid, origin, details, actor from audit_log where action = 'sign-in.refuse' and origin like $1 order by sid",
      [`%${origin}`],
    )
  ).map(({ actor, ...refusal }) => {
    assert.equal(actor, 'unknown')
    return refusal as Refusal
  })

const countOf = (refusals: Refusal[], resource_sid: string | null) =>
  refusals
    .filter((refusal) => refusal.resource_sid === resource_sid)
    .reduce((sum, { details }) => sum + details.count, 0)

test('of a key and of a token it is known when it was last used and from where, and of what was not used nothing', async (t) => {
  const server = await startServer(t)
  const { account, store } = server
  const { key, secret } = await createApiKey(store, { account_sid: account.sid, friendly_name: 'used' })
  const { key: idle } = await createApiKey(store, { account_sid: account.sid, friendly_name: 'idle' })
  const before = Date.now()
  assert.equal((await ask(server, basic(key.sid, secret))).status, 200)
  assert.equal((await ask(server, basic(account.sid, account.auth_token))).status, 200)
  assert.equal((await ask(server, basic(idle.sid, 'a wrong secret'))).status, 401)
  await server.stop()

  const again = await startServer(t, server)
  const [used, unused] = await listApiKeys(again.store, account.sid)
  assert.deepEqual(
    [used?.sid, used?.address, unused?.sid, unused?.date_last_used],
    [key.sid, '127.0.0.1', idle.sid, null],
  )
  const ago_ms = (used?.date_last_used?.getTime() ?? 0) - before
  assert.ok(ago_ms >= 0 && ago_ms < 60_000, `${ago_ms}`)
  const { keys } = (await again.get('/maskline/v1/Keys')).body
  assert.deepEqual(
    keys.map((one: { date_last_used: string | null }) => one.date_last_used),
    [presentDate(used?.date_last_used ?? null), null],
  )
  const [listed] = await listAccounts(again.store)
  assert.equal(listed?.address, '127.0.0.1')
})

test('who is refused is on record with name and address, as far as the name is one of ours, in one entry with a count', async (t) => {
  const server = await startServer(t)
  const { account, store } = server
  const other = await makeAccount(store)
  const { key, secret } = await createApiKey(store, { account_sid: account.sid, friendly_name: 'revoked' })
  await revokeApiKey(store, key.sid)
  await rows(server, "update accounts set status = 'suspended' where sid = $1", [other.sid])
  const unknown = `AC${'5'.repeat(32)}`
  for (const [name, password, status] of [
    [account.sid, 'a wrong token', 401],
    [account.sid, 'another wrong token', 401],
    [key.sid, secret, 401],
    [other.sid, other.auth_token, 403],
    [unknown, 'x', 401],
    ['+14155550130', 'a number in the wrong place', 401],
    ['hunter2', '', 401],
  ] as const) {
    assert.equal((await ask(server, basic(name, password))).status, status, name)
  }
  assert.equal((await ask(server)).status, 401)
  await server.stop()

  const again = await startServer(t, server)
  const refusals = await refusalsOf(again, '127.0.0.1')
  const owner = (sid: string | null) => refusals.find(({ resource_sid }) => resource_sid === sid)?.account_sid
  const found = [account.sid, key.sid, other.sid, unknown, null].map((sid) => [countOf(refusals, sid), owner(sid)])
  assert.deepEqual(found, [
    [2, account.sid],
    [1, account.sid],
    [1, other.sid],
    [1, null],
    // Who sends no credentials has not tried.
    [2, null],
  ])
  const texts = await rows(again, 'select t::text as text from audit_log t')
  assert.doesNotMatch(JSON.stringify(texts), /4155550130|hunter2|wrong/)
  const own: Refusal[] = (await again.get('/maskline/v1/AuditLog?Action=sign-in.refuse')).body.entries
  assert.deepEqual(new Set(own.map(({ resource_sid }) => resource_sid)), new Set([account.sid, key.sid]))
})

test('a refused one that goes on is on record once a minute, and none of its tries is lost', async () => {
  const server = await shared()
  const { store, account } = server
  let now = 1_000_000
  const sign_ins = createSignIns(() => now)
  const written = async () => (await refusalsOf(server, '192.0.2.1')).map(({ details }) => details.count)
  for (let second = 0; second < 150; second++) {
    sign_ins.refused(account.sid, '192.0.2.1')
    await sign_ins.write(store, 'due')
    now += 1_000
  }
  assert.deepEqual(await written(), [1, 60, 60])
  await sign_ins.write(store, 'all')
  assert.deepEqual(await written(), [1, 60, 60, 29])
})

test('who lacks a scope is on record with key, scope and the template of the path, and nothing of what was asked for', async (t) => {
  const server = await startServer(t)
  const few = await askedByKey(server, { scopes: ['services:read'] })
  for (const name of ['canary-1', 'canary-2']) assertRefused(await few.get(`/v1/Services/${name}/Sessions`), 403, 20006)
  assertRefused(await few.post('/v1/Services', { UniqueName: 'canary' }), 403, 20006)
  assertRefused(await few.get('/simulator/handsets'), 403, 20006)
  assert.equal((await few.get('/v1/Services')).status, 200)
  // That it is another's is a 404 like any other: to know it, one would have to look for it everywhere.
  assert.equal((await few.get(`/v1/Services/KS${'5'.repeat(32)}`)).status, 404)
  await server.stop()

  const again = await startServer(t, server)
  const { entries } = (await again.get('/maskline/v1/AuditLog?Action=access.refuse')).body
  type Entry = { actor: string; actor_sid: string; source_ip_address: string; details: Record<string, unknown> }
  const found = (entries as Entry[]).map(({ actor, actor_sid, source_ip_address, details }) => {
    assert.deepEqual([actor, actor_sid], ['api-key', few.key.sid])
    assert.ok(source_ip_address)
    return details
  })
  const counts = new Map<string, number>()
  for (const { path, scope, count } of found) {
    const key = `${path}: ${scope}`
    counts.set(key, (counts.get(key) ?? 0) + Number(count))
  }
  assert.deepEqual(Object.fromEntries(counts), {
    'GET /v1/Services/:ServiceSid/Sessions: sessions:read': 2,
    'POST /v1/Services: services:write': 1,
    'GET /simulator/handsets: simulator pii': 1,
  })
  assert.doesNotMatch(JSON.stringify(entries), /canary/)
})

test('a callback to a private network is on record with the kind of address, and control: an allowed one is not', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.1/32' } })
  const receiver = await startReceiver(t)
  const tell = async (host: string) => {
    const CallbackUrl = `http://${host}:${receiver.port}/told`
    const service = await makeService(server, 2, { CallbackUrl })
    const { alice } = await converse(server, service)
    await server.text(alice.identifier, alice.proxy, 'Hello')
    const tried = 'select from callback_attempts where service_sid = $1'
    await eventually(async () => (await rows(server, tried, [service.sid])).length > 0, `${host} is tried`)
  }
  await tell('127.0.0.1')
  await tell('10.0.0.1')
  await tell('localhost.localdomain.invalid')
  await server.stop()
  const again = await startServer(t, server)
  const refused = await rows(again, "select actor, details from audit_log where action = 'address.refuse'")
  assert.deepEqual([...new Set(refused.map(({ actor, details }) => `${actor} ${details.kind}`))], ['server private'])
  assert.ok(refused.every(({ details }) => details.count > 0))
})

test('a flood of names is counted together, and what could not be written is counted later', async () => {
  const server = await shared()
  const sign_ins = createSignIns()
  const sid = (at: number) => `AC${String(at).padStart(32, '0')}`
  for (let at = 0; at < 1_200; at++) sign_ins.refused(sid(at), '192.0.2.2')
  const broken = { ...server.store, db: server.store.db.withSchema('nowhere') }
  await assert.rejects(sign_ins.write(broken, 'due'))
  sign_ins.refused(sid(0), '192.0.2.2')
  await sign_ins.write(server.store, 'due')
  const refusals = await refusalsOf(server, '192.0.2.2')
  assert.deepEqual([refusals.length, countOf(refusals, sid(0))], [1_000, 2])
  const rest = await rows(server, "select details from audit_log where action = 'sign-in.refuse' and origin is null")
  assert.deepEqual(rest, [{ details: { count: 200 } }])
})

test('a use is written at most once a minute, however many servers it came to', async () => {
  const server = await shared()
  const { store } = server
  let now = Date.now()
  const [one, other] = [createSignIns(() => now), createSignIns(() => now)]
  const sid = `SK${'7'.repeat(32)}`
  const written = async () =>
    (await rows(server, 'select xmin::text as version, address from key_uses where sid = $1', [sid]))[0]
  one.used(sid, '192.0.2.3')
  await one.write(store, 'due')
  const first = await written()
  for (let second = 1; second < 50; second += 10) {
    now += 10_000
    one.used(sid, '192.0.2.4')
    other.used(sid, '192.0.2.5')
    await one.write(store, 'due')
    await other.write(store, 'due')
  }
  assert.deepEqual(await written(), first)
  now += 15_000
  one.used(sid, '192.0.2.4')
  await one.write(store, 'due')
  assert.equal((await written()).address, '192.0.2.4')
})

test('a server writes down who came in while it runs', async () => {
  const server = await shared()
  const { key, secret } = await createApiKey(server.store, { account_sid: server.account.sid, friendly_name: 'key' })
  assert.equal((await ask(server, basic(key.sid, secret))).status, 200)
  await eventually(
    async () => (await rows(server, 'select from key_uses where sid = $1', [key.sid])).length === 1,
    'the use is written down',
  )
})
