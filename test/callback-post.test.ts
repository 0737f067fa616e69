import assert from 'node:assert/strict'
import type dns from 'node:dns'
import { type TestContext, test } from 'node:test'
import { setInterval } from 'node:timers/promises'
import fc from 'fast-check'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { askIntercept } from '../src/callbacks/intercept.ts'
import { post, signRequest } from '../src/callbacks/post.ts'
import { callback, openGuard, TOKENS } from './support/callback-request.ts'
import { accepts, params, paths, queries, urls } from './support/random-callbacks.ts'
import { type ReceivedRequest, startReceiver } from './support/receiver.ts'

async function* drip(t: TestContext) {
  const stop = new AbortController()
  t.after(() => stop.abort())
  for await (const _ of setInterval(20, undefined, { signal: stop.signal })) yield '.'
}

const tokens = fc.constantFrom(...TOKENS)

test('the official validator accepts ten thousand random callbacks, by the URL configured and by the URL received', () => {
  const property = fc.property(urls, params, tokens, (url, form, token) => {
    const sent = signRequest(callback(`${url}#fragment`, { params: form, auth_token: token }))
    const signature = sent.headers['x-twilio-signature']!
    const other = TOKENS.find((known) => known !== token)!

    assert.ok(!sent.path.includes('#'))
    assert.ok(accepts(token, signature, url, sent.body!), `as configured: ${url}`)
    assert.ok(accepts(token, signature, sent.origin + sent.path, sent.body!), `as received: ${sent.path}`)
    assert.ok(!accepts(other, signature, url, sent.body!))
    assert.ok(!accepts(token, signature, url, `${sent.body}&extra=1`))
  })
  fc.assert(property, { numRuns: 10_000 })
})

test('the official validator accepts what arrives over real sockets', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t)
  const property = fc.asyncProperty(paths, queries, params, tokens, async (path, query, form, token) => {
    const url = receiver.url + path + query
    const answer = await post(callback(`${url}#fragment`, { params: form, auth_token: token }), guard)
    assert.equal(answer.outcome, 'answered')

    const request = await receiver.next()
    const signature = String(request.headers['x-twilio-signature'])
    assert.ok(accepts(token, signature, url, request.body), `as configured: ${url}`)
    assert.ok(accepts(token, signature, request.url, request.body), `as received: ${request.url}`)
    assert.deepEqual(
      request.values,
      form.map(([name, value]) => [Buffer.from(name).toString(), Buffer.from(value).toString()]),
    )
  })
  await fc.assert(property, { numRuns: 300 })
  assert.ok(receiver.connections < 10, `${receiver.connections} connections: they are kept`)
})

test('a GET carries its parameters in the query and is signed with them', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t)
  const form: [string, string][] = [
    ['Body', 'a&b +é'],
    ['To', '+12025550101'],
  ]
  for (const path of ['/x', '/x?y=1']) await post(callback(receiver.url + path, { method: 'GET', params: form }), guard)
  for (const request of receiver.requests) {
    assert.equal(request.method, 'GET')
    assert.equal(request.body, '')
    assert.equal(request.params.Body, 'a&b +é')
    assert.ok(accepts(TOKENS[0]!, String(request.headers['x-twilio-signature']), request.url, ''))
  }
  assert.match(receiver.requests[1]!.target, /^\/x\?y=1&Body=/)
})

test('a callback says what it is, and a repeat carries the same idempotency token', async (t) => {
  const receiver = await startReceiver(t)
  await post(callback(receiver.url), openGuard(t))
  const { method, headers } = await receiver.next()
  assert.equal(method, 'POST')
  assert.equal(headers['user-agent'], 'TwilioProxy/1.1')
  assert.equal(headers['i-twilio-idempotency-token'], 'token-1')
  assert.match(String(headers['content-type']), /^application\/x-www-form-urlencoded/)
})

test('the port is signed with http and not with https, for validators that know only that', () => {
  for (const [url, signed] of [
    ['http://app.example:8080/x', 'http://app.example:8080/x'],
    ['https://app.example:8443/x', 'https://app.example/x'],
  ] as const) {
    const { headers } = signRequest(callback(url))
    const expected = getExpectedTwilioSignature(TOKENS[0]!, signed, { interactionSid: 'KI1' })
    assert.equal(headers['x-twilio-signature'], expected)
  }
})

