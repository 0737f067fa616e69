import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { createApiKey, listApiKeys } from '../../src/core/api-keys.ts'
import { chainDeeds, findHead, purgeAuditLog } from '../../src/core/audit-chain.ts'
import { listNewest, readWholeLog } from '../../src/core/audit-list.ts'
import { forgetBriefBodies, purgeBodies } from '../../src/core/bodies.ts'
import { createCallbackHealth, endpointOf } from '../../src/core/callback-health.ts'
import { claimCallbacks, claimProbe } from '../../src/core/callbacks.ts'
import { currentMoment, type Moment, readChanges } from '../../src/core/changes.ts'
import { setLegalHold } from '../../src/core/legal-hold.ts'
import { forgetExpiredMedia } from '../../src/core/media.ts'
import { listInventory } from '../../src/core/phone-numbers.ts'
import { subjectOf } from '../../src/core/privacy/subject.ts'
import { purgeOldRecords } from '../../src/core/retention.ts'
import { sweepExpiredSessions } from '../../src/core/session-state.ts'
import { purgeClosedSessions } from '../../src/core/sessions.ts'
import { createSignIns } from '../../src/core/sign-ins.ts'
import { forgetEndedSessions } from '../../src/core/user-sessions.ts'
import { isKnownAddress } from '../../src/core/users.ts'
import { renewClaims } from '../../src/db/statements/claim-interactions.ts'
import { exchangeCounts } from '../../src/db/statements/exchange-counts.ts'
import { openBrowser, PASSWORD, SESSION, withPassword } from './console.ts'
import { type Conversation, heard, newPerson } from './conversation.ts'
import { liveIn } from './lived-in.ts'
import { openSession, participant, rows, type SessionBody } from './proxy-api.ts'
import type { TestServer } from './server.ts'

type LivedIn = Awaited<ReturnType<typeof liveIn>>

/** Whatever a server does that asks its database. */
export async function doEverything(t: TestContext, server: TestServer) {
  const { store, get, post } = server
  const since = await currentMoment(store)
  const lived = await liveIn(t, server)
  const { service, talk, quiet, others } = lived
  const people = ['+14155550197', '+14155550198'].map((number) => participant(number))
  const made = await openSession(server, service, { UniqueName: 'by name', Participants: people })
  await openSession(server, service, { UniqueName: 'by name' }).catch(() => undefined)
  await post(made.path, { Ttl: '60' })
  await post(`${service.path}/Sessions`, {}, { 'Idempotency-Key': 'a key' })
  await post(`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`, { IsReserved: 'true' })
  await readLists(server, lived)
  await lookForReasons(server, lived)
  for (const path of [
    `${service.path}/Sessions/by%20name`,
    `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`,
    `${talk.session.path}/Participants/${talk.bob.sid}`,
  ]) {
    assert.equal((await get(path)).status, 200, path)
  }
  assert.equal((await get(`/media/${service.sid}/${'0'.repeat(32)}`)).status, 404)
  for (const path of ['Pool', 'Capacity', 'Capacity?DefaultTtl=60', `PhoneNumbers/${service.numbers[0]?.sid}/Effect`]) {
    assert.equal((await get(`/maskline${service.path}/${path}`)).status, 200, path)
  }
  await blockNumbers(server, service.path)
  await listInventory(store, server.account.sid)
  await lookForChanges(server, talk.session, since)
  await lookAtAuditLog(server)
  await server.delete(quiet.session.path)
  await useKeys(server, others.account.sid)
  await useConsole(server)
  const inTalk = talk.session.path.replace('/v1', '/maskline/v1')
  assert.equal((await post(`${inTalk}/Participants/${talk.bob.sid}/Reveal`)).status, 200)
  const [said] = (await get(`${talk.session.path}/Interactions`)).body.interactions
  assert.equal((await post(`${inTalk}/Interactions/${said.sid}/Reveal`)).status, 200)
  for (const path of [`${inTalk}/Interactions/${said.sid}/ContentGuard`, '/maskline/v1/Settings']) {
    assert.equal((await get(path)).status, 200, path)
  }
  await exchangeCounts(store.pool, {
    server: 'this',
    told: [{ key: 'a key', counts: [1] }],
    slot_age_ms: 1,
    window_ms: 1,
  })
  await breakEndpoint(server)
  await renewClaims(store.pool, [{ service_sid: service.sid, sid: 'KI0' }], 25)
  await sweepExpiredSessions(store, 10)
  await manageWhatIsKept(server, service, talk)
  await purgeClosedSessions(store, 10)
  await forgetExpiredMedia(store)
  await purgeOldRecords(store)
}

