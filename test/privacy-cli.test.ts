import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { cleanEnv, commandLine, runCli } from './support/cli.ts'
import { converse, newPerson } from './support/conversation.ts'
import { makeService, serverForFile } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const getServer = serverForFile()

const cli = ({ database_url, master_key }: TestServer, ...args: string[]) =>
  runCli(args, { DATABASE_URL: database_url, MASKLINE_MASTER_KEY: master_key })

test('the operator sets for how long an account keeps what, and puts it under legal hold', async () => {
  const server = await getServer()
  const { sid } = server.account
  const set = await cli(server, 'accounts', 'retention', sid, '--sessions', '30', '--bodies', '0', '--json')
  assert.deepEqual(JSON.parse(set.stdout), [{ sid, sessions: 30, bodies: 0, legal_hold: 'off' }], set.stderr)
  assert.equal((await cli(server, 'accounts', 'hold', sid, 'on')).code, 0)
  const { body } = await server.get('/maskline/v1/Settings')
  assert.deepEqual([body.session_retention, body.body_retention, body.legal_hold], [30, 0, true])
  const refused = await cli(server, 'privacy', 'erase', newPerson(), '--account', sid, '--yes')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /legal hold/)
  await cli(server, 'accounts', 'hold', sid, 'off')
  const cleared = await cli(
    server,
    'accounts',
    'retention',
    sid,
    '--sessions',
    'default',
    '--bodies',
    'sessions',
    '--json',
  )
  assert.deepEqual(JSON.parse(cleared.stdout), [{ sid, sessions: 90, bodies: 'sessions', legal_hold: 'off' }])
  assert.equal((await cli(server, 'accounts', 'retention', sid, '--bodies', 'few')).code, 2)
})

test('the operator exports and erases a person, and is asked before', async () => {
  const server = await getServer()
  const { alice } = await converse(server, await makeService(server, 2))
  const { sid } = server.account
  const exported = await cli(server, 'privacy', 'export', alice.identifier)
  assert.equal(JSON.parse(exported.stdout).participants[0].identifier, alice.identifier, exported.stderr)
  const unasked = await cli(server, 'privacy', 'erase', alice.identifier)
  assert.equal(unasked.code, 2)
  assert.match(unasked.stderr, /--yes/)
  const erase = async (...options: string[]) => {
    const { stdout, stderr } = await cli(server, 'privacy', 'erase', alice.identifier, '--json', ...options)
    assert.ok(stdout, stderr)
    const [counts] = JSON.parse(stdout)
    return [counts.account, counts.participants]
  }
  assert.deepEqual(await erase('--dry-run'), [sid, 1])
  assert.deepEqual(await erase('--yes'), [sid, 1], 'control: neither was it erased before')
  assert.deepEqual(await erase('--yes'), [sid, 0])
})

test('a command whose reader has seen enough ends quietly', async () => {
  const server = await getServer()
  const { alice } = await converse(server, await makeService(server, 2))
  for (const args of [
    ['privacy', 'export', alice.identifier],
    ['audit', 'export'],
    ['accounts', 'list'],
  ]) {
    const [program = '', ...rest] = commandLine(args)
    const env = cleanEnv({ DATABASE_URL: server.database_url, MASKLINE_MASTER_KEY: server.master_key })
    const child = spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
    assert.deepEqual([code, stderr], [0, ''], args.join(' '))
  }
})
