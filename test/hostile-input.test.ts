import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fillPath, hashOf, makeTree, operationsOf } from './support/hostile.ts'
import { assertRefused, participant, serverForFile } from './support/proxy-api.ts'
import { person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const SEED = Number(process.hrtime.bigint() % 2_147_483_647n)
const FORM = 'application/x-www-form-urlencoded'

const post = (server: TestServer, path: string, body: string, headers: Record<string, string> = {}) =>
  server.call(path, { method: 'POST', body, headers: { 'content-type': FORM, ...headers } })

/** Text that has broken somebody's program before. */
const HOSTILE = [
  ...['', ' ', '\0', 'a\0b', '\u202e\u0007\u001b[31m', '\ufffd\uffff', '\u{1f469}\u200d\u{1f680}', 'ÿ'.repeat(5000)],
  ...[
    "'; drop table sessions; --",
    '" or ""="',
    '$1',
    `$\{7*7}`,
    '{{7*7}}',
    '%s%n',
    '\\',
    '../../etc/passwd',
    '\r\nX: y',
  ],
  ...['<script>alert(1)</script>', 'null', 'undefined', 'NaN', '-0', '1e309', '0x10', '9'.repeat(400), '-1', '1.5'],
  ...['[]', '{}', '[{}]', '{"Identifier":{}}', '{"Identifier":"\\ud800"}', '{"__proto__":1}', '['.repeat(2000)],
  ...[
    'http://[',
    'http://a"b/',
    'http://user@',
    'http://exa mple/',
    'https://ü.example/ü',
    'file:///etc/passwd',
    '//x',
  ],
  ...[
    '0000-00-00',
    '9999-12-31T23:59:59-23:59',
    '0000-01-01T00:00:00+23:59',
    '2030-02-30',
    '+275760-09-13',
    '0001-01-01',
  ],
  ...[
    person(1),
    `whatsapp:${person(1)}`,
    'messenger:x',
    '+1',
    '+999999999999999',
    '+44 (0)20 7946 0001',
    '+１４１５５５５０１３１',
  ],
  ...[participant(person(3)), participant('\ud800'), `KS${'0'.repeat(32)}`, `PN${'F'.repeat(32)}`, 'true', 'closed'],
]
const text = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.integer().map(String),
)

test('whatever the parameters of a POST hold, it is done or refused in the error form, and what is refused changes nothing', async (t) => {
  const server = await shared()
  t.diagnostic(`fast-check seed ${SEED}`)
  const posts = (await operationsOf(server)).filter(({ method, names }) => method === 'POST' && names.length > 0)
  const tree = await makeTree(server, server)
  const body = fc.constantFrom(...posts).chain(({ template, names }) =>
    fc.record({
      template: fc.constant(template),
      pairs: fc.array(
        fc.tuple(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: text }), text),
        {
          minLength: 1,
          maxLength: names.length + 2,
        },
      ),
    }),
  )
  let [done, refused] = [0, 0]
  let before = await hashOf(server)
  await fc.assert(
    fc.asyncProperty(body, async ({ template, pairs }) => {
      const answer = await post(
        server,
        fillPath(template, tree),
        new URLSearchParams(pairs.map(toWellFormed)).toString(),
      )
      const after = await hashOf(server)
      assert.ok(answer.status < 500, answer.text)
      if (answer.status >= 300) {
        assertRefused(answer, answer.status, answer.body.code)
        assert.deepEqual(after, before)
        refused++
      } else done++
      before = after
    }),
    { seed: SEED, numRuns: 300 },
  )
  assert.ok(done > 10 && refused > 10, `${done} were done and ${refused} refused: too few of a kind to say anything`)
})

/** Lone surrogates cannot be sent. */
const toWellFormed = ([name, value]: [string, string]): [string, string] => [
  Buffer.from(name).toString(),
  Buffer.from(value).toString(),
]

