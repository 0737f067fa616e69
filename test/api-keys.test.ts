import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, SCOPE_NAMES, scopesOf } from '../src/core/scopes.ts'
import { allBut, askedBy, askedByKey } from './support/callers.ts'
import { fillPath, makeTree, operationsOf } from './support/hostile.ts'
import { assertRefused, makeService, rows, serverForFile } from './support/proxy-api.ts'
import { makeAccount } from './support/server.ts'

const shared = serverForFile()
const KEYS = '/maskline/v1/Keys'

test('a key is made, shown once, listed, changed and revoked, and each of these is on record', async () => {
  const server = await shared()
  const made = await server.post(KEYS, { FriendlyName: 'dispatcher' })
  assert.equal(made.status, 201, made.text)
  const { secret, ...key } = made.body
  assert.equal(key.type, 'standard')
  const asked = askedBy(server, key.sid, secret)
  assert.equal((await asked.get('/v1/Services')).status, 200)
  // It was used, which is written down every few seconds.
  const withoutUse = ({ date_last_used, ...others }: Record<string, unknown>) => others
  assert.deepEqual(withoutUse((await server.get(`${KEYS}/${key.sid}`)).body), withoutUse(key))
  const { keys } = (await server.get(`${KEYS}?PageSize=100`)).body
  assert.deepEqual(withoutUse(keys.find(({ sid }: { sid: string }) => sid === key.sid)), withoutUse(key))

  const changed = await server.post(`${KEYS}/${key.sid}`, { FriendlyName: 'reader', Scopes: ['sessions:read', 'pii'] })
  assert.deepEqual(
    [changed.body.friendly_name, changed.body.type, changed.body.scopes],
    ['reader', 'restricted', ['sessions:read', 'pii', 'reveal']],
  )
  const renamed = await server.post(`${KEYS}/${key.sid}`, { FriendlyName: 'viewer' })
  assert.deepEqual([renamed.body.friendly_name, renamed.body.scopes], ['viewer', changed.body.scopes])
  assert.equal((await server.delete(`${KEYS}/${key.sid}`)).status, 204)
  assertRefused(await server.get(`${KEYS}/${key.sid}`), 404, 20404)

  const audited = await rows(server, 'select action, account_sid, details from audit_log where resource_sid = $1', [
    key.sid,
  ])
  assert.deepEqual(audited.map(({ action }) => action).sort(), [
    'api-key.create',
    'api-key.revoke',
    'api-key.update',
    'api-key.update',
  ])
  assert.ok(audited.every(({ account_sid }) => account_sid === server.account.sid))
  assert.equal(JSON.stringify(await rows(server, 'select * from api_keys')).includes(secret), false)
})

test('what a key should be has to be said clearly', async () => {
  const server = await shared()
  const create = (params: Record<string, string | string[]>) => server.post(KEYS, { FriendlyName: 'key', ...params })
  assertRefused(await server.post(KEYS), 400, 20001, /FriendlyName/)
  assertRefused(await create({ Type: 'restricted' }), 400, 20001, /Scopes/)
  assertRefused(await create({ Type: 'other' }), 400, 20001, /Type/)
  assertRefused(await create({ Type: 'main', Scopes: 'pii' }), 400, 80701, /Only a restricted key/)
  assertRefused(await create({ Scopes: ['pii', 'everything'] }), 400, 80701, /sessions:read/)
  assert.deepEqual((await create({ Scopes: ['keys', 'keys'] })).body.scopes, ['keys'])
})

test('a repeated create with an Idempotency-Key makes no second key, and does not show the secret again', async () => {
  const server = await shared()
  const create = () => server.post(KEYS, { FriendlyName: 'once' }, { 'Idempotency-Key': 'a key for a key' })
  const [first, second] = [await create(), await create()]
  assert.equal(typeof first.body.secret, 'string')
  assert.deepEqual(second.body, { ...first.body, secret: null })
})

