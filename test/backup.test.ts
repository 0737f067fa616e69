import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createGunzip, gunzipSync, gzipSync } from 'node:zlib'
import { checkBackup } from '../src/db/restore.ts'
import {
  assertRefusedBy,
  countAllRows,
  createEmptyDatabase,
  digestTables,
  listTableNames,
  query,
  runForJson,
  runShell,
  streamOf,
} from './support/backup.ts'
import { dataFolder, type Env, runCli } from './support/cli.ts'
import { converse, heard, settled } from './support/conversation.ts'
import { createDatabase } from './support/database.ts'
import { makeService } from './support/proxy-api.ts'
import { startServer } from './support/server.ts'

const KEY = randomBytes(32).toString('hex')
const at = (database_url: string, key = KEY): Env => ({ DATABASE_URL: database_url, MASKLINE_MASTER_KEY: key })

/** A backup of a server that was used, and of rows that are hard to write down, with what was in the database. */
let source: { file: string; url: string; digests: Record<string, string>; key: string; rows: number }

const cleanups: (() => unknown)[] = []
after(async () => {
  for (const clean of cleanups.reverse()) await clean()
})

before(async () => {
  const suite = { after: (clean?: unknown) => void cleanups.push(clean as () => unknown) }
  const server = await startServer(suite)
  const service = await makeService(server)
  const { alice, bob } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  await heard(server, bob, 'Hello')
  await settled(server)
  const { database_url: url, master_key: key } = server
  await server.stop()
  const texts = [
    '',
    'tab\tand\nnewline\r',
    '\\',
    '\\.',
    '\\N',
    '\n\\.\n',
    'Grüße 👋 "quoted"',
    'x\\.\n',
    'a'.repeat(70_000),
  ]
  for (const text of texts) {
    const values = [`NO${randomBytes(16).toString('hex')}`, server.account.sid, text]
    await query(
      url,
      "insert into events (sid, account_sid, error_code, level, message) values ($1, $2, 80613, 'error', $3)",
      values,
    )
  }
  const file = join(dataFolder(suite), 'maskline.backup')
  const { code, stdout, stderr } = await runCli(['backup', file], { DATABASE_URL: url })
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^Saved \d+ rows to \S+maskline\.backup \(\d+ kB, [\d.]+ s\)\. Keep the master key/)
  source = { file, url, key, digests: await digestTables(url), rows: await countAllRows(url) }
})

/** All but what backups and restoring itself put on record. */
const unrecorded = ({ audit_pending, ...digests }: Record<string, string>) => {
  assert.ok(audit_pending)
  return digests
}

/** The backup with its description changed, as another version could have written it. */
function described(t: Parameters<typeof dataFolder>[0], change: (line: string) => string): string {
  const file = join(dataFolder(t), 'changed.backup')
  const [line = '', , ...rest] = gunzipSync(readFileSync(source.file)).toString().split('\n')
  const sha256 = createHash('sha256')
    .update(`${change(line)}\n`)
    .digest('hex')
  writeFileSync(file, gzipSync([change(line), `-- sha256 ${sha256}`, ...rest].join('\n')))
  return file
}

test('every row of every table comes back as it was, in a database that no server has seen', async (t) => {
  const target = await createEmptyDatabase(t)
  const { code, stdout, stderr } = await runCli(['restore', source.file], at(target, source.key))
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, new RegExp(`^Restored ${source.rows} rows from .*\nThe master key opens it\\.\n$`))
  assert.deepEqual(unrecorded(await digestTables(target)), unrecorded(source.digests))
  assert.ok(Number(source.digests.interactions?.split(' ')[0]) > 0)
  assert.ok(Number(source.digests.audit_entries?.split(' ')[0]) > 0)
  const [since] = await query(target, 'select action, actor from audit_pending order by sid desc')
  assert.deepEqual(since, { action: 'backup.restore', actor: 'operator' })
  const { code: verified } = await runCli(['audit', 'verify'], at(target, source.key))
  assert.equal(verified, 0, 'the chain goes on')
  const [analyzed] = await query(target, "select reltuples as rows from pg_class where relname = 'phone_numbers'")
  assert.equal(analyzed.rows, 2, 'statistics are there')
})

test('the schema has nothing that a backup would leave out', async () => {
  const left = await query(
    source.url,
    `select relname, relkind from pg_class where relnamespace = 'public'::regnamespace
       and relkind <> 'i' and (relkind <> 'r' or relpersistence <> 'p') and not relispartition order by 1`,
  )
  const known = [
    { relname: 'audit_log', relkind: 'v' },
    { relname: 'request_counts', relkind: 'r' },
  ]
  assert.deepEqual(left, known, 'a sequence or view has to be thought of, and an unlogged table is worth nothing later')
  const text = gunzipSync(readFileSync(source.file)).toString()
  const header = JSON.parse(text.slice('-- maskline backup '.length, text.indexOf('\n')))
  assert.deepEqual(header.tables.map(({ name }: { name: string }) => name).sort(), await listTableNames(source.url))
  assert.deepEqual(header.migrations, await query(source.url, 'select version, name, sha256 from schema_migrations'))
  const sessions = header.tables.find(({ name }: { name: string }) => name === 'sessions')
  assert.equal(sessions.columns.includes('expires_at'), false, 'a computed column is computed again')
})

