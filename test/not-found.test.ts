import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectionsOf, fillPath, hashOf, makeTree, operationsOf, type Tree } from './support/hostile.ts'
import { assertRefused, rows, serverForFile, withoutSweeper } from './support/proxy-api.ts'
import { makeAccount, type TestServer } from './support/server.ts'

const shared = serverForFile()

/** Parameters that would do something, if the path led anywhere. */
const PARAMETERS: Record<string, string> = {
  UniqueName: 'intruder',
  DefaultTtl: '60',
  PhoneNumber: '+12025559990',
  IsReserved: 'true',
  Ttl: '60',
  Status: 'closed',
  Identifier: '+14155559990',
  Body: 'Hello',
  OptOutWords: 'false',
  RingTimeout: '20',
}

/** Operations that take a name where others take a SID: those find nothing under a SID of another kind either. */
async function refuseAll(server: TestServer, tree: Pick<Tree, 'sids'>, only: (collections: string[]) => boolean) {
  let asked = 0
  for (const { method, template } of await operationsOf(server)) {
    if (!only(collectionsOf(template))) continue
    const path = fillPath(template, tree)
    const answer = method === 'POST' ? await server.post(path, PARAMETERS) : await server.call(path, { method })
    assertRefused(answer, 404, 20404, `The requested resource ${path.replace(/^\/v1/, '')} was not found`)
    assert.equal(
      answer.text,
      JSON.stringify({
        code: 20404,
        message: answer.body.message,
        more_info: 'https://www.twilio.com/docs/errors/20404',
        status: 404,
      }),
    )
    asked++
  }
  return asked
}

/** Runs `work`, and finds every table as it was. */
async function unchanged(server: TestServer, work: () => Promise<void>) {
  await withoutSweeper(server, async () => {
    const before = { ...(await hashOf(server)), events: (await rows(server, 'select count(*) from events'))[0].count }
    await work()
    const after = { ...(await hashOf(server)), events: (await rows(server, 'select count(*) from events'))[0].count }
    assert.deepEqual(after, before)
  })
}

const inService = (collections: string[]) => collections.length > 0

test('nothing of another account is found, read, changed or deleted', async () => {
  const server = await shared()
  const theirs = await makeTree(server, { account: await makeAccount(server.store) })
  await unchanged(server, async () => {
    const asked = await refuseAll(server, theirs, inService)
    assert.ok(asked >= 28, `${asked} operations`)
  })
})

test('nothing is found under another parent of the same account', async () => {
  const server = await shared()
  const [tree, other] = [await makeTree(server), await makeTree(server)]
  await unchanged(server, async () => {
    const wrong = [...Object.entries(tree.siblings), ...Object.entries(other.sids), ...Object.entries(other.siblings)]
    for (const [parent, sid] of wrong) {
      const sids = { ...tree.sids, [parent]: sid }
      await refuseAll(server, { sids }, (collections) => collections.slice(0, -1).includes(parent))
    }
  })
})

test('nothing is found under a SID that is malformed, unknown or of another kind', async () => {
  const server = await shared()
  const tree = await makeTree(server)
  await unchanged(server, async () => {
    for (const [collection, sid] of Object.entries(tree.sids)) {
      const bad = [
        sid.slice(0, -1),
        `${sid}0`,
        sid.toLowerCase(),
        `${sid.slice(0, 2)}${'f'.repeat(32)}`,
        `KI${sid.slice(2, -1)}${sid.endsWith('0') ? 1 : 0}`,
        `${sid.slice(0, -1)}g`,
        encodeURIComponent(`${sid}\0`),
        encodeURIComponent(`${sid}' or ''='`),
        '%20',
      ]
      for (const wrong of bad) {
        const sids = { ...tree.sids, [collection]: wrong }
        await refuseAll(server, { sids }, (collections) => collections.includes(collection))
      }
    }
  })
})

test('nothing is found of what was deleted, nor of what was in it', async () => {
  const server = await shared()
  for (const collection of ['Services', 'Sessions', 'PhoneNumbers', 'ShortCodes', 'Interactions']) {
    const tree = await makeTree(server)
    const path = (await operationsOf(server)).find(
      ({ method, template }) => method === 'DELETE' && collectionsOf(template).at(-1) === collection,
    )?.template
    if (collection === 'PhoneNumbers') await server.delete(fillPath('/v1/Services/{s}/Sessions/{s}', tree))
    assert.equal((await server.delete(fillPath(path ?? '', tree))).status, 204, collection)
    await unchanged(server, async () => {
      const gone = collection === 'Interactions' ? ['Interactions', 'MessageInteractions'] : [collection]
      const asked = await refuseAll(server, tree, (collections) => gone.some((one) => collections.includes(one)))
      assert.ok(asked > 0)
    })
  }
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
