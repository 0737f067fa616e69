import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createAuthenticator } from '../src/core/accounts.ts'
import { createApiKey, revokeApiKey } from '../src/core/api-keys.ts'
import { assertRefused, makeService, openSession, rows, serverForFile } from './support/proxy-api.ts'
import { makeAccount, type TestServer } from './support/server.ts'

const shared = serverForFile()
// Another server on the same database, which has asked it for no credentials yet.
const fresh = serverForFile(() => shared())

const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
const fetchAs = (server: TestServer, authorization: string, path = '/v1/Services') =>
  server.call(path, { headers: { authorization } })

test('without credentials that fit, every path of the API asks for them and tells nothing', async () => {
  const server = await shared()
  const { sid, auth_token } = server.account
  const bad = [
    '',
    'Basic',
    'Basic ====',
    'Basic \u00fc',
    `Bearer ${auth_token}`,
    basic(sid, ''),
    basic(sid, auth_token.slice(1)),
    basic(sid, `${auth_token} `),
    basic('', ''),
    basic(sid.toUpperCase(), auth_token),
    basic(`AC${'0'.repeat(32)}`, auth_token),
    basic(auth_token, sid),
    basic(`${sid}\0`, auth_token),
    Buffer.from(`${sid}:${auth_token}`).toString('base64'),
  ]
  for (const path of ['/v1/Services', '/v1/Nothing', '/v1', '/maskline/v1/Events', '/maskline/v1/Nothing']) {
    for (const authorization of bad) {
      const answer = await fetchAs(server, authorization, path)
      assertRefused(answer, 401, 20003, 'Authenticate')
      assert.equal(answer.headers.get('www-authenticate'), 'Basic realm="Twilio API"')
    }
  }
  assert.equal((await fetchAs(server, basic(sid, auth_token))).status, 200)
  assert.equal((await fetchAs(server, basic(sid, auth_token).replace('Basic', 'basic'))).status, 200)
})

test('an API key stands for its account, with its own secret and until it is revoked', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const { key, secret } = await createApiKey(server.store, { account_sid: other.sid, friendly_name: 'key' })
  const authorization = basic(key.sid, secret)
  const made = await server.post('/v1/Services', { UniqueName: 'by key' }, { authorization })
  assert.equal(made.body.account_sid, other.sid)
  assertRefused(await server.get(`/v1/Services/${made.body.sid}`), 404, 20404)
  assertRefused(await fetchAs(server, basic(key.sid, other.auth_token)), 401, 20003)
  assertRefused(await fetchAs(server, basic(other.sid, secret)), 401, 20003)

  let now = 0
  const authenticate = createAuthenticator(server.store, () => now)
  assert.ok(await authenticate(key.sid, secret))
  assert.equal(await revokeApiKey(server.store, key.sid), true)
  assertRefused(await fetchAs(await fresh(), authorization), 401, 20003)
  now = 5_000
  assert.equal(await authenticate(key.sid, secret), undefined, 'after five seconds no server takes it')
})

test('a suspended account is told so, by token and by key', async () => {
  const server = await shared()
  const other = await makeAccount(server.store)
  const { key, secret } = await createApiKey(server.store, { account_sid: other.sid, friendly_name: 'key' })
  await rows(server, "update accounts set status = 'suspended' where sid = $1", [other.sid])
  assertRefused(await fetchAs(server, basic(other.sid, other.auth_token)), 403, 20005)
  assertRefused(await fetchAs(server, basic(key.sid, secret)), 403, 20005)
  assertRefused(await fetchAs(server, basic(other.sid, 'a wrong token, for this')), 401, 20003)
})

test('what is not there is 404 with its path, without version, host and query', async () => {
  const server = await shared()
  const message = (path: string) => `The requested resource ${path} was not found`
  const paths: Record<string, string> = {
    '/v1/Services/KS71?PageSize=1': '/Services/KS71',
    '/v1/Services/a%20b/Sessions': '/Services/a%20b/Sessions',
    '/v1/services': '/services',
    '/v1/v1/Services': '/v1/Services',
    '/v1/Nothing/at/all': '/Nothing/at/all',
    '/v1': '',
    '/v2/Services': '/v2/Services',
    '/v10': '/v10',
    '/maskline/v1/Nothing': '/maskline/v1/Nothing',
    '/': '/',
  }
  for (const [path, shown] of Object.entries(paths)) {
    assertRefused(await server.get(path), 404, 20404, message(shown))
  }
  const long = `/Services/${'x'.repeat(1500)}`
  assertRefused(await server.get(`/v1${long}`), 404, 20404, message(long))
})

test('every path of the API refuses the methods it has not with 405', async () => {
  const server = await shared()
  const document = (await (await fetch(`${server.direct}/openapi.json`)).json()) as { paths: Record<string, object> }
  const paths = Object.entries(document.paths).filter(([path]) => /^\/(v1|maskline)\//.test(path))
  assert.ok(paths.length >= 16, `${paths.length} paths`)
  for (const [template, operations] of paths) {
    const path = template.replace(/\{\w+\}/g, 'KS71')
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await server.call(path, { method })
      if (method.toLowerCase() in operations) assert.notEqual(answer.status, 405, `${method} ${path}`)
      else assertRefused(answer, 405, 20004)
    }
    const headers = { authorization: basic(server.account.sid, server.account.auth_token) }
    assert.equal((await fetch(server.url + path, { method: 'HEAD', headers })).status, 405)
  }
})

