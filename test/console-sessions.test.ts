import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, ROLES, type Scope, scopesOfRole } from '../src/core/scopes.ts'
import { forgetEndedSessions } from '../src/core/user-sessions.ts'
import { deleteUser, updateUser } from '../src/core/users.ts'
import { openBrowser, SESSION, signedIn } from './support/console.ts'
import { fillPath, makeTree, operationsOf } from './support/hostile.ts'
import { watchStatements } from './support/plans.ts'
import { assertRefused, makeService, rows, serverForFile } from './support/proxy-api.ts'
import { eventually, makeAccount, startServer } from './support/server.ts'

const shared = serverForFile()

test('the cookie opens the doors of the API for a page of ours, and for no other', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const paths = ['/v1/Services', '/maskline/v1/Events', '/simulator/handsets', SESSION]
  for (const path of paths) assert.equal((await browser.get(path)).status, 200, path)
  const foreign = { origin: 'https://evil.example' }
  for (const site of ['cross-site', 'same-site', 'none', '']) {
    for (const path of paths) {
      const headers = { 'sec-fetch-site': site, ...(site === 'none' ? {} : foreign) }
      assertRefused(await browser.call(path, { headers }), 401, 20003)
    }
  }
  const create = (headers: Record<string, string>) => browser.post('/v1/Services', { UniqueName: 'forged' }, headers)
  for (const headers of [
    { 'sec-fetch-site': 'cross-site', ...foreign },
    { 'sec-fetch-site': 'same-site' },
    foreign,
    { origin: 'null' },
  ]) {
    assertRefused(await create(headers), 401, 20003)
  }
  assertRefused(
    await browser.post(SESSION, { Name: 'x', Password: 'y' }, { 'sec-fetch-site': 'cross-site' }),
    403,
    20403,
  )
  assertRefused(await browser.post(`${SESSION}/account`, { AccountSid: server.account.sid }, foreign), 403, 20403)
  assert.deepEqual(await rows(server, "select from services where unique_name = 'forged'"), [])
  // The control: the same request of a page of ours is carried out.
  assert.equal((await create({})).status, 201)
})

test('no answer lets a page of others read what the cookie opens', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  for (const path of ['/v1/Services', '/maskline/v1/Events', '/simulator/handsets', SESSION, '/console/']) {
    const preflight = { ...headers, 'access-control-request-method': 'POST' }
    for (const answer of [
      await browser.call(path, { headers }),
      await browser.call(path, { method: 'OPTIONS', headers: preflight }),
    ]) {
      // A browser hands nothing that it asked for with a cookie to a page, unless it is named.
      assert.notEqual(answer.headers.get('access-control-allow-origin'), 'https://evil.example', path)
      if (!path.startsWith('/v1')) assert.equal(answer.headers.get('access-control-allow-origin'), null, path)
    }
  }
})

test('Basic credentials are what they were, and come before a cookie', async () => {
  const server = await shared()
  const viewer = await signedIn(server, { role: 'viewer' })
  const authorization = `Basic ${Buffer.from(`${server.account.sid}:${server.account.auth_token}`).toString('base64')}`
  const params = {
    headers: { authorization, 'sec-fetch-site': 'cross-site', 'content-type': 'application/x-www-form-urlencoded' },
  }
  assert.equal((await viewer.call('/v1/Services', params)).status, 200)
  const wrong = `Basic ${Buffer.from(`${server.account.sid}:wrong`).toString('base64')}`
  assertRefused(await viewer.call('/v1/Services', { headers: { authorization: wrong } }), 401, 20003)
  const asked = await fetch(`${server.direct}/v1/Services`)
  assert.equal(asked.headers.get('www-authenticate'), 'Basic realm="Twilio API"')
})

test('with the console off there is neither a page nor a cookie that opens anything', async (t) => {
  const server = await startServer(t)
  const browser = await signedIn(server)
  const off = await startServer(t, { ...server, env: { MASKLINE_CONSOLE: 'off' } })
  const same = openBrowser(off)
  same.forget(browser.cookie())
  assertRefused(await same.get('/v1/Services'), 401, 20003)
  for (const path of ['/console', '/console/', SESSION]) assert.equal((await same.get(path)).status, 404, path)
  assert.equal((await browser.get('/v1/Services')).status, 200)
})

