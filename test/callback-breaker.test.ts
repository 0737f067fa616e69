import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCallbackHealth, endpointOf } from '../src/core/callback-health.ts'
import { claimProbe } from '../src/core/callbacks.ts'
import { newSid } from '../src/core/sid.ts'
import { makeService, type Pool, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, startServer, type TestServer } from './support/server.ts'

const getServer = serverForFile()

/** Makes so many callbacks due at once. */
async function makeDue(server: TestServer, service: Pool, url: string, many: number) {
  const interaction_sid = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, carrier_sid)
     values ($1, $2, $3, 'KC', 'message', 'api', 'sent', 'MC')`,
    [service.sid, interaction_sid, server.account.sid],
  )
  const sids = Array.from({ length: many }, () => newSid('CB'))
  await rows(
    server,
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at)
     select $1, sid, $3, $2, $4, now(), now() from unnest($5::text[]) as s(sid)`,
    [service.sid, interaction_sid, server.account.sid, url, sids],
  )
  return sids
}

const states = (server: TestServer, service: Pool) =>
  rows(
    server,
    `select sid, attempts, is_put_off, due_at is not null as is_due, due_at > now() as is_later, date_delivered is not null as is_delivered
     from callbacks where service_sid = $1 order by sid`,
    [service.sid],
  )

const endpoint = async (server: TestServer, url: string) =>
  (
    await rows(server, 'select *, probe_at > now() as is_later from callback_endpoints where endpoint = $1', [
      endpointOf(url),
    ])
  )[0]

/** As if it had failed for so much longer by now. */
const age = (server: TestServer, url: string, seconds: number) =>
  rows(
    server,
    `update callback_endpoints set failing_since = failing_since - make_interval(secs => $2),
       probe_at = probe_at - make_interval(secs => $2) where endpoint = $1`,
    [endpointOf(url), seconds],
  )

const events = (server: TestServer, url: string) =>
  rows(server, `select message from events where error_code = 80908 and message like $1 || ' %' order by sid`, [
    endpointOf(url),
  ])

/** An endpoint that has failed often enough, for long enough, with so many callbacks that wait for it. */
async function breakDown(server: TestServer, service: Pool, url: string, many: number) {
  await makeDue(server, service, url, 10)
  await eventually(async () => (await endpoint(server, url))?.failures >= 10, 'ten failures are known')
  assert.equal((await endpoint(server, url)).date_opened, null, 'control: ten at once do not suffice')
  await age(server, url, 31)
  await makeDue(server, service, url, 1)
  await eventually(async () => (await endpoint(server, url))?.date_opened, 'it is out of order')
  await rows(server, `update callback_endpoints set probe_at = now() + interval '1 hour' where endpoint = $1`, [
    endpointOf(url),
  ])
  // The server knows it a moment after the database does.
  await makeDue(server, service, url, 1)
  await eventually(async () => (await states(server, service)).some(({ is_put_off }) => is_put_off), 'the server knows')
  await rows(server, 'delete from callbacks where service_sid = $1', [service.sid])
  const sids = await makeDue(server, service, url, many)
  await eventually(
    async () => (await states(server, service)).every(({ is_put_off, is_later }) => is_put_off && is_later),
    'all wait',
  )
  return sids
}

test('what fails for long is sent nothing but one probe at a time, and all that waited once it answers', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  let isBroken = true
  const receiver = await startReceiver(t, () => ({ status: isBroken ? 503 : 200 }))
  const url = `${receiver.url}/told`
  const sids = await breakDown(server, service, url, 300)
  const before = receiver.requests.length
  assert.ok(
    (await states(server, service)).every(({ attempts }) => attempts === 0),
    'they keep their tries',
  )

  const probed = async (probes: number) => {
    await age(server, url, 3_600)
    await eventually(async () => (await endpoint(server, url)).probes === probes, `${probes} probes failed`)
    assert.equal(receiver.requests.length, before + probes)
    const [{ wait_s }] = await rows(
      server,
      'select extract(epoch from probe_at - date_updated)::float8 as wait_s from callback_endpoints where endpoint = $1',
      [endpointOf(url)],
    )
    return Math.round(wait_s)
  }
  const pauses: number[] = []
  for (let nth = 1; nth <= 7; nth++) pauses.push(await probed(nth))
  assert.deepEqual(pauses, [20, 40, 80, 160, 320, 600, 600], 'pauses grow up to ten minutes')

  isBroken = false
  await age(server, url, 3_600)
  await eventually(
    async () => (await states(server, service)).filter(({ is_delivered }) => is_delivered).length >= 293,
    'all that waited is delivered, but for those that failed as probes',
  )
  assert.equal(await endpoint(server, url), undefined)
  const told = receiver.requests.slice(before + 7).map(({ headers }) => headers['i-twilio-idempotency-token'])
  assert.equal(new Set(told).size, told.length, 'each once')
  assert.ok(told.every((sid) => sids.includes(String(sid))))
  const messages = (await events(server, url)).map(({ message }) => message.replace(/^\S+ /, ''))
  assert.match(messages.join('\n'), /^failed \d+ times in a row\. .*\nanswers again\. .*$/)
})