/** Each list, from its beginning and from its middle in both directions. */
async function readLists(server: TestServer, { service, talk }: LivedIn) {
  for (const [path, prefix] of [
    ['/v1/Services', 'KS'],
    [`${service.path}/Sessions`, 'KC'],
    [`${service.path}/PhoneNumbers`, 'PN'],
    [`${talk.session.path}/Participants`, 'KP'],
    [`${talk.session.path}/Interactions`, 'KI'],
    [`${talk.session.path}/Participants/${talk.bob.sid}/MessageInteractions`, 'KI'],
    ['/maskline/v1/Events', 'NO'],
    ['/maskline/v1/Events?ErrorCode=80905', 'NO'],
    [`/maskline/v1/Events?ServiceSid=${service.sid}`, 'NO'],
    [`/maskline/v1/Events?ErrorCode=80905&ServiceSid=${service.sid}`, 'NO'],
    [`/maskline/v1/Events?ServiceSid=${service.sid}&SessionSid=${talk.session.sid}`, 'NO'],
    [`/maskline/v1/Services/${service.sid}/Recordings`, 'RE'],
    ['/maskline/v1/AuditLog', 'AU'],
    ['/maskline/v1/AuditLog?Action=kind-7', 'AU'],
    [`/maskline/v1/AuditLog?ResourceSid=${service.sid}`, 'AU'],
    ['/maskline/v1/AuditLog?ActorSid=SK7', 'AU'],
    [`/maskline/v1/AuditLog?StartDate=${new Date(Date.now() - 86_400_000).toISOString()}`, 'AU'],
    ['/maskline/v1/AuditLog?EndDate=2020-01-01', 'AU'],
    ...['', 'failed', 'pending', 'delivered'].flatMap((status) =>
      [
        '',
        `ServiceSid=${service.sid}`,
        `ServiceSid=${service.sid}&SessionSid=${talk.session.sid}`,
        'Since=2030-01-31&Until=2030-02-01',
        'Endpoint=https://app.example',
      ].flatMap((filter): [string, string][] =>
        filter.startsWith('Endpoint') && status !== 'failed'
          ? []
          : [[`/maskline/v1/Callbacks?Status=${status}&${filter}`, 'CB']],
      ),
    ),
    ['/maskline/v1/Keys', 'SK'],
    [`/maskline/v1/Services/${service.sid}/BlockedNumbers`, 'BN'],
  ] as const) {
    await listPages(server, path, prefix)
  }
}

async function listPages({ get }: TestServer, path: string, prefix: string) {
  const query = (text: string) => `${path}${path.includes('?') ? '&' : '?'}PageSize=1${text}`
  const first = await get(query(''))
  assert.equal(first.status, 200, first.text)
  const middle = `${prefix}${'7'.repeat(32)}`
  for (const token of [`&Page=1&PageToken=PA${middle}`, `&Page=1&PageToken=PB${middle}`, '&Page=2']) {
    assert.equal((await get(query(token))).status, 200, query(token))
  }
}

/** Every interaction is traced, and whatever somebody may have in hand is searched for. */
async function lookForReasons({ get, post, account }: TestServer, { service, talk, others }: LivedIn) {
  const of = `ServiceSid=${service.sid}`
  const filters = [of, `SessionSid=${talk.session.sid}`, 'Outcome=blocked', `Outcome=relayed&${of}`, 'Type=call']
  const path = '/maskline/v1/Interactions'
  for (const filter of ['', ...filters, 'Since=2020-01-31&Until=2030-02-01']) {
    const middle = `KI${'7'.repeat(32)}`
    for (const place of ['', `&Page=1&PageToken=PA${middle}`, `&Page=1&PageToken=PB${middle}`, '&Page=2']) {
      assert.equal((await get(`${path}?${filter}&PageSize=1${place}`)).status, 200, filter)
    }
  }
  const { interactions } = (await get(`${path}?PageSize=100`)).body
  for (const { sid } of interactions) assert.equal((await get(`${path}/${sid}/Trace`)).status, 200, sid)
  const { callbacks } = (await get('/maskline/v1/Callbacks?PageSize=1')).body
  const { events } = (await get('/maskline/v1/Events?PageSize=1')).body
  const sids = [service.sid, talk.session.sid, talk.bob.sid, service.numbers[0]?.sid, `SC${'0'.repeat(32)}`]
  const more = [interactions[0].sid, interactions[0].inbound_resource_sid, callbacks[0].sid, events[0].sid]
  const texts = [talk.bob.identifier, talk.bob.proxy, 'by name', 'nothing', account.sid, `RE${'0'.repeat(32)}`]
  for (const Query of [...sids, ...more, ...texts, others.session_sid, newPerson()]) {
    const answer = await post('/maskline/v1/Search', { Query: Query ?? '' })
    assert.equal(answer.status, 200, `${Query}: ${answer.text}`)
  }
}

