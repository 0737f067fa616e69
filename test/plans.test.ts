import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, type TestContext, test } from 'node:test'
import pg from 'pg'
import { createApiKey, listApiKeys } from '../src/core/api-keys.ts'
import { chainDeeds, findHead, purgeAuditLog } from '../src/core/audit-chain.ts'
import { listNewest, readWholeLog } from '../src/core/audit-list.ts'
import { forgetBriefBodies, purgeBodies } from '../src/core/bodies.ts'
import { createCallbackHealth, endpointOf } from '../src/core/callback-health.ts'
import { claimCallbacks, claimProbe } from '../src/core/callbacks.ts'
import { setLegalHold } from '../src/core/legal-hold.ts'
import { forgetExpiredMedia } from '../src/core/media.ts'
import { listInventory } from '../src/core/phone-numbers.ts'
import { subjectOf } from '../src/core/privacy/subject.ts'
import { purgeOldRecords } from '../src/core/retention.ts'
import { sweepExpiredSessions } from '../src/core/session-state.ts'
import { purgeClosedSessions } from '../src/core/sessions.ts'
import { isSid } from '../src/core/sid.ts'
import { createSignIns } from '../src/core/sign-ins.ts'
import { renewClaims } from '../src/db/statements/claim-interactions.ts'
import { exchangeCounts } from '../src/db/statements/exchange-counts.ts'
import { type Conversation, heard, newPerson } from './support/conversation.ts'
import { liveIn } from './support/lived-in.ts'
import { fillWithMany } from './support/many-rows.ts'
import { findGrowing, indexesOf, plansOf, type Statement, watchStatements } from './support/plans.ts'
import { openSession, participant, rows } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

/** Those that have the more rows the more customers there are, or the more these do. */
const GROWING = [
  ...[
    'accounts',
    'api_keys',
    'carriers',
    'services',
    'phone_numbers',
    'sessions',
    'participants',
    'interactions',
    'media',
  ],
  ...['callbacks', 'callback_attempts', 'recordings', 'events', 'idempotency_keys', 'released_pairs'],
  ...['audit_entries', 'key_uses', 'blocked_numbers'],
]

const EXCEPTIONS = [
  {
    pattern: /: (delete from|update) "\w+" (set .*)?where "service_sid" = \$\d+$/,
    why: 'a service goes with all it has',
  },
  { pattern: /: reads all of one owner by phone_numbers_service: /, why: 'a pool has at most 5,500 numbers' },
  {
    pattern: /: reads all of one owner by phone_numbers_account: /,
    why: 'an operator has the numbers of an account listed',
  },
  {
    pattern: /: reads all of one owner by participants_pair: select "proxy_identifier", count\(\*\) as "pairs"/,
    why: 'the pairs of a pool are counted in the background, which takes a fiftieth of the time (core/number-pools.ts)',
  },
]

/** Those of the tests themselves. */
const ASKED_BY_TESTS = /count\(\*\)::int as count from|\) as due$|ttl \+ 5/

const MANY = { sessions: 20_000, interactions: 50_000 }

