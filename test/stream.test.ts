import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setAccountStatus } from '../src/core/accounts.ts'
import { revokeApiKey } from '../src/core/api-keys.ts'
import { currentMoment, readChanges } from '../src/core/changes.ts'
import { newSid } from '../src/core/sid.ts'
import { askedByKey } from './support/callers.ts'
import { SESSION, signedIn } from './support/console.ts'
import { type Conversation, converse } from './support/conversation.ts'
import { credentialsOf, type Listener, listen, type Told } from './support/listener.ts'
import { makeService, type Pool, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, startServer, type TestServer } from './support/server.ts'

const getServer = serverForFile()

const isDelivered = ({ event, body }: Told) => event === 'interaction' && body.outbound_resource_status === 'delivered'

/** The texts that a listener knows to have been delivered. */
const delivered = ({ told }: Pick<Listener, 'told'>) =>
  new Set(told.filter(isDelivered).map(({ body }) => body.inbound_resource_sid as string))

/** Puts a row of the event log where a worker would have put it; texts may be long. */
const putEvents = (server: TestServer, account_sid: string, messages: string[]) =>
  rows(
    server,
    `insert into events (sid, account_sid, error_code, level, message)
     select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[])`,
    [
      messages.map(() => newSid('NO')),
      ...[messages.map(() => account_sid), messages.map(() => 80905), messages.map(() => 'warning'), messages],
    ],
  )

async function talkIn(server: TestServer, settings: Record<string, string> = {}) {
  const service = await makeService(server, 2, settings)
  return { service, ...(await converse(server, service)) }
}

const say = (server: TestServer, { alice }: Conversation, words: string) =>
  server.text(alice.identifier, alice.proxy, words)

test('all that happens in an account is told as it happens, with the bodies of the API', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const listener = await listen(t, server)
  assert.match(String(listener.headers['content-type']), /^text\/event-stream/)
  const talk = await talkIn(server, { CallbackUrl: `${receiver.url}/told` })
  const sid = await say(server, talk, 'Hello')
  const { body } = await listener.hear(
    'the delivery',
    (told) => isDelivered(told) && told.body.inbound_resource_sid === sid,
  )
  assert.equal(body.data, '{"body":"Hello"}')
  const { body: session } = await listener.hear(
    'the session under way',
    (told) => told.event === 'session' && told.body.sid === talk.session.sid && told.body.status === 'in-progress',
  )
  assert.deepEqual(session, (await server.get(talk.session.path)).body)
  const { body: bob } = await listener.hear(
    'who is in it',
    (told) => told.event === 'participant' && told.body.sid === talk.bob.sid,
  )
  assert.deepEqual(bob, (await server.get(`${talk.session.path}/Participants/${talk.bob.sid}`)).body)
  const { body: callback } = await listener.hear(
    'a callback that was answered',
    (told) => told.event === 'callback' && told.body.status === 'delivered' && told.body.interaction_sid === body.sid,
  )
  assert.deepEqual(callback, (await server.get(`/maskline/v1/Callbacks/${callback.sid}`)).body)
  await putEvents(server, server.account.sid, ['Something happened.'])
  const { body: event } = await listener.hear('the event', (told) => told.body.message === 'Something happened.')
  assert.ok((await server.get('/maskline/v1/Events')).body.events.some(({ sid }: { sid: string }) => sid === event.sid))
})

test('what is done to an old session, its people and its callbacks is told, too', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  receiver.answer = () => ({ status: 404 })
  const talk = await talkIn(server, { CallbackUrl: `${receiver.url}/told` })
  await say(server, talk, 'Long ago')
  const failed = async () =>
    (await server.get(`/maskline/v1/Callbacks?Status=failed&ServiceSid=${talk.service.sid}`)).body.callbacks[0]
  const { sid } = await eventually(failed, 'a callback fails')
  // As if a week had passed: what is looked at among the newest does not reach back so far.
  const before = (table: string, prefix: string) =>
    rows(server, `update ${table} set sid = $2 || '018000000000' || substr(sid, 15) where service_sid = $1`, [
      talk.service.sid,
      prefix,
    ])
  await before('callbacks', 'CB')
  const old = `CB018000000000${sid.slice(14)}`
  const listener = await listen(t, server, { query: { ServiceSid: talk.service.sid } })
  receiver.answer = () => ({ status: 200 })
  assert.equal((await server.post(`/maskline/v1/Callbacks/${old}/Replay`)).status, 200)
  await listener.hear('it is told again', ({ body }) => body.sid === old && body.status === 'delivered')
  await server.post(talk.session.path, { Ttl: '4711' })
  await listener.hear('another Ttl', ({ event, body }) => event === 'session' && body.ttl === 4711)
  await server.delete(`${talk.session.path}/Participants/${talk.bob.sid}`)
  await listener.hear('who left', ({ body }) => body.sid === talk.bob.sid && body.date_deleted !== null)
  await server.post(talk.session.path, { Status: 'closed' })
  await listener.hear('its end', ({ event, body }) => event === 'session' && body.status === 'closed')
})

