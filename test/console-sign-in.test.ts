import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLink } from '../src/core/sign-in-links.ts'
import { updateUser } from '../src/core/users.ts'
import { follow, makeUser, openBrowser, PASSWORD, SESSION, signedIn, tokenOf, withPassword } from './support/console.ts'
import { assertRefused, newName, rows, serverForFile } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()

const deedsOf = async (server: TestServer, sid: string): Promise<string[]> =>
  (await rows(server, 'select action from audit_log where resource_sid = $1 order by sid', [sid])).map(
    ({ action }) => action,
  )

test('a link signs in once, within its day, and only whoever may come in', async () => {
  const server = await shared()
  const user = await makeUser(server, { role: 'operator', account_sid: server.account.sid })
  const link = await createLink(server.store, user)
  assert.ok(link.startsWith(`${server.url}/console/#link=`))
  const browser = openBrowser(server)
  const { status, body, headers } = await follow(browser, link)
  assert.equal(status, 200)
  assert.equal(headers.get('cache-control'), 'no-store')
  assert.deepEqual(
    [body.user.sid, body.user.name, body.user.role, body.user.account_sid, body.user.has_totp, body.user.has_password],
    [user.sid, user.name, 'operator', server.account.sid, false, false],
  )
  assert.deepEqual(body.account, { sid: server.account.sid, friendly_name: 'test', status: 'active' })
  assert.deepEqual([body.public_url, body.has_simulator, body.is_dev], [server.url, true, false])
  assert.equal((await browser.get('/v1/Services')).status, 200)
  assert.deepEqual(await deedsOf(server, user.sid), ['user.create', 'user.create-link', 'user.sign-in'])

  assertRefused(await follow(openBrowser(server), link), 401, 20003)
  const replaced = await createLink(server.store, user)
  const late = await createLink(server.store, user)
  assertRefused(await follow(openBrowser(server), replaced), 401, 20003)
  await rows(server, "update sign_in_links set date_expiry = now() - interval '1 second' where user_sid = $1", [
    user.sid,
  ])
  assertRefused(await follow(openBrowser(server), late), 401, 20003)
  const disabled = await createLink(server.store, user)
  await updateUser(server.store, user.sid, { is_disabled: true })
  assertRefused(await follow(openBrowser(server), disabled), 401, 20003)
})

test('of many at once who follow one link, one comes in', async () => {
  const server = await shared()
  const link = await createLink(server.store, await makeUser(server))
  const answers = await Promise.all(Array.from({ length: 20 }, () => follow(openBrowser(server), link)))
  assert.equal(answers.filter(({ status }) => status === 200).length, 1)
})

test('control: the race would be seen, were the link looked at first and marked later', async () => {
  const server = await shared()
  const link = await createLink(server.store, await makeUser(server))
  const digest = server.store.keys.digest(tokenOf(link))
  const take = async () => {
    const [found] = await rows(server, 'select date_used from sign_in_links where token_digest = $1', [digest])
    if (found?.date_used) return false
    await rows(server, 'update sign_in_links set date_used = now() where token_digest = $1', [digest])
    return true
  }
  assert.ok((await Promise.all(Array.from({ length: 20 }, take))).filter(Boolean).length > 1)
})

test('the cookie is for this host, for scripts of nobody, for TLS, for no page of others', async () => {
  const server = await shared()
  const link = await createLink(server.store, await makeUser(server))
  const { headers } = await follow(openBrowser(server), link)
  const [cookie = ''] = headers.getSetCookie()
  const [pair = '', ...attributes] = cookie.split('; ')
  assert.match(pair, /^__Host-maskline=[\w-]{43}$/)
  assert.deepEqual(attributes.sort(), ['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure'])
  const token = pair.split('=')[1] ?? ''
  const stored = await rows(
    server,
    'select t::text as text from user_sessions t union all select t::text from audit_log t',
  )
  assert.equal(JSON.stringify(stored).includes(token), false)
  assert.equal(JSON.stringify(stored).includes(tokenOf(link)), false)
})

