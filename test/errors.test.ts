import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  CATALOGUE,
  type CatalogueEntry,
  type ErrorCode,
  errorMessage,
  invalidParameter,
  missingParameter,
  moreInfo,
  ProxyError,
} from '../src/core/errors.ts'

const entries = Object.entries(CATALOGUE) as [string, CatalogueEntry][]

test('the table in docs/errors.md and the catalogue say the same, in both directions', () => {
  const documented = new Map(readDocumentedErrors().map((entry) => [entry.code, entry]))
  const expected = entries.map(([code, { status, level, where, message }]) => ({
    code,
    status: where === 'event' ? '–' : String(status),
    level,
    where: { api: 'API', event: 'event', both: 'API, event' }[where],
    message,
  }))
  assert.deepEqual(
    [...documented.keys()].filter((code) => !(code in CATALOGUE)),
    [],
    'documented, but not in the catalogue',
  )
  for (const entry of expected) {
    assert.deepEqual(documented.get(entry.code), entry, 'run npx tsx scripts/errors-doc.ts')
  }
  assert.equal(readDocumentedErrors().length, expected.length, 'a code is documented twice')
})

test('the statuses that clients are known to have seen are kept', () => {
  const seen: [ErrorCode, number][] = [
    [20001, 400],
    [20003, 401],
    [20404, 404],
    [20429, 429],
    [80103, 400],
    [80104, 400],
    [80207, 400],
    [80404, 400],
    [80603, 400],
    [80604, 400],
    [80608, 400],
    [80609, 400],
    [80623, 409],
  ]
  for (const [code, status] of seen) assert.equal(CATALOGUE[code].status, status, String(code))
})

test('every entry has an error status and a message without double spaces or loose braces', () => {
  for (const [code, { status, message }] of entries) {
    assert.ok(status >= 400 && status <= 599, code)
    assert.doesNotMatch(message.replace(/\{[a-z_]+\}/g, 'x'), /[{}]| {2}|^\s|\s$|^$/, code)
  }
})

test('a refusal carries code, status, filled message and details', () => {
  const refusal = new ProxyError(20404, { resource: '/Services/KS71' }, { tried: 1 })
  assert.ok(refusal instanceof Error)
  assert.equal(refusal.name, 'ProxyError')
  assert.equal(refusal.code, 20404)
  assert.equal(refusal.status, 404)
  assert.equal(refusal.message, 'The requested resource /Services/KS71 was not found')
  assert.deepEqual(refusal.details, { tried: 1 })
  assert.equal(moreInfo(refusal.code), 'https://www.twilio.com/docs/errors/20404')
})

test('every placeholder of every message is filled, and a missing value is refused', () => {
  for (const [code, { message }] of entries) {
    const names = [...message.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1]))
    const values = Object.fromEntries(names.map((name) => [name, `<${name}>`]))
    assert.doesNotMatch(errorMessage(Number(code) as ErrorCode, values), /[{}]/, code)
    for (const name of names) {
      const { [name]: _, ...rest } = values
      assert.throws(() => errorMessage(Number(code) as ErrorCode, rest), { message: new RegExp(`\\{${name}\\}`) })
    }
  }
})

test('a value is inserted as it is, even if it looks like a placeholder or a replacement pattern', () => {
  assert.equal(errorMessage(20404, { resource: '/{x}/$&' }), 'The requested resource /{x}/$& was not found')
})

test('only the code for parameters lets its message be replaced', () => {
  assert.equal(errorMessage(80103, { message: 'other' }), 'Participant has already been added to Session')
})

test('a missing and an invalid parameter read as clients expect', () => {
  const missing = missingParameter('UniqueName')
  assert.deepEqual(
    [missing.code, missing.status, missing.message],
    [20001, 400, 'Missing required parameter UniqueName in the post body'],
  )
  const bare = invalidParameter('PageSize')
  assert.deepEqual([bare.code, bare.message], [20001, 'Invalid PageSize.'])
  const explained = invalidParameter('Ttl', 'Give whole seconds.')
  assert.deepEqual([explained.code, explained.message], [80701, "'Ttl' is invalid. Give whole seconds."])
})

function readDocumentedErrors() {
  const text = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  return [...text.matchAll(/^\| (\d{5}) \| (.+?) \| (.+?) \| (.+?) \| (.+) \|$/gm)].map((match) => {
    const [code, status, level, where, message] = match.slice(1).map(String)
    return { code: String(code), status, level, where, message: message?.replaceAll('\\|', '|') }
  })
}
