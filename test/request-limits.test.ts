import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { twilioSignature } from '../src/core/signature.ts'
import { assertRefused, makeService, serverForFile } from './support/proxy-api.ts'
import { startServer } from './support/server.ts'

const shared = serverForFile()
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const KIB = 1024

test('a body may have 256 KiB at every door, and not a byte more', async () => {
  const server = await shared()
  const { sid, auth_token, carrier_sid } = server.account
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  const doors: [path: string, status: number][] = [
    ['/v1/Services', 201],
    [`/webhooks/${carrier_sid}/messages`, 403],
    [`/webhooks/${carrier_sid}/calls`, 403],
    ['/v1/Accounts/AC0/Proxy/KS0/Webhooks/Call', 404],
  ]
  const body = (bytes: number) => 'UniqueName=limit&x='.padEnd(bytes, 'y')
  const send = (path: string, body: string) =>
    fetch(server.direct + path, { method: 'POST', body, headers: { ...FORM, authorization } })
  for (const [path, status] of doors) {
    assert.equal((await send(path, body(256 * KIB))).status, status, path)
    const refused = await send(path, body(256 * KIB + 1))
    assert.ok(refused.status === 400 || refused.status === 413, `${path}: ${refused.status}`)
  }
})

test('parameters without number, and JSON without end, are refused', async () => {
  const server = await shared()
  const { path } = await makeService(server, 2)
  const sessions = (body: string) => server.call(`${path}/Sessions`, { method: 'POST', body, headers: FORM })
  for (const name of ['a', 'Participants', 'Ttl', '__proto__']) {
    assert.equal((await sessions(`${name}=1&`.repeat(1_001))).status, 400, name)
  }
  assertRefused(await server.get(`${path}/Sessions?${'a=1&'.repeat(1_001)}`), 400, 20001)
  for (const json of [
    '['.repeat(100_000),
    `${'['.repeat(60_000)}${']'.repeat(60_000)}`,
    '{"Identifier":'.repeat(15_000),
  ]) {
    const answer = await sessions(`Participants=${json}`)
    assertRefused(answer, 400, answer.body.code)
  }
})

test('a call to a number that no database can look for is refused, by whoever it is', async () => {
  const { direct } = await shared()
  for (const to of ['%00', `%2B1${'5'.repeat(2_000)}`]) {
    const body = `To=${to}&From=%2B12025550123`
    const answer = await fetch(`${direct}/v1/Accounts/AC0/Proxy/KS0/Webhooks/Call`, {
      method: 'POST',
      body,
      headers: FORM,
    })
    assert.equal(answer.status, 400)
  }
})

/** The processor's time; the least of several, since others work on the machine as well. */
function costOf(work: () => unknown): number {
  const costs = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    return user + system
  })
  return Math.min(...costs)
}

test('a webhook with very many parameters costs little before it is refused', () => {
  const token = 'a'.repeat(32)
  const url = 'https://proxy.example.com/webhooks/MC0/messages'
  const { verify } = twilioCarrier({ account_sid: `AC${'0'.repeat(32)}`, auth_token: token })
  const request = (body: string) => {
    const params = [...new URLSearchParams(body)] as [string, string][]
    const headers = { ...FORM, 'x-twilio-signature': twilioSignature(token, url, params) }
    return { method: 'POST', url, headers, body: Buffer.from(body) }
  }
  const many = Array.from({ length: 40_000 }, (_, at) => `${(at * 7919) % 40_000}`).join('&')
  const [few, tooMany] = [request(`a=${'b'.repeat(many.length)}`), request(many)]
  assert.equal(verify(request(`${'a=b&'.repeat(999)}c=d`)), true)
  assert.deepEqual([verify(few), verify(tooMany)], [true, false])
  const allowed = 2 * costOf(() => verify(few)) + 1_000
  assert.ok(costOf(() => verify(tooMany)) <= allowed)
  const control = costOf(() => twilioSignature(token, url, new URLSearchParams(many)))
  assert.ok(control > allowed, `to sign them all costs ${control} µs, which is no more than ${allowed}`)
})

test('every answer says what it is, what may keep it, and nothing of what made it', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_PUBLIC_URL: 'https://proxy.example.com' } })
  const { sid, auth_token, carrier_sid } = server.account
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  const ask = (path: string, init: RequestInit = {}) => fetch(server.direct + path, init)
  const known = { headers: { authorization } }
  const answers: [answer: Response, isKept: boolean][] = [
    [await ask('/v1/Services', known), false],
    [await ask('/v1/Services'), false],
    [await ask('/v1/Nothing', known), false],
    [await ask('/v1/Services', { ...known, method: 'PUT' }), false],
    [await ask('/maskline/v1/Events', known), false],
    [await ask('/simulator/handsets/%2B14155550130/messages', known), false],
    [await ask('/openapi.json'), true],
    [await ask('/health/live'), true],
    [await ask('/nothing'), true],
    [await ask('/%zz'), true],
    [await ask(`/webhooks/${carrier_sid}/messages`, { method: 'POST' }), true],
    [await ask('/media/KS0/0'), true],
  ]
  for (const [{ url, headers }, isKept] of answers) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff', url)
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.* frame-ancestors 'none'/, url)
    assert.equal(headers.get('strict-transport-security'), 'max-age=31536000', url)
    assert.equal(headers.get('cache-control'), isKept ? null : 'no-store', url)
    for (const name of ['server', 'x-powered-by']) assert.equal(headers.get(name), null, url)
  }
  const plain = await fetch(`${(await shared()).direct}/health/live`)
  assert.equal(plain.headers.get('strict-transport-security'), null)
})