test('user name and password of a URL become Basic authentication and are not signed', async (t) => {
  const receiver = await startReceiver(t)
  const url = receiver.url.replace('//', '//proxy%40app:p%C3%A4ss:%zz@')
  await post(callback(`${url}/cb`), openGuard(t))
  const request = await receiver.next()
  const basic = String(request.headers.authorization)
  assert.equal(Buffer.from(basic.replace('Basic ', ''), 'base64').toString().split(':')[0], 'proxy@app')
  assert.ok(accepts(TOKENS[0]!, String(request.headers['x-twilio-signature']), request.url, request.body))

  await post(callback(receiver.url.replace('//', '//a:p%C3%A4ss@')), openGuard(t))
  const { authorization } = (await receiver.next()).headers
  assert.equal(authorization, `Basic ${Buffer.from('a:päss').toString('base64')}`)
})

test('a redirect is an answer and nobody follows it', async (t) => {
  const receiver = await startReceiver(t, () => ({ status: 307, headers: { location: '/elsewhere' } }))
  const answer = await post(callback(receiver.url), openGuard(t))
  assert.equal(answer.outcome === 'answered' && answer.status_code, 307)
  assert.equal(receiver.requests.length, 1)
})

test('an answer is read up to 64 KiB and fails beyond', async (t) => {
  const guard = openGuard(t)
  const receiver = await startReceiver(t, (request) => ({
    body: 'é'.repeat(32 * 1024) + (request.target === '/more' ? '.' : ''),
  }))
  const fits = await post(callback(receiver.url), guard)
  assert.equal(fits.outcome === 'answered' && fits.body.length, 32 * 1024)
  const more = await post(callback(`${receiver.url}/more`), guard)
  assert.equal(more.outcome === 'failed' && more.error, 'The answer is larger than 64 KiB.')
})

test('the time limit covers an answer that never starts and one that never ends', async (t) => {
  const guard = openGuard(t)
  const silent = await startReceiver(t, () => new Promise(() => undefined))
  const dripping = await startReceiver(t, () => ({ body: drip(t) }))
  for (const { url } of [silent, dripping]) {
    const answer = await post(callback(url, { timeout_ms: 150 }), guard)
    assert.equal(answer.outcome === 'failed' && answer.error, 'There was no complete answer within 150 ms.')
    assert.ok(answer.duration_ms >= 140 && answer.duration_ms < 1500, `took ${answer.duration_ms} ms`)
  }
})

test('what cannot be reached fails with a reason that quotes no address', async (t) => {
  const receiver = await startReceiver(t)
  const unknown = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })
  const nowhere = ((_name: string, _options: object, done: (error: Error, found: []) => void) =>
    done(unknown, [])) as typeof dns.lookup
  const guard = openGuard(t, 'all', nowhere)
  const expected = {
    'http://app.example/': 'The host name does not resolve.',
    'http://127.0.0.1:1/': 'The connection was refused.',
    'ftp://127.0.0.1/': 'The URL is neither http nor https.',
    'file:///etc/hosts': 'The URL is neither http nor https.',
    'http://': 'The URL cannot be read.',
    [receiver.url.replace('http:', 'https:')]: /^The (request failed \(ERR_SSL_\w+\)|connection broke before)/,
  }
  for (const [url, reason] of Object.entries(expected)) {
    const answer = await post(callback(url), guard)
    assert.equal(answer.outcome, 'failed', url)
    const { error } = answer as { error: string }
    if (typeof reason === 'string') assert.equal(error, reason)
    else assert.match(error, reason)
  }
})

test('only 403 blocks an interaction, whatever body comes with it', async (t) => {
  const guard = openGuard(t)
  const receiver = await startReceiver(t)
  const ask = async (timeout_ms = 5000) =>
    (await askIntercept({ ...callback(receiver.url), timeout_ms, failure: 'proceed' }, guard)).decision

  receiver.answer = () => ({ status: 403 })
  assert.equal(await ask(), 'blocked')
  receiver.answer = () => ({ status: 403, body: 'x'.repeat(200_000) })
  assert.equal(await ask(), 'blocked')
  receiver.answer = () => ({ status: 403, body: drip(t) })
  assert.equal(await ask(200), 'blocked')
  for (const status of [200, 204, 302, 401, 404, 500, 503]) {
    receiver.answer = () => ({ status })
    assert.equal(await ask(), 'proceed', String(status))
  }
  receiver.answer = () => new Promise<never>(() => undefined)
  assert.equal(await ask(100), 'proceed')
})

test('a receiver that hangs up fails the callback without ending the program', async (t) => {
  const receiver = await startReceiver(t, () => ({
    body: (async function* () {
      yield 'half'
      throw new Error('the receiver breaks off')
    })(),
  }))
  const answer = await post(callback(receiver.url), openGuard(t))
  assert.equal(answer.outcome === 'failed' && answer.error, 'The connection broke before the answer was complete.')
  const request: ReceivedRequest = await receiver.next()
  assert.equal(request.params.interactionSid, 'KI1')
})
