import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { cleanEnv, commandLine, dataFolder, isAlive, postgresOf, runCli, startCli } from './support/cli.ts'
import { createDatabase } from './support/database.ts'
import { eventually } from './support/server.ts'

const run = promisify(execFile)

const KEY = randomBytes(32).toString('hex')

/** How long a start on an existing data folder may take; it is about two seconds where nothing else runs. */
const RESTART_LIMIT_MS = 15_000

/** The data folder that most tests here share, one after the other, as somebody's first days with the program do. */
const home = dataFolder({ after })
const env = { MASKLINE_DATA_DIR: home, MASKLINE_PORT: '0', MASKLINE_LOG_LEVEL: 'warn' }

let first: Greeting

type Greeting = { url: string; sid: string; token: string; started_ms: number; commands: string }

async function startDev(t: Parameters<typeof startCli>[0]) {
  const before = Date.now()
  const dev = startCli(t, ['dev'], env)
  await dev.printed(/Ctrl-C/)
  const { stdout } = dev.output
  const read = (name: string) => new RegExp(`${name} +(\\S+)`).exec(stdout)?.[1] ?? ''
  const commands = /^ {4}(curl|SERVICE)[\s\S]*?(?=\n\n {2}Ctrl-C)/m.exec(stdout)?.[0] ?? ''
  const started_ms = Date.now() - before
  const greeting = {
    url: read('base URL'),
    sid: read('account SID'),
    token: read('auth token'),
    started_ms,
    commands,
  }
  return { dev, greeting }
}

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})

async function listSessions({ url, sid, token }: Greeting): Promise<{ sid: string; status: string }[]> {
  const headers = basic(sid, token)
  const service = (await (await fetch(`${url}/v1/Services/demo`, { headers })).json()) as { sid: string }
  const answer = await fetch(`${url}/v1/Services/${service.sid}/Sessions`, { headers })
  return ((await answer.json()) as { sessions: { sid: string; status: string }[] }).sessions
}

test('invalid settings are listed all at once, with status 2, before anything is touched', async (t) => {
  const folder = join(dataFolder(t), 'not-made')
  const { code, stdout, stderr } = await runCli(['serve'], {
    MASKLINE_DATA_DIR: folder,
    MASKLINE_PORT: '99999',
    MASKLINE_LOG_LEVEL: 'loud',
    MASKLINE_MASTER_KEY: 'hunter2',
    MASKLINE_PROT: '1',
    DATABASE_URL: 'mysql://root:hunter2@db/x',
  })
  assert.equal(code, 2)
  assert.equal(stdout, '')
  for (const name of ['MASKLINE_PORT', 'MASKLINE_LOG_LEVEL', 'MASKLINE_MASTER_KEY', 'MASKLINE_PROT', 'DATABASE_URL']) {
    assert.match(stderr, new RegExp(`^ {2}${name}: `, 'm'))
  }
  assert.doesNotMatch(stderr, /hunter2/, 'a secret is repeated in no message')
  assert.doesNotMatch(stderr, /^\s+at /m, 'a stack helps nobody here')
  assert.equal(existsSync(folder), false)
})

test('serve refuses to start without a master key and says how to make one', async (t) => {
  const folder = join(dataFolder(t), 'not-made')
  const { code, stderr } = await runCli(['serve'], { MASKLINE_DATA_DIR: folder })
  assert.equal(code, 2)
  assert.match(stderr, /MASKLINE_MASTER_KEY: is missing: .*openssl rand -hex 32/)
  assert.equal(existsSync(folder), false)
})

