import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inLanes } from '../proof/support/scope.ts'
import { fillPath, hashOf, makeTree, operationsOf } from './support/hostile.ts'
import { assertRefused, participant, serverForFile } from './support/proxy-api.ts'
import { type Answer, person, type TestServer } from './support/server.ts'

const shared = serverForFile()
const SEED = Number(process.hrtime.bigint() % 2_147_483_647n)
const LANES = 8
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
  ...[
    '<svg/onload=alert(1)>',
    '"><img src=x onerror=alert(1)>',
    'javascript:alert(1)',
    '</script>',
    ']]>',
    '<!--',
    '&lt;',
  ],
  ...[
    '#{7*7}',
    '<%= 7*7 %>',
    '{% debug %}',
    '`id`',
    '$(id)',
    '|id',
    '%x%x%x%n',
    '*)(uid=*',
    "1' or '1'='1",
    '1; select pg_sleep(9)',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '..\\..\\x',
    '%2e%2e%2f',
    '/etc/passwd\0.png',
    '\u2028',
    '\ufeff',
    '\u200b',
  ],
  ...['9223372036854775808', '-9223372036854775809', '1e-400', 'Infinity', '0b1', '١٢٣', '+5', ' 5', '5 '],
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
/** Bytes of a form that no text has: lone surrogates, half a character, escapes that are none. */
const RAW = ['%ed%a0%80', '%ff%fe', '%c3', '%', '%zz', '%u0041', '%00', '%0d%0aX: y', '\\ud800', '+', '=', '%26%3d']
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

/** No browser runs either. */
const TYPES = /^(application\/json|text\/event-stream)(;|$)/

/** Nothing of it is a fault of ours, and no browser will take it for anything but data. */
function assertHarmless(answer: Pick<Answer, 'status' | 'headers' | 'text'>, what: string) {
  assert.ok(answer.status < 500, `${what}: ${answer.text}`)
  assert.equal(answer.headers.get('x'), null, `${what}: a header was put in`)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', what)
  if (answer.status !== 204) assert.match(answer.headers.get('content-type') ?? '', TYPES, what)
}

/**
 * All with all would take minutes. A cursor goes round the corpus, from where the seed says: every field is given so many
 * texts, every text is put into several fields, and each run draws other pairs.
 */
const A_FIELD = 12
let cursor = SEED
function nextHostile(): string[] {
  const all = [...HOSTILE.map(encodeText), ...RAW]
  return Array.from({ length: A_FIELD }, () => all[cursor++ % all.length] ?? '')
}

test('every parameter alone with hostile texts is done or refused, as data', async (t) => {
  const server = await shared()
  t.diagnostic(`seed ${SEED}`)
  const tree = await makeTree(server, server)
  for (const { method, template, names } of await operationsOf(server)) {
    if (method === 'DELETE') continue
    const path = fillPath(template, tree)
    const fields = names.flatMap((name) => nextHostile().map((value) => ({ name, value })))
    await inLanes(fields, LANES, async ({ name, value }) => {
      const isPerson = name !== 'Identifier' && names.includes('Identifier')
      const form = `${isPerson ? `Identifier=${encodeURIComponent(person(5))}&` : ''}${name}=${value}`
      const answer =
        method === 'POST' ? await post(server, path, form) : await server.get(`${path}?${form}`.slice(0, 8000))
      assertHarmless(answer, `${method} ${template} ${name}=${value.slice(0, 60)}`)
    })
  }
})

test('every part of every path that may be another, with hostile texts, leads nowhere or is refused, as data', async (t) => {
  const server = await shared()
  t.diagnostic(`seed ${SEED}`)
  const tree = await makeTree(server, server)
  const before = await hashOf(server)
  for (const { method, template } of await operationsOf(server)) {
    const parts = [...template.matchAll(/\{\w+\}/g)].flatMap(([part]) =>
      nextHostile().map((value) => ({ part, value })),
    )
    await inLanes(parts, LANES, async ({ part, value }) => {
      // A space would end the address, and a dot or two are a path of their own.
      const other = value.replaceAll(' ', '%20').replaceAll('+', '%2B').slice(0, 3000)
      if (other === '' || /^\.+$/.test(other)) return
      const path = fillPath(
        template.replace(part, () => other),
        tree,
      )
      const answer = await server.call(path, { method })
      assertHarmless(answer, `${method} ${path.slice(0, 200)}`)
      if (method === 'DELETE') assert.ok(answer.status === 404 || answer.status === 400, `${method} ${path}`)
    })
  }
  assert.deepEqual(await hashOf(server), before)
})

/** Lone surrogates become what is sent in their place. */
function encodeText(value: string): string {
  return encodeURIComponent(Buffer.from(value).toString())
}

test('control: an answer that a browser would run, or into which a header was put, is found', () => {
  const answer = (headers: Record<string, string>) => ({ status: 400, text: '', headers: new Headers(headers) })
  const good = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }
  assertHarmless(answer(good), 'good')
  for (const bad of [{ 'content-type': 'text/html' }, { x: 'y' }, { 'x-content-type-options': '' }]) {
    assert.throws(() => assertHarmless(answer({ ...good, ...bad } as Record<string, string>), 'bad'))
  }
  assert.throws(() => assertHarmless({ ...answer(good), status: 500 }, 'bad'))
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
