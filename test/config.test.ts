import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import test, { type TestContext } from 'node:test'
import { type Command, ConfigError, devMasterKey, type Environment, readConfig, SETTINGS } from '../src/config.ts'

const KEY = '0123456789abcdef'.repeat(4)

function problemsOf(env: Environment, command: Command = 'dev'): string[] {
  try {
    readConfig(env, command)
  } catch (error) {
    assert(error instanceof ConfigError)
    assert.equal(error.message, error.problems.join('\n'))
    return error.problems
  }
  return []
}

function temporaryFolder(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('an empty environment gives the defaults of dev', () => {
  assert.deepEqual(readConfig({ PATH: '/bin', MASKLINE_LOG_LEVEL: '' }, 'dev'), {
    port: 8080,
    host: '127.0.0.1',
    public_url: 'http://127.0.0.1:8080',
    data_dir: resolve('data'),
    simulator: true,
    log_level: 'info',
    callback_allow: ['0.0.0.0/0', '::/0'],
    number_validation: 'valid',
    retention_days: 90,
    audit_days: 400,
    number_hold_days: 45,
    radius_miles: 50,
    match_calling_code: true,
    intercept_timeout_ms: 10_000,
    ring_timeout_s: 30,
    max_call_s: 14_400,
    rate_limit: 30,
    account_rate_limit: 0,
    flood_limit: 30,
    repeat_limit: 10,
    db_pool: 10,
    max_requests: 1000,
    trusted_proxies: [],
    console: true,
    console_idle_minutes: 30,
    console_session_hours: 12,
    resource_case: 'lower',
  })
})

test('serve has no simulator, guards private networks, and asks for a master key', () => {
  const { simulator, callback_allow, master_key } = readConfig({ MASKLINE_MASTER_KEY: KEY }, 'serve')
  assert.deepEqual(
    { simulator, callback_allow, master_key },
    {
      simulator: false,
      callback_allow: [],
      master_key: Buffer.from(KEY, 'hex'),
    },
  )
  const [problem, ...others] = problemsOf({}, 'serve')
  assert.match(problem ?? '', /^MASKLINE_MASTER_KEY: is missing: make one with `openssl rand -hex 32`/)
  assert.deepEqual(others, [])
  assert.deepEqual(problemsOf({}, 'tool'), [])
})

const EVERY = {
  MASKLINE_PORT: '0',
  MASKLINE_HOST: '::',
  MASKLINE_PUBLIC_URL: 'https://proxy.example.com/mask//',
  MASKLINE_DATA_DIR: '/srv/maskline',
  DATABASE_URL: 'postgresql://maskline:p%40ss@db.example.com/maskline',
  MASKLINE_MASTER_KEY: Buffer.from(KEY, 'hex').toString('base64'),
  MASKLINE_MASTER_KEY_NEXT: KEY.toUpperCase(),
  MASKLINE_DEV_ACCOUNT_SID: `AC${'a'.repeat(32)}`,
  MASKLINE_DEV_AUTH_TOKEN: 'b'.repeat(32),
  MASKLINE_SIMULATOR: 'off',
  MASKLINE_LOG_LEVEL: 'WARN',
  MASKLINE_CALLBACK_ALLOW: '10.0.0.0/8, fd00::/8,192.0.2.7, ::1',
  MASKLINE_NUMBER_VALIDATION: 'possible',
  MASKLINE_RETENTION_DAYS: '0',
  MASKLINE_AUDIT_DAYS: '0',
  MASKLINE_NUMBER_HOLD_DAYS: '0',
  MASKLINE_RADIUS_MILES: '25',
  MASKLINE_MATCH_CALLING_CODE: 'false',
  MASKLINE_INTERCEPT_TIMEOUT_MS: '15000',
  MASKLINE_RING_TIMEOUT_S: '600',
  MASKLINE_MAX_CALL_S: '10',
  MASKLINE_RATE_LIMIT: '0',
  MASKLINE_ACCOUNT_RATE_LIMIT: '500',
  MASKLINE_FLOOD_LIMIT: '0',
  MASKLINE_REPEAT_LIMIT: '5',
  MASKLINE_DB_POOL: '40',
  MASKLINE_MAX_REQUESTS: '2000',
  MASKLINE_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
  MASKLINE_CONSOLE: 'off',
  MASKLINE_CONSOLE_IDLE_MINUTES: '5',
  MASKLINE_CONSOLE_SESSION_HOURS: '168',
  MASKLINE_RESOURCE_CASE: 'capitalised',
}

test('every setting can be set', () => {
  const env = EVERY
  assert.deepEqual(
    Object.keys(env).sort(),
    Object.values(SETTINGS)
      .map(({ name }) => name)
      .sort(),
  )
  assert.deepEqual(readConfig(env, 'serve'), {
    port: 0,
    host: '::',
    public_url: 'https://proxy.example.com/mask',
    data_dir: resolve('/srv/maskline'),
    database_url: env.DATABASE_URL,
    master_key: Buffer.from(KEY, 'hex'),
    master_key_next: Buffer.from(KEY, 'hex'),
    dev_account_sid: env.MASKLINE_DEV_ACCOUNT_SID,
    dev_auth_token: env.MASKLINE_DEV_AUTH_TOKEN,
    simulator: false,
    log_level: 'warn',
    callback_allow: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7/32', '::1/128'],
    number_validation: 'possible',
    retention_days: 0,
    audit_days: 0,
    number_hold_days: 0,
    radius_miles: 25,
    match_calling_code: false,
    intercept_timeout_ms: 15_000,
    ring_timeout_s: 600,
    max_call_s: 10,
    rate_limit: 0,
    account_rate_limit: 500,
    flood_limit: 0,
    repeat_limit: 5,
    db_pool: 40,
    max_requests: 2000,
    trusted_proxies: ['10.0.0.0/8', '::1/128'],
    console: false,
    console_idle_minutes: 5,
    console_session_hours: 168,
    resource_case: 'capitalised',
  })
})

test('all invalid settings are reported at once, each with what to do', () => {
  const env = {
    MASKLINE_PORT: '65536',
    MASKLINE_HOST: 'http://127.0.0.1',
    MASKLINE_PUBLIC_URL: 'proxy.example.com',
    DATABASE_URL: 'mysql://root:hunter2@db.example.com/maskline',
    MASKLINE_MASTER_KEY: KEY.slice(1),
    MASKLINE_DEV_ACCOUNT_SID: 'AC123',
    MASKLINE_DEV_AUTH_TOKEN: 'hunter 2',
    MASKLINE_SIMULATOR: 'maybe',
    MASKLINE_LOG_LEVEL: 'loud',
    MASKLINE_CALLBACK_ALLOW: '10.0.0.0/8,10.0.0.0/33',
    MASKLINE_NUMBER_VALIDATION: 'strict',
    MASKLINE_RETENTION_DAYS: '-1',
    MASKLINE_RADIUS_MILES: '12 miles',
    MASKLINE_MATCH_CALLING_CODE: '2',
    MASKLINE_INTERCEPT_TIMEOUT_MS: '15001',
    MASKLINE_RING_TIMEOUT_S: '4',
    MASKLINE_MAX_CALL_S: '86401',
    MASKLINE_DB_POOL: '1e1',
    MASKLINE_CONSOLE: 'perhaps',
    MASKLINE_CONSOLE_IDLE_MINUTES: '4',
    MASKLINE_CONSOLE_SESSION_HOURS: '0',
    MASKLINE_RESOURCE_CASE: 'upper',
  }
  const problems = problemsOf(env)
  assert.deepEqual(problems.map((problem) => problem.split(':')[0]).sort(), Object.keys(env).sort())
  for (const problem of problems) assert.match(problem, /^\w+: .+: .+/)
  assert.doesNotMatch(problems.join(), /hunter|0123456789abcdef/)
})

test('a public URL is absolute, http or https, and nothing but an address', () => {
  const wrong = [
    'ftp://example.com',
    '/mask',
    'https://',
    'https://a.example/?x',
    'https://a.example/#',
    'https://u:p@a.example',
  ]
  for (const url of wrong) assert.equal(problemsOf({ MASKLINE_PUBLIC_URL: url }).length, 1, url)
  assert.equal(readConfig({ MASKLINE_PUBLIC_URL: 'http://a.example:81/' }, 'dev').public_url, 'http://a.example:81')
})

test('without a public URL it is the host and port, as one can reach them from here', () => {
  const urlFor = (host: string) => readConfig({ MASKLINE_HOST: host, MASKLINE_PORT: '9' }, 'dev').public_url
  assert.deepEqual(['0.0.0.0', '::', '192.0.2.1', 'localhost'].map(urlFor), [
    'http://127.0.0.1:9',
    'http://[::1]:9',
    'http://192.0.2.1:9',
    'http://localhost:9',
  ])
  assert.deepEqual(problemsOf({ MASKLINE_PORT: 'x' }).length, 1, 'a wrong port is one problem, not two')
})

test('an unknown setting is reported with the nearest name', () => {
  assert.deepEqual(problemsOf({ MASKLINE_MASTERKEY_FILE: '/x', MASKLINE_PROT: '1' }), [
    'MASKLINE_MASTERKEY_FILE: there is no such setting: did you mean MASKLINE_MASTER_KEY_FILE?',
    'MASKLINE_PROT: there is no such setting: did you mean MASKLINE_PORT?',
  ])
  assert.match(problemsOf({ MASKLINE_PORT_FILE: '/x' })[0] ?? '', /no such setting/)
})

test('what Kubernetes sets for a Service named maskline is ignored, except where it hides the port', () => {
  const links = { MASKLINE_SERVICE_HOST: '192.0.2.1', MASKLINE_SERVICE_PORT_HTTP: '80', MASKLINE_PORT_80_TCP_ADDR: 'x' }
  assert.deepEqual(problemsOf(links), [])
  assert.match(
    problemsOf({ ...links, MASKLINE_PORT: 'tcp://192.0.2.1:80' }).join(),
    /^MASKLINE_PORT: .*enableServiceLinks/,
  )
})

test('every secret can be read from a file', (t) => {
  const folder = temporaryFolder(t)
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const config = readConfig(
    {
      MASKLINE_MASTER_KEY_FILE: write('key', `${KEY}\n`),
      DATABASE_URL_FILE: write('url', 'postgres://db.example.com/maskline\n'),
      MASKLINE_DEV_AUTH_TOKEN_FILE: write('token', 'a-secret-that-is-long\r\n'),
    },
    'serve',
  )
  assert.deepEqual(config.master_key, Buffer.from(KEY, 'hex'))
  assert.equal(config.database_url, 'postgres://db.example.com/maskline')
  assert.equal(config.dev_auth_token, 'a-secret-that-is-long')

  const nowhere = join(folder, 'nowhere')
  assert.match(
    problemsOf({ DATABASE_URL_FILE: nowhere }).join(),
    /^DATABASE_URL: cannot be read \(ENOENT.*DATABASE_URL_FILE/,
  )
  assert.match(problemsOf({ MASKLINE_MASTER_KEY_FILE: write('empty', '\n') }).join(), /^MASKLINE_MASTER_KEY: .*empty/)
  const both = { MASKLINE_MASTER_KEY_FILE: join(folder, 'key'), MASKLINE_MASTER_KEY: KEY }
  assert.match(problemsOf(both, 'serve').join(), /^MASKLINE_MASTER_KEY: is set, and so is MASKLINE_MASTER_KEY_FILE/)
})

test("dev's master key is made once, for its owner's eyes only", (t) => {
  const folder = join(temporaryFolder(t), 'new', 'data')
  const key = devMasterKey(folder)
  assert.equal(key.length, 32)
  assert.deepEqual(devMasterKey(folder), key)
  assert.notDeepEqual(devMasterKey(temporaryFolder(t)), key)
  const path = join(folder, 'master.key')
  assert.equal(readFileSync(path, 'utf8'), `${key.toString('hex')}\n`)
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)

  writeFileSync(path, 'half a k')
  assert.throws(() => devMasterKey(folder), ConfigError)
  assert.equal(readFileSync(path, 'utf8'), 'half a k')
})

test('every setting says what it is for', () => {
  for (const { name, help } of Object.values(SETTINGS)) assert.match(help, /^\S.{15,110}\.$/, name)
})