test('dev prints an address, an account and commands that work, and stops on SIGTERM', async (t) => {
  const { dev, greeting } = await startDev(t)
  first = greeting
  assert.match(greeting.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  assert.match(greeting.sid, /^AC[0-9a-f]{32}$/)
  assert.match(greeting.token, /^[0-9a-f]{32}$/)
  assert.equal((await fetch(`${greeting.url}/health/ready`)).status, 200)

  const pasted = await run('sh', ['-c', greeting.commands], { env: cleanEnv({}) })
  assert.match(pasted.stdout, /"unique_name":"demo"/)
  assert.match(pasted.stdout, /"status":"open"/)
  assert.equal((await listSessions(greeting)).length, 1)

  const postgres = postgresOf(home)
  assert.ok(postgres !== undefined && isAlive(postgres))
  dev.child.kill('SIGTERM')
  assert.equal((await dev.ended).code, 0)
  assert.equal(isAlive(postgres), false, 'PostgreSQL ends with it')
  await assert.rejects(fetch(`${greeting.url}/health/ready`), 'the door is closed')
})

test('a second start keeps the account and the data, and so does one after kill -9', async (t) => {
  const second = await startDev(t)
  assert.deepEqual([second.greeting.sid, second.greeting.token], [first.sid, first.token])
  assert.equal((await listSessions(second.greeting)).length, 1)
  assert.ok(second.greeting.started_ms < RESTART_LIMIT_MS, `it took ${second.greeting.started_ms} ms`)

  second.dev.child.kill('SIGKILL')
  await second.dev.ended
  const left = postgresOf(home)
  assert.ok(left !== undefined && isAlive(left), 'PostgreSQL outlives the kill')
  const third = await startDev(t)
  assert.equal(postgresOf(home), left, 'and is taken over')
  assert.equal((await listSessions(third.greeting)).length, 1)
  assert.ok(third.greeting.started_ms < RESTART_LIMIT_MS, `it took ${third.greeting.started_ms} ms`)
  third.dev.child.kill('SIGTERM')
  assert.equal((await third.dev.ended).code, 0)
  assert.equal(isAlive(left), false, 'a PostgreSQL that was taken over ends too')
})

test('the tools work beside a running server, which notices what they did', async (t) => {
  const { greeting } = await startDev(t)
  const tool = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args, env)
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const json = async (...args: string[]) => JSON.parse(await tool(...args, '--json'))
  const status = async (user: string, password: string) =>
    (await fetch(`${greeting.url}/v1/Services`, { headers: basic(user, password) })).status

  const sid = `AC${randomBytes(16).toString('hex')}`
  const token = randomBytes(16).toString('hex')
  const [made] = await json('accounts', 'create', 'acme', '--sid', sid, '--auth-token', token)
  assert.deepEqual(made, { sid, name: 'acme' })
  const accounts: { sid: string }[] = await json('accounts', 'list')
  assert.deepEqual(accounts.map((row) => row.sid).sort(), [sid, greeting.sid].sort())
  assert.equal(await status(sid, token), 200)

  const [key] = await json('keys', 'create', 'dispatcher', '--account', sid)
  assert.equal(await status(key.sid, key.secret), 200)
  const [reader] = await json('keys', 'create', 'reader', '--account', sid, '--scope', 'events:read', 'pii')
  assert.equal(reader.type, 'restricted')
  assert.equal(await status(reader.sid, reader.secret), 403)
  assert.match(await tool('keys', 'list', '--account', sid), /reader +restricted +events:read pii reveal/)
  const senseless = await runCli(['keys', 'create', 'x', '--account', sid, '--scope', 'everything'], env)
  assert.equal(senseless.code, 2)
  assert.match(senseless.stderr, /sessions:read/)
  await tool('keys', 'revoke', key.sid)
  await eventually(async () => (await status(key.sid, key.secret)) === 401, 'the revoked key is refused', 20_000)
  assert.match(await tool('keys', 'list', '--account', sid), /revoked/)

  const [carrier] = await json('carriers', 'add', 'simulator', '--account', sid)
  assert.match(await tool('carriers', 'list', '--account', sid), new RegExp(`${carrier.sid} +simulator`))
  assert.match(await tool('carriers', 'check', carrier.sid), /works/)
  const [number] = await json('numbers', 'add', '+12025550170', '--carrier', carrier.sid)
  const [listed] = await json('numbers', 'list', '--account', sid)
  assert.deepEqual([listed.sid, listed.number, listed.service], [number.sid, '+12025550170', null])

  const tokenFile = join(home, 'token.txt')
  writeFileSync(tokenFile, 'a-token-that-stands-in-a-file\n')
  const [kept] = await json('accounts', 'create', 'kept', '--auth-token', `@${tokenFile}`)
  assert.equal(await status(kept.sid, 'a-token-that-stands-in-a-file'), 200)
  const credentials = [`account_sid=${sid}`, 'auth_token=@/nowhere/token.txt']
  const unread = await runCli(['carriers', 'add', 'twilio', '--account', sid, '--credential', ...credentials], env)
  assert.equal(unread.code, 2)
  assert.match(unread.stderr, /Cannot read \/nowhere\/token\.txt/)

  const unknown = await runCli(['keys', 'create', 'x', '--account', `AC${'0'.repeat(32)}`], env)
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /There is no account .*maskline accounts list/)
})

