import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newSid } from '../src/core/sid.ts'
import { runCli } from './support/cli.ts'
import { converse, hurry, settled } from './support/conversation.ts'
import { assertRefused, makeService, type Pool, rows, serverForFile } from './support/proxy-api.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'

const getServer = serverForFile()

const tokensOf = ({ requests }: Receiver) =>
  requests.map(({ headers }) => String(headers['i-twilio-idempotency-token']))

const list = async (server: TestServer, query: Record<string, string>) => {
  const answer = await server.get(`/maskline/v1/Callbacks?${new URLSearchParams({ PageSize: '100', ...query })}`)
  assert.equal(answer.status, 200, answer.text)
  return answer.body.callbacks as Record<string, string | number | null>[]
}

const audited = async (server: TestServer) =>
  await rows(
    server,
    `select details, service_sid, resource_sid from audit_log where action = 'callback.replay' order by sid`,
  )

/** A service whose application refuses everything, and what it was told of one text. */
async function refuseAll(server: TestServer, receiver: Receiver) {
  receiver.answer = () => ({ status: 404 })
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told` })
  const { alice } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  const ended = () => receiver.requests.some(({ params }) => params.outboundResourceStatus === 'delivered')
  await eventually(async () => ended(), 'the last status is told')
  await settled(server, service)
  const failed = await list(server, { ServiceSid: service.sid, Status: 'failed' })
  assert.deepEqual(failed.map(({ sid }) => sid).sort(), [...new Set(tokensOf(receiver))].sort())
  return { service, failed: failed.map(({ sid }) => String(sid)) }
}

test('a callback that failed is told again with its token, by its SID, and the attempts before it stay on record', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const { failed } = await refuseAll(server, receiver)
  const [sid = ''] = failed
  const before = (await server.get(`/maskline/v1/Callbacks/${sid}`)).body
  assert.deepEqual(
    [before.status, before.attempts, before.date_delivered, before.date_next_attempt, before.date_replayed],
    ['failed', 1, null, null, null],
  )
  receiver.answer = () => ({ status: 200 })
  const told = receiver.requests.length
  const answer = await server.post(`/maskline/v1/Callbacks/${sid}/Replay`)
  assert.deepEqual([answer.status, answer.body.status, answer.body.attempts], [200, 'pending', 0])
  const delivered = async () => (await server.get(`/maskline/v1/Callbacks/${sid}`)).body.status === 'delivered'
  await eventually(delivered, 'it is delivered')
  assert.deepEqual(tokensOf(receiver).slice(told), [sid])
  const { attempts } = (await server.get(`/maskline/v1/Callbacks/${sid}/Attempts`)).body
  assert.deepEqual(
    attempts.map(({ status_code, attempt, tries }: Record<string, number>) => [status_code, attempt, tries]),
    [
      [404, 1, 1],
      [200, 1, 1],
    ],
  )
  const [, again] = receiver.requests.filter(({ headers }) => headers['i-twilio-idempotency-token'] === sid)
  const [first] = receiver.requests.filter(({ headers }) => headers['i-twilio-idempotency-token'] === sid)
  assert.equal(again?.body, first?.body, 'the same to the byte')
  const [deed] = (await audited(server)).filter(({ resource_sid }) => resource_sid === sid)
  assert.deepEqual(deed?.details, { count: 1 })

  const repeat = async () =>
    await server.post(`/maskline/v1/Callbacks/${sid}/Replay`, {}, { 'Idempotency-Key': 'once' })
  assert.deepEqual((await repeat()).body, (await repeat()).body)
  await eventually(delivered, 'it is delivered')
  assert.equal(tokensOf(receiver).filter((token) => token === sid).length, 3, 'a delivered one too, once a key')
})

test('a replay beside a delivery under way tells nothing twice, and control: by an update of due_at alone it would', async (t) => {
  const server = await getServer()
  const waiting: (() => void)[] = []
  const answer = () => {
    for (const end of waiting.splice(0)) end()
  }
  const receiver = await startReceiver(t)
  const { service, failed } = await refuseAll(server, receiver)
  const [sid = ''] = failed
  const replay = () => server.post(`/maskline/v1/Callbacks/${sid}/Replay`)
  receiver.answer = () => new Promise((resolve) => waiting.push(() => resolve({})))
  const count = () => tokensOf(receiver).filter((token) => token === sid).length
  const before = count()
  await replay()
  await eventually(async () => count() === before + 1, 'it is under way')
  await replay()
  const { body } = await server.post('/maskline/v1/Callbacks/Replay', { ServiceSid: service.sid, Status: 'pending' })
  assert.equal(body.count, 0)
  assert.equal(count(), before + 1)
  answer()
  await settled(server, service)
  assert.equal(count(), before + 1)

  await replay()
  await eventually(async () => count() === before + 2, 'it is under way')
  await rows(server, 'update callbacks set due_at = now() where sid = $1', [sid])
  await eventually(async () => count() === before + 3, 'control: it is told a second time')
  receiver.answer = () => ({})
  answer()
  await settled(server, service)
})

test('all that failed is told again, of a service, a window or an endpoint, and what is delivered is not', async (t) => {
  const server = await getServer()
  const [receiver, other] = [await startReceiver(t), await startReceiver(t)]
  const { service, failed } = await refuseAll(server, receiver)
  const theirs = await refuseAll(server, other)
  receiver.answer = () => ({})
  other.answer = () => ({})
  const [{ early, middle }] = await rows(
    server,
    `with moved as (update callbacks set date_created = date_created - interval '1 minute' where sid = $1 returning date_created)
     select date_created - interval '1 second' as early, date_created + interval '1 second' as middle from moved`,
    [failed[0]],
  )
  const replay = async (params: Record<string, string>) => {
    const answer = await server.post('/maskline/v1/Callbacks/Replay', params)
    assert.equal(answer.status, 200, answer.text)
    await settled(server)
    return answer.body.count as number
  }
  const window = { Since: early.toISOString(), Until: middle.toISOString() }
  assert.deepEqual(
    (await list(server, window)).map(({ sid }) => sid),
    [failed[0]],
  )
  const [told, toldOther] = [receiver.requests.length, other.requests.length]
  assert.equal(await replay(window), 1)
  assert.deepEqual(tokensOf(receiver).slice(told), [failed[0]])
  assert.equal(await replay(window), 0, 'it is delivered by now')
  assert.equal(await replay({ ...window, Status: 'delivered' }), 1)
  assert.equal(await replay({ ServiceSid: service.sid }), failed.length - 1)
  assert.equal(await replay({ ServiceSid: service.sid }), 0)
  assert.equal(other.requests.length, toldOther)
  assert.equal(await replay({ Endpoint: other.url }), theirs.failed.length)
  assert.deepEqual(tokensOf(other).slice(toldOther).sort(), theirs.failed.sort())
  const deeds = await audited(server)
  assert.deepEqual(deeds.at(-1), {
    details: { count: theirs.failed.length, status: 'failed', endpoint: other.url },
    service_sid: null,
    resource_sid: null,
  })
})

/** Failed callbacks of one interaction, as many as that. */
async function makeFailed(server: TestServer, service: Pool, url: string, many: number) {
  const interaction_sid = newSid('KI')
  const sids = Array.from({ length: many }, () => newSid('CB'))
  await rows(
    server,
    `with told as (
       insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, carrier_sid)
       values ($1, $5, $2, 'KC', 'message', 'api', 'sent', 'MC'))
     insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, attempts)
     select $1, sid, $2, $5, $3, now(), 11 from unnest($4::text[]) s (sid)`,
    [service.sid, server.account.sid, url, sids, interaction_sid],
  )
}

test('however many failed, each is told again once, in batches', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 404 }))
  const service = await makeService(server)
  await makeFailed(server, service, receiver.url, 2_500)
  const { body } = await server.post('/maskline/v1/Callbacks/Replay', { ServiceSid: service.sid })
  assert.equal(body.count, 2_500)
  await eventually(async () => receiver.requests.length >= 2_500, 'all are told', 60_000)
  await settled(server, service)
  assert.equal(new Set(tokensOf(receiver)).size, 2_500)
  assert.equal(receiver.requests.length, 2_500, 'those that fail anew meanwhile are not taken again')
  const counts = (await audited(server)).filter(({ service_sid }) => service_sid === service.sid)
  assert.deepEqual(
    counts.map(({ details }) => details.count),
    [1_000, 1_000, 500],
  )
})

test('a callback that waits for its next try is tried now', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 503 }))
  const service = await makeService(server)
  await makeFailed(server, service, receiver.url, 1)
  await rows(server, `update callbacks set due_at = now() + interval '8 hours' where service_sid = $1`, [service.sid])
  const { body } = await server.post('/maskline/v1/Callbacks/Replay', { ServiceSid: service.sid, Status: 'pending' })
  assert.equal(body.count, 1)
  await receiver.next()
  receiver.answer = () => ({})
  await hurry(server, 'callbacks')
  await settled(server, service)
})

test('nothing of another account is listed or told again, and what cannot be read is refused', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const { failed } = await refuseAll(server, receiver)
  const { sid, auth_token } = await makeAccount(server.store)
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  const call = (path: string, method = 'GET') =>
    server.call(`/maskline/v1/${path}`, { method, headers: { authorization } })
  assert.deepEqual((await call('Callbacks')).body.callbacks, [])
  assert.deepEqual((await call('CallbackEndpoints')).body.callback_endpoints, [])
  assert.equal((await call('Callbacks/Replay', 'POST')).body.count, 0)
  for (const path of [`Callbacks/${failed[0]}`, `Callbacks/${failed[0]}/Attempts`]) {
    assert.equal((await call(path)).body.code, 20404)
  }
  assert.equal((await call(`Callbacks/${failed[0]}/Replay`, 'POST')).body.code, 20404)

  const refused = async (query: string, code: number) =>
    assertRefused(await server.get(`/maskline/v1/Callbacks?${query}`), 400, code)
  await refused('Status=lost', 20001)
  await refused('ServiceSid=KS1', 80408)
  await refused('Since=yesterday', 80701)
  await refused('Status=failed&Endpoint=app.example', 80701)
  await refused('Endpoint=https://app.example', 80701)
})

test('the endpoints of an account are listed with their health, those first that fail', async (t) => {
  const server = await getServer()
  const [fine, broken] = [await startReceiver(t), await startReceiver(t, () => ({ status: 503 }))]
  await makeService(server, 0, { CallbackUrl: `${fine.url}/a` })
  await makeService(server, 0, { CallbackUrl: `${fine.url}/b#rc=0` })
  const service = await makeService(server, 0, { CallbackUrl: `${broken.url}/a` })
  await makeFailed(server, service, broken.url, 1)
  await server.post('/maskline/v1/Callbacks/Replay', { ServiceSid: service.sid })
  const endpoints = async () =>
    (await server.get('/maskline/v1/CallbackEndpoints')).body.callback_endpoints as Record<string, unknown>[]
  const isKnown = async () =>
    (await endpoints())[0]?.endpoint === broken.url && (await endpoints())[0]?.health === 'failing'
  await eventually(isKnown, 'the failure is known')
  const [first, ...others] = await endpoints()
  assert.deepEqual([first?.health, first?.failures, first?.date_opened], ['failing', 1, null])
  const healthy = others.filter(({ endpoint }) => endpoint === fine.url)
  assert.deepEqual(
    healthy.map(({ health, failures }) => [health, failures]),
    [['healthy', 0]],
  )
  await rows(server, 'update callback_endpoints set date_opened = now(), probe_at = now() where endpoint = $1', [
    broken.url,
  ])
  const opened = (await endpoints())[0]
  assert.equal(opened?.health, 'waiting')
  assert.ok(opened?.date_opened && opened.date_next_probe)
  await rows(server, 'delete from callbacks where service_sid = $1', [service.sid])
})

