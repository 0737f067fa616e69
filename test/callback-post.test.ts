import assert from 'node:assert/strict'
import type dns from 'node:dns'
import { parse } from 'node:querystring'
import { type TestContext, test } from 'node:test'
import { setInterval } from 'node:timers/promises'
import fc from 'fast-check'
import twilio from 'twilio'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { Agent } from 'undici'
import { createAddressCheck, createGuard } from '../src/callbacks/guard.ts'
import { askIntercept } from '../src/callbacks/intercept.ts'
import { type CallbackRequest, post, signRequest } from '../src/callbacks/post.ts'
import { type ReceivedRequest, startReceiver } from './support/receiver.ts'

const TOKENS = ['0123456789abcdef0123456789abcdef', 'fedcba9876543210fedcba9876543210']

const callback = (url: string, more: Partial<CallbackRequest> = {}): CallbackRequest => ({
  url,
  params: [['interactionSid', 'KI1']],
  auth_token: TOKENS[0]!,
  idempotency_token: 'token-1',
  timeout_ms: 5000,
  reads: 'body',
  ...more,
})

function openGuard(t: TestContext, allow: 'all' | string[] = 'all', lookup?: typeof dns.lookup) {
  const guard = createGuard({ allow }, lookup)
  t.after(() => guard.agent.destroy())
  return guard
}

async function* drip(t: TestContext) {
  const stop = new AbortController()
  t.after(() => stop.abort())
  for await (const _ of setInterval(20, undefined, { signal: stop.signal })) yield '.'
}

const texts = fc.oneof(
  fc.constantFrom('', ' ', '+', '&=%', 'é', '\u{1f600}', '\ud800', '\r\n', "it's", '+12025550123'),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ maxLength: 12 }),
)
const names = fc.oneof(fc.constantFrom('Body', 'body', 'To', 'interactionSid', '1', ''), texts)
const params = fc.array(fc.tuple(names, texts), { maxLength: 8 })
const schemes = fc.constantFrom('http', 'https')
const hosts = fc.constantFrom(
  'example.com',
  'Example.COM',
  'xn--bcher-kva.example',
  'bücher.example',
  '127.0.0.1',
  '[::1]',
)
const ports = fc.constantFrom('', ':80', ':443', ':8080', ':8443')
const paths = fc
  .array(fc.constantFrom('/', '/a', '/..', "/it's", '/%7E~', '/é', '/a b', '//x', '/a;b=c', '/"', '/[x]'), {
    maxLength: 3,
  })
  .map((parts) => parts.join(''))
const queries = fc.constantFrom(
  '',
  '?',
  '?a=1&a=2',
  "?name=O'Hara",
  '?q=a+b%20c',
  '?q=ü',
  '?next=https://x.example/?y',
  '?a b',
)
const tokens = fc.constantFrom(...TOKENS)

/** What an application's form parser makes of the body. */
const accepts = (token: string, signature: string, url: string, form: string) =>
  twilio.validateRequest(token, signature, url, { ...parse(form, '&', '=', { maxKeys: 0 }) })