test('a restricted key does what it names, a standard one all but what concerns the account, a main one everything', async () => {
  const server = await shared()
  const standard = await askedByKey(server, { type: 'standard' })
  const main = await askedByKey(server, { type: 'main' })
  assertRefused(await standard.get(KEYS), 403, 20006)
  assert.equal((await main.get(KEYS)).status, 200)
  const service = await makeService(standard, 1)
  const reader = await askedByKey(server, { scopes: ['services:read'] })
  assert.equal((await reader.get(service.path)).status, 200)
  for (const [method, path] of [
    ['POST', service.path],
    ['DELETE', service.path],
    ['GET', `${service.path}/Sessions`],
    ['GET', '/maskline/v1/Events'],
    ['GET', '/simulator/handsets'],
  ] as const) {
    const answer =
      method === 'POST' ? await reader.post(path, { UniqueName: 'x' }) : await reader.call(path, { method })
    assertRefused(answer, 403, 20006)
  }
  assertRefused(await (await askedByKey(server, { scopes: ['simulator'] })).get('/simulator/handsets'), 403, 20006)
  assert.equal(
    (await (await askedByKey(server, { scopes: ['simulator', 'pii'] })).get('/simulator/handsets')).status,
    200,
  )
})

test('every operation lets in whoever has just its scope', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  for (const { method, template, scopes } of await operationsOf(server)) {
    assert.ok(scopes.length > 0, `${method} ${template} names no scope`)
    if (method === 'DELETE') continue
    const caller = await askedByKey(server, { scopes })
    const path = fillPath(template, tree)
    const { status, text } = method === 'GET' ? await caller.get(path) : await caller.post(path)
    // The key and the user of the tree may do more than this one, so they are not this one's to change; nor does a key make accounts.
    const isWider = method === 'POST' && /\/(Keys\/\{Sid\}|Users\/\{Sid\}|Accounts)$/.test(template)
    assert.equal(status === 403, isWider, `${method} ${template}: ${text}`)
  }
})

test('nobody makes, changes or revokes a key that may do more than they may', async () => {
  const server = await shared()
  const manager = await askedByKey(server, { scopes: ['keys', 'sessions:read'] })
  const wider = await askedByKey(server, { type: 'standard' })
  for (const params of [{}, { Type: 'main' }, { Scopes: ['pii'] }, { Scopes: ['keys', 'sessions:write'] }] as const) {
    assertRefused(await manager.post(KEYS, { FriendlyName: 'x', ...(params as object) }), 403, 20006)
  }
  const made = await manager.post(KEYS, { FriendlyName: 'x', Scopes: ['keys', 'sessions:read'] })
  assert.equal(made.status, 201, made.text)
  const own = `${KEYS}/${manager.key.sid}`
  for (const params of [{ Type: 'main' }, { Type: 'standard' }, { Scopes: ['keys', 'pii'] }] as const) {
    assertRefused(await manager.post(own, { ...(params as object) }), 403, 20006)
  }
  assertRefused(await manager.post(`${KEYS}/${wider.key.sid}`, { FriendlyName: 'x' }), 403, 20006)
  assertRefused(await manager.post(`${KEYS}/${wider.key.sid}`, { Scopes: 'keys' }), 403, 20006)
  assertRefused(await manager.delete(`${KEYS}/${wider.key.sid}`), 403, 20006)
  assert.equal((await wider.get('/v1/Services')).status, 200)
  assert.equal((await manager.post(`${KEYS}/${made.body.sid}`, { Scopes: 'keys' })).status, 200)
})

test('a key of another account is none', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const theirs = await askedByKey(server, { type: 'main' }, other.sid)
  assertRefused(await server.get(`${KEYS}/${theirs.key.sid}`), 404, 20404)
  assert.equal((await server.get(`${KEYS}?PageSize=100`)).text.includes(theirs.key.sid), false)
  assert.equal((await theirs.get(KEYS)).body.keys.length, 1)
})

test('a scope that this version does not know opens nothing, and pii brings reveal', () => {
  const restricted = (...scopes: string[]) => scopesOf({ type: 'restricted', scopes })
  assert.deepEqual([...restricted('constructor', 'of the future', 'keys')], ['keys'])
  assert.deepEqual([...restricted('pii')], ['pii', 'reveal'])
  const [main, standard] = [scopesOf({ type: 'main', scopes: [] }), scopesOf({ type: 'standard', scopes: [] })]
  assert.deepEqual(
    SCOPE_NAMES.filter((scope) => !standard.has(scope)),
    ['keys', 'privacy', 'audit:read', 'users', 'accounts'],
  )
  assert.ok(
    covers(main, standard) &&
      !covers(standard, main) &&
      covers(standard, restricted(...allBut('keys', 'privacy', 'audit:read', 'users', 'accounts'))),
  )
})