test('the file is for its owner, whole or absent, and replaced only on request', async (t) => {
  const folder = dataFolder(t)
  const file = join(folder, 'maskline.backup')
  assert.equal(statSync(source.file).mode & 0o777, 0o600)
  writeFileSync(`${file}.part`, 'left by one that was killed', { mode: 0o644 })
  const summary = await runForJson(['backup', file], { DATABASE_URL: source.url })
  assert.deepEqual([summary.rows, summary.bytes], [source.rows + 1, statSync(file).size], 'it is on record itself')
  assert.equal(summary.tables, Object.keys(source.digests).length)
  assert.deepEqual(readdirSync(folder), ['maskline.backup'])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const held = readFileSync(file)

  assertRefusedBy(await runCli(['backup', file], { DATABASE_URL: source.url }), 2, /is there already.*--overwrite/)
  assert.ok(readFileSync(file).equals(held))
  await runForJson(['backup', file, '--overwrite'], { DATABASE_URL: source.url })
  assert.equal(readFileSync(file).equals(held), false, 'it has another date')

  const nowhere = join(folder, 'not-made', 'x')
  assertRefusedBy(await runCli(['backup', nowhere], { DATABASE_URL: source.url }), 2, /Cannot write .*not-made/)
  const empty = await createEmptyDatabase(t)
  const failed = await runCli(['backup', join(folder, 'empty')], { DATABASE_URL: empty })
  assertRefusedBy(failed, 1, /nothing to save/)
  const unsaid = await runCli(['backup', join(folder, 'empty')], { MASKLINE_DATA_DIR: join(folder, 'none') })
  assertRefusedBy(unsaid, 2, /There is no database in .*none/)
  assert.deepEqual(readdirSync(folder), ['maskline.backup'], 'a failure leaves no file')
})

