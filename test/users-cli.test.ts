import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type Env, runCli, startCli } from './support/cli.ts'
import { follow, openBrowser, SESSION, tokenOf } from './support/console.ts'
import { createDatabase } from './support/database.ts'
import { serverForFile } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const shared = serverForFile()

test('the operator adds, lists, changes, lets in anew and removes users', async () => {
  const server = await shared()
  const env: Env = {
    DATABASE_URL: server.database_url,
    MASKLINE_MASTER_KEY: server.master_key,
    MASKLINE_PUBLIC_URL: server.url,
  }
  const users = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(['users', ...args], env)
    return { code, stderr, rows: stdout.startsWith('[') ? JSON.parse(stdout) : stdout }
  }
  const { sid: account } = server.account
  const added = await users('add', 'anna', '--role', 'operator', '--account', account, '--json')
  assert.equal(added.code, 0, added.stderr)
  const [{ sid, link }] = added.rows
  const browser = openBrowser(server)
  assert.deepEqual((await follow(browser, link)).body.user.account_sid, account)
  const [listed] = (await users('list', '--json')).rows
  assert.deepEqual(
    [listed.sid, listed.name, listed.role, listed.account, listed.state],
    [sid, 'anna', 'operator', account, 'without password'],
  )

  const [changed] = (await users('update', 'ANNA', '--role', 'viewer', '--json')).rows
  assert.equal(changed.role, 'viewer')
  const [again] = (await users('link', sid, '--json')).rows
  assert.equal((await follow(browser, again.link)).body.user.role, 'viewer')
  assert.equal((await users('update', sid, '--disable', '--json')).rows[0].state, 'disabled')
  assert.equal((await follow(openBrowser(server), (await users('link', sid, '--json')).rows[0].link)).status, 401)

  const told = await users('add', 'ben', '--role', 'admin')
  assert.match(told.rows, /#link=/)
  assert.match(told.stderr, /once, within a day/)
  for (const [args, problem] of [
    [['add', 'ben', '--role', 'admin'], /Somebody has it already/],
    [['add', 'carl', '--role', 'owner'], /one of viewer, operator, admin/],
    [['add', 'carl', '--role', 'admin', '--account', 'AC1'], /There is no account AC1/],
    [['update', 'ben', '--disable', '--enable'], /not both/],
    [['link', 'nobody'], /There is no user nobody/],
  ] as const) {
    const { code, stderr } = await users(...args)
    assert.deepEqual([code, problem.test(stderr)], [2, true], `${args.join(' ')}: ${stderr}`)
  }
  assert.match((await users('remove', 'anna')).rows, /anna is removed/)
  assert.equal((await users('remove', 'anna')).code, 2)
})

/** Starts it, takes the link that it prints, and stops it. */
async function startDev(t: TestContext, env: Env) {
  const dev = startCli(t, ['dev'], env)
  const [, url = '', link = ''] = await dev.printed(/console +((?:http:\/\/[\w.:]+)\/console\/#link=([\w-]{43}))/)
  const base = url.slice(0, url.indexOf('/console'))
  const browser = openBrowser({ url: base } as TestServer, { origin: base })
  const stop = async () => {
    dev.child.kill('SIGTERM')
    await dev.ended
  }
  return { browser, url, link, stop }
}

test('dev prints a link that signs in once, as a user who may do everything, and another with each start', async (t) => {
  const env = {
    DATABASE_URL: await createDatabase(t),
    MASKLINE_MASTER_KEY: randomBytes(32).toString('hex'),
    MASKLINE_PORT: '0',
    MASKLINE_DEV_ACCOUNT_SID: `AC${'3'.repeat(32)}`,
    MASKLINE_DEV_AUTH_TOKEN: 'a-token-for-these-tests',
  }
  const first = await startDev(t, env)
  const { status, body } = await follow(first.browser, first.url)
  assert.deepEqual(
    [status, body.user.name, body.user.role, body.user.account_sid, body.is_dev],
    [200, 'dev', 'admin', null, true],
  )
  assert.ok(body.scopes.includes('accounts'))
  assert.equal((await follow(first.browser, first.url)).status, 401)
  await first.stop()

  const second = await startDev(t, env)
  assert.notEqual(second.link, tokenOf(first.url))
  assert.equal((await follow(second.browser, second.url)).status, 200)
  assert.equal((await second.browser.get(SESSION)).status, 200)
  await second.stop()
})
