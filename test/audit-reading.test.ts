import assert from 'node:assert/strict'
import { hostname, userInfo } from 'node:os'
import { test } from 'node:test'
import { setAuthToken } from '../src/core/accounts.ts'
import { runCli } from './support/cli.ts'
import { addNumber, makeService, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'

const shared = serverForFile()

type Entry = Record<'action' | 'actor', string> & Record<'origin' | 'resource_sid', string | null>

const actionsOf = (entries: Entry[]) => entries.map(({ action }) => action)

test('the command line acts as the user who is logged in, and a server tells that it opened the key ring', async () => {
  const server = await shared()
  const env = { DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key }
  const tool = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli([...args, '--json'], env)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)[0]
  }
  const account = await tool('accounts', 'create', 'acme')
  const key = await tool('keys', 'create', 'dispatcher', '--account', account.sid)
  const carrier = await tool('carriers', 'add', 'simulator', '--account', account.sid)
  const number = await tool('numbers', 'add', '+12025550171', '--carrier', carrier.sid)
  await runCli(['keys', 'revoke', key.sid], env)
  const entries: Entry[] = await rows(server, 'select * from audit_log where account_sid = $1 order by sid', [
    account.sid,
  ])
  assert.deepEqual(
    entries.map(({ action, resource_sid }) => [action, resource_sid]),
    [
      ['account.create', account.sid],
      ['api-key.create', key.sid],
      ['carrier.create', carrier.sid],
      ['phone-number.create', number.sid],
      ['api-key.revoke', key.sid],
    ],
  )
  for (const { actor, origin } of entries)
    assert.deepEqual([actor, origin], ['operator', `${userInfo().username}@${hostname()}`])
  const opened: Entry[] = await rows(server, "select * from audit_log where action = 'master-key.open'")
  assert.deepEqual(
    opened.map(({ actor }) => actor),
    ['server'],
  )
})

test('an account reads its own entries by page, kind, thing, key and date, and nobody else’s', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${other.sid}:${other.auth_token}`).toString('base64')}`
  const post: TestServer['post'] = (path, params) => server.post(path, params, { authorization })
  const as: TestServer = { ...server, account: other, post }
  const get = async (query: string) => {
    const { status, body, text } = await server.call(`/maskline/v1/AuditLog${query}`, { headers: { authorization } })
    assert.equal(status, 200, text)
    return body
  }
  const service = await makeService(as, 0)
  await addNumber(as, service)
  const session = await openSession(as, service)
  await setAuthToken(server.store, other.sid, other.auth_token)
  const all = [
    'account.create',
    'carrier.create',
    'service.create',
    'phone-number.create',
    'phone-number.add',
    'session.create',
    'account.set-token',
  ]
  const { entries } = await get('')
  assert.deepEqual(actionsOf(entries), all)
  const made = entries[5]
  assert.deepEqual(
    { ...made, sid: '', date_created: '', request_sid: '' },
    {
      sid: '',
      account_sid: other.sid,
      ...{ actor: 'account', actor_sid: other.sid, actor_name: null },
      source_ip_address: made.source_ip_address,
      request_sid: '',
      action: 'session.create',
      service_sid: service.sid,
      resource_sid: session.sid,
      details: { participants: 0 },
      date_created: '',
    },
  )
  assert.match(made.source_ip_address, /127\.0\.0\.1$/)
  assert.deepEqual([entries[0].actor, entries[0].source_ip_address], ['server', null])

  const later = '2099-01-01T00:00:00Z'
  for (const [query, expected] of [
    ['Action=session.create', ['session.create']],
    [`ResourceSid=${service.sid}`, ['service.create']],
    [`ActorSid=${other.sid}`, all.slice(2, 6)],
    [`ActorSid=${other.sid}&Action=phone-number.add`, ['phone-number.add']],
    [`StartDate=2020-01-01&EndDate=${later}`, all],
    [`StartDate=${later}`, []],
    ['EndDate=2020-01-01', []],
    [`ResourceSid=KC${'0'.repeat(32)}`, []],
  ] as const) {
    // Some are in the chain by now, and some not: it makes no difference.
    assert.deepEqual(actionsOf((await get(`?${query}`)).entries), expected, query)
  }
  const paged: Entry[] = []
  for (let url = '?PageSize=3&StartDate=2020-01-01'; url; ) {
    const page = await get(url)
    paged.push(...page.entries)
    url = page.meta.next_page_url ? new URL(page.meta.next_page_url).search : ''
  }
  assert.deepEqual(paged, entries)
  const refused = await server.call('/maskline/v1/AuditLog?StartDate=soon', { headers: { authorization } })
  assert.equal(refused.status, 400)
})

test('the command line lists, exports and verifies the log, and tells by its status that it was changed', async () => {
  const server = await shared()
  const env = { DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key }
  const run = async (...args: string[]) => await runCli(['audit', ...args], env)
  const service = await makeService(server, 0)
  await server.post(service.path, { DefaultTtl: '60' })
  await eventually(async () => (await rows(server, 'select from audit_pending')).length === 0, 'all is sealed')

  const listed = JSON.parse(
    (await run('list', '--account', server.account.sid, '--resource', service.sid, '--json')).stdout,
  )
  assert.deepEqual(actionsOf(listed), ['service.create', 'service.update'])
  assert.deepEqual([typeof listed[0].position, listed[0].seal.length, listed[0].actor], ['number', 64, 'account'])
  const newest = await run('list', '--limit', '1')
  assert.match(newest.stdout, /service\.update +KS\w+ +fields=default_ttl\n$/)
  const exported = (await run('export')).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    exported.map(({ position }) => position),
    exported.map((_, at) => at + 1),
  )
  assert.deepEqual(
    exported.filter(({ resource_sid }) => resource_sid === service.sid),
    listed,
  )
  const head = (await run('head')).stdout.trim()
  assert.match(head, /^\d+:[0-9a-f]{64}$/)
  const good = await run('verify', '--head', head)
  assert.deepEqual([good.code, good.stderr], [0, ''])
  assert.match(good.stdout, /^\d+ entries from 1 on: as they were sealed\.\n/)
  assert.equal((await run('verify', '--head', 'nothing')).code, 2)

  await rows(server, "update audit_entries set origin = '192.0.2.1' where position = 2")
  const bad = await run('verify', '--json')
  assert.equal(bad.code, 1)
  assert.deepEqual(JSON.parse(bad.stdout).problems, [
    { name: exported[1].sid, problem: 'Entry 2 is not what was sealed.' },
  ])
})
