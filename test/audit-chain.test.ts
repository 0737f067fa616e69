import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { actingAs, audit } from '../src/core/audit.ts'
import { chainDeeds, type End, findHead, purgeAuditLog } from '../src/core/audit-chain.ts'
import { verifyAuditLog } from '../src/core/audit-verify.ts'
import { openKeyring } from '../src/core/keys.ts'
import { createKeyring } from '../src/core/seal.ts'
import { inTransaction, openKysely, type Store } from '../src/core/store.ts'
import { openPool } from './support/database.ts'

async function openStore(t: TestContext): Promise<Store> {
  const pool = await openPool(t, 4)
  const db = openKysely(pool)
  return { db, pool, keys: await openKeyring(db, [randomBytes(32)]), rules: {} as Store['rules'] }
}

const act = (store: Store, action = 'session.create') =>
  audit(store, { action, account_sid: 'AC1', resource_sid: 'KC1', details: { participants: 2, reason: 'Grüße "👋"' } })

/** A log with so many entries. */
async function openLog(t: TestContext, entries: number): Promise<Store> {
  const store = await openStore(t)
  for (let at = 1; at <= entries; at++) await act(store, `deed-${at}.done`)
  assert.equal(await chainDeeds(store), entries)
  return store
}

const problemsOf = async (store: Store, anchor?: End) =>
  (await verifyAuditLog(store, anchor)).problems.map(({ problem }) => problem)

const rowsOf = async ({ pool }: Store, text: string) => (await pool.query(text)).rows

test('deeds become entries once each, in an order that is sealed, and say who and when', async (t) => {
  const store = await openStore(t)
  const key = { kind: 'api-key', sid: 'SK1', origin: '192.0.2.7', request_sid: 'RQ1' } as const
  await act(actingAs(store, key))
  await act(store, 'session.close')
  const [waiting] = await rowsOf(store, 'select * from audit_log order by sid')
  assert.deepEqual(
    [waiting.actor, waiting.actor_sid, waiting.origin, waiting.request_sid],
    ['api-key', 'SK1', '192.0.2.7', 'RQ1'],
  )
  assert.equal(waiting.position, null)
  assert.equal((await verifyAuditLog(store)).waiting, 2)

  assert.equal(await chainDeeds(store), 2)
  assert.equal(await chainDeeds(store), 0)
  const entries = await rowsOf(store, 'select * from audit_log order by position')
  assert.deepEqual(
    entries.map(({ position, action }) => [position, action]),
    [
      ['1', 'session.create'],
      ['2', 'session.close'],
    ],
  )
  assert.deepEqual({ ...entries[0], position: null, seal: null }, waiting)
  assert.equal(entries[1].actor, 'server')
  assert.deepEqual(await verifyAuditLog(store), {
    entries: 2,
    start: 0,
    waiting: 0,
    problems: [],
    is_anchor_purged: false,
  })
})

test('a deed that commits after later ones is not lost, and one that is rolled back is not there', async (t) => {
  const store = await openStore(t)
  let commit = () => {}
  const mayCommit = new Promise<void>((resolve) => {
    commit = resolve
  })
  let written = () => {}
  const isWritten = new Promise<void>((resolve) => {
    written = resolve
  })
  const slow = inTransaction(store, async (trx) => {
    await act(trx, 'slow.deed')
    written()
    await mayCommit
  })
  await isWritten
  await act(store, 'quick.deed')
  await assert.rejects(
    inTransaction(store, async (trx) => {
      await act(trx, 'undone.deed')
      throw new Error('no')
    }),
  )
  assert.equal(await chainDeeds(store), 1)
  commit()
  await slow
  assert.equal(await chainDeeds(store), 1)
  const entries = await rowsOf(store, 'select action from audit_entries order by position')
  assert.deepEqual(
    entries.map(({ action }) => action),
    ['quick.deed', 'slow.deed'],
  )
  assert.deepEqual(await problemsOf(store), [])
})

test('several servers seal at once, and together make one chain', async (t) => {
  const store = await openStore(t)
  const doing = Array.from({ length: 40 }, async (_, at) => {
    await act(store, `deed-${at}.done`)
    return await chainDeeds(store)
  })
  const chained = (await Promise.all(doing)).reduce((sum, many) => sum + many, 0)
  assert.equal(chained + (await chainDeeds(store)), 40)
  assert.equal((await verifyAuditLog(store)).entries, 40)
  assert.deepEqual(await problemsOf(store), [])
})