test('another master key is refused with a message that says which one is needed', async () => {
  const { code, stderr } = await runCli(['accounts', 'list'], { ...env, MASKLINE_MASTER_KEY: KEY })
  assert.equal(code, 2)
  assert.match(stderr, /master key does not open the keys in this database/)
  assert.doesNotMatch(stderr, /^\s+at /m)
  assert.equal(postgresOf(home), undefined, 'PostgreSQL, started for it, is stopped again')
})

test('serve works on a PostgreSQL of your own, with its key in a file, and lets balancers see it go', async (t) => {
  const folder = dataFolder(t)
  const keyFile = join(folder, 'key')
  writeFileSync(keyFile, `${KEY}\n`)
  const server = startCli(t, ['serve'], {
    MASKLINE_DATA_DIR: join(folder, 'data'),
    MASKLINE_PORT: '0',
    MASKLINE_MASTER_KEY_FILE: keyFile,
    DATABASE_URL: await createDatabase(t),
  })
  const [, url] = await server.printed(/"url":"([^"]+)","msg":"ready"/)
  assert.equal((await fetch(`${url}/health/ready`)).status, 200)
  assert.equal((await fetch(`${url}/simulator/handsets`)).status, 404, 'phones are simulated in dev only')
  assert.equal(postgresOf(join(folder, 'data')), undefined, 'no PostgreSQL is started')

  server.child.kill('SIGTERM')
  const stopping = async () => (await fetch(`${url}/health/ready`)).status === 503
  await eventually(stopping, 'readiness fails before the door closes')
  const { code, stderr, stdout } = await server.ended
  assert.equal(code, 0)
  assert.doesNotMatch(stdout + stderr, new RegExp(KEY))
})

test('a tool without the settings of the server makes nothing, and says what is missing', async (t) => {
  const folder = join(dataFolder(t), 'elsewhere')
  const { code, stderr } = await runCli(['accounts', 'create', 'acme'], { MASKLINE_DATA_DIR: folder })
  assert.equal(code, 2)
  assert.match(stderr, /There is no database in .*elsewhere/)
  assert.equal(existsSync(folder), false)
})

test('on a terminal a long step says that it goes on, elsewhere not', async (t) => {
  const folder = dataFolder(t)
  const settings = { ...env, MASKLINE_DATA_DIR: folder, MASKLINE_MASTER_KEY: KEY }
  const line = commandLine(['migrate']).join(' ')
  const terminal = await run('script', ['-qec', line, '/dev/null'], { env: cleanEnv(settings) })
  assert.match(terminal.stdout, /… initialising PostgreSQL/)
  assert.match(terminal.stdout, /… starting PostgreSQL/)
  assert.match(terminal.stdout, /… applying migration 0001/)
  assert.match(terminal.stdout, /The database is up to date\./)

  const piped = await runCli(['migrate'], settings)
  assert.deepEqual([piped.code, piped.stdout, piped.stderr], [0, 'The database is up to date.\n', ''])
})
