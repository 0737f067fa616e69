import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { refreshKeyring, rotateDataKey } from '../src/core/keys.ts'
import { masterKeyId, SealError } from '../src/core/seal.ts'
import { inTransaction } from '../src/core/store.ts'
import { dataFolder, type Env, runCli, startCli } from './support/cli.ts'
import { converse, heard } from './support/conversation.ts'
import { createDatabase } from './support/database.ts'
import { makeService, rows } from './support/proxy-api.ts'
import { eventually, startServer, type TestServer } from './support/server.ts'

const newKey = () => randomBytes(32).toString('hex')
const idOf = (key: string) => masterKeyId(Buffer.from(key, 'hex'))

const settings = (server: { database_url: string }, master_key: string, more: Env = {}): Env => ({
  DATABASE_URL: server.database_url,
  MASKLINE_MASTER_KEY: master_key,
  MASKLINE_PORT: '0',
  ...more,
})

async function run(env: Env, ...args: string[]) {
  const ended = await runCli(args, env)
  assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`)
  return ended.stdout
}

async function doctorFindsNothing(env: Env) {
  const { stdout } = await runCli(['doctor', '--deep', '--json'], env)
  const { checks } = JSON.parse(stdout) as { checks: { id: string; status: string }[] }
  assert.deepEqual(
    checks.filter(({ id, status }) => /sealed|data-keys|index/.test(id) && status !== 'good'),
    [],
  )
}

/** Messages go both ways, and a server says who is in the session. */
async function works(server: TestServer, { session, alice, bob }: Awaited<ReturnType<typeof converse>>, word: string) {
  await server.text(alice.identifier, alice.proxy, `${word} there`)
  await heard(server, bob, `${word} there`)
  const [first] = (await server.get(`${session.path}/Participants`)).body.participants
  assert.equal(first.identifier, alice.identifier)
}

const wrapped = (server: TestServer) => rows(server, 'select id, wrapped, master_key_id from data_keys order by id')

test('the master key changes beside a running server, which notices nothing, and the next start needs the new one', async (t) => {
  const server = await startServer(t)
  const path = join(dataFolder(t), 'new.key')
  const talk = await converse(server, await makeService(server))
  const env = settings(server, server.master_key)
  const printed = await run(env, 'keys', 'rotate-master', '--write-key', path)

  const next = readFileSync(path, 'utf8').trim()
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.doesNotMatch(printed, new RegExp(next), 'a key is on no screen')
  assert.match(printed, new RegExp(`moved to master key ${idOf(next)} on 20`))
  assert.ok((await wrapped(server)).every((row) => row.master_key_id === idOf(next)))
  await works(server, talk, 'after')
  const deeds = await rows(server, "select action, details from audit_log where action like '%key.rotate'")
  assert.deepEqual(deeds, [{ action: 'master-key.rotate', details: { from: idOf(server.master_key), to: idOf(next) } }])

  const old = await runCli(['serve'], env)
  assert.equal(old.code, 2)
  assert.match(
    old.stderr,
    new RegExp(`moved to master key ${idOf(next)} on 20\\S+; this is ${idOf(server.master_key)}`),
  )
  assert.doesNotMatch(old.stderr, /^\s+at /m)
  assert.equal((await runCli(['accounts', 'list'], env)).code, 2, 'the tools need it as well')
  await doctorFindsNothing(settings(server, next))
  assert.match(await run(settings(server, next), 'keys', 'status'), new RegExp(`seal .*${idOf(next)}`))
  const other = await startServer(t, { database_url: server.database_url, master_key: next, account: server.account })
  assert.equal((await other.get(`${talk.session.path}/Participants`)).body.participants.length, 2)
})

test('a server starts with whichever of two master keys opens the database, and with neither not at all', async (t) => {
  const server = await startServer(t)
  const [next, lost] = [newKey(), newKey()]
  const both = settings(server, server.master_key, { MASKLINE_MASTER_KEY_NEXT: next })
  const starts = async (env: Env) => {
    const started = startCli(t, ['serve'], env)
    await started.printed(/"msg":"ready"/)
    started.child.kill('SIGTERM')
    assert.equal((await started.ended).code, 0)
  }
  await starts(both)
  await run(both, 'keys', 'rotate-master')
  await starts(both)
  await starts(settings(server, next))
  const { code, stderr } = await runCli(['serve'], settings(server, lost))
  assert.equal(code, 2)
  assert.match(stderr, new RegExp(`does not open the keys .* master key ${idOf(next)} on .*this is ${idOf(lost)}`))
  const unmoved = await createDatabase(t)
  await run({ DATABASE_URL: unmoved, MASKLINE_MASTER_KEY: next }, 'migrate')
  const first = await runCli(['serve'], { DATABASE_URL: unmoved, MASKLINE_MASTER_KEY: lost })
  assert.match(first.stderr, new RegExp(`That is master key ${idOf(next)}; this is ${idOf(lost)}. Give the key this`))
})

test('a rotation that dies before its commit has changed nothing, and is finished with the key it wrote', async (t) => {
  const server = await startServer(t)
  const path = join(dataFolder(t), 'new.key')
  const env = settings(server, server.master_key)
  const before = await wrapped(server)
  // Whoever holds a row keeps the commit from coming.
  const holder = new pg.Client({ connectionString: server.database_url })
  await holder.connect()
  await holder.query('begin')
  await holder.query('select from data_keys where id = 3 for update')
  const killed = startCli(t, ['keys', 'rotate-master', '--write-key', path], env)
  const waits = async () =>
    (await rows(server, `select from pg_stat_activity where wait_event_type = 'Lock'`)).length > 0
  await eventually(waits, 'it waits for the row, with the key written', 20_000)
  killed.child.kill('SIGKILL')
  await killed.ended
  await holder.query('rollback')
  await holder.end()

  const isOver = async () =>
    (await rows(server, `select from pg_stat_activity where query like 'update "data_keys"%' and state <> 'idle'`))
      .length === 0
  await eventually(isOver, 'the transaction ends with its connection')
  assert.deepEqual(await wrapped(server), before)
  await run(env, 'accounts', 'list')
  const again = await runCli(['keys', 'rotate-master', '--write-key', path], env)
  assert.equal(again.code, 2)
  assert.match(again.stderr, /is there already\. To move to the key in it: --new-key @/)
  assert.match(await run(env, 'keys', 'rotate-master', '--new-key', `@${path}`), /^The database was moved to/)
  // Whoever does not know whether the commit came asks again, still with the old key.
  const after = await wrapped(server)
  assert.match(await run(env, 'keys', 'rotate-master', '--new-key', `@${path}`), /^Nothing was done: .* moved before/)
  assert.deepEqual(await wrapped(server), after)
})

test('a new key that is none, or given in two ways or in none, is refused and nothing is done', async (t) => {
  const database_url = await createDatabase(t)
  const path = join(dataFolder(t), 'new.key')
  const env = settings({ database_url }, newKey())
  await run(env, 'migrate')
  writeFileSync(path, 'not a key\n')
  for (const [args, message] of [
    [[], /Give the new key: --new-key, --write-key or MASKLINE_MASTER_KEY_NEXT/],
    [['--new-key', `@${path}`], /What --new-key names is not 32 bytes/],
    [['--new-key', newKey(), '--write-key', `${path}.2`], /not both/],
    [['--write-key', join(path, 'nowhere', 'key')], /Cannot write/],
  ] as const) {
    const { code, stderr } = await runCli(['keys', 'rotate-master', ...args], env)
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
  await run(env, 'accounts', 'list')
})

/** The id of the data key that a value was sealed with. */
const sealedWith = (server: TestServer) => server.store.keys.seal('a/place', 'a value')[1]

const activate = (server: TestServer) => rows(server, "update data_keys set active_from = now() - interval '1 second'")

const beside = ({ database_url, master_key, account }: TestServer, t: TestContext) =>
  startServer(t, { database_url, master_key, account })

test('a new data key seals in all servers once all have it, whichever master key they were started with', async (t) => {
  const server = await startServer(t)
  const servers = [server, await beside(server, t)]
  const early = server.store.keys.seal('a/place', 'early')
  const next = newKey()
  await run(settings(server, server.master_key), 'keys', 'rotate-master', '--new-key', next)
  const talk = await converse(server, await makeService(server))
  assert.match(await run(settings(server, next), 'keys', 'rotate-data'), /^From 20\S+ on data key 4 seals/)
  for (const { store } of servers) await refreshKeyring(store)
  assert.deepEqual(servers.map(sealedWith), [1, 1], 'it is known and not used yet')
  await activate(server)
  for (const each of servers) await eventually(async () => sealedWith(each) === 4, 'servers look by themselves', 20_000)

  const [first, second] = servers as [TestServer, TestServer]
  assert.equal(second.store.keys.open('a/place', first.store.keys.seal('a/place', 'late')), 'late')
  assert.equal(second.store.keys.open('a/place', early), 'early')
  await works(server, talk, 'sealed anew')
  await doctorFindsNothing(settings(server, next))
  const handedOver = () => rows(server, 'select id from data_keys where handed_over is not null')
  assert.deepEqual(await handedOver(), [{ id: 4 }])
  await rows(server, "update data_keys set active_from = now() - interval '11 minutes'")
  await refreshKeyring(server.store)
  assert.deepEqual(await handedOver(), [])
})

test('control: a server that was not handed the new data key goes on with its own, says so, and opens nothing of it', async (t) => {
  const server = await startServer(t)
  await inTransaction(server.store, async (inside) => {
    await rotateDataKey(inside, [Buffer.from(server.master_key, 'hex')])
    await inside.db.updateTable('data_keys').set({ handed_over: null }).execute()
  })
  await activate(server)
  assert.deepEqual((await refreshKeyring(server.store)).missed, [4])
  assert.equal(sealedWith(server), 1)
  const started = await beside(server, t)
  assert.equal(sealedWith(started), 4, 'a start opens it with the master key')
  assert.throws(() => server.store.keys.open('a/place', started.store.keys.seal('a/place', 'late')), SealError)
  const said = () => server.logged.some((line) => line.includes('there are data keys that this server does not have'))
  await eventually(async () => said(), 'it says that it has to be started again', 20_000)
})