const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN

test('of a hundred texts and more, 95 in 100 are told at once, even on a busy machine, in each scope, by any server', async (t) => {
  const server = await getServer()
  const { database_url, master_key, account } = server
  const other = await startServer(t, { database_url, master_key, account })
  const talk = await talkIn(server)
  const { sid: ServiceSid } = talk.service
  const queries: Record<string, string>[] = [{}, { ServiceSid }, { ServiceSid, SessionSid: talk.session.sid }]
  const listeners = await Promise.all(
    [server, other].flatMap((one) => queries.map((query) => listen(t, one, { query }))),
  )
  const sent = new Map<string, number>()
  for (let at = 0; at < 120; at++) {
    const before = performance.now()
    sent.set(await say(server, talk, `Number ${at}`), before)
  }
  for (const { told, hear } of listeners) {
    const took: number[] = []
    for (const [sid, before] of sent) {
      const { at } = await hear(
        'each text',
        ({ event, body }) => event === 'interaction' && body.inbound_resource_sid === sid,
      )
      took.push(at - before)
    }
    assert.ok(told.every(({ event }) => event !== 'reset'))
    const p95 = percentile(took, 0.95)
    t.diagnostic(`p50 ${Math.round(percentile(took, 0.5))} ms, p95 ${Math.round(p95)} ms`)
    // It was 0.4 s with other work on the machine; what is left is for machines with more of it.
    assert.ok(p95 <= 2_500, `${p95} ms`)
  }
})

/** Texts as fast as they are taken, until it is told to stop; the SIDs of all. */
function chatter(server: TestServer, talk: Conversation) {
  const sids: string[] = []
  let isOver = false
  const talking = (async () => {
    while (!isOver) sids.push(await say(server, talk, `Number ${sids.length}`))
  })()
  return {
    sids,
    stop: async () => {
      isOver = true
      await talking
    },
  }
}

/** A listener that is cut off again and again in the middle of traffic; `goOn` says with what it comes back. */
async function listenInPieces(
  t: TestContext,
  servers: [TestServer, TestServer],
  talk: Conversation & { service: Pool },
  goOn: (last: string) => Record<string, string>,
) {
  const query = { ServiceSid: talk.service.sid }
  const chatting = chatter(servers[0], talk)
  const all: Told[] = []
  let last_id = ''
  let heard_from = 0
  for (let piece = 0; piece < 8; piece++) {
    const server = servers[piece % 2] as TestServer
    const said = chatting.sids.length
    // Some is said while nobody listens.
    await eventually(async () => chatting.sids.length > said + 10, 'something is said')
    const listener = await listen(t, server, { query, headers: last_id ? goOn(last_id) : {} })
    const known = chatting.sids.length
    // What was said before the first of them listened is nobody's to hear.
    if (piece === 0) heard_from = known
    await eventually(async () => chatting.sids.length > known + 10 && listener.told.length > 3, 'something is told')
    if (piece === 7) {
      await chatting.stop()
      const last = chatting.sids.at(-1)
      await listener.hear('the last', (told) => isDelivered(told) && told.body.inbound_resource_sid === last)
      await eventually(async () => {
        const [left] = await rows(
          server,
          "select count(*)::int as count from interactions where service_sid = $1 and outbound_resource_status is distinct from 'delivered'",
          [talk.service.sid],
        )
        return left.count === 0
      }, 'all are delivered')
    }
    all.push(...listener.told)
    last_id = listener.last_id ?? ''
    listener.leave()
  }
  const final = await listen(t, servers[0], { query, headers: goOn(last_id) })
  await eventually(async () => final.last_id !== undefined, 'what came since is told')
  all.push(...final.told)
  const known = delivered({ told: all })
  return { told: all, missed: chatting.sids.slice(heard_from).filter((sid) => !known.has(sid)) }
}

test('who comes back with the last id, to any server, has missed nothing, and control: without it some is missed', async (t) => {
  const server = await getServer()
  const { database_url, master_key, account } = server
  const other = await startServer(t, { database_url, master_key, account })
  const talk = await talkIn(server)
  const resumed = await listenInPieces(t, [server, other], talk, (id) => ({ 'last-event-id': id }))
  assert.deepEqual(resumed.missed, [])
  assert.ok(resumed.told.every(({ event }) => event !== 'reset'))
  const anew = await listenInPieces(t, [server, other], await talkIn(server), () => ({}))
  assert.ok(anew.missed.length > 0)
})

