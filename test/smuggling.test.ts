import assert from 'node:assert/strict'
import { createServer, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { serverForFile } from './support/proxy-api.ts'
import { AMBIGUOUS, exchange, FINAL, INNER, type RawAnswer, UNUSUAL } from './support/raw-http.ts'
import { person } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const shared = serverForFile()
const portOf = ({ direct }: { direct: string }) => Number(new URL(direct).port)

const REFUSALS = [400, 413, 417, 431, 501]
const isRefused = (answers: RawAnswer[]) => answers.length === 1 && REFUSALS.includes(answers[0]?.status ?? 0)

for (const [name, requests] of Object.entries(AMBIGUOUS)) {
  test(`${name}: refused, once, and the connection ends`, async () => {
    const port = portOf(await shared())
    for (const bytes of requests) {
      const shown = JSON.stringify(bytes.slice(0, 300))
      const answers = await exchange(port, bytes + FINAL)
      assert.ok(isRefused(answers), `${shown} is answered ${JSON.stringify(answers)}`)
      const [{ status, headers, body } = assert.fail()] = answers
      assert.match(headers.get('content-type') ?? '', /^application\/json(;|$)/, shown)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('connection'), 'close')
      if (bytes.startsWith('HEAD')) continue
      const { message, ...others } = JSON.parse(body)
      assert.deepEqual(others, { code: 20001, more_info: 'https://www.twilio.com/docs/errors/20001', status })
      assert.match(message, /\.$/)
    }
  })
}

for (const [name, bytes, ...statuses] of UNUSUAL) {
  test(`${name}: one request, answered as such`, async () => {
    const answers = await exchange(portOf(await shared()), bytes + FINAL)
    assert.deepEqual(
      answers.map(({ status }) => status),
      statuses,
      JSON.stringify(answers),
    )
    assert.ok(!answers.some(({ body }) => body.includes('"live"')), 'what was in the body was answered')
  })
}

/** A server of Node's own, which answers every request with its address. */
async function startBareServer(t: TestContext, options: ServerOptions = {}): Promise<number> {
  const server = createServer({ requireHostHeader: false, ...options }, (request, response) => {
    request.resume().on('end', () => response.end(request.url))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('control: of a server that leaves it to Node, the corpus finds what it lets through', async (t) => {
  const port = await startBareServer(t)
  const passed = await Promise.all(
    ['a host twice, or none', 'a body where none belongs', 'a transfer encoding in disguise'].map(async (name) => {
      const answers = await Promise.all((AMBIGUOUS[name] ?? []).map((bytes) => exchange(port, bytes + FINAL)))
      return answers.filter((one) => !isRefused(one)).length
    }),
  )
  assert.ok(
    passed.every((count) => count > 0),
    `of each kind it lets ${passed} through`,
  )
})

test('control: of a server that reads on where it should not, the corpus finds the request inside', async (t) => {
  const port = await startBareServer(t, { insecureHTTPParser: true })
  const answers = await Promise.all(
    (AMBIGUOUS['a length and chunks'] ?? []).map((bytes) => exchange(port, bytes + FINAL)),
  )
  assert.ok(
    answers.flat().some(({ body }) => body === '/health/live'),
    JSON.stringify(answers),
  )
})

test('what came whole before a broken request is done and answered first', async () => {
  const server = await shared()
  const { sid, auth_token } = server.account
  const post = (name: string) => {
    const body = `UniqueName=${name}`
    const credentials = Buffer.from(`${sid}:${auth_token}`).toString('base64')
    return (
      `POST /v1/Services HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${credentials}\r\n` +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )
  }
  const answers = await exchange(portOf(server), `${post('first')}${post('second')}broken\r\n\r\n${INNER}`)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 400],
  )
  for (const name of ['first', 'second']) assert.equal((await server.get(`/v1/Services/${name}`)).status, 200)
})

test('a request that was refused before its body broke off gets no second answer', async () => {
  const head = 'POST /v1/Services HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  const answers = await exchange(portOf(await shared()), `${head}1\r\nxx\r\n${INNER}${FINAL}`)
  assert.deepEqual(
    answers.map(({ status }) => status),
    [401],
  )
})

test('whom a request is for, and whence it came, is said by configuration and never by the request', async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  const path = `/webhooks/${account.carrier_sid}/messages`
  const forged = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' }
  const send = (method: string, target: string, headers: Record<string, string>, body = '') => {
    const fields = Object.entries({ ...forged, ...headers, Connection: 'close', 'Content-Length': body.length })
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return exchange(portOf(server), `${method} ${target} HTTP/1.1\r\n${head}\r\n${body}`)
  }
  const message = { MessageSid: `SM${'a'.repeat(32)}`, From: person(1), To: service.numbers[0]?.phone_number ?? '' }
  for (const [url, status] of [
    [server.url + path, 200],
    [`http://evil.example${path}`, 403],
    [`https://evil.example${path}`, 403],
  ] as const) {
    const signature = getExpectedTwilioSignature(twilio.auth_token, url, message)
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'X-Twilio-Signature': signature }
    const [answer] = await send('POST', path, headers, new URLSearchParams(message).toString())
    assert.equal(answer?.status, status, `signed for ${url}`)
  }

  const credentials = Buffer.from(`${server.account.sid}:${server.account.auth_token}`).toString('base64')
  const [answer] = await send('GET', service.path, { Authorization: `Basic ${credentials}` })
  assert.equal(answer?.status, 200)
  assert.equal(JSON.parse(answer?.body ?? '').url, server.url + service.path)
  assert.doesNotMatch(`${answer?.body} ${[...(answer?.headers ?? [])]}`, /evil/)
})