test('the command line lists what failed, shows its attempts, tells it again, and knows the endpoints', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const { failed } = await refuseAll(server, receiver)
  const env = { DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key }
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(['callbacks', ...args, '--account', server.account.sid], env)
    assert.equal(code, 0, stderr)
    return stdout
  }
  const listed = JSON.parse(await run('list', '--endpoint', receiver.url, '--json')) as Record<string, unknown>[]
  assert.deepEqual(
    listed.map(({ sid }) => sid),
    failed.sort(),
  )
  const [sid = ''] = failed
  const [attempt] = JSON.parse(await run('attempts', sid, '--json'))
  assert.deepEqual([attempt.attempt, attempt.tries, attempt.status], [1, 1, 404])
  receiver.answer = () => ({})
  assert.equal(await run('replay', sid), `${sid} is told again.\n`)
  await settled(server)
  assert.equal(await run('replay', '--endpoint', receiver.url), `${failed.length - 1} callbacks are told again.\n`)
  await settled(server)
  const endpoints = JSON.parse(await run('endpoints', '--json')) as Record<string, unknown>[]
  assert.equal(endpoints.find(({ endpoint }) => endpoint === receiver.url)?.health, 'healthy')
  const wrong = await runCli(['callbacks', 'list', '--account', server.account.sid, '--since', 'yesterday'], env)
  assert.deepEqual([wrong.code, wrong.stderr], [2, '"yesterday" is not a time: write it as 2030-01-31T12:00:00Z\n'])
})
