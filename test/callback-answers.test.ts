import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { forgetBriefBodies, purgeBodies } from '../src/core/bodies.ts'
import { askedByKey } from './support/callers.ts'
import { converse, settled } from './support/conversation.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { type ReceiverAnswer, startReceiver } from './support/receiver.ts'
import { eventually, type TestServer } from './support/server.ts'

const getServer = serverForFile()

type Attempts = { response: string | null; response_type: string | null; status_code: number | null }[]
type Body = { name: string; value: string }[]

/** A text, of which an application was told that answers like this: its callbacks, and what reached it. */
async function tell(t: TestContext, server: TestServer, answer: ReceiverAnswer) {
  const receiver = await startReceiver(t, () => answer)
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told` })
  const talk = await converse(server, service)
  await server.text(talk.alice.identifier, talk.alice.proxy, 'heliotrope')
  const isTold = () => receiver.requests.some(({ params }) => params.outboundResourceStatus === 'delivered')
  await eventually(async () => isTold(), 'the last status is told')
  await settled(server, service)
  const { callbacks } = (await server.get(`/maskline/v1/Callbacks?ServiceSid=${service.sid}`)).body
  return { service, talk, receiver, callbacks: callbacks as { sid: string; status: string }[] }
}

const attemptsOf = async (server: TestServer, callbacks: { sid: string }[]): Promise<Attempts> =>
  (await server.get(`/maskline/v1/Callbacks/${callbacks[0]?.sid}/Attempts`)).body.attempts

test('of an answer its beginning and its type are kept, sealed, for whoever may see people', async (t) => {
  const server = await getServer()
  const headers = { 'content-type': 'text/plain; charset=utf-8' }
  const body = `No such order: quincunx. ${'é'.repeat(1_000)}`
  const { service, callbacks } = await tell(t, server, { status: 404, headers, body })
  const [attempt] = await attemptsOf(server, callbacks)
  assert(attempt?.response)
  assert.equal(Buffer.byteLength(attempt.response), 1_023, 'a character that is cut is left out')
  assert.ok(body.startsWith(attempt.response))
  assert.deepEqual([attempt.response_type, attempt.status_code], ['text/plain', 404])

  const blind = await askedByKey(server, { scopes: ['callbacks:read'] })
  const [hidden] = await attemptsOf(blind, callbacks)
  assert.deepEqual([hidden?.response, hidden?.response_type], ['•••', 'text/plain'])
  const stored = async (text: string) =>
    (await rows(server, 'select a::text as row from callback_attempts a where service_sid = $1', [service.sid])).some(
      ({ row }) => row.includes(text) || row.includes(Buffer.from(text).toString('hex')),
    )
  assert.equal(await stored('quincunx'), false)
  assert.equal(await stored('text/plain'), true, 'control: what is not sealed is found')
})

test('an empty answer, and one whose body does not come, are taken as they are and at once', async (t) => {
  const server = await getServer()
  const empty = await tell(t, server, { status: 200 })
  assert.deepEqual(
    (await attemptsOf(server, empty.callbacks)).map(({ response, response_type }) => [response, response_type]),
    [[null, null]],
  )
  let isOver = false
  t.after(() => {
    isOver = true
  })
  const stalling = async function* () {
    yield 'The begin'
    await eventually(async () => isOver, 'the test ends', 30_000)
  }
  const receiver = await startReceiver(t, () => ({ body: stalling() }))
  const service = await makeService(server, 2, { CallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await settled(server, service)
  const { callbacks } = (await server.get(`/maskline/v1/Callbacks?ServiceSid=${service.sid}`)).body
  assert.ok(callbacks.length > 0)
  assert.ok(callbacks.every(({ status }: { status: string }) => status === 'delivered'))
  const [{ response, duration_ms }] = (await attemptsOf(server, callbacks)) as [Attempts[0] & { duration_ms: number }]
  assert.equal(response, 'The begin')
  assert.ok(duration_ms < 5_000, `${duration_ms} ms`)
  isOver = true
})

test('what a callback says can be read as it was received, and without pii nothing of what was written', async (t) => {
  const server = await getServer()
  const { receiver, callbacks } = await tell(t, server, { status: 200 })
  const read = async (as: TestServer, { sid }: { sid: string }) =>
    (await as.get(`/maskline/v1/Callbacks/${sid}/Request`)).body as { url: string; method: string; parameters: Body }
  const blind = await askedByKey(server, { scopes: ['callbacks:read'] })
  for (const callback of callbacks) {
    const received = receiver.requests.find(({ headers }) => headers['i-twilio-idempotency-token'] === callback.sid)
    const { url, method, parameters } = await read(server, callback)
    assert.deepEqual([url, method], [`${receiver.url}/told`, 'POST'])
    const pairs = parameters.map(({ name, value }) => [name, value])
    // The leg has got its SID since the first was told.
    const known = pairs.filter(([name]) => received?.values.some(([other]) => other === name))
    assert.deepEqual(known, received?.values)
    const hidden = (await read(blind, callback)).parameters
    assert.deepEqual(
      hidden.filter(({ value }) => value === '•••').map(({ name }) => name),
      ['interactionData'],
    )
    assert.ok(!JSON.stringify(hidden).includes('heliotrope'))
    assert.ok(JSON.stringify(parameters).includes('heliotrope'), 'control: with pii it is there')
  }
})

test('answers go with what they are about: by days, at once where nothing is kept, and when somebody is erased', async (t) => {
  const server = await getServer()
  const answer = { status: 200, body: 'palimpsest' }
  const responses = async ({ service, callbacks }: Awaited<ReturnType<typeof tell>>) => {
    assert.ok(callbacks.length > 0)
    const [found] = await rows(
      server,
      'select count(response_sealed)::int as kept, count(*)::int as made from callback_attempts where service_sid = $1',
      [service.sid],
    )
    assert.ok(found.made > 0)
    return found.kept
  }
  const [aged, erased, spared] = [
    await tell(t, server, answer),
    await tell(t, server, answer),
    await tell(t, server, answer),
  ]
  assert.ok((await responses(aged)) > 0)
  await server.post('/maskline/v1/Privacy/Erase', { Identifier: erased.talk.alice.identifier })
  assert.equal(await responses(erased), 0)
  assert.ok((await responses(spared)) > 0, 'control: what is about others stays')
  await server.post('/maskline/v1/Settings', { BodyRetention: '1' })
  await purgeBodies(server.store, Date.now() + 2 * 86_400_000)
  assert.deepEqual([await responses(aged), await responses(spared)], [0, 0])
  await server.post('/maskline/v1/Settings', { BodyRetention: '0' })
  const brief = await tell(t, server, answer)
  await forgetBriefBodies(server.store)
  assert.equal(await responses(brief), 0)
  await server.post('/maskline/v1/Settings', { BodyRetention: '' })
})