test('the proxy API answers browsers of every origin, and nothing else does', async () => {
  const server = await shared()
  const headers = { Origin: 'https://example.com', 'Access-Control-Request-Method': 'POST' }
  for (const path of ['/v1/Services', '/v1/Services/KS71/Sessions']) {
    const preflight = await fetch(server.url + path, { method: 'OPTIONS', headers })
    assert.equal(preflight.status, 200, 'asked without credentials')
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/)
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Authorization.*Idempotency-Key/)
  }
  const origin = async (path: string, authorization?: string) =>
    (
      await server.call(path, {
        headers: { Origin: 'https://example.com', ...(authorization ? { authorization } : {}) },
      })
    ).headers.get('access-control-allow-origin')
  assert.equal(await origin('/v1/Services'), '*')
  assert.equal(await origin('/v1/Services', 'none'), '*', 'a refusal can be read as well')
  assert.equal(await origin('/v1/Nothing'), '*')
  for (const path of ['/maskline/v1/Events', '/openapi.json', '/health/live', '/nothing']) {
    assert.equal(await origin(path), null, path)
  }
})

test('every answer has a request id of its own', async () => {
  const server = await shared()
  const service = await makeService(server, 0)
  const session = await openSession(server, service)
  const answers = [
    await server.get(session.path),
    await server.delete(session.path),
    await server.get(session.path),
    await server.call('/v1/Services', { headers: { authorization: '' } }),
    await server.call('/v1/Services', { method: 'PUT' }),
    await server.get('/v1/Services/%zz'),
    await server.get('/nothing'),
  ]
  const ids = answers.map(({ headers }) => headers.get('twilio-request-id') ?? '')
  for (const id of ids) assert.match(id, /^RQ[0-9a-f]{32}$/)
  assert.equal(new Set(ids).size, answers.length)
})

test('a fault of ours is 500 or 503 in the same form and says nothing of itself', async () => {
  const server = await shared()
  const raise = (code: string) =>
    rows(
      server,
      `create or replace function fail() returns trigger language plpgsql as
         $$ begin raise exception 'secret detail' using errcode = '${code}'; end $$;
       create or replace trigger fail before insert on services execute function fail()`,
    )
  try {
    await raise('XX000')
    const failed = await server.post('/v1/Services', { UniqueName: 'broken' })
    assertRefused(failed, 500, 20500)
    assert.ok(!failed.text.includes('secret'))
    assert.ok(
      server.logged.some((line) => line.includes('secret detail')),
      'the log has it',
    )
    await raise('53300')
    assertRefused(await server.post('/v1/Services', { UniqueName: 'busy' }), 503, 20503)
  } finally {
    await rows(server, 'drop trigger fail on services')
  }
})

/** With whatever headers and method, which `fetch` would choose itself. */
async function askRaw(url: string, options: RequestOptions, body = '') {
  const [answer] = (await once(request(url, options).end(body), 'response')) as [IncomingMessage]
  return { status: answer.statusCode, body: await text(answer) }
}

test('TRACE leads nowhere, and what came with it is not sent back', async () => {
  const server = await shared()
  const ask = (method: string, path: string, authorization: string) =>
    askRaw(server.direct + path, { method, headers: { authorization, cookie: 'seen=again' } })
  const good = basic(server.account.sid, server.account.auth_token)
  assert.equal((await ask('GET', '/v1/Services', good)).status, 200, 'control: another method is answered')
  for (const path of ['/v1/Services', '/maskline/v1/Events', '/webhooks/a/messages', '/media/a/b', '/health/live']) {
    for (const authorization of [good, 'Basic bm86bm8=']) {
      const { status, body } = await ask('TRACE', path, authorization)
      assert.ok(status === 404 || (status === 401 && authorization !== good), `${path}: ${status}`)
      assert.doesNotMatch(body, /seen=again|Basic/i)
    }
  }
})

test('a form that a page has a browser send changes nothing, whatever credentials the browser adds', async () => {
  const server = await shared()
  const { path: own } = await makeService(server, 0)
  const authorization = basic(server.account.sid, server.account.auth_token)
  const form = 'application/x-www-form-urlencoded'
  const ask = (mode: string | undefined, method = 'POST', path = own) => {
    const headers = { authorization, 'content-type': form, ...(mode ? { 'sec-fetch-mode': mode } : {}) }
    return askRaw(
      server.direct + path,
      { method, headers },
      method === 'POST' ? `CallbackUrl=https://${mode}.example/` : '',
    )
  }
  const callbackUrl = async () => JSON.parse((await ask(undefined, 'GET')).body).callback_url
  for (const mode of ['navigate', 'no-cors']) {
    assert.equal((await ask(mode)).status, 401, mode)
    assert.equal((await ask(mode, 'POST', '/maskline/v1/Nothing')).status, 401, mode)
    assert.equal(await callbackUrl(), null)
  }
  assert.equal((await ask('navigate', 'GET')).status, 200, 'a recording can be opened in a browser')
  assert.equal((await ask('cors')).status, 200, 'control: a script with credentials of its own is served')
  assert.equal(await callbackUrl(), 'https://cors.example/')
  assert.equal((await ask(undefined)).status, 200, 'and so is whoever is no browser')
})
