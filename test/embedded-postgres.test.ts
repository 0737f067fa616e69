import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { after, before, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import pino from 'pino'
import { findPackage, prepareBinaries } from '../src/db/embedded-binaries.ts'
import { findServerUser } from '../src/db/embedded-user.ts'
import { type Database, type OpenOptions, openDatabase } from '../src/db/open.ts'
import { findProcess } from '../src/db/owner-lock.ts'

// As root, mkdtemp makes what is usual below /root: a folder that PostgreSQL's own user may not enter.
const isRoot = process.getuid?.() === 0
const log = pino({ level: 'silent' })

// A cluster that the tests which are not about making one start from; as root also what a restored backup looks like.
const prepared = mkdtempSync(join(tmpdir(), 'maskline-postgres-'))
before(async () => {
  const db = await openDatabase({ database_url: undefined, data_dir: prepared, pool: 1, progress: () => {}, log })
  await db.stop()
})
after(() => rmSync(prepared, { recursive: true }))

test('the first start makes a durable database, a later one finds its data', async (t) => {
  const folder = temporaryFolder(t)
  const steps: string[] = []
  const first = await open(t, folder, { progress: (step) => steps.push(step) })
  assert.deepEqual(steps, ['initialising PostgreSQL', 'starting PostgreSQL'])
  assert.equal(first.embedded, true)
  const { rows } = await first.pool.query(
    `select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
            current_setting('data_checksums') as data_checksums, current_setting('server_encoding') as encoding,
            current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets,
            current_database() as database, (select datcollate from pg_database where datname = 'maskline') as locale`,
  )
  assert.deepEqual(rows[0], {
    fsync: 'on',
    synchronous_commit: 'on',
    data_checksums: 'on',
    encoding: 'UTF8',
    listens: '127.0.0.1',
    sockets: '',
    database: 'maskline',
    locale: 'C',
  })
  assert.equal(statSync(join(folder, 'postgres.password')).mode & 0o777, 0o600)
  assert.notEqual(statSync(join(folder, 'postgres')).uid, 0, 'PostgreSQL does not run as root')
  await writeNote(first.pool, 'kept')
  const pid = serverPid(folder)
  await first.stop()
  assert.equal(findProcess(pid), undefined, 'stopped when stop() says so')
  assert.equal(existsSync(join(folder, 'maskline.lock')), false)

  const second = await open(t, folder, { postgres_flags: ['-c', 'fsync=off'] })
  assert.deepEqual(await readNotes(second.pool), ['kept'])
  assert.deepEqual((await second.pool.query('show fsync')).rows, [{ fsync: 'off' }])
  const url = new URL(second.url)
  url.password = 'guessed'
  await assert.rejects(new pg.Client(url.href).connect(), { code: '28P01' })
})

test('a data folder that every user may enter serves as well', async (t) => {
  const folder = preparedFolder(t)
  chmodSync(folder, 0o755)
  const db = await open(t, folder)
  const { rows } = await db.pool.query('show data_directory')
  assert.deepEqual(rows, [{ data_directory: join(folder, 'postgres') }])
})

test('a server that a killed owner left running is taken over, and stopped in the end', async (t) => {
  const folder = preparedFolder(t)
  const { child, url } = await startOwner(t, folder)
  await writeNote(url, 'before the kill')
  const pid = serverPid(folder)
  // As Ctrl-C does, the signal goes to the whole process group, which PostgreSQL is not part of.
  process.kill(-(child.pid ?? 0), 'SIGKILL')
  await once(child, 'exit')
  assert.ok(findProcess(pid), 'PostgreSQL outlives its owner')

  const steps: string[] = []
  const db = await open(t, folder, { progress: (step) => steps.push(step) })
  assert.deepEqual(steps, ['taking over the running PostgreSQL'])
  assert.equal(serverPid(folder), pid)
  assert.deepEqual(await readNotes(db.pool), ['before the kill'])
  await db.stop()
  assert.equal(findProcess(pid), undefined)
})

test('a server that is shutting down is waited for', async (t) => {
  const folder = preparedFolder(t)
  const { child, url } = await startOwner(t, folder)
  const client = new pg.Client(url)
  await client.connect()
  await writeNote(url, 'before the shutdown')
  const pid = serverPid(folder)
  await kill(child)
  // A smart shutdown refuses newcomers and lasts until the last client has gone.
  process.kill(pid, 'SIGTERM')
  await until(async () => !(await canConnect(url)))

  const steps: string[] = []
  const progress = (step: string) => {
    if (steps.push(step) === 1) void client.end()
  }
  const db = await open(t, folder, { progress })
  assert.deepEqual(steps, ['taking over the running PostgreSQL', 'starting PostgreSQL'])
  assert.notEqual(serverPid(folder), pid)
  assert.deepEqual(await readNotes(db.pool), ['before the shutdown'])
})

test('after a kill of owner and server, what was committed is recovered', async (t) => {
  const folder = preparedFolder(t)
  const { child, url } = await startOwner(t, folder)
  await writeNote(url, 'committed')
  const pid = serverPid(folder)
  await kill(child)
  process.kill(pid, 'SIGKILL')
  await until(() => findProcess(pid) === undefined)
  assert.equal(serverPid(folder), pid, 'the stale file is there')

  const db = await open(t, folder)
  assert.notEqual(serverPid(folder), pid)
  assert.deepEqual(await readNotes(db.pool), ['committed'])
  assert.match(readFileSync(join(folder, 'postgres.log'), 'utf8'), /automatic recovery in progress/)
})

test('a stale file that names the process of another program does not keep PostgreSQL from starting', async (t) => {
  const folder = preparedFolder(t)
  const db = await open(t, folder)
  const file = readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8')
  await db.stop()
  // As after a restart of a container, where the same ids are given out again, here to us and our parent.
  writeFileSync(join(folder, 'postgres', 'postmaster.pid'), file.replace(/^\d+/, String(process.pid)))
  writeFileSync(join(folder, 'maskline.lock'), `${process.ppid}\nat another time\n`)
  const again = await open(t, folder)
  assert.notEqual(serverPid(folder), process.pid)
  assert.deepEqual((await again.pool.query('select 1 as one')).rows, [{ one: 1 }])
})

test('a second owner is refused and harms nothing', async (t) => {
  const folder = preparedFolder(t)
  const { child, url } = await startOwner(t, folder)
  const refusal = new RegExp(`is in use by another maskline, process ${child.pid}: .*MASKLINE_DATA_DIR`)
  await assert.rejects(open(t, folder), refusal)
  await assert.rejects(open(t, folder), refusal)
  await writeNote(url, 'still there')
  child.stdin?.end()
  await once(child, 'exit')

  const db = await open(t, folder)
  assert.deepEqual(await readNotes(db.pool), ['still there'])
  await assert.rejects(open(t, folder), new RegExp(`process ${process.pid}:`), 'nor twice in one process')
  assert.deepEqual(await readNotes(db.pool), ['still there'])
})

test('an initdb that was interrupted does not wedge the next start', async (t) => {
  const folder = temporaryFolder(t)
  const child = spawnOwner(t, folder)
  const stages = () => readdirSync(folder).filter((name) => name.startsWith('postgres.new-'))
  await until(() => stages().some((stage) => existsSync(join(folder, stage, 'data', 'PG_VERSION'))))
  await kill(child)
  assert.equal(existsSync(join(folder, 'postgres')), false)
  assert.equal(stages().length, 1)

  const db = await open(t, folder)
  await writeNote(db.pool, 'whole')
  assert.deepEqual(await readNotes(db.pool), ['whole'])
  // The initdb that outlived its parent may have put a file back meanwhile; the next start sweeps that up too.
  await db.stop()
  const later = await open(t, folder)
  assert.deepEqual(await readNotes(later.pool), ['whole'])
  assert.deepEqual(stages(), [])
})

test('an ordinary user runs PostgreSQL as himself', async (t) => {
  const folder = temporaryFolder(t)
  const uid = isRoot ? 65_534 : process.getuid?.()
  assert(uid !== undefined)
  chownSync(folder, uid, isRoot ? uid : -1)
  const { child, url } = await startOwner(t, folder, isRoot ? uid : undefined)
  await writeNote(url, 'mine')
  for (const name of ['postgres', 'postgres.log', 'postgres.password', 'postgres/postmaster.pid']) {
    assert.equal(statSync(join(folder, name)).uid, uid, name)
  }
  child.stdin?.end()
  await once(child, 'exit')

  // Whoever starts it next, root or the same user, the data stays its owner's.
  const db = await open(t, folder)
  assert.deepEqual(await readNotes(db.pool), ['mine'])
  assert.equal(statSync(join(folder, 'postgres', 'postmaster.pid')).uid, uid)
})

test('programs that the user cannot run where they lie are copied, with their missing links', (t) => {
  const [home, shelf] = [temporaryFolder(t), temporaryFolder(t)]
  const { native: packaged, version } = findPackage()
  const native = join(home, 'native')
  cpSync(packaged, native, { recursive: true, verbatimSymlinks: true })
  const links: { target: string }[] = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))
  assert.ok(links.length > 0)
  for (const { target } of links) rmSync(join(home, target), { force: true })
  const user = findServerUser(join(home, 'no-data-yet'))
  const lib = join(native, 'lib')
  // Root's folder is closed to others by itself; an ordinary user's is made read-only, so that no link can be made.
  if (!isRoot) chmodSync(lib, 0o555)

  const nowhere = join(home, 'file')
  writeFileSync(nowhere, '')
  const copy = prepareBinaries({ native, version, user, shelves: [join(nowhere, 'shelf'), shelf] })
  assert.equal(copy, join(shelf, `postgresql-${version}`))
  const initdb = spawnSync(join(copy, 'bin', 'initdb'), ['--version'], { ...user, encoding: 'utf8', cwd: '/' })
  assert.match(initdb.stdout, /^initdb \(PostgreSQL\) \d+/)
  assert.equal(prepareBinaries({ native, version, user, shelves: [shelf] }), copy, 'and the copy is found again')
  assert.throws(
    () => prepareBinaries({ native, version, user, shelves: [join(nowhere, 'shelf')] }),
    /install maskline where every user can read it.*DATABASE_URL/,
  )
  if (!isRoot) chmodSync(lib, 0o755)

  // In a folder that is open and writable nothing is copied: the links are made in place.
  chmodSync(home, 0o755)
  const link = join(home, links[0]?.target ?? '')
  rmSync(link, { force: true })
  assert.equal(prepareBinaries({ native, version, user, shelves: [] }), native)
  assert.equal(existsSync(link), true)
})

