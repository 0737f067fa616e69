import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { signRequest } from '../src/callbacks/post.ts'
import { authTokenOf, createAuthenticator, createTokenOpener, setAccountStatus } from '../src/core/accounts.ts'
import { createApiKey, revokeApiKey } from '../src/core/api-keys.ts'
import { createSecondaryToken, promoteSecondaryToken } from '../src/core/auth-tokens.ts'
import { newSid } from '../src/core/sid.ts'
import { callback } from './support/callback-request.ts'
import { runCli } from './support/cli.ts'
import { converse, heard, settled } from './support/conversation.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { accepts, params, urls } from './support/random-callbacks.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()

const basic = (name: string, secret: string) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`

const statusOf = async (server: TestServer, sid: string, token: string) =>
  (await server.call('/v1/Services', { headers: { authorization: basic(sid, token) } })).status

const tool = (server: TestServer, ...args: string[]) =>
  runCli(args, { DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key })

async function run(server: TestServer, ...args: string[]) {
  const { code, stdout, stderr } = await tool(server, ...args)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

/** What was done to it since it was made; who was refused meanwhile stands there as well. */
const deeds = async (server: TestServer, account_sid: string) =>
  (
    await rows(
      server,
      `select action from audit_log where account_sid = $1 and action ~ '^(auth-token|account)\\.' and action <> 'account.create'
       order by sid`,
      [account_sid],
    )
  ).map(({ action }) => action)

test('both auth tokens are accepted while there are two, and after the promotion the new one alone', async () => {
  const server = await shared()
  const { sid, auth_token: first } = await makeAccount(server.store)
  let now = 0
  const authenticate = createAuthenticator(server.store, () => now)
  assert.ok(await authenticate(sid, first))
  const [made] = JSON.parse(await run(server, 'accounts', 'secondary-token', 'create', sid, '--json'))
  const second = made.secondary_auth_token
  assert.match(second, /^[0-9a-f]{32}$/)
  now += 5_000
  for (const token of [first, second]) assert.equal((await authenticate(sid, token))?.account_sid, sid)
  assert.equal(await authenticate(sid, randomBytes(16).toString('hex')), undefined)
  assert.equal(await authTokenOf(server.store, sid), first, 'callbacks are signed with the first')

  assert.equal((await tool(server, 'accounts', 'secondary-token', 'create', sid)).code, 2, 'there is one already')
  await run(server, 'accounts', 'secondary-token', 'promote', sid)
  now += 5_000
  assert.ok(await authenticate(sid, second))
  assert.equal(await authenticate(sid, first), undefined, 'the old one has ended')
  assert.equal(await authTokenOf(server.store, sid), second)
  const none = await tool(server, 'accounts', 'secondary-token', 'promote', sid)
  assert.deepEqual([none.code, none.stderr], [2, `Account ${sid} has no secondary auth token.\n`])

  const given = randomBytes(16).toString('hex')
  await run(server, 'accounts', 'secondary-token', 'create', sid, '--auth-token', given)
  now += 5_000
  assert.ok(await authenticate(sid, given))
  await run(server, 'accounts', 'secondary-token', 'delete', sid)
  now += 5_000
  assert.equal(await authenticate(sid, given), undefined)
  assert.ok(await authenticate(sid, second))
  const [create, promote, remove] = ['create-secondary', 'promote', 'delete-secondary'].map(
    (what) => `auth-token.${what}`,
  )
  assert.deepEqual(await deeds(server, sid), [create, promote, create, remove])
})

test('ten thousand random callbacks through a rotation are accepted by the validator of whoever knows both tokens', async (t) => {
  const { store } = await shared()
  const { sid, auth_token: first } = await makeAccount(store)
  const open = createTokenOpener(store)
  /** What signs a callback that is claimed now. */
  const signing = async () => {
    const { auth_token_sealed } = await store.db
      .selectFrom('accounts')
      .select('auth_token_sealed')
      .where('sid', '=', sid)
      .executeTakeFirstOrThrow()
    return open(sid, auth_token_sealed)
  }
  let second = ''
  let third = ''
  const phases: [change: () => Promise<unknown>, signs: () => string][] = [
    [async () => undefined, () => first],
    [async () => (second = await createSecondaryToken(store, sid)), () => first],
    [() => promoteSecondaryToken(store, sid), () => second],
    [async () => (third = await createSecondaryToken(store, sid)), () => second],
    [() => promoteSecondaryToken(store, sid), () => third],
  ]
  let seen = 0
  for (const [change, signs] of phases) {
    await change()
    const auth_token = await signing()
    const property = fc.property(urls, params, (url, form) => {
      const { headers, body } = signRequest(callback(url, { params: form, auth_token }))
      const signature = headers['x-twilio-signature'] ?? ''
      const fitting = [first, second, third].filter((token) => token && accepts(token, signature, url, body ?? ''))
      // One that an application did not know would be the control: no other one fits.
      assert.deepEqual(fitting, [signs()], url)
      seen++
    })
    fc.assert(property, { numRuns: 2_000 })
  }
  assert.equal(seen, 10_000)
  t.diagnostic(`${seen} callbacks`)
})

test('callbacks over real sockets change their signature with the promotion, and requests go on all the while', async (t) => {
  const server = await startServer(t)
  const { sid, auth_token: first } = server.account
  const receiver = await startReceiver(t)
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told?a=%C3%BC` })
  const { alice, bob } = await converse(server, service)
  const signedBy = async (word: string) => {
    receiver.requests.length = 0
    await server.text(alice.identifier, alice.proxy, word)
    await heard(server, bob, word)
    await settled(server, service)
    assert.ok(receiver.requests.length > 0)
    return receiver.requests.map(({ headers, body, url }) =>
      tokens.findIndex((token) => accepts(token, String(headers['x-twilio-signature']), url, body)),
    )
  }
  const second = await createSecondaryToken(server.store, sid)
  const tokens = [first, second]
  const all = (told: number[], at: number) =>
    assert.ok(
      told.every((found) => found === at),
      told.join(),
    )
  all(await signedBy('before'), 0)
  await eventually(async () => (await statusOf(server, sid, second)) === 200, 'both are accepted', 20_000)
  assert.equal(await statusOf(server, sid, first), 200)
  await promoteSecondaryToken(server.store, sid)
  assert.equal(await statusOf(server, sid, second), 200)
  // The server's simulator door knows the old token for some seconds yet.
  all(await signedBy('after'), 1)
  await eventually(async () => (await statusOf(server, sid, first)) === 401, 'the old token ends', 20_000)
})

