import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { startCheckingProxy } from './support/checking-proxy.ts'

// The control of what every other test relies on: answers that do not fit the document are noticed.

const schema = {
  type: 'object',
  required: ['sid', 'date_created'],
  properties: { sid: { type: 'string', pattern: '^KS' }, date_created: { type: 'string', format: 'date-time' } },
}
const answer = { description: 'Done.', content: { 'application/json': { schema } } }
const sound = { description: 'Done.', content: { 'audio/*': { schema: { type: 'string' } } } }
const refusal = { description: 'Refused.', content: { 'application/json': { schema: { required: ['code'] } } } }
const document = {
  paths: {
    '/v1/Services/{Sid}': {
      get: { responses: { '200': answer, default: refusal } },
      delete: { responses: { '204': { description: 'Done.' }, default: refusal } },
    },
    '/v1/Services/{Sid}/Media': { get: { responses: { '200': sound, default: refusal } } },
  },
}
const GOOD = { sid: 'KS1', date_created: '2030-01-01T00:00:00Z' }

const ANSWERS: [
  what: string,
  method: string,
  path: string,
  status: number,
  body: string,
  fits: boolean,
  type?: string,
][] = [
  ['an answer as documented', 'GET', '/v1/Services/KS1', 200, JSON.stringify(GOOD), true],
  ['a refusal as documented', 'GET', '/v1/Services/KS1', 404, '{"code":20404}', true],
  ['a missing key', 'GET', '/v1/Services/KS1', 200, '{"sid":"KS1"}', false],
  ['a key nobody documented', 'GET', '/v1/Services/KS1', 200, JSON.stringify({ ...GOOD, uri: '/' }), false],
  ['a value of another form', 'GET', '/v1/Services/KS1', 200, JSON.stringify({ ...GOOD, sid: 'KC1' }), false],
  ['a status nobody documented', 'GET', '/v1/Services/KS1', 201, JSON.stringify(GOOD), false],
  ['a body that is no JSON', 'GET', '/v1/Services/KS1', 200, 'KS1', false],
  ['a refusal without its code', 'GET', '/v1/Services/KS1', 400, '{"message":"no"}', false],
  ['nothing after a deletion', 'DELETE', '/v1/Services/KS1', 204, '', true],
  ['an operation nobody documented', 'POST', '/v1/Services/KS1', 200, JSON.stringify(GOOD), false],
  ['bytes of a documented type', 'GET', '/v1/Services/KS1/Media', 200, 'RIFF', true, 'audio/wav'],
  ['bytes of another type', 'GET', '/v1/Services/KS1/Media', 200, 'RIFF', false, 'text/html'],
]

test('an answer that does not fit the OpenAPI document is noticed, and one that does is not', async (t) => {
  const json = 'application/json'
  let next = { status: 200, body: JSON.stringify(document), type: json }
  const upstream = createServer((_request, response) => {
    response.writeHead(next.status, { 'content-type': next.type }).end(next.body)
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => upstream.close())
  const proxy = await startCheckingProxy(t)
  await proxy.checkAgainst(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)

  for (const [what, method, path, status, body, fits, type = json] of ANSWERS) {
    next = { status, body, type }
    await (await fetch(proxy.url + path, { method })).text()
    assert.equal(proxy.problems.splice(0).length, fits ? 0 : 1, what)
  }
})
