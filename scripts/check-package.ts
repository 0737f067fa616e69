import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

// Packs the package, installs it into an empty project, and does there what its first user does: `npx maskline dev`, a
// console, a session, a text, Ctrl-C. Run it with `npm run check-package`.

const LIMIT_MS = 60_000

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'maskline-package-'))
const npm = (cwd: string, ...args: string[]) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

try {
  const [packed] = JSON.parse(npm(root, 'pack', '--silent', '--json', '--pack-destination', folder))
  checkContents(packed.files.map((file: { path: string }) => file.path))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'a-user', private: true }))
  // npm hands the settings of this checkout's .npmrc down to us, and a user has none of them.
  const asUser = ['--engine-strict=false', '--prefer-offline', '--no-audit', '--no-fund']
  npm(folder, 'install', '--silent', ...asUser, `./${packed.filename}`)
  assert.equal(execFileSync('npx', ['maskline', '--version'], { cwd: folder, encoding: 'utf8' }).trim(), packed.version)
  await useIt()
  console.log(`The package works: ${packed.files.length} files, ${Math.round(packed.size / 1024)} kB packed.`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function checkContents(files: string[]) {
  for (const needed of [
    'dist/cli.js',
    'dist/db/migrations/0001-proxy.sql',
    'console/dist/index.html',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
  ]) {
    assert.ok(files.includes(needed), `the package lacks ${needed}`)
  }
  const strangers = files.filter((path) => !/^(dist|docs|console\/dist)\/|^[A-Z]+(\.md)?$|^package\.json$/.test(path))
  assert.deepEqual(strangers, [], 'the package holds files that no user needs')
}

async function useIt() {
  const env = { ...process.env, MASKLINE_PORT: '0', MASKLINE_DATA_DIR: join(folder, 'data') }
  const child = spawn('npx', ['maskline', 'dev'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let complaints = ''
  child.stdout.on('data', (chunk) => {
    printed += chunk
  })
  child.stderr.on('data', (chunk) => {
    complaints += chunk
  })
  const ended = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => resolve(`exit ${code ?? signal}`))
  })
  try {
    const outcome = await Promise.race([ended, until(() => printed.includes('Ctrl-C') && 'ready')])
    assert.equal(outcome, 'ready', `it did not start:\n${printed}${complaints}`)
    const read = (name: string) => new RegExp(`${name} +(\\S+)`).exec(printed)?.[1] ?? ''
    await openConsole(read('console'))
    await textThroughIt(read('base URL'), `${read('account SID')}:${read('auth token')}`)
  } finally {
    stop(child)
  }
  assert.equal(await ended, 'exit 0', `it did not end well:\n${complaints}`)
  assert.doesNotMatch(complaints, /warning|deprecated/i, 'it starts without warnings')
}

/** npx keeps a signal to itself, so the server is asked: its data folder names the process. */
function stop(npx: ChildProcess) {
  const lock = join(folder, 'data', 'maskline.lock')
  if (existsSync(lock)) process.kill(Number(readFileSync(lock, 'utf8').split('\n')[0]), 'SIGTERM')
  else npx.kill()
}

/** The link that was printed signs in, and the page with all that it names is there. */
async function openConsole(link: string) {
  const [page, token] = link.split('#link=')
  assert.ok(page && token, 'no link to the console was printed')
  const html = await (await fetch(page)).text()
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => new URL(path ?? '', page))
  assert.ok(files.length > 0, `this is not the console: ${html}`)
  for (const file of files) assert.equal((await fetch(file)).status, 200, `${file} is missing`)
  const headers = { 'Sec-Fetch-Site': 'same-origin' }
  const body = new URLSearchParams({ Link: token })
  const answer = await fetch(new URL('session', page), { method: 'POST', headers, body })
  assert.equal(answer.status, 200, 'the link does not sign in')
}

type Body = {
  sid: string
  status: string
  participants: { identifier: string; proxy_identifier: string }[]
  messages: { from: string; body: string }[]
}

async function textThroughIt(url: string, credentials: string) {
  const headers = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  const call = async (path: string, body?: URLSearchParams | string) => {
    const answer = await fetch(url + path, body === undefined ? { headers } : { method: 'POST', headers, body })
    assert.ok(answer.ok, `${path} answered ${answer.status}`)
    return (await answer.json()) as Body
  }
  assert.equal((await call('/health/ready')).status, 'ready')
  const [alice, bob] = ['+12025550101', '+12025550102']
  const { sid } = await call('/v1/Services/demo')
  const people = [alice, bob].map((Identifier): [string, string] => ['Participants', JSON.stringify({ Identifier })])
  const session = await call(`/v1/Services/${sid}/Sessions`, new URLSearchParams(people))
  const { participants } = await call(`/v1/Services/${sid}/Sessions/${session.sid}/Participants`)
  const number = participants.find((each) => each.identifier === alice)?.proxy_identifier
  await call('/simulator/messages', JSON.stringify({ from: alice, to: number, body: 'On my way' }))
  const received = await until(async () => (await call(`/simulator/handsets/${bob}/messages`)).messages[0])
  assert.equal(received.body, 'On my way')
  assert.notEqual(received.from, alice, 'Bob must not see the number of Alice')
}

async function until<T>(ask: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; ) {
    const answer = await ask()
    if (answer) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nothing came within ${LIMIT_MS / 1000} s`)
}
