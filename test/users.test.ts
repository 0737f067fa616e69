import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askedBy, askedByKey } from './support/callers.ts'
import { follow, openBrowser, SESSION, signedIn } from './support/console.ts'
import { assertRefused, newName, rows, serverForFile } from './support/proxy-api.ts'
import { makeAccount, type TestServer } from './support/server.ts'

const shared = serverForFile()
const USERS = '/maskline/v1/Users'
const ACCOUNTS = '/maskline/v1/Accounts'

const add = async (as: TestServer, params: Record<string, string> = {}) => {
  const answer = await as.post(USERS, { Name: newName('added'), Role: 'viewer', ...params })
  assert.equal(answer.status, 201, answer.text)
  return answer.body
}

const actionsOn = async (server: TestServer, sid: string): Promise<string[]> =>
  (await rows(server, 'select action from audit_log where resource_sid = $1 order by sid', [sid])).map(
    ({ action }) => action,
  )

test('a user is made, shown a link once, listed, changed and removed, and each of these is on record', async () => {
  const server = await shared()
  const admin = await signedIn(server)
  const { link, ...user } = await add(admin, { Role: 'operator' })
  assert.deepEqual(
    [user.role, user.account_sid, user.has_password, user.has_totp, user.is_disabled, user.date_last_used],
    ['operator', null, false, false, false, null],
  )
  const theirs = openBrowser(server)
  assert.equal((await follow(theirs, link)).body.user.sid, user.sid)
  assert.deepEqual((await admin.get(`${USERS}/${user.sid}`)).body, user)
  const { users } = (await admin.get(`${USERS}?PageSize=100`)).body
  assert.ok(users.some(({ sid }: { sid: string }) => sid === user.sid))

  const path = `${USERS}/${user.sid}`
  const changed = await admin.post(path, { Role: 'viewer', Disabled: 'true' })
  assert.deepEqual([changed.body.role, changed.body.is_disabled, changed.body.link], ['viewer', true, null])
  const renewed = await admin.post(path, { Disabled: 'false', NewLink: 'true' })
  assert.equal((await follow(theirs, renewed.body.link)).body.user.role, 'viewer')
  assert.deepEqual((await admin.post(path, {})).status, 200)
  assert.equal((await admin.delete(path)).status, 204)
  assertRefused(await admin.get(path), 404, 20404)
  assertRefused(await admin.delete(path), 404, 20404)
  assert.deepEqual(await actionsOn(server, user.sid), [
    ...['user.create', 'user.create-link', 'user.sign-in', 'user.update', 'user.update', 'user.create-link'],
    ...['user.sign-in', 'user.delete'],
  ])
})

test('a name is one person on the whole server, whatever its case, and is a name', async () => {
  const server = await shared()
  const admin = await signedIn(server)
  const { name } = await add(admin)
  const create = (Name: string) => admin.post(USERS, { Name, Role: 'viewer' })
  assertRefused(await create(name.toUpperCase()), 400, 80701, /Name/)
  for (const bad of [' ', 'line\nbreak', 'x'.repeat(65)]) assertRefused(await create(bad), 400, 80701, /Name/)
  assertRefused(await create(''), 400, 20001, /Name/)
  assertRefused(await admin.post(USERS, { Name: 'x', Role: 'owner' }), 400, 20001, /Role/)
})

test('a repeat by Idempotency-Key makes no second user, and shows the link no second time', async () => {
  const server = await shared()
  const create = () => server.post(USERS, { Name: 'only once', Role: 'viewer' }, { 'Idempotency-Key': 'a user' })
  const [first, second] = [await create(), await create()]
  assert.match(first.body.link, /#link=/)
  assert.deepEqual(second.body, { ...first.body, link: null })
})

test('nobody keeps themselves out, and nobody makes or touches a user who may do more than they may', async () => {
  const server = await shared()
  const admin = await signedIn(server, { account_sid: server.account.sid })
  const own = `${USERS}/${admin.user.sid}`
  for (const params of [{ Role: 'viewer' }, { Disabled: 'true' }] as Record<string, string>[])
    assertRefused(await admin.post(own, params), 403, 20403)
  assertRefused(await admin.delete(own), 403, 20403)
  assert.equal((await admin.get(SESSION)).status, 200)

  const key = await askedByKey(server, {
    scopes: [
      'users',
      'services:read',
      'numbers:read',
      'sessions:read',
      'interactions:read',
      'recordings:read',
      'callbacks:read',
      'events:read',
    ],
  })
  const viewer = await add(key)
  assertRefused(await key.post(USERS, { Name: newName('x'), Role: 'operator' }), 403, 20006)
  assertRefused(await key.post(`${USERS}/${viewer.sid}`, { Role: 'admin' }), 403, 20006)
  assertRefused(await key.post(own, { NewLink: 'true' }), 403, 20006)
  assertRefused(await key.delete(own), 403, 20006)
  assert.equal((await key.post(`${USERS}/${viewer.sid}`, { NewLink: 'true' })).status, 200)
})

test('an admin of one account knows its users only, and makes users of no other', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const [all, own] = [await signedIn(server), await signedIn(server, { account_sid: server.account.sid })]
  const theirs = await add(all, { AccountSid: other.sid })
  const everywhere = await add(all)
  const mine = await add(own)
  assert.deepEqual(
    [theirs.account_sid, everywhere.account_sid, mine.account_sid],
    [other.sid, null, server.account.sid],
  )
  for (const { sid } of [theirs, everywhere]) {
    assertRefused(await own.get(`${USERS}/${sid}`), 404, 20404)
    assertRefused(await own.post(`${USERS}/${sid}`, { Disabled: 'true' }), 404, 20404)
    assertRefused(await own.delete(`${USERS}/${sid}`), 404, 20404)
  }
  const { users } = (await own.get(`${USERS}?PageSize=100`)).body
  assert.ok(
    users.length > 0 && users.every(({ account_sid }: Record<string, string>) => account_sid === server.account.sid),
  )
  assertRefused(await own.post(USERS, { Name: 'x', Role: 'viewer', AccountSid: other.sid }), 400, 80401)
  assertRefused(await all.post(USERS, { Name: 'x', Role: 'viewer', AccountSid: `AC${'0'.repeat(32)}` }), 400, 80401)
  assert.equal((await all.get(`${USERS}/${theirs.sid}`)).status, 200)
})