const DAMAGES: { how: string; text: string; problems: RegExp[] }[] = [
  {
    how: 'a field was edited',
    text: "update audit_entries set actor = 'server', actor_sid = 'SK2' where position = 4",
    problems: [/^Entry 4 is not what was sealed/],
  },
  {
    how: 'a detail was edited',
    text: `update audit_entries set details = '{"participants": 3}' where position = 4`,
    problems: [/^Entry 4 /],
  },
  {
    how: 'a date was moved by a microsecond',
    text: "update audit_entries set date_created = date_created + interval '1 microsecond' where position = 1",
    problems: [/^Entry 1 /],
  },
  {
    how: 'the last entry was edited',
    text: "update audit_entries set action = 'nothing.done' where position = 9",
    problems: [/^Entry 9 /],
  },
  {
    how: 'a seal was edited',
    text: "update audit_entries set seal = sha256('x') where position = 4",
    problems: [/^Entry 4 /, /^Entry 5 /],
  },
  { how: 'an entry was deleted', text: 'delete from audit_entries where position = 4', problems: [/^Missing/] },
  { how: 'the first was deleted', text: 'delete from audit_entries where position = 1', problems: [/^Missing/] },
  { how: 'the tail was deleted', text: 'delete from audit_entries where position > 6', problems: [/^Missing/] },
  { how: 'all was deleted', text: 'delete from audit_entries', problems: [/^Missing/] },
  {
    how: 'an entry was deleted and the gap closed',
    text: 'delete from audit_entries where position = 4; update audit_entries set position = position - 1 where position > 4; update audit_ends set position = 8',
    problems: [/^The head /, ...Array(5).fill(/is not what was sealed/)],
  },
  {
    how: 'two were swapped',
    text: `update audit_entries set action = case action when 'deed-4.done' then 'deed-5.done' else 'deed-4.done' end where position in (4, 5)`,
    problems: [/^Entry 4 /, /^Entry 5 /],
  },
  {
    how: 'one was added at the end',
    text: "insert into audit_entries (position, seal, sid, actor, action, details, date_created) values (10, sha256('x'), 'AU1', 'server', 'nothing.done', '{}', now())",
    problems: [/^Entry 10 /, /^After the head/],
  },
  {
    how: 'one was added before the first',
    text: "insert into audit_entries (position, seal, sid, actor, action, details, date_created) values (0, sha256('x'), 'AU1', 'server', 'nothing.done', '{}', now())",
    problems: [/before the start/],
  },
  {
    how: 'the tail was cut and the head moved back',
    text: 'delete from audit_entries where position > 6; update audit_ends set (position, seal) = (select position, seal from audit_entries where position = 6)',
    problems: [/^The head of the log is not what we left there/],
  },
  {
    how: 'the head was taken away',
    text: 'delete from audit_ends',
    problems: [/^After the head/],
  },
  {
    how: 'the front was cut as a purge would do it',
    text: "delete from audit_entries where position < 4; insert into audit_ends select 'start', 3, sha256('x'), proof from audit_ends",
    problems: [/^The start of the log is not/, /^Entry 4 /],
  },
]

for (const { how, text, problems } of DAMAGES) {
  test(`it is seen that ${how}, also after the log has gone on`, async (t) => {
    const store = await openLog(t, 9)
    assert.deepEqual(await problemsOf(store), [])
    await store.pool.query(text)
    const found = await problemsOf(store)
    assert.equal(found.length, problems.length, found.join('\n'))
    for (const [at, pattern] of problems.entries()) assert.match(found[at] ?? '', pattern)
    await act(store, 'later.deed')
    await chainDeeds(store)
    assert.notDeepEqual(await problemsOf(store), [])
    const [last] = await rowsOf(store, 'select action from audit_entries order by position desc limit 1')
    assert.equal(last.action, 'later.deed')
  })
}

