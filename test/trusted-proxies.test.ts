import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { startServer, type TestServer } from './support/server.ts'

/** Whom the server takes for the client, as its log says of a webhook that is not genuine. */
async function seenFrom(server: TestServer, forwarded: string | string[], headers: Record<string, string> = {}) {
  const path = `/webhooks/${server.account.carrier_sid}/messages`
  const before = server.logged.length
  await new Promise<void>((resolve, reject) => {
    const fields = { ...headers, 'X-Forwarded-For': forwarded }
    request(server.direct + path, { method: 'POST', headers: fields }, (answer) => answer.resume().on('end', resolve))
      .on('error', reject)
      .end()
  })
  const [line = '{}'] = server.logged.slice(before)
  return JSON.parse(line).from
}

const CLIENT = '203.0.113.7'

test('nobody is believed who they were asked by, unless they are a trusted proxy', async (t) => {
  const server = await startServer(t)
  for (const forwarded of [CLIENT, `${CLIENT}, 127.0.0.1`, '']) {
    assert.equal(await seenFrom(server, forwarded), '127.0.0.1', forwarded)
  }
  const other = await startServer(t, { env: { MASKLINE_TRUSTED_PROXIES: '10.0.0.0/8' } })
  assert.equal(await seenFrom(other, `${CLIENT}, 10.0.0.1`), '127.0.0.1')
})

test('behind trusted proxies the client is the nearest address that is none of them', async (t) => {
  const server = await startServer(t, {
    env: { MASKLINE_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8, 2001:db8:aaaa::/48' },
  })
  const expected: [forwarded: string | string[], from: string][] = [
    [CLIENT, CLIENT],
    // The first was written by the client itself.
    [`198.51.100.9, ${CLIENT}`, CLIENT],
    [`127.0.0.1, 10.0.0.1, ${CLIENT}`, CLIENT],
    [`${CLIENT}, 10.1.2.3, 10.0.0.1`, CLIENT],
    [`198.51.100.9, ${CLIENT}, 10.0.0.1`, CLIENT],
    [[`198.51.100.9, ${CLIENT}`, '10.0.0.1'], CLIENT],
    [[CLIENT, '198.51.100.9'], '198.51.100.9'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8:0::7, 2001:db8:aaaa::1', '2001:db8::7'],
    [`::ffff:${CLIENT}, ::ffff:10.0.0.1`, CLIENT],
    [`${CLIENT}:50123`, CLIENT],
    ['[2001:db8::7]:50123', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['10.0.0.2', '10.0.0.2'],
    // What is no address leaves the proxy that wrote it.
    ['', '127.0.0.1'],
    [`${CLIENT}, unknown`, '127.0.0.1'],
    [`${CLIENT}, unknown, 10.0.0.1`, '10.0.0.1'],
    ...[
      ',',
      ' , ',
      '<script>',
      '0x7f000001',
      '2130706433',
      '10.1',
      `${CLIENT}/8`,
      `${CLIENT}:a`,
      '::ffff:1:2:3:4:5:6:7:8',
      '1'.repeat(5000),
    ].map((garbage): [string, string] => [garbage, '127.0.0.1']),
  ]
  for (const [forwarded, from] of expected) assert.equal(await seenFrom(server, forwarded), from, String(forwarded))
  const others = { Forwarded: 'for=198.51.100.9', 'X-Real-IP': '198.51.100.9', 'X-Forwarded-Host': 'evil.example' }
  assert.equal(await seenFrom(server, CLIENT, others), CLIENT)
})