test('the official validator accepts ten thousand random callbacks, by the URL configured and by the URL received', () => {
  const property = fc.property(
    schemes,
    hosts,
    ports,
    paths,
    queries,
    params,
    tokens,
    (scheme, host, port, path, query, form, token) => {
      const url = `${scheme}://${host}${port}${path}${query}`
      const sent = signRequest(callback(`${url}#fragment`, { params: form, auth_token: token }))
      const signature = sent.headers['x-twilio-signature']!
      const other = TOKENS.find((known) => known !== token)!

      assert.ok(!sent.path.includes('#'))
      assert.ok(accepts(token, signature, url, sent.body!), `as configured: ${url}`)
      assert.ok(accepts(token, signature, sent.origin + sent.path, sent.body!), `as received: ${sent.path}`)
      assert.ok(!accepts(other, signature, url, sent.body!))
      assert.ok(!accepts(token, signature, url, `${sent.body}&extra=1`))
    },
  )
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
    (await askIntercept({ ...callback(receiver.url), timeout_ms }, guard)).decision

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

// Of each reserved network one address, the first or the last where that is the likelier mistake.
const RESERVED = [
  '0.0.0.0',
  '0.255.255.255',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.168.255.255',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:2::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  '5f00::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fec0::1',
  'ff02::1',
]
const PUBLIC = ['1.1.1.1', '9.9.9.9', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1']

/** The spellings of one address that a URL may hold. */
function spellings(address: string): string[] {
  if (address.includes(':')) return [`[${address}]`]
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
  const whole = ((a * 256 + b) * 256 + c) * 256 + d
  const hex = (n: number) => n.toString(16)
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole)}`,
    `0x${hex(a)}.${whole - a * 2 ** 24}`,
    [a, b, c, d].map((n) => `0${n.toString(8)}`).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    `[::ffff:${address}]`,
    `[::ffff:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
    [...address].map((char) => (char === '.' ? '。' : String.fromCharCode(char.charCodeAt(0) + 0xfee0))).join(''),
  ]
}

/** A resolver that gives these answers, one after the other, and the last one for ever. */
function resolver(...answers: string[][]): typeof dns.lookup {
  return ((_name: string, _options: object, done: (error: null, found: object[]) => void) => {
    const addresses = answers.length > 1 ? answers.shift()! : answers[0]!
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }) as typeof dns.lookup
}

test('no reserved address is reached, in any spelling, directly or by name', async (t) => {
  const guard = openGuard(t, [])
  for (const address of RESERVED) {
    for (const host of spellings(address)) {
      const answer = await post(callback(`http://${host}:9/`), guard)
      assert.match(answer.outcome === 'failed' ? answer.error : '', /^Callbacks may not reach/, host)
      assert.ok(!(answer as { error: string }).error.includes(address), 'the reason does not quote the address')
    }
    const named = await post(callback('http://app.example:9/'), openGuard(t, [], resolver([address])))
    assert.match(named.outcome === 'failed' ? named.error : '', /^Callbacks may not reach/, `by name: ${address}`)
  }
})

test('public addresses may be reached, in any spelling', () => {
  // Asked of the check itself: a test sends no packet to anyone's address.
  const refuse = createAddressCheck([])
  for (const host of PUBLIC.flatMap(spellings)) {
    const { hostname } = new URL(`http://${host}/`)
    assert.equal(refuse(hostname.replace(/[[\]]/g, '')), undefined, host)
  }
})

test('a literal address slips past a guard that only hooks name lookup, and not past ours', async (t) => {
  const receiver = await startReceiver(t)
  const lookup = (_name: string, _options: object, done: (error: Error, address: string) => void) =>
    done(new Error('no'), '')
  const lookupOnly = new Agent({ connect: { lookup } })
  t.after(() => lookupOnly.destroy())
  const leaked = await post(callback(receiver.url), { agent: lookupOnly, close: () => lookupOnly.close() })
  assert.equal(leaked.outcome, 'answered', 'control: the weaker guard leaks')

  const answer = await post(callback(receiver.url), openGuard(t, []))
  assert.equal(
    answer.outcome === 'failed' && answer.error,
    'Callbacks may not reach an address of this kind (loopback).',
  )
  assert.equal(receiver.requests.length, 1)
})

test('a name that comes to mean a private address is refused on the next connection', async (t) => {
  const receiver = await startReceiver(t, () => ({ headers: { connection: 'close' } }))
  // 127.0.0.1 plays the public address here, and 127.0.0.2, on which the receiver would be as reachable, the private one.
  const guard = openGuard(t, ['127.0.0.1/32'], resolver(['127.0.0.1'], ['127.0.0.2']))
  const url = `http://app.example:${receiver.port}/`
  assert.equal((await post(callback(url), guard)).outcome, 'answered')
  assert.equal((await post(callback(url), guard)).outcome, 'failed')
  assert.equal(receiver.requests.length, 1)
})

test('of several addresses of one name only those that may be reached are tried', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t, ['127.0.0.1/32'], resolver(['10.0.0.1', '::1', '127.0.0.1']))
  const answer = await post(callback(`http://app.example:${receiver.port}/`), guard)
  assert.equal(answer.outcome, 'answered')
})

test('a private network is reached when it is allowed, and no other', async (t) => {
  const receiver = await startReceiver(t)
  const guard = openGuard(t, ['127.0.0.0/8', 'fd00::/8'])
  for (const host of spellings('127.0.0.1').filter((spelling) => !spelling.includes('ffff'))) {
    const answer = await post(callback(`http://${host}:${receiver.port}/`), guard)
    assert.equal(answer.outcome, 'answered', host)
  }
  assert.equal((await post(callback('http://10.0.0.1/'), guard)).outcome, 'failed')
  assert.throws(() => createGuard({ allow: ['everything'] }))
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
