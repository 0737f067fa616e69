import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillPath, makeTree, operationsOf } from './support/hostile.ts'
import { lookNowhere } from './support/nowhere.ts'
import { assertRefused, serverForFile } from './support/proxy-api.ts'

const shared = serverForFile()

// `npm run proof -- S8` looks in the same way at a server that was broken on purpose.
test('nothing of others and nothing that is gone is told apart from nothing at all, read, changed or deleted', async () => {
  const { asked, findings, left } = await lookNowhere(await shared())
  assert.deepEqual(findings.slice(0, 10), [])
  assert.deepEqual(left, [])
  assert.ok(asked > 1000, `${asked} questions`)
})

test('control: the same paths lead somewhere for the owner of what is there', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  const operations = await operationsOf(server)
  for (const { method, template } of operations) {
    const path = fillPath(template, tree)
    // The sound of the recording is at no carrier.
    if (method === 'GET' && !path.endsWith('/Media')) assert.equal((await server.get(path)).status, 200, path)
    if (method === 'POST') assert.notEqual((await server.post(path)).status, 404, path)
  }
  const deletes = operations.filter(({ method }) => method === 'DELETE')
  for (const { template } of deletes.sort((a, b) => b.template.length - a.template.length)) {
    const path = fillPath(template, tree)
    const answer = await server.delete(path)
    assert.ok(answer.status === 204 || answer.body.code === 80611, `${path}: ${answer.text}`)
  }
})

test('a list that is nowhere is not found whatever its parameters are, and control: of one that is there they are refused', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  const lists = (await operationsOf(server)).filter(
    ({ method, template, names }) => method === 'GET' && template.includes('{') && names.includes('PageSize'),
  )
  assert.ok(lists.length > 5)
  for (const { template } of lists) {
    const path = fillPath(template, tree)
    assertRefused(await server.get(`${path}?PageSize=none`), 400, 20001)
    const nowhere = path.replace(/[0-9a-f]{32}/g, '5'.repeat(32))
    assertRefused(await server.get(`${nowhere}?PageSize=none`), 404, 20404)
  }
})