test('an endpoint that answers now and then stays in order, and so does one that refuses', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  let at = 0
  const fickle = await startReceiver(t, () => ({ status: ++at % 5 === 0 ? 200 : 503 }))
  const refusing = await startReceiver(t, () => ({ status: 404 }))
  for (let round = 0; round < 6; round++) {
    for (const { url } of [fickle, refusing]) await makeDue(server, service, url, 10)
    await eventually(
      async () => fickle.requests.length === 10 * (round + 1) && refusing.requests.length === 10 * (round + 1),
      'all are tried',
    )
    await eventually(
      async () =>
        (await rows(server, 'select from callback_attempts where service_sid = $1', [service.sid])).length ===
        20 * (round + 1),
      'and on record',
    )
    await age(server, fickle.url, 40)
    await rows(server, 'update callbacks set due_at = null where service_sid = $1', [service.sid])
  }
  assert.equal((await endpoint(server, fickle.url))?.date_opened ?? null, null)
  assert.equal(await endpoint(server, refusing.url), undefined)
})

test('another server, and one that starts later, sends nothing there either, and one of two has the probe', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  const receiver = await startReceiver(t, () => ({ status: 500 }))
  await breakDown(server, service, receiver.url, 5)
  const before = receiver.requests.length
  const { database_url, master_key, account } = server
  const other = await startServer(t, { database_url, master_key, account })
  const fine = await startReceiver(t)
  await makeDue(server, service, receiver.url, 50)
  await makeDue(server, service, fine.url, 50)
  await eventually(async () => fine.requests.length === 50, 'who is in order is told')
  assert.equal(receiver.requests.length, before)
  await other.stop()

  await rows(server, `update callback_endpoints set probe_at = now() + interval '1 hour'`)
  const where = { account_sid: account.sid, endpoint: endpointOf(receiver.url) }
  assert.equal(await claimProbe(server.store, where), undefined, 'none is due')
  // No health of a server is asked here, so nobody else probes meanwhile but by these calls.
  await rows(server, `update callback_endpoints set probe_at = now() - interval '1 second'`)
  const claimed = await Promise.all(Array.from({ length: 8 }, () => claimProbe(server.store, where)))
  assert.ok(claimed.filter((one) => one !== undefined).length <= 1)
  await rows(server, 'delete from callbacks where service_sid = $1', [service.sid])
})

test('one account’s broken path holds up nobody else’s callbacks to the same host', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  const receiver = await startReceiver(t, ({ target }) => ({ status: target === '/broken' ? 500 : 200 }))
  await breakDown(server, service, `${receiver.url}/broken`, 5)
  const other = `AC${'7'.repeat(32)}`
  await rows(
    server,
    `insert into accounts (sid, friendly_name, auth_token_sealed, auth_token_digest) select $1, 'other', $2, auth_token_digest from accounts where sid = $3`,
    [other, server.store.keys.seal(`${other}/auth_token`, 'a token of theirs'), server.account.sid],
  )
  const before = receiver.requests.length
  const sids = await makeDue(server, service, `${receiver.url}/fine`, 3)
  await rows(server, 'update callbacks set account_sid = $1, due_at = now(), is_put_off = false where sid = any($2)', [
    other,
    sids,
  ])
  await eventually(async () => receiver.requests.length >= before + 3, 'theirs are told')
  await rows(server, 'delete from callbacks where service_sid = $1', [service.sid])
})

test('a callback that has waited for three days is given up', async (t) => {
  const server = await getServer()
  const service = await makeService(server)
  const receiver = await startReceiver(t, () => ({ status: 500 }))
  await breakDown(server, service, receiver.url, 2)
  const [old, young] = await states(server, service)
  await rows(
    server,
    `update callbacks set due_at = now(), date_created = case when sid = $1 then now() - interval '73 hours' else date_created end
     where service_sid = $2`,
    [old?.sid, service.sid],
  )
  await eventually(async () => (await states(server, service))[0]?.is_due === false, 'the old one is given up')
  const [given, kept] = await states(server, service)
  assert.deepEqual([given?.is_delivered, given?.is_put_off, given?.attempts], [false, false, 0])
  assert.deepEqual([kept?.sid, kept?.is_due], [young?.sid, true])
})

test('an endpoint is read from an address by the database as by the program', async () => {
  const server = await getServer()
  for (const [url, expected] of Object.entries({
    'https://app.example/told?a=/b#rc=2': 'https://app.example',
    'HTTPS://User:pa%40ss@App.Example:8443?x=1': 'https://app.example:8443',
    'http://[2001:db8::1]:80#x': 'http://[2001:db8::1]:80',
    'http://a@b.example/c@d': 'http://b.example',
  })) {
    const [{ read }] = await rows(server, 'select callback_endpoint($1) as read', [url])
    assert.deepEqual([read, endpointOf(url)], [expected, expected])
  }
})

test('of what is delivered nothing is noted', async () => {
  const server = await getServer()
  const health = createCallbackHealth()
  health.note({ account_sid: server.account.sid, url: 'https://app.example/' }, 'answered')
  await health.exchange(server.store)
  assert.equal(await endpoint(server, 'https://app.example/'), undefined)
})