test('a file that is cut off or changed anywhere is known for it before a database is touched', async (t) => {
  const whole = readFileSync(source.file)
  const check = (bytes: Buffer) => {
    const unpacked = createGunzip()
    return checkBackup(streamOf(bytes).pipe(unpacked), () => undefined)
  }
  assert.equal((await check(whole)).format, 1)
  const refused = /cut off or was changed|not a backup/
  const step = Math.ceil(whole.length / 50)
  for (let length = 0; length < whole.length; length += step)
    await assert.rejects(check(whole.subarray(0, length)), refused)
  await assert.rejects(check(whole.subarray(0, -1)), refused)
  // The first ten bytes say when and where it was packed, and nothing of what is in it.
  for (let position = 10; position < whole.length; position += step) {
    const flipped = Buffer.from(whole)
    flipped.writeUInt8(flipped.readUInt8(position) ^ 0x10, position)
    await assert.rejects(check(flipped), refused, `byte ${position}`)
  }

  const text = gunzipSync(whole).toString()
  const edits = [
    text.replace('"columns"', '"kolumns"'),
    text.replace('"version":1', '"version":99'),
    text.replace('Hello', 'Hullo').replace('80613', '80614'),
    text.replace(/(-- rows \{.*"events":)\d+/, (_line, start) => `${start}1`),
    text.replace(/^copy "callbacks".*\n/m, ''),
    `${text}more\n`,
    text.replace(/-- rows .*\n/, ''),
    text.slice(0, text.lastIndexOf('-- sha256')),
  ]
  for (const edit of edits) {
    assert.notEqual(edit, text)
    await assert.rejects(check(gzipSync(edit)), refused)
  }

  const target = await createEmptyDatabase(t)
  const short = join(dataFolder(t), 'short.backup')
  writeFileSync(short, whole.subarray(0, whole.length - 9))
  assertRefusedBy(await runCli(['restore', short], at(target, source.key)), 1, /cut off or was changed: nothing was/)
  assert.deepEqual(await query(target, "select from pg_tables where schemaname = 'public'"), [])
  assertRefusedBy(
    await runCli(['restore', fileURLToPath(import.meta.url)], at(target, source.key)),
    1,
    /not a backup of maskline/,
  )
  assertRefusedBy(await runCli(['restore', `${short}.gone`], at(target, source.key)), 2, /There is no file/)
})

test('a backup with another master key is refused, and without one the restore says what is needed', async (t) => {
  const target = await createEmptyDatabase(t)
  const other = await runCli(['restore', source.file], at(target))
  assertRefusedBy(other, 1, /master key does not open this backup: nothing was restored.*MASKLINE_MASTER_KEY/)
  assert.doesNotMatch(other.stderr, new RegExp(KEY))
  assert.deepEqual(await query(target, "select from pg_tables where schemaname = 'public'"), [])
  const untried = await runCli(['restore', source.file], { DATABASE_URL: target })
  assert.equal(untried.code, 0, untried.stderr)
  assert.match(untried.stdout, /No master key was given.*MASKLINE_MASTER_KEY_FILE.*nothing opens it but that one/)
  assert.deepEqual(unrecorded(await digestTables(target)), unrecorded(source.digests))
})

test('a database in use is left alone, one that was only started is not in use', async (t) => {
  const used = await runCli(['restore', source.file], at(source.url, source.key))
  assertRefusedBy(used, 1, /not empty, there are accounts: .*MASKLINE_DATA_DIR.*DATABASE_URL/)
  assert.deepEqual(unrecorded(await digestTables(source.url)), unrecorded(source.digests))

  const started = await createDatabase(t)
  assert.equal((await runCli(['migrate'], at(started))).code, 0)
  assert.equal((await query(started, 'select from data_keys')).length, 3)
  const server = await startServer(t, {
    database_url: started,
    master_key: KEY,
    account: { sid: '', auth_token: '', carrier_sid: '' },
  })
  assertRefusedBy(
    await runCli(['restore', source.file], at(started, source.key)),
    1,
    /at work on this database: stop it/,
  )
  await server.stop()
  const restored = await runForJson(['restore', source.file], at(started, source.key))
  assert.deepEqual([restored.rows, restored.master_key], [source.rows, 'opens'])
  assert.deepEqual(unrecorded(await digestTables(started)), unrecorded(source.digests))
})

test('a backup that is newer than the program is refused, by its format and by its migrations', async (t) => {
  const target = await createEmptyDatabase(t)
  const format = described(t, (text) =>
    text.replace('"format":1', '"format":2').replace(/"maskline":"[^"]+"/, '"maskline":"9.9.9"'),
  )
  assertRefusedBy(
    await runCli(['restore', format], at(target)),
    1,
    /by maskline 9\.9\.9, in a format \(2\).*a newer one/,
  )
  const migration = described(t, (text) =>
    text.replace(/("migrations":\[.*?)\]/, '$1,{"version":999,"name":"0999-later","sha256":""}]'),
  )
  assertRefusedBy(
    await runCli(['restore', migration], at(target)),
    1,
    /newer than this maskline: it has migration 0999/,
  )
  assert.deepEqual(await query(target, "select from pg_tables where schemaname = 'public'"), [])
})

test('a backup of an older version is saved as it is, restored, and brought up to date', async (t) => {
  const older = await createEmptyDatabase(t, 1)
  await query(
    older,
    "insert into data_keys (id, purpose, wrapped) select id, purpose, wrapped from (values (1, 'seal', ''::bytea)) k (id, purpose, wrapped)",
  )
  await query(
    older,
    "insert into accounts (sid, friendly_name, auth_token_sealed, auth_token_digest) values ('AC1', 'old', '', '')",
  )
  await query(
    older,
    `insert into sessions (service_sid, sid, account_sid, status, mode, ttl)
     values ('KS1', 'KC1', 'AC1', 'open', 'message-only', 60)`,
  )
  const file = join(dataFolder(t), 'older.backup')
  const saved = await runForJson(['backup', file], { DATABASE_URL: older })
  assert.deepEqual([saved.migration, saved.rows], ['0001-proxy', 3])
  assert.deepEqual(await query(older, 'select version from schema_migrations'), [{ version: 1 }], 'it is not migrated')

  const target = await createEmptyDatabase(t)
  const restored = await runForJson(['restore', file], { DATABASE_URL: target })
  assert.deepEqual([restored.rows, restored.master_key, restored.migration], [3, 'not-given', '0001-proxy'])
  const version = 'select version, name, sha256 from schema_migrations order by version'
  assert.deepEqual(await query(target, version), await query(source.url, version))
  const session = 'select sid, ttl_since, expires_at from sessions'
  assert.deepEqual(await query(target, session), await query(older, session))

  const ahead = await runCli(['restore', file], { DATABASE_URL: await createDatabase(t) })
  assertRefusedBy(ahead, 1, /of an older version, from before 0002-calls.*no maskline was started on/)
})

test('standard output and input serve as well, and what is cut off on its way restores nothing', async (t) => {
  const folder = dataFolder(t)
  const piped = join(folder, 'piped')
  const { code, stderr } = await runShell(`"$@" backup - > ${piped}`, { DATABASE_URL: source.url })
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^Saved \d+ rows to -/)
  const target = await createEmptyDatabase(t)
  const cut = await runShell(`head -c ${statSync(piped).size - 20} ${piped} | "$@" restore -`, at(target, source.key))
  assert.equal(cut.code, 1)
  assert.match(cut.stderr, /cut off or was changed/)
  assert.equal(await countAllRows(target), 0)
  const whole = await runShell(`cat ${piped} | "$@" restore -`, at(target, source.key))
  assert.equal(whole.code, 0, whole.stderr)
  assert.deepEqual(unrecorded(await digestTables(target)), unrecorded(source.digests))
  assert.equal(existsSync(join(folder, '-')), false)
})