/** A number is blocked twice, and let in again. */
async function blockNumbers(server: TestServer, service_path: string) {
  const { get, post } = server
  const blocked = `/maskline${service_path}/BlockedNumbers`
  for (let time = 0; time < 2; time++) {
    const { status, body } = await post(blocked, { PhoneNumber: '+14155550196' })
    assert.equal(status, 201)
    assert.equal((await get(`${blocked}/${body.sid}`)).status, 200)
    if (time === 1) await server.delete(`${blocked}/${body.sid}`)
  }
}

/** What a stream asks for, of each scope, among what is young and among what is old. */
async function lookForChanges({ store, account }: TestServer, session: SessionBody, since: Moment) {
  const scope = { account_sid: account.sid, service_sid: String(session.service_sid), session_sid: session.sid }
  for (const session_sid of [undefined, session.sid]) {
    for (const service_sid of session_sid ? [scope.service_sid] : [undefined, scope.service_sid]) {
      for (const long_since of [undefined, since]) {
        const found = await readChanges(store, { ...scope, service_sid, session_sid }, { since, long_since })
        assert.equal(found.outcome, 'found')
      }
    }
  }
}

async function useKeys(server: TestServer, others: string) {
  const { store, post, call } = server
  const own = await post('/maskline/v1/Keys', { FriendlyName: 'a key' })
  const path = `/maskline/v1/Keys/${own.body.sid}`
  assert.equal((await post(path, { Scopes: 'pii' })).status, 200)
  assert.equal((await server.delete(path)).status, 204)
  const { key, secret } = await createApiKey(store, { account_sid: others, friendly_name: 'a key' })
  const authorization = `Basic ${Buffer.from(`${key.sid}:${secret}`).toString('base64')}`
  assert.equal((await call('/v1/Services', { headers: { authorization } })).status, 200)
}

/** Somebody signs in, in every way, changes what there is to change of users and accounts, and signs out. */
async function useConsole(server: TestServer) {
  const { store, account } = server
  const everywhere = await withPassword(server, { name: 'all' })
  const again = openBrowser(server)
  assert.equal((await again.post(SESSION, { Name: 'all', Password: PASSWORD })).status, 200)
  const old = "update user_sessions set date_last_used = now() - interval '2 minutes' where user_sid = $1"
  await rows(server, old, [everywhere.user.sid])
  again.forget(everywhere.cookie())
  await isKnownAddress(store, 'all', '127.0.0.1')
  const { secret } = (await everywhere.post(`${SESSION}/totp`)).body
  const code = TOTP.generate({ secret: Secret.fromBase32(secret) })
  const paths: [path: string, params: Record<string, string>][] = [
    [`${SESSION}/totp`, { Secret: secret, Totp: code }],
    [`${SESSION}/account`, { AccountSid: account.sid }],
    [`${SESSION}/password`, { Current: PASSWORD, Password: `${PASSWORD} two` }],
    ['/maskline/v1/Accounts', { FriendlyName: 'another' }],
    [`/maskline/v1/Accounts/${account.sid}`, { FriendlyName: 'renamed', Status: 'active' }],
  ]
  for (const [path, params] of paths) assert.ok((await everywhere.post(path, params)).status < 300, path)
  await everywhere.delete(`${SESSION}/totp?Totp=${code}`)
  for (const as of [server, everywhere]) {
    const made = await as.post('/maskline/v1/Users', { Name: `made by ${as === server}`, Role: 'viewer' })
    const path = `/maskline/v1/Users/${made.body.sid}`
    assert.equal((await as.get(path)).status, 200)
    assert.equal((await as.post(path, { Role: 'operator', NewLink: 'true' })).status, 200)
    await listPages(as, '/maskline/v1/Users', 'US')
    await listPages(as, '/maskline/v1/Accounts', 'AC')
    assert.equal((await as.get(`/maskline/v1/Accounts/${account.sid}`)).status, 200)
    await as.get('/maskline/v1/AuditLog?Action=user.create')
    assert.equal((await as.delete(path)).status, 204)
  }
  await everywhere.delete(SESSION)
  await forgetEndedSessions(store)
}

