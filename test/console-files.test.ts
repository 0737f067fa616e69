import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import Fastify from 'fastify'
import { consoleFiles } from '../src/http/console-files.ts'
import { serverForFile } from './support/proxy-api.ts'

const shared = serverForFile()

const PAGE = '<!doctype html><title>Console</title><script type="module" src="/console/assets/app-1a2b.js"></script>'
const SCRIPT = `console.log('${'console '.repeat(500)}')\n`

/** The files of a build, served as in the program; `build` makes them. */
async function serveFiles(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-console-'))
  const build = () => {
    mkdirSync(join(folder, 'assets'))
    writeFileSync(join(folder, 'index.html'), PAGE)
    writeFileSync(join(folder, 'assets', 'app-1a2b.js'), SCRIPT)
    writeFileSync(join(folder, 'assets', 'logo-1a2b.png'), Buffer.alloc(100))
    writeFileSync(join(folder, 'notes.secret'), 'nobody is to see this')
  }
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } })
  await app.register(async (scope) => consoleFiles(scope, folder), { prefix: '/console' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(async () => {
    await app.close()
    rmSync(folder, { recursive: true })
  })
  const { port } = app.server.address() as AddressInfo
  return { build, get: (path: string, headers: Record<string, string> = {}) => get(port, path, headers) }
}

type Got = { status: number; headers: Record<string, string | string[] | undefined>; body: Buffer }

/** As it is: what a client of this language would unpack, follow and put right is looked at here. */
const get = (port: number, path: string, headers: Record<string, string>) =>
  new Promise<Got>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      )
    })
      .once('error', reject)
      .end()
  })

test('every path that is no file is the page, which is asked for anew each time', async (t) => {
  const { build, get } = await serveFiles(t)
  build()
  for (const path of [
    '/console',
    '/console/',
    '/console/services/KS1/sessions?x=1',
    '/console/notes.secret',
    '/console/nothing.js',
  ]) {
    const { status, headers, body } = await get(path)
    assert.deepEqual(
      [status, headers['content-type'], headers['cache-control']],
      [200, 'text/html; charset=utf-8', 'no-cache'],
      path,
    )
    assert.equal(body.toString(), PAGE, path)
  }
  const { headers } = await get('/console/')
  const again = await get('/console/', { 'if-none-match': String(headers.etag) })
  assert.deepEqual([again.status, again.body.length], [304, 0])
  assert.equal((await get('/console/', { 'if-none-match': 'W/"another"' })).status, 200)
})

test('what changes its name with what is in it is kept for good, packed as the browser likes', async (t) => {
  const { build, get } = await serveFiles(t)
  build()
  const path = '/console/assets/app-1a2b.js'
  const plain = await get(path)
  assert.deepEqual(
    [
      plain.headers['content-type'],
      plain.headers['cache-control'],
      plain.headers['content-encoding'],
      plain.headers.vary,
    ],
    ['text/javascript; charset=utf-8', 'public, max-age=31536000, immutable', undefined, 'Accept-Encoding'],
  )
  assert.equal(plain.body.toString(), SCRIPT)
  for (const [accepted, coding, unpack] of [
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['gzip, br;q=0', 'gzip', gunzipSync],
    ['gzip;q=0.5', 'gzip', gunzipSync],
  ] as const) {
    const { headers, body } = await get(path, { 'accept-encoding': accepted })
    assert.equal(headers['content-encoding'], coding)
    assert.equal(unpack(body).toString(), SCRIPT)
    assert.ok(body.length < SCRIPT.length / 5)
  }
  const picture = await get('/console/assets/logo-1a2b.png', { 'accept-encoding': 'br' })
  assert.deepEqual([picture.headers['content-encoding'], picture.body.length], [undefined, 100])
  assert.equal((await get('/console/assets/app-0000.js')).status, 404)
})

test('nothing outside of the build is served, however the path is written', async (t) => {
  const { build, get } = await serveFiles(t)
  build()
  for (const path of [
    '/console/../package.json',
    '/console/..%2fpackage.json',
    '/console/assets/..%2f..%2fpackage.json',
    '/console/%2e%2e/%2e%2e/etc/passwd',
    '/console//etc/passwd',
  ]) {
    const { body } = await get(path)
    assert.doesNotMatch(body.toString(), /"name"|root:/, path)
  }
})

test('before it is built it says how it is, and is there once it is', async (t) => {
  const { build, get } = await serveFiles(t)
  const before = await get('/console/')
  assert.equal(before.status, 503)
  assert.match(before.body.toString(), /npm run build/)
  build()
  assert.equal((await get('/console/')).body.toString(), PAGE)
})

test('the pages run what comes from here and nothing else, inside of no other page', async () => {
  const server = await shared()
  const answer = await fetch(`${server.direct}/console/`)
  const policy = (answer.headers.get('content-security-policy') ?? '').split('; ')
  assert.deepEqual(policy.toSorted(), [
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "font-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "img-src 'self' data: blob:",
    "manifest-src 'self'",
    "media-src 'self' data: blob:",
    "script-src 'self'",
    "style-src 'self'",
  ])
  for (const [name, value] of [
    ['x-content-type-options', 'nosniff'],
    ['cross-origin-opener-policy', 'same-origin'],
    ['cross-origin-resource-policy', 'same-origin'],
    ['referrer-policy', 'no-referrer'],
    ['permissions-policy', 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()'],
  ] as const) {
    assert.equal(answer.headers.get(name), value, name)
  }
  // The control: what is no page keeps the policy that lets nothing run at all.
  const other = await fetch(`${server.direct}/console/session`)
  assert.match(other.headers.get('content-security-policy') ?? '', /sandbox/)
})

test('a browser that asks for nothing in particular is led to the console, and a client is told that nothing is there', async () => {
  const server = await shared()
  const ask = (accept: string) => fetch(`${server.direct}/`, { headers: { accept }, redirect: 'manual' })
  const led = await ask('text/html,application/xhtml+xml,*/*;q=0.8')
  assert.deepEqual([led.status, led.headers.get('location')], [302, 'console/'])
  for (const accept of ['application/json', '*/*']) assert.equal((await ask(accept)).status, 404)
})