test('a password is set without another after a link, by the one before it later, and ends every other session', async () => {
  const server = await shared()
  const browser = await withPassword(server)
  const { user } = browser
  const change = (params: Record<string, string>) => browser.post(`${SESSION}/password`, params)
  assertRefused(await change({ Password: 'another-good-lamp-8' }), 400, 20001, /Current/)
  assertRefused(await change({ Password: 'another-good-lamp-8', Current: 'wrong' }), 400, 80701, /Current/)

  const elsewhere = openBrowser(server)
  const link = await createLink(server.store, user)
  assert.equal((await elsewhere.post(SESSION, { Name: user.name.toUpperCase(), Password: PASSWORD })).status, 200)
  const next = 'tin-roof-marmalade'
  const changed = await change({ Current: PASSWORD, Password: next })
  assert.equal(changed.status, 200, changed.text)
  assert.equal((await browser.get(SESSION)).status, 200)
  const [{ count }] = await rows(server, 'select count(*)::int from user_sessions where user_sid = $1', [user.sid])
  assert.equal(count, 1)
  assertRefused(await follow(openBrowser(server), link), 401, 20003)
  assertRefused(await openBrowser(server).post(SESSION, { Name: user.name, Password: PASSWORD }), 401, 20003)
  assert.equal((await openBrowser(server).post(SESSION, { Name: user.name, Password: next })).status, 200)
  const [{ password_hash }] = await rows(server, 'select password_hash from users where sid = $1', [user.sid])
  assert.match(password_hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
})

test('a password that is easily guessed is refused, and one that is long is not for what it is made of', async () => {
  const server = await shared()
  const browser = await signedIn(server, { name: newName('bartholomew') })
  let Current = ''
  const set = (Password: string) => browser.post(`${SESSION}/password`, { Password, Current })
  for (const poor of [
    'short-lamp9',
    '123456789012',
    'qwertyuiopas',
    'Password1234',
    'aaaaaaaaaaaaaaa',
    'maskline-console',
    'bartholomew123',
  ]) {
    assertRefused(await set(poor), 400, 80701, /Password/)
  }
  for (const good of ['correct horse battery staple', 'ein zebra läuft im regen', '鯨の歌を聴く夜に星が降る海']) {
    const { status, text } = await set(good)
    assert.equal(status, 200, text)
    Current = good
  }
})

test('an unknown name, a wrong password, no password yet and a disabled user are told the same', async () => {
  const server = await shared()
  const [known, without, disabled] = [await withPassword(server), await signedIn(server), await withPassword(server)]
  await updateUser(server.store, disabled.user.sid, { is_disabled: true })
  const answers = []
  for (const [Name, Password] of [
    [newName('nobody'), PASSWORD],
    [known.user.name, 'not the password'],
    [without.user.name, PASSWORD],
    [disabled.user.name, PASSWORD],
  ] as const) {
    const { status, text, headers } = await openBrowser(server).post(SESSION, { Name, Password })
    answers.push([status, text, headers.getSetCookie(), headers.get('www-authenticate')])
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0])
  assert.deepEqual([answers[0]?.[0], answers[0]?.[3]], [401, 'Cookie realm="Maskline"'])
  assert.equal((await openBrowser(server).post(SESSION, { Name: known.user.name, Password: PASSWORD })).status, 200)
})

test('an unknown name costs what a wrong password does', async (t) => {
  const server = await startServer(t)
  const { findByPassword } = await import('../src/core/credentials.ts')
  const { createPasswords } = await import('../src/core/passwords.ts')
  const { user } = await withPassword(server)
  const passwords = createPasswords()
  const time = async (work: () => Promise<unknown>) => {
    const start = performance.now()
    await work()
    return performance.now() - start
  }
  const tried = (name: string) => time(() => findByPassword(server.store, passwords, { name, password: 'x', totp: '' }))
  const [known, unknown, early]: number[][] = [[], [], []]
  for (let round = 0; round < 30; round++) {
    known?.push(await tried(user.name))
    unknown?.push(await tried(`nobody ${round}`))
    // The control: as if it came back at once for a name that nobody has.
    early?.push(await time(() => rows(server, 'select from users where lower(name) = lower($1)', [`nobody ${round}`])))
  }
  const median = (times: number[] = []) => times.toSorted((a, b) => a - b)[15] ?? 0
  const ratio = median(unknown) / median(known)
  assert.ok(ratio > 0.7 && ratio < 1.4, `${ratio}`)
  assert.ok(median(early) / median(known) < 0.7)
})

test('signing out ends the session here at once, and the browser forgets', async () => {
  const server = await shared()
  const browser = await signedIn(server)
  const cookie = browser.cookie()
  const { status, headers } = await browser.delete(SESSION)
  assert.equal(status, 204)
  assert.match(headers.getSetCookie()[0] ?? '', /^__Host-maskline=; .*Max-Age=0$/)
  assert.equal(headers.get('clear-site-data'), '"cache", "storage"')
  browser.forget(cookie)
  assertRefused(await browser.get(SESSION), 401, 20003)
  assertRefused(await browser.get('/v1/Services'), 401, 20003)
  assert.deepEqual((await deedsOf(server, browser.user.sid)).at(-1), 'user.sign-out')
})

test('who signs in again in the same browser has another session, and the one before it is over', async () => {
  const server = await shared()
  const browser = await withPassword(server)
  const before = browser.cookie()
  assert.equal((await browser.post(SESSION, { Name: browser.user.name, Password: PASSWORD })).status, 200)
  assert.notEqual(browser.cookie(), before)
  browser.forget(before)
  assertRefused(await browser.get(SESSION), 401, 20003)
})

test('what is missing is named, and where there is no account yet it says how one is made', async (t) => {
  const server = await startServer(t)
  const browser = openBrowser(server)
  assertRefused(await browser.post(SESSION, { Password: 'x' }), 400, 20001, /Name/)
  assertRefused(await browser.post(SESSION, { Name: 'x' }), 400, 20001, /Password/)
  const link = await createLink(server.store, await makeUser(server))
  await rows(server, 'delete from carriers')
  await rows(server, 'delete from accounts')
  assertRefused(await follow(browser, link), 400, 20001, /`maskline accounts create`/)
})

test('where the browser would drop the cookie, it says so instead of signing in for nothing', async () => {
  const server = await shared()
  const { user } = await withPassword(server)
  const form = new URLSearchParams({ Name: user.name, Password: PASSWORD })
  const answer = await fetch(server.url + SESSION, { method: 'POST', body: form })
  const body = (await answer.json()) as { code: number; message: string }
  assert.deepEqual([answer.status, body.code, answer.headers.getSetCookie()], [400, 20001, []])
  assert.match(body.message, /plain HTTP.*https.*localhost/s)
})