test('what commits late is not missed, though others that began later were told before', async (t) => {
  const server = await getServer()
  const { service } = await talkIn(server)
  const listener = await listen(t, server, { query: { ServiceSid: service.sid } })
  const client = await server.store.pool.connect()
  const put = `insert into events (sid, service_sid, account_sid, error_code, level, message) values ($1, $2, $3, 80905, 'warning', $4)`
  await client.query('begin')
  await client.query(put, [newSid('NO'), service.sid, server.account.sid, 'Began first.'])
  await rows(server, put, [newSid('NO'), service.sid, server.account.sid, 'Began later.'])
  await listener.hear('the later', ({ body }) => body.message === 'Began later.')
  assert.ok(!listener.told.some(({ body }) => body.message === 'Began first.'))
  await client.query('commit')
  client.release()
  await listener.hear('the first', ({ body }) => body.message === 'Began first.')
})

test('nothing of another account is told, and control: without the account it would be found', async (t) => {
  const server = await getServer()
  const theirs = await makeAccount(server.store)
  const mine = await talkIn(server)
  const stranger = await listen(t, { ...server, account: theirs })
  const own = await listen(t, server)
  const since = await currentMoment(server.store)
  const sid = await say(server, mine, 'Not for others')
  await putEvents(server, theirs.sid, ['For them.'])
  await own.hear('the delivery', (told) => isDelivered(told) && told.body.inbound_resource_sid === sid)
  await stranger.hear('what is theirs', ({ body }) => body.message === 'For them.')
  assert.deepEqual(
    stranger.told.map(({ event }) => event),
    ['hello', 'event'],
  )
  const query = { ServiceSid: mine.service.sid, SessionSid: mine.session.sid }
  const headers = { authorization: credentialsOf(theirs) }
  assert.equal((await listen(t, server, { query, headers })).status, 404)

  const search = async (adapt: (text: string) => string) => {
    const { pool } = server.store
    const query = ({ text, values }: { text: string; values: unknown[] }) => pool.query(adapt(text), values)
    const scope = { account_sid: theirs.sid, service_sid: mine.service.sid }
    const found = await readChanges({ ...server.store, pool: { query } as never }, scope, { since })
    return found.outcome === 'found'
      ? found.changes.interaction.map(({ inbound_resource_sid }) => inbound_resource_sid)
      : []
  }
  assert.deepEqual(await search((text) => text), [])
  assert.deepEqual(await search((text) => text.replace(/(\w+\.)?account_sid = \$1/g, () => '$1::text is not null')), [
    sid,
  ])
})

test('a key is told what it may read and nothing else, and without pii nobody can be made out', async (t) => {
  const server = await getServer()
  const all = await askedByKey(server, { scopes: ['interactions:read', 'sessions:read', 'pii'] })
  const blind = await askedByKey(server, { scopes: ['interactions:read', 'sessions:read'] })
  const few = await askedByKey(server, { scopes: ['interactions:read'] })
  const as = ({ key, secret }: typeof all) =>
    listen(t, server, { headers: { authorization: credentialsOf({ sid: key.sid, auth_token: secret }) } })
  const [seeing, masked, reading] = await Promise.all([as(all), as(blind), as(few)])
  const none = await as(await askedByKey(server, { scopes: ['sessions:read'] }))
  assert.equal(none.status, 403)
  const talk = await talkIn(server)
  const sid = await say(server, talk, 'heliotrope')
  for (const one of [seeing, masked, reading]) {
    await one.hear('the delivery', (told) => isDelivered(told) && told.body.inbound_resource_sid === sid)
  }
  const written = ({ told }: Listener) => JSON.stringify(told)
  const secrets = ['heliotrope', talk.alice.identifier, talk.bob.identifier]
  assert.deepEqual(
    secrets.filter((secret) => written(masked).includes(secret) || written(reading).includes(secret)),
    [],
  )
  assert.deepEqual(
    secrets.filter((secret) => !written(seeing).includes(secret)),
    [],
  )
  assert.deepEqual([...new Set(reading.told.map(({ event }) => event))].sort(), ['hello', 'interaction'])
  assert.deepEqual([...new Set(masked.told.map(({ event }) => event))].sort(), [
    'hello',
    'interaction',
    'participant',
    'session',
  ])
})

test('a stream ends within seconds when its key is revoked, and goes on for others', async (t) => {
  const server = await getServer()
  const { key, secret } = await askedByKey(server, { scopes: ['interactions:read'] })
  const headers = { authorization: credentialsOf({ sid: key.sid, auth_token: secret }) }
  const [revoked, other] = await Promise.all([listen(t, server, { headers }), listen(t, server)])
  await revokeApiKey(server.store, key.sid)
  await eventually(async () => revoked.isOver(), 'it ends', 15_000)
  assert.equal(other.isOver(), false)
})