/** What there is beside what `fillWithMany` makes for one `$service` of an `$account` with a `$carrier`; `at` counts. */
const MORE: Record<string, { rows: number; insert: string }> = {
  accounts: {
    rows: 5_000,
    insert: `(sid, friendly_name, auth_token_sealed, auth_token_digest) select 'AC' || at, '', '', ''`,
  },
  api_keys: {
    rows: 5_000,
    insert: `(sid, account_sid, friendly_name, secret_digest) select 'SK' || at, 'AC' || at, '', ''`,
  },
  carriers: {
    rows: 5_000,
    insert: `(sid, account_sid, kind, friendly_name, credentials_sealed) select 'CR' || at, 'AC' || at, 'twilio', '', ''`,
  },
  services: {
    rows: 5_000,
    insert: `(sid, account_sid, unique_name, default_ttl, geo_match_level, number_selection_behavior)
      select 'KS' || at, 'AC' || at, at, 0, 'country', 'prefer-sticky'`,
  },
  phone_numbers: {
    rows: 20_000,
    insert: `(sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, capabilities, service_sid)
      select 'PN' || at, 'AC' || 1 + at % 5000, 'CR' || 1 + at % 5000, at, '+' || 999000000 + at, '', '{}',
        'KS' || 1 + at % 5000`,
  },
  interactions: {
    rows: 10_000,
    insert: `(service_sid, sid, account_sid, carrier_sid, event_id, type, origin, outcome, date_created)
      select $service, 'KI' || at, $account, $carrier, 'SM' || at, 'message', 'inbound', 'out-of-session', now() - at * interval '5 minutes'`,
  },
  media: {
    rows: 20_000,
    insert: `(service_sid, interaction_sid, position, token, state, source_url_sealed, expires_at)
      select $service, 'KI' || at, 0, at, 'hosted', '', case when at % 20 = 0 then now() + at * interval '1 second' end`,
  },
  callbacks: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at, date_created, date_delivered, is_put_off)
      select $service, 'CB' || at, $account, 'KI' || at, 'https://app' || at % 500 || '.example/', now(), case when at % 8 = 0 then now() end,
        now() - at * interval '5 minutes', case when at % 8 > 0 and at % 100 > 5 then now() end, at % 200 = 0`,
  },
  callback_attempts: {
    rows: 40_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, kind, url, attempt, duration_ms, date_created)
      select $service, 'KT' || at, $account, 'KI' || at, 'status', 'https://example.com/status', 1, 20, now() - at * interval '2 minutes'`,
  },
  recordings: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, kind, carrier_sid, carrier_recording_id, source_url_sealed,
        duration_s) select $service, 'RE' || at, $account, 'KI' || at, 'call', $carrier, at, '', 10`,
  },
  events: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, error_code, level, message, date_created)
      select case when at % 2000 = 0 then $service else 'KS' || at end, 'NO' || at, $account,
        case when at % 500 = 1 then 80905 else 80902 end, 'warning', 'Something happened', now() - at * interval '5 minutes'`,
  },
  idempotency_keys: {
    rows: 20_000,
    insert: `(account_sid, key, request_digest, date_created) select $account, at, '', now() - at * interval '4 seconds'`,
  },
  audit_entries: {
    rows: 40_000,
    insert: `(position, seal, sid, account_sid, actor, actor_sid, action, resource_sid, details, date_created)
      select 1000 + at, '', 'AU' || lpad(to_hex((extract(epoch from now()) * 1000)::bigint - (40000 - at) * 60000::bigint), 12, '0') || at,
        case when at % 2 = 0 then $account else 'AC' || at end, 'api-key', 'SK' || at % 500, 'kind-' || at % 200, 'KC' || at / 3, '{}',
        now() - (40000 - at) * interval '1 minute'`,
  },
  key_uses: { rows: 5_000, insert: `(sid, date_last_used, address) select 'SK' || at, now(), '192.0.2.1'` },
  blocked_numbers: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, identifier_sealed, identifier_hash)
      select $service, 'BN' || at, $account, '', sha256(int4send(at))`,
  },
  released_pairs: {
    rows: 20_000,
    insert: `(service_sid, sid, identifier_hash, proxy_identifier, date_released, kept_until)
      select $service, 'KP' || at, sha256(int4send(at)), '+' || at, now(), now() + at * interval '1 minute'`,
  },
}

const cleanups: (() => unknown)[] = []
let database_url: string
let client: pg.Client
let statements: Statement[]
let sizes: Map<string, number>

before(async () => {
  const t = { after: (clean?: unknown) => void cleanups.push(clean as () => unknown) } as TestContext
  const server = await startServer(t)
  const watched = watchStatements()
  await doEverything(t, server)
  const caught = watched.stop()
  await fill(server)
  const [many] = await rows(server, `select sid, account_sid from services where unique_name like 'many-%'`)
  statements = caught.filter(({ text }) => !ASKED_BY_TESTS.test(text)).map((statement) => ofService(statement, many))
  await server.stop()
  database_url = server.database_url
  client = new pg.Client({ connectionString: database_url })
  await client.connect()
  cleanups.push(() => client.end())
  const found = await client.query('select relname, reltuples from pg_class where relname = any($1)', [GROWING])
  sizes = new Map(found.rows.map(({ relname, reltuples }) => [relname, reltuples]))
  await client.query('set plan_cache_mode = force_generic_plan')
})

after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

/** As if the service and the account that a statement is about were those with many rows. */
function ofService({ values, ...statement }: Statement, many: { sid: string; account_sid: string }): Statement {
  const replaced = values.map((value) => {
    if (typeof value !== 'string') return value
    return isSid('KS', value) ? many.sid : isSid('AC', value) ? many.account_sid : value
  })
  return { ...statement, values: replaced }
}

async function fill(server: TestServer) {
  await fillWithMany(server.store, MANY)
  const [{ service, account, carrier }] = await rows(
    server,
    `select s.sid as service, account_sid as account, c.sid as carrier
     from services s join carriers c using (account_sid) where s.unique_name like 'many-%'`,
  )
  for (const [table, { rows: count, insert }] of Object.entries(MORE)) {
    const text = insert
      .replaceAll('$service', `'${service}'`)
      .replaceAll('$account', `'${account}'`)
      .replaceAll('$carrier', `'${carrier}'`)
    await rows(server, `insert into ${table} ${text} from generate_series(1, ${count}) at`)
  }
  await rows(server, 'vacuum analyze')
}

/** Whatever a server does that asks its database. */
async function doEverything(t: TestContext, server: TestServer) {
  const { store, get, post } = server
  const { service, talk, quiet, others } = await liveIn(t, server)
  const people = ['+14155550197', '+14155550198'].map((number) => participant(number))
  const made = await openSession(server, service, { UniqueName: 'by name', Participants: people })
  await openSession(server, service, { UniqueName: 'by name' }).catch(() => undefined)
  await post(made.path, { Ttl: '60' })
  await post(`${service.path}/Sessions`, {}, { 'Idempotency-Key': 'a key' })
  await post(`${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`, { IsReserved: 'true' })
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
    [`/maskline/v1/Services/${service.sid}/Recordings`, 'RE'],
    ['/maskline/v1/AuditLog', 'AU'],
    ['/maskline/v1/AuditLog?Action=kind-7', 'AU'],
    [`/maskline/v1/AuditLog?ResourceSid=${service.sid}`, 'AU'],
    ['/maskline/v1/AuditLog?ActorSid=SK7', 'AU'],
    [`/maskline/v1/AuditLog?StartDate=${new Date(Date.now() - 86_400_000).toISOString()}`, 'AU'],
    ['/maskline/v1/AuditLog?EndDate=2020-01-01', 'AU'],
    ...['', 'failed', 'pending', 'delivered'].flatMap((status) =>
      ['', `ServiceSid=${service.sid}`, 'Since=2030-01-31&Until=2030-02-01', 'Endpoint=https://app.example'].flatMap(
        (filter): [string, string][] =>
          filter.startsWith('Endpoint') && status !== 'failed'
            ? []
            : [[`/maskline/v1/Callbacks?Status=${status}&${filter}`, 'CB']],
      ),
    ),
    ['/maskline/v1/Keys', 'SK'],
    [`/maskline/v1/Services/${service.sid}/BlockedNumbers`, 'BN'],
  ] as const) {
    const query = (text: string) => `${path}${path.includes('?') ? '&' : '?'}PageSize=1${text}`
    const first = await get(query(''))
    assert.equal(first.status, 200, first.text)
    const middle = `${prefix}${'7'.repeat(32)}`
    for (const token of [`&Page=1&PageToken=PA${middle}`, `&Page=1&PageToken=PB${middle}`, '&Page=2']) {
      assert.equal((await get(query(token))).status, 200, query(token))
    }
  }
  for (const path of [
    `${service.path}/Sessions/by%20name`,
    `${service.path}/PhoneNumbers/${service.numbers[0]?.sid}`,
    `${talk.session.path}/Participants/${talk.bob.sid}`,
  ]) {
    assert.equal((await get(path)).status, 200, path)
  }
  assert.equal((await get(`/media/${service.sid}/${'0'.repeat(32)}`)).status, 404)
  const blocked = `/maskline${service.path}/BlockedNumbers`
  for (let time = 0; time < 2; time++) {
    const { status, body } = await post(blocked, { PhoneNumber: '+14155550196' })
    assert.equal(status, 201)
    assert.equal((await get(`${blocked}/${body.sid}`)).status, 200)
    if (time === 1) await server.delete(`${blocked}/${body.sid}`)
  }
  await listInventory(store, server.account.sid)
  await lookAtAuditLog(server)
  await server.delete(quiet.session.path)
  const own = await post('/maskline/v1/Keys', { FriendlyName: 'a key' })
  const path = `/maskline/v1/Keys/${own.body.sid}`
  assert.equal((await post(path, { Scopes: 'pii' })).status, 200)
  assert.equal((await server.delete(path)).status, 204)
  const inTalk = talk.session.path.replace('/v1', '/maskline/v1')
  assert.equal((await post(`${inTalk}/Participants/${talk.bob.sid}/Reveal`)).status, 200)
  const { key, secret } = await createApiKey(store, { account_sid: others.account.sid, friendly_name: 'a key' })
  const authorization = `Basic ${Buffer.from(`${key.sid}:${secret}`).toString('base64')}`
  assert.equal((await server.call('/v1/Services', { headers: { authorization } })).status, 200)
  await exchangeCounts(store.pool, {
    server: 'this',
    told: [{ key: 'a key', counts: [1] }],
    slot_age_ms: 1,
    window_ms: 1,
  })
  await breakEndpoint(server)
  await renewClaims(store.pool, [{ service_sid: service.sid, sid: 'KI0' }], 25)
  await sweepExpiredSessions(store, 10)
  await manageWhatIsKept(server, talk)
  await purgeClosedSessions(store, 10)
  await forgetExpiredMedia(store)
  await purgeOldRecords(store)
}

async function lookAtAuditLog({ store, account }: TestServer) {
  const sign_ins = createSignIns()
  for (const name of [account.sid, `SK${'0'.repeat(32)}`]) {
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
  for (const one of [path, `${path}/Attempts`, '/maskline/v1/CallbackEndpoints']) {
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
async function manageWhatIsKept(server: TestServer, { alice, bob }: Conversation) {
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

test('every statement finds what it needs by an index, at a cost that does not grow with the tables', async () => {
  const complaints = await allComplaints()
  const isExcepted = (complaint: string) => EXCEPTIONS.some(({ pattern }) => pattern.test(complaint))
  assert.deepEqual(
    complaints.filter((complaint) => !isExcepted(complaint)),
    [],
  )
  for (const { pattern, why } of EXCEPTIONS) {
    assert.ok(
      complaints.some((complaint) => pattern.test(complaint)),
      `no statement needs the exception any more that ${why}`,
    )
  }
})

test('no statement of src/db/statements was left out', () => {
  const folder = new URL('../src/db/statements/', import.meta.url)
  const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  const names = texts.flatMap((text) => [...text.matchAll(/\bname: '([a-z-]+)'/g)].map(([, name]) => name))
  assert.ok(names.length > 5)
  const seen = new Set(statements.map(({ name }) => name))
  assert.deepEqual(
    names.filter((name) => !seen.has(name)),
    [],
  )
})

test('what takes many at once is planned once, and control: with bare arrays it would be planned anew each time', async () => {
  const batched = statements.filter(({ text }) => /\(select \$\d+::\w+\[\]\)/.test(text))
  assert.ok(batched.length >= 5, `${batched.length}`)
  const bare = batched.map((statement) => ({
    ...statement,
    text: statement.text.replace(/\(select (\$\d+::\w+\[\])\)/g, '$1'),
  }))
  for (const { name, text, values } of batched) assert.ok((await timesPlanned({ text, values })) <= 5, name)
  const anew = await Promise.all(bare.map(async (statement) => (await timesPlanned(statement)) === TIMES))
  assert.ok(anew.includes(true))
})

test('every index is used by some plan, and control: without one of them some statement is complained about', async () => {
  const used = new Set<string>()
  for (const statement of statements) {
    for (const plan of Object.values(await plansOf(client, statement)))
      for (const name of indexesOf(plan)) used.add(name)
  }
  const { rows: indexes } = await client.query(
    `select i.relname as name from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
     where t.relname = any($1) and not x.indisunique order by 1`,
    [GROWING],
  )
  assert.deepEqual(
    indexes.map(({ name }) => name).filter((name) => !used.has(name)),
    [],
  )
  for (const name of [
    'interactions_due',
    'callbacks_due',
    'participants_identifier',
    'interactions_session',
    'events_code',
  ]) {
    await client.query('begin')
    await client.query(`drop index ${name}`)
    const complaints = await allComplaints()
    await client.query('rollback')
    assert.ok(
      complaints.some((complaint) => !EXCEPTIONS.some(({ pattern }) => pattern.test(complaint))),
      `nobody misses ${name}`,
    )
  }
})

const TIMES = 12

/** What was caught has been carried out before. */
function unlessThere(error: { code?: string }) {
  if (error.code !== '23505') throw error
}

/** When it is made so often on a connection, without anything of it staying. */
async function timesPlanned({ text, values }: Statement): Promise<number> {
  const other = new pg.Client({ connectionString: database_url })
  await other.connect()
  try {
    await other.query('begin')
    for (let time = 0; time < TIMES; time++) {
      await other.query('savepoint before')
      await other.query({ name: 'counted', text, values }).catch(unlessThere)
      await other.query('rollback to before')
    }
    const { rows: prepared } = await other.query('select custom_plans::int as plans from pg_prepared_statements')
    return prepared[0]?.plans
  } finally {
    await other.end()
  }
}

async function allComplaints(): Promise<string[]> {
  const complaints: string[] = []
  for (const statement of statements) complaints.push(...(await complaintsAbout(statement)))
  return complaints
}

async function complaintsAbout(statement: Statement): Promise<string[]> {
  const text = statement.text.replace(/\s+/g, ' ')
  return Object.entries(await plansOf(client, statement)).flatMap(([which, plan]) =>
    findGrowing(plan, sizes).map((complaint) => `${which}: ${complaint}: ${text}`),
  )
}