test('what would end badly is refused with what to do', async (t) => {
  const folder = preparedFolder(t)
  await assert.rejects(open(t, folder, { postgres_flags: ['-c', 'no_such=1'] }), /did not start .*\n.*no_such/)
  writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '14\n')
  await assert.rejects(open(t, folder), /was written by PostgreSQL 14, .* dump/)
  unlinkSync(join(folder, 'postgres.password'))
  await assert.rejects(open(t, folder), /postgres\.password is missing.*put the file back/)

  const other = temporaryFolder(t)
  mkdirSync(join(other, 'postgres', 'photos'), { recursive: true })
  writeFileSync(join(other, 'postgres.password'), 'x')
  await assert.rejects(open(t, other), /is not a folder of PostgreSQL's/)

  const file = join(other, 'postgres.password', 'data')
  await assert.rejects(open(t, file), /Cannot write to the data folder .*ENOTDIR.*MASKLINE_DATA_DIR/)
})

async function open(t: TestContext, data_dir: string, options: Partial<OpenOptions> = {}): Promise<Database> {
  const db = await openDatabase({ database_url: undefined, data_dir, pool: 4, progress: () => {}, log, ...options })
  t.after(db.stop)
  return db
}

function temporaryFolder(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-postgres-'))
  t.after(() => {
    // When the test failed half-way, its server is still there.
    const pid = existsSync(join(folder, 'postgres', 'postmaster.pid')) ? serverPid(folder) : 0
    if (pid > 0 && findProcess(pid)?.name === 'postgres') process.kill(pid, 'SIGQUIT')
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return folder
}

function preparedFolder(t: TestContext) {
  const folder = temporaryFolder(t)
  cpSync(prepared, folder, { recursive: true, preserveTimestamps: true })
  return folder
}

function spawnOwner(t: TestContext, folder: string, uid?: number): ChildProcess {
  const script = fileURLToPath(new URL('support/database-owner.ts', import.meta.url))
  const args = ['--import', import.meta.resolve('tsx'), script, folder, ...(uid === undefined ? [] : [String(uid)])]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function startOwner(t: TestContext, folder: string, uid?: number): Promise<{ child: ChildProcess; url: string }> {
  const child = spawnOwner(t, folder, uid)
  assert(child.stdout)
  for await (const line of createInterface(child.stdout)) {
    const { url } = JSON.parse(line)
    if (typeof url === 'string') return { child, url }
  }
  throw new Error('the owner ended before it had the database')
}

async function kill(child: ChildProcess) {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const serverPid = (folder: string) =>
  Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0])

async function until(condition: () => boolean | Promise<boolean>) {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'what was waited for did not come about')
    await delay(5)
  }
}

async function canConnect(url: string) {
  const client = new pg.Client(url)
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end()
  }
}

async function writeNote(target: pg.Pool | string, text: string) {
  const client = new pg.Client(typeof target === 'string' ? target : target.options)
  await client.connect()
  await client.query('create table if not exists notes (text text)')
  await client.query('insert into notes values ($1)', [text])
  await client.end()
}

async function readNotes(pool: pg.Pool) {
  const { rows } = await pool.query<{ text: string }>('select text from notes')
  return rows.map(({ text }) => text)
}