test('a session ends when it was not used for half an hour, and after twelve hours in any case', async () => {
  const server = await shared()
  const age = (sid: string, column: string, by: string) =>
    rows(server, `update user_sessions set ${column} = ${column} - $2::interval where user_sid = $1`, [sid, by])
  for (const [column, by, ends] of [
    ['date_last_used', '29 minutes', false],
    ['date_last_used', '30 minutes', true],
    ['date_expiry', '11 hours 59 minutes', false],
    ['date_expiry', '12 hours', true],
  ] as const) {
    const browser = await signedIn(server)
    const { date_idle_expiry, date_expiry } = (await browser.get(SESSION)).body
    assert.ok(Math.abs(Date.parse(date_idle_expiry) - Date.now() - 30 * 60_000) < 5_000)
    assert.ok(Math.abs(Date.parse(date_expiry) - Date.now() - 12 * 3_600_000) < 5_000)
    await age(browser.user.sid, column, by)
    // What a server knows of a session it knows for some seconds; another reads it anew.
    const other = await startOther(server)
    other.forget(browser.cookie())
    assert.equal((await other.get('/v1/Services')).status, ends ? 401 : 200, `${column} ${by}`)
    if (ends) await eventually(async () => (await browser.get('/v1/Services')).status === 401, `${column} ends it here`)
  }
})

const others = new WeakMap<object, ReturnType<typeof startServer>>()
const cleanups: (() => unknown)[] = []
test.after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

/** A second server of the same database, started once. */
async function startOther(server: Awaited<ReturnType<typeof startServer>>) {
  const hooks = { after: (clean: unknown) => cleanups.push(clean as () => unknown) }
  const started = others.get(server) ?? startServer(hooks as never, server)
  others.set(server, started)
  return openBrowser(await started)
}

test('that it is used is written down at most once a minute, and asking how long it lasts is no use', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const read = async () =>
    (
      await rows(
        server,
        "select xmin::text as version, now() - date_last_used < interval '20 seconds' as is_new from user_sessions where user_sid = $1",
        [browser.user.sid],
      )
    )[0]
  const first = await read()
  for (let at = 0; at < 5; at++) await browser.get('/v1/Services')
  assert.deepEqual(await read(), first)
  const old = "update user_sessions set date_last_used = now() - interval '2 minutes' where user_sid = $1"
  await rows(server, old, [browser.user.sid])
  const other = await startOther(server)
  other.forget(browser.cookie())
  await other.get(SESSION)
  assert.equal((await read()).is_new, false)
  await other.get('/v1/Services')
  assert.equal((await read()).is_new, true)
})

test('most requests of a session cost no statement of their own', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const other = await startOther(server)
  other.forget(browser.cookie())
  const statementsOf = async (requests: number) => {
    const watched = watchStatements()
    for (let at = 0; at < requests; at++) assertRefused(await other.get('/v1/Nowhere'), 404, 20404)
    return watched.stop().filter(({ text }) => text.includes('user_sessions')).length
  }
  // The control: the first one is seen, since this server has not heard of the session.
  assert.deepEqual([await statementsOf(1), await statementsOf(20)], [1, 0])
})

test('who is disabled, given another role or removed is out within seconds, on other servers too', async () => {
  const server = await shared()
  for (const end of [
    (sid: string) => updateUser(server.store, sid, { is_disabled: true }),
    (sid: string) => updateUser(server.store, sid, { role: 'viewer' }),
    (sid: string) => updateUser(server.store, sid, { reset_totp: true }),
    (sid: string) => deleteUser(server.store, sid),
  ]) {
    const browser = await signedIn(server)
    const other = await startOther(server)
    other.forget(browser.cookie())
    for (const one of [browser, other]) assert.equal((await one.get('/v1/Services')).status, 200)
    await end(browser.user.sid)
    for (const one of [browser, other]) {
      await eventually(async () => (await one.get('/v1/Services')).status === 401, 'the session is over', 7_000)
    }
  }
})

test('every role is let into what its scopes say, by every operation there is, and refused by 20006 everywhere else', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  const operations = await operationsOf(server)
  for (const [role, account_sid] of [
    ...ROLES.map((role) => [role, server.account.sid] as const),
    ['admin', null] as const,
  ]) {
    const scopes = scopesOfRole({ role, account_sid })
    const browser = await signedIn(server, { role, account_sid })
    let [let_in, refused] = [0, 0]
    for (const { method, template, scopes: needed } of operations) {
      if (method === 'DELETE' && needed.every((scope) => scopes.has(scope))) continue
      const path = fillPath(template, tree)
      const { status, body } = method === 'POST' ? await browser.post(path) : await browser.call(path, { method })
      const may = needed.every((scope) => scopes.has(scope))
      if (may) let_in++
      else refused++
      assert.equal(status === 403 && body.code === 20006, !may, `${role}: ${method} ${template}: ${status}`)
    }
    assert.ok(let_in > 10 && refused > 1, `${role} ${let_in} ${refused}`)
    const phones = await browser.get('/simulator/handsets')
    assert.equal(phones.status, role === 'viewer' ? 403 : 200, role)
  }
})