test('without the keys nobody makes a seal, so another key ring finds nothing in order', async (t) => {
  const store = await openLog(t, 3)
  const purposes = ['seal', 'index', 'digest'] as const
  const foreign = createKeyring(purposes.map((purpose, at) => ({ id: at + 1, purpose, key: randomBytes(32) })))
  assert.equal((await problemsOf({ ...store, keys: foreign })).length, 4)
})

test('whoever noted the head knows of a tail that was cut off with all that the database knew of it', async (t) => {
  const store = await openLog(t, 6)
  const early = await findHead(store)
  // What somebody who copied the database at this moment would put back later.
  const [copy] = await rowsOf(store, "select * from audit_ends where place = 'head'")
  for (let at = 0; at < 3; at++) await act(store)
  await chainDeeds(store)
  const late = await findHead(store)
  assert.deepEqual(await problemsOf(store, early), [])
  assert.deepEqual(await problemsOf(store, late), [])
  assert.match(
    (await problemsOf(store, { ...early, seal: Buffer.alloc(32) })).join(),
    /not the entry that was the head/,
  )

  await store.pool.query('delete from audit_entries where position > 6')
  await store.pool.query("update audit_ends set position = $1, seal = $2, proof = $3 where place = 'head'", [
    copy.position,
    copy.seal,
    copy.proof,
  ])
  assert.deepEqual(await problemsOf(store), [], 'the database alone cannot tell')
  assert.deepEqual(await problemsOf(store, early), [])
  assert.deepEqual(await problemsOf(store, late), ['Cut off: the log ends at 6.'])
  for (let at = 0; at < 3; at++) await act(store, 'another.deed')
  await chainDeeds(store)
  assert.deepEqual(await problemsOf(store, late), ['It is not the entry that was the head once.'])
})

test('old entries are purged from the front, on record, and what is left can still be verified', async (t) => {
  const store = await openStore(t)
  for (let at = 1; at <= 8; at++) await act(store)
  // One that was done long ago, but committed late, waits until those before it are old.
  await store.pool.query(
    "update audit_pending set date_created = now() - interval '401 days' where sid in (select sid from audit_pending order by sid limit 4)",
  )
  await store.pool.query(
    "update audit_pending set date_created = now() - interval '401 days' where sid in (select sid from audit_pending order by sid offset 6 limit 1)",
  )
  await chainDeeds(store)
  const noted = await findHead(store)
  const [third] = await rowsOf(store, 'select seal from audit_entries where position = 3')
  assert.equal(await purgeAuditLog(store, 0), 0, '0 keeps everything')
  assert.equal(await purgeAuditLog(store, 402), 0)
  assert.equal(await purgeAuditLog(store, 400), 4)
  assert.equal(await purgeAuditLog(store, 400), 0)
  await chainDeeds(store)
  const left = await rowsOf(store, 'select position::int, action, actor, details from audit_entries order by position')
  assert.deepEqual(
    left.map(({ position }) => position),
    [5, 6, 7, 8, 9],
  )
  assert.deepEqual(
    [left[4].action, left[4].actor, left[4].details],
    ['audit-log.purge', 'server', { entries: 4, through: 4 }],
  )
  assert.deepEqual(await problemsOf(store, noted), [])
  const older = await verifyAuditLog(store, { position: 3, seal: third.seal })
  assert.deepEqual([older.start, older.problems, older.is_anchor_purged], [4, [], true])
  await store.pool.query('delete from audit_entries where position = 5')
  assert.deepEqual(await problemsOf(store), ['Missing.'])
})

test('twenty thousand entries are sealed and verified in a moment', async (t) => {
  const store = await openStore(t)
  await store.pool.query(`insert into audit_pending (sid, account_sid, actor, actor_sid, origin, action, details)
    select 'AU' || at, 'AC1', 'account', 'AC1', '192.0.2.1', 'session.create', '{"participants": 2}' from generate_series(1, 20000) at`)
  const began = performance.now()
  assert.equal(await chainDeeds(store), 20_000)
  const chained = performance.now()
  const { entries, problems } = await verifyAuditLog(store)
  assert.deepEqual([entries, problems], [20_000, []])
  const verified = performance.now()
  t.diagnostic(`sealed in ${Math.round(chained - began)} ms, verified in ${Math.round(verified - chained)} ms`)
  assert(verified - began < 20_000)
})
