import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Conversation, converse, settled } from './support/conversation.ts'
import { assertRefused, makeService, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { makeAccount } from './support/server.ts'

const getServer = serverForFile()

test('callbacks and events are listed by session, and control: by service come those of others, too', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 404 }))
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told` })
  const talks: Conversation[] = []
  for (const text of ['One', 'Two']) {
    const talk = await converse(server, service)
    await server.text(talk.alice.identifier, talk.alice.proxy, text)
    await settled(server, service)
    talks.push(talk)
  }
  const list = async (kind: 'Callbacks' | 'Events', query: string) => {
    const answer = await server.get(`/maskline/v1/${kind}?ServiceSid=${service.sid}${query}`)
    assert.equal(answer.status, 200, answer.text)
    return answer.body as { meta: Record<string, string | null> } & Record<string, { sid: string }[]>
  }
  for (const kind of ['Callbacks', 'Events'] as const) {
    const key = kind.toLowerCase()
    const all = (await list(kind, ''))[key]
    const each = []
    for (const { session } of talks) {
      const filter = `&SessionSid=${session.sid}`
      const own = (await list(kind, filter))[key] ?? []
      assert.ok(own.length > 0, kind)
      const first = await list(kind, `${filter}&PageSize=1`)
      assert.equal(first[key]?.[0]?.sid, own[0]?.sid)
      assert.match(first.meta.url ?? '', new RegExp(session.sid), 'the next page keeps the filter')
      each.push(...own)
    }
    assert.deepEqual(
      all?.map(({ sid }) => sid),
      each.map(({ sid }) => sid),
      'what one session has, the other has not',
    )
  }
})

test('a session is named with its service, and by its own account', async () => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const { session } = await converse(server, service)
  for (const kind of ['Callbacks', 'Events']) {
    assertRefused(await server.get(`/maskline/v1/${kind}?SessionSid=${session.sid}`), 400, 20001)
    assertRefused(await server.get(`/maskline/v1/${kind}?ServiceSid=${service.sid}&SessionSid=KC1`), 400, 80409)
  }
  const { sid, auth_token } = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  for (const [kind, key] of [
    ['Callbacks', 'callbacks'],
    ['Events', 'events'],
  ]) {
    const path = `/maskline/v1/${kind}?ServiceSid=${service.sid}&SessionSid=${session.sid}`
    assert.deepEqual((await server.call(path, { headers: { authorization } })).body[key as string], [])
  }
})