test('of an account that is suspended a user of all accounts goes on to see what happens', async (t) => {
  const server = await getServer()
  const account = await makeAccount(server.store)
  const browser = await signedIn(server)
  await browser.post(`${SESSION}/account`, { AccountSid: account.sid })
  const ears = { ...server, account }
  const cookie = { cookie: browser.cookie(), 'sec-fetch-site': 'same-origin' }
  const [looking, own] = [await listen(t, ears, { headers: cookie }), await listen(t, ears)]
  await setAccountStatus(server.store, account.sid, 'suspended')
  await eventually(async () => (await browser.post('/v1/Services')).body.code === 20005, 'the server knows of it')
  await eventually(async () => own.isOver(), 'control: that of the account ends', 15_000)
  // When a stream that begins now is found to have ended, all others have been looked at since.
  const { key, secret } = await askedByKey(server, { scopes: ['interactions:read'] })
  const headers = { authorization: credentialsOf({ sid: key.sid, auth_token: secret }) }
  const last = await listen(t, server, { headers })
  await revokeApiKey(server.store, key.sid)
  await eventually(async () => last.isOver(), 'the last one ends', 15_000)
  assert.equal(looking.isOver(), false)
})

test('who comes back too late, or with what is no id of ours, or after too much, is told to read anew', async (t) => {
  const server = await getServer()
  const { at, snapshot } = await currentMoment(server.store)
  for (const id of [
    `${at - 301_000}-${snapshot}`,
    `${at}-9:1:`,
    `${at}-1:2:3`,
    'nonsense',
    `${at}-99999999999:99999999999:`,
  ]) {
    const listener = await listen(t, server, { headers: { 'last-event-id': id } })
    await listener.hear('a reset', ({ event }) => event === 'reset')
    await eventually(async () => listener.last_id !== undefined, 'where it is now')
  }
  const query = { LastEventId: `${at}-${snapshot}` }
  const gone = await listen(t, server, { query })
  await eventually(async () => gone.last_id !== undefined, 'it goes on')
  assert.ok(gone.told.every(({ event }) => event !== 'reset'))
  const { text } = await server.get(`/maskline/v1/Stream?LastEventId=${at}-${snapshot}`)
  assert.match(text, /^retry: 1000\nevent: hello\ndata: {}\n\nid: \d+-/, 'without asking for a stream it ends at once')
  await putEvents(server, server.account.sid, Array(501).fill('One of many.'))
  await gone.hear('a reset', ({ event }) => event === 'reset')
  await putEvents(server, server.account.sid, ['After many.'])
  await gone.hear('what comes after', ({ body }) => body.message === 'After many.')
})

test('who does not read is cut off, and nobody else has to wait for them', async (t) => {
  const server = await getServer()
  const other = await listen(t, server)
  const { hostname, port } = new URL(server.direct)
  const deaf = connect(Number(port), hostname)
  t.after(() => deaf.destroy())
  deaf.on('error', () => undefined)
  deaf.write(
    `GET /maskline/v1/Stream HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: ${credentialsOf(server.account)}\r\n\r\n`,
  )
  await new Promise((resolve) => deaf.once('data', resolve))
  deaf.pause()
  const long = 'x'.repeat(9_000)
  for (let round = 0; round < 12; round++) {
    await putEvents(server, server.account.sid, Array(150).fill(`${round} ${long}`))
    await other.hear(`round ${round}`, ({ body }) => String(body.message).startsWith(`${round} `))
  }
  const isClosed = new Promise((resolve) => deaf.once('close', resolve))
  deaf.resume()
  await isClosed
  assert.equal(other.isOver(), false)
})

test('streams take no place among the requests in hand, are bounded themselves, and end when the server stops', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '4' } })
  const listeners: Listener[] = []
  for (let at = 0; at < 50; at++) listeners.push(await listen(t, server))
  assert.deepEqual(
    listeners.filter(({ status }) => status !== 200),
    [],
  )
  const refused = await listen(t, server)
  assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '5'])
  for (let at = 0; at < 8; at++) assert.equal((await server.get('/v1/Services')).status, 200)
  listeners[0]?.leave()
  await eventually(async () => {
    const again = await listen(t, server)
    return again.status === 200
  }, 'who leaves gives their place back')
  const before = performance.now()
  const stopped = server.stop()
  await eventually(async () => listeners.slice(1).every(({ isOver }) => isOver()), 'all end', 3_000)
  await stopped
  assert.ok(performance.now() - before < 5_000)
})