async function lookAtAuditLog({ store, account }: TestServer) {
  const sign_ins = createSignIns()
  for (const name of [account.sid, `SK${'0'.repeat(32)}`, `US${'0'.repeat(32)}`]) {
    sign_ins.used(name, '192.0.2.1')
    sign_ins.refused(name, '192.0.2.1')
  }
  await sign_ins.write(store, 'all')
  await listApiKeys(store, account.sid)
  await listNewest(store, {}, 10)
  await listNewest(store, { account_sid: account.sid }, 10)
  for await (const { position } of readWholeLog(store)) if (position === null) break
  await chainDeeds(store)
  await findHead(store)
  await rows(
    { store } as TestServer,
    "update audit_entries set date_created = now() - interval '9 days' where position < 3",
  )
  await purgeAuditLog(store, 8)
}

/** Callbacks are listed, fetched and told again; an endpoint breaks down, is probed, and recovers. */
async function breakEndpoint(server: TestServer) {
  const { store, get, post, account } = server
  const { sid, callback_url: url, service_sid } = (await get('/maskline/v1/Callbacks')).body.callbacks[0]
  const path = `/maskline/v1/Callbacks/${sid}`
  for (const one of [path, `${path}/Attempts`, `${path}/Request`, '/maskline/v1/CallbackEndpoints']) {
    assert.equal((await get(one)).status, 200, one)
  }
  assert.equal((await post(`${path}/Replay`)).status, 200)
  const endpoint = endpointOf(url)
  for (const filter of [
    {},
    { Status: 'delivered' },
    { ServiceSid: service_sid },
    { Endpoint: endpoint },
    { Status: 'pending' },
  ]) {
    assert.equal((await post('/maskline/v1/Callbacks/Replay', filter as Record<string, string>)).status, 200)
  }
  const health = createCallbackHealth()
  const where = { account_sid: account.sid, url }
  health.note(where, 'failed')
  await health.exchange(store)
  await rows(server, 'update callback_endpoints set date_opened = now(), probe_at = now()')
  await claimProbe(store, { account_sid: account.sid, endpoint })
  health.note(where, 'answered')
  await health.exchange(store)
  await claimCallbacks(store, { limit: 10, busy_hosts: [], some_wait: true })
}

/** Retention, legal hold, and all that is done about one person. */
async function manageWhatIsKept(server: TestServer, service: LivedIn['service'], { alice, bob }: Conversation) {
  const { store, post, account } = server
  await post('/maskline/v1/Settings', { SessionRetention: '80', BodyRetention: '1' })
  await purgeBodies(store, Date.now() + 2 * 86_400_000)
  await post('/maskline/v1/Settings', { BodyRetention: '0' })
  await server.text(alice.identifier, alice.proxy, 'Briefly')
  await heard(server, bob, 'Briefly')
  await forgetBriefBodies(store)
  const subject = subjectOf(store, account.sid, alice.identifier)
  for (const hold of ['on', 'off'] as const) await setLegalHold(store, account.sid, subject, hold)
  const stranger = newPerson()
  await server.text(stranger, alice.proxy, 'Anybody?')
  assert.equal((await post(`/maskline${service.path}/BlockedNumbers`, { PhoneNumber: stranger })).status, 201)
  for (const Identifier of [bob.identifier, stranger]) {
    for (const [what, params] of [
      ['Export', { Identifier }],
      ['Erase', { Identifier, DryRun: 'true' }],
      ['Erase', { Identifier }],
    ] as const) {
      const answer = await post(`/maskline/v1/Privacy/${what}`, params)
      assert.equal(answer.status, 200, answer.text)
    }
  }
}