test('every parameter alone with each hostile text is done or refused, and never our fault', async () => {
  const server = await shared()
  const tree = await makeTree(server, server)
  for (const { method, template, names } of await operationsOf(server)) {
    if (method !== 'POST') continue
    for (const name of names) {
      const others: [string, string][] =
        name !== 'Identifier' && names.includes('Identifier') ? [['Identifier', person(5)]] : []
      const answers = HOSTILE.map(async (value) => {
        const body = new URLSearchParams([...others, [name, value]]).toString()
        const answer = await post(server, fillPath(template, tree), body)
        assert.ok(answer.status < 500, `${template} ${name}=${value.slice(0, 60)}: ${answer.text}`)
      })
      await Promise.all(answers)
    }
  }
})

test('whatever a query holds, a list is given or refused in the error form', async (t) => {
  const server = await shared()
  t.diagnostic(`fast-check seed ${SEED}`)
  const tree = await makeTree(server, server)
  const lists = (await operationsOf(server)).filter(({ method, names }) => method === 'GET' && names.length > 0)
  const query = fc
    .constantFrom(...lists)
    .chain(({ template, names }) =>
      fc.tuple(
        fc.constant(template),
        fc.array(fc.tuple(fc.constantFrom(...names), text), { minLength: 1, maxLength: 4 }),
      ),
    )
  const before = await hashOf(server)
  await fc.assert(
    fc.asyncProperty(query, async ([template, pairs]) => {
      const answer = await server.get(
        `${fillPath(template, tree)}?${new URLSearchParams(pairs.map(toWellFormed))}`.slice(0, 8000),
      )
      if (answer.status !== 200) assertRefused(answer, 400, answer.body.code)
    }),
    { seed: SEED, numRuns: 200 },
  )
  assert.deepEqual(await hashOf(server), before)
})

test('bodies that are no form, or are too much, are refused and change nothing', async () => {
  const server = await shared()
  const { path } = await makeTree(server, server)
  const before = await hashOf(server)
  const json = '{"UniqueName":"json"}'
  const bad: [body: string, headers: Record<string, string>][] = [
    [json, { 'content-type': 'application/json' }],
    [json, { 'content-type': 'text/plain' }],
    [json, { 'content-type': '' }],
    [json, { 'content-type': ';;;' }],
    ['UniqueName=x', { 'content-type': 'multipart/form-data; boundary=x' }],
    [`UniqueName=${'x'.repeat(300_000)}`, { 'content-type': FORM }],
    ['a=1&'.repeat(1001), { 'content-type': FORM }],
  ]
  for (const [body, headers] of bad) {
    assertRefused(await server.call('/v1/Services', { method: 'POST', body, headers }), 400, 20001)
    assertRefused(await server.call(`${path}/Sessions`, { method: 'POST', body, headers }), 400, 20001)
  }
  assert.deepEqual(await hashOf(server), before)
})

test('broken percent-encoding is refused in a path, and read as it stands in a form', async () => {
  const server = await shared()
  const { path } = await makeTree(server, server)
  for (const part of ['%', '%zz', '%c0%af', '%ff', '%ed%a0%80']) {
    const answer = await server.get(`/v1/Services/${part}`)
    assertRefused(answer, answer.status, answer.body.code)
    assert.ok(answer.status === 400 || answer.status === 404, answer.text)
  }
  for (const part of ['%00', '%2f', '%0d%0aNowhere:%20x', 'a%00b']) {
    assertRefused(await server.get(`/v1/Services/${part}`), 404, 20404)
    assertRefused(await server.get(`${path}/Sessions/${part}`), 404, 20404)
  }
  const read = await post(server, `${path}/Sessions`, 'UniqueName=%zz%ff%')
  assert.deepEqual([read.status, read.body.unique_name], [201, '%zz\ufffd%'])
})

test('broken credentials are 401, whatever they hold', async (t) => {
  const server = await shared()
  t.diagnostic(`fast-check seed ${SEED}`)
  const encoded = fc.oneof(
    fc.tuple(text, text).map(([user, word]) => Buffer.from(`${user}:${word}`).toString('base64').slice(0, 4000)),
    fc.string({ unit: 'grapheme-ascii', maxLength: 100 }),
  )
  await fc.assert(
    fc.asyncProperty(encoded, async (value) => {
      const answer = await server.call('/v1/Services', { headers: { authorization: `Basic ${value}`.trim() } })
      assertRefused(answer, 401, 20003)
    }),
    { seed: SEED, numRuns: 100 },
  )
})