test('an admin manages keys for applications, which may see people, and still sees nobody', async () => {
  const server = await shared()
  const admin = await signedIn(server, { account_sid: server.account.sid })
  const { status, body } = await admin.post('/maskline/v1/Keys', { FriendlyName: 'an application' })
  assert.deepEqual([status, body.type], [201, 'standard'])
  assert.equal((await askedBy(server, body.sid, body.secret).get('/v1/Services')).status, 200)
  assert.equal((await admin.delete(`/maskline/v1/Keys/${body.sid}`)).status, 204)
})

test('a user of all accounts makes accounts, once each, and renames, suspends and resumes them', async () => {
  const server = await shared()
  const admin = await signedIn(server)
  const Sid = `AC${'7'.repeat(32)}`
  const made = await admin.post(ACCOUNTS, { FriendlyName: 'acme', Sid })
  assert.equal(made.status, 201, made.text)
  const { auth_token, ...account } = made.body
  assert.deepEqual(
    [account.sid, account.friendly_name, account.status, account.date_last_used],
    [Sid, 'acme', 'active', null],
  )
  const theirs = askedBy(server, Sid, auth_token)
  assert.equal((await theirs.get('/v1/Services')).status, 200)
  assertRefused(await admin.post(ACCOUNTS, { FriendlyName: 'again', Sid }), 400, 80701, /exists already/)
  assertRefused(await admin.post(ACCOUNTS, { FriendlyName: 'x', Sid: 'AC1' }), 400, 80701, /not an account SID/)
  assert.deepEqual((await admin.get(`${ACCOUNTS}/${Sid}`)).body, account)
  const renamed = await admin.post(`${ACCOUNTS}/${Sid}`, { FriendlyName: 'acme & sons', Status: 'suspended' })
  assert.deepEqual([renamed.body.friendly_name, renamed.body.status], ['acme & sons', 'suspended'])
  const { accounts } = (await admin.get(ACCOUNTS)).body
  assert.equal(accounts.length, 1 + accounts.findIndex(({ sid }: { sid: string }) => sid === accounts.at(-1).sid))
  assert.ok(accounts.some(({ sid }: { sid: string }) => sid === Sid))
  assert.deepEqual(await actionsOn(server, Sid), ['account.create', 'account.rename', 'account.suspend'])
})

test('everybody else knows their own account, may rename it, and neither makes nor suspends one', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const viewer = await signedIn(server, { role: 'viewer', account_sid: server.account.sid })
  for (const as of [server, viewer]) {
    const { accounts } = (await as.get(ACCOUNTS)).body
    assert.deepEqual(
      accounts.map(({ sid }: { sid: string }) => sid),
      [server.account.sid],
    )
    assertRefused(await as.get(`${ACCOUNTS}/${other.sid}`), 404, 20404)
  }
  assertRefused(await server.post(ACCOUNTS, { FriendlyName: 'x' }), 403, 20403)
  assertRefused(await server.post(`${ACCOUNTS}/${server.account.sid}`, { Status: 'suspended' }), 403, 20403)
  assertRefused(await server.post(`${ACCOUNTS}/${other.sid}`, { FriendlyName: 'x' }), 404, 20404)
  assertRefused(await viewer.post(`${ACCOUNTS}/${server.account.sid}`, { FriendlyName: 'x' }), 403, 20006)
  const renamed = await server.post(`${ACCOUNTS}/${server.account.sid}`, { FriendlyName: 'ours' })
  assert.equal(renamed.body.friendly_name, 'ours')
})