test('whatever does not fit is refused with the same bytes, and control: one that fits is not', async (t) => {
  const server = await startServer(t)
  const { store, account } = server
  const other = await makeAccount(store)
  const second = await createSecondaryToken(store, other.sid)
  await promoteSecondaryToken(store, other.sid)
  const { key } = await createApiKey(store, { account_sid: other.sid, friendly_name: 'a key' })
  const revoked = await createApiKey(store, { account_sid: other.sid, friendly_name: 'a revoked key' })
  await revokeApiKey(store, revoked.key.sid)
  await setAccountStatus(store, account.sid, 'suspended')
  const refused: Record<string, string | undefined> = {
    'nothing at all': undefined,
    'an account that nobody has': basic(newSid('AC'), second),
    'a key that nobody has': basic(newSid('SK'), second),
    'a wrong token': basic(other.sid, randomBytes(16).toString('hex')),
    'a token that was replaced': basic(other.sid, other.auth_token),
    'a wrong secret': basic(key.sid, second),
    'the secret of a key that was revoked': basic(revoked.key.sid, revoked.secret),
    'a wrong token of a suspended account': basic(account.sid, second),
    'no name': basic('', ''),
    'no password': basic(other.sid, ''),
    'an account in small letters': basic(other.sid.toLowerCase(), second),
    'something else': 'Bearer abc',
    'something unreadable': 'Basic %%%',
  }
  const seen = async (authorization: string | undefined) => {
    const answer = await fetch(`${server.direct}/v1/Services`, authorization ? { headers: { authorization } } : {})
    const headers = [...answer.headers].filter(([name]) => !['date', 'twilio-request-id'].includes(name))
    return { status: answer.status, headers, body: await answer.text() }
  }
  const expected = await seen(basic(newSid('AC'), ''))
  assert.equal(expected.status, 401)
  for (const [what, authorization] of Object.entries(refused))
    assert.deepEqual(await seen(authorization), expected, what)
  assert.equal((await seen(basic(other.sid, second))).status, 200)
  assert.equal((await seen(basic(account.sid, account.auth_token))).status, 403, 'only who fits hears of a suspension')
})

test('an account is suspended and resumed, which every server notices within seconds', async (t) => {
  const server = await startServer(t)
  const { sid, auth_token } = server.account
  assert.match(await run(server, 'accounts', 'suspend', sid), /is suspended\.$/m)
  await eventually(async () => (await statusOf(server, sid, auth_token)) === 403, 'it is refused', 20_000)
  assert.match(await run(server, 'accounts', 'suspend', sid), /is suspended already/)
  assert.match(await run(server, 'accounts', 'list'), new RegExp(`${sid} .*suspended`))
  await run(server, 'accounts', 'resume', sid)
  await eventually(async () => (await statusOf(server, sid, auth_token)) === 200, 'it works again', 20_000)
  assert.deepEqual(await deeds(server, sid), ['account.suspend', 'account.resume'])
  assert.equal((await tool(server, 'accounts', 'suspend', `AC${'0'.repeat(32)}`)).code, 2)
})
