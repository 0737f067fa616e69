import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { withStore } from '../proof/support/with-store.ts'
import { createAccount } from '../src/core/accounts.ts'
import { query } from './support/backup.ts'
import { type Env, startCli } from './support/cli.ts'
import { createDatabase } from './support/database.ts'

/** What somebody tries who knows the product and nothing of this server. */
const ZEROS = `AC${'0'.repeat(32)}`
const NAMES = [ZEROS, `AC${'1'.repeat(32)}`, `SK${'0'.repeat(32)}`, `AC${'0123456789abcdef'.repeat(2)}`]
const WORDS = ['', 'admin', 'root', 'maskline', 'dev', 'demo', 'test', 'twilio', 'operator', 'console']
const SECRETS = [...WORDS, 'password', 'changeme', 'secret', 'default-auth-token', '0'.repeat(32), `${'1'.repeat(32)}`]
const PATHS = [
  '/v1/Services',
  '/maskline/v1/Events',
  '/simulator/handsets',
  '/console/session',
  '/admin',
  '/setup',
  '/bootstrap',
]

/** Every pair of a name and a secret that is let in somewhere. */
async function letIn(url: string): Promise<string[]> {
  const found: string[] = []
  for (const name of [...NAMES, ...WORDS]) {
    for (const secret of [...SECRETS, name]) {
      for (const path of name.length > 2 && secret ? PATHS.slice(0, 2) : PATHS) {
        const status = await statusOf(url + path, `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`)
        if (status !== 401 && status !== 404) found.push(`${name}:${secret} at ${path}: ${status}`)
      }
    }
  }
  return found
}

const statusOf = (url: string, authorization?: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    request(url, { headers: authorization ? { authorization } : {} }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode))
    })
      .once('error', reject)
      .end()
  })

async function serve(t: TestContext, env: Env) {
  const server = startCli(t, ['serve'], env)
  const [, url = ''] = await server.printed(/"url":"([^"]+)","msg":"ready"/)
  return { server, url }
}

test('a fresh installation lets nobody in, and says how the first account is made', async (t) => {
  const database_url = await createDatabase(t)
  const env = { DATABASE_URL: database_url, MASKLINE_MASTER_KEY: randomBytes(32).toString('hex'), MASKLINE_PORT: '0' }
  const { server, url } = await serve(t, env)
  await server.printed(/there is no account yet: `maskline accounts create` makes one/)
  await server.printed(/there is no user of the console yet: `maskline users add` makes one/)
  for (const path of PATHS) assert.ok([401, 404].includes((await statusOf(url + path)) ?? 0), path)
  assert.deepEqual(await letIn(url), [])
  for (const table of ['accounts', 'api_keys', 'carriers', 'users']) {
    assert.deepEqual(await query(database_url, `select sid from ${table}`), [], `${table} of a fresh installation`)
  }

  // The control: one account that somebody made to try things, with the first token that came to mind.
  const planted = { sid: ZEROS, auth_token: 'default-auth-token', friendly_name: 'planted' }
  await withStore(env, (store) => createAccount(store, planted))
  server.child.kill('SIGTERM')
  await server.ended
  const second = await serve(t, env)
  assert.deepEqual(
    await letIn(second.url),
    PATHS.slice(0, 2).map((path) => `${ZEROS}:default-auth-token at ${path}: 200`),
  )
  assert.doesNotMatch(second.server.output.stdout + second.server.output.stderr, /there is no account yet/)
})

test('serve takes nothing of what dev would make, and knows no account of its settings', async (t) => {
  const database_url = await createDatabase(t)
  const [sid, token] = [`AC${'2'.repeat(32)}`, 'a-token-of-the-settings']
  const { url } = await serve(t, {
    DATABASE_URL: database_url,
    MASKLINE_MASTER_KEY: randomBytes(32).toString('hex'),
    MASKLINE_PORT: '0',
    MASKLINE_DEV_ACCOUNT_SID: sid,
    MASKLINE_DEV_AUTH_TOKEN: token,
  })
  const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`
  assert.equal(await statusOf(`${url}/v1/Services`, authorization), 401)
  assert.deepEqual(await query(database_url, 'select sid from accounts'), [])
})