test('a role holds what the one below it does, and none sees people but by a reveal', () => {
  const of = (role: (typeof ROLES)[number]) => scopesOfRole({ role, account_sid: 'AC1' })
  assert.ok(covers(of('operator'), of('viewer')) && covers(of('admin'), of('operator')))
  const missing = (role: (typeof ROLES)[number]) =>
    (
      ['pii', 'reveal', 'users', 'accounts', 'keys', 'audit:read', 'services:write', 'sessions:write'] as Scope[]
    ).filter((scope) => !of(role).has(scope))
  assert.deepEqual(missing('viewer').length, 8)
  assert.deepEqual(missing('operator'), ['pii', 'users', 'accounts', 'keys', 'audit:read', 'services:write'])
  assert.deepEqual(missing('admin'), ['pii', 'accounts'])
  assert.deepEqual(scopesOfRole({ role: 'admin', account_sid: null }).has('accounts'), true)
})

test('a user of all accounts works for one at a time, and one of a single account for no other', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const service = await makeService(server, 0)
  const browser = await signedIn(server)
  const work = (AccountSid: string) => browser.post(`${SESSION}/account`, { AccountSid })
  assert.equal((await work(server.account.sid)).body.account.sid, server.account.sid)
  assert.equal((await browser.get(service.path)).status, 200)
  assert.equal((await work(other.sid)).body.account.sid, other.sid)
  assertRefused(await browser.get(service.path), 404, 20404)
  assertRefused(await work(`AC${'0'.repeat(32)}`), 400, 80401)
  assertRefused(await work(''), 400, 20001)
  const bound = await signedIn(server, { account_sid: other.sid })
  assertRefused(await bound.post(`${SESSION}/account`, { AccountSid: server.account.sid }), 403, 20403)
  assertRefused(await bound.get(service.path), 404, 20404)
})

test('of a suspended account its own users see nothing, and those of all accounts enough to resume it', async () => {
  const server = await shared()
  const account = await makeAccount(server.store)
  const [own, all] = [await signedIn(server, { account_sid: account.sid }), await signedIn(server)]
  await all.post(`${SESSION}/account`, { AccountSid: account.sid })
  const path = `/maskline/v1/Accounts/${account.sid}`
  assert.equal((await all.post(path, { Status: 'suspended' })).body.status, 'suspended')
  await eventually(async () => (await own.get('/v1/Services')).body.code === 20005, 'its users are refused')
  await eventually(async () => (await all.post('/v1/Services', { UniqueName: 'x' })).body.code === 20005, 'changes are')
  assert.equal((await own.get(SESSION)).body.account.status, 'suspended')
  assert.equal((await all.get('/v1/Services')).status, 200)
  assert.equal((await all.post(path, { Status: 'active' })).body.status, 'active')
  await eventually(async () => (await own.get('/v1/Services')).status === 200, 'it works again')
})

test('what a user does is on record as theirs, and shown with their name', async () => {
  const server = await shared()
  const browser = await signedIn(server, { account_sid: server.account.sid, name: 'anna of the audit' })
  const made = await browser.post('/v1/Services', { UniqueName: 'of-anna' })
  const { entries } = (await browser.get(`/maskline/v1/AuditLog?ResourceSid=${made.body.sid}`)).body
  assert.deepEqual(
    entries.map(({ action, actor, actor_sid, actor_name }: Record<string, string>) => [
      action,
      actor,
      actor_sid,
      actor_name,
    ]),
    [['service.create', 'user', browser.user.sid, 'anna of the audit']],
  )
  await makeService(server, 0)
  const others = (await browser.get('/maskline/v1/AuditLog?Action=service.create')).body.entries
  assert.ok(others.some(({ actor, actor_name }: Record<string, unknown>) => actor === 'account' && actor_name === null))
})

test('sessions and links that are over are forgotten', async () => {
  const server = await shared()
  const [over, goes] = [await signedIn(server), await signedIn(server)]
  await rows(server, "update user_sessions set date_expiry = now() - interval '1 second' where user_sid = $1", [
    over.user.sid,
  ])
  await rows(server, "update sign_in_links set date_expiry = now() - interval '1 second' where user_sid = $1", [
    over.user.sid,
  ])
  await forgetEndedSessions(server.store)
  for (const table of ['user_sessions', 'sign_in_links']) {
    const left = await rows(server, `select user_sid from ${table} where user_sid = any($1)`, [
      [over.user.sid, goes.user.sid],
    ])
    assert.deepEqual(left, [{ user_sid: goes.user.sid }], table)
  }
})
