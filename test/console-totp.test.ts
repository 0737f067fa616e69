import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { createBackOff, networkOf } from '../src/core/back-off.ts'
import { createLink } from '../src/core/sign-in-links.ts'
import { totpStep } from '../src/core/totp.ts'
import { follow, openBrowser, PASSWORD, SESSION, withPassword } from './support/console.ts'
import { assertRefused, newName, rows, serverForFile } from './support/proxy-api.ts'
import { startServer, type TestServer } from './support/server.ts'

const shared = serverForFile()

const TOTP_PATH = `${SESSION}/totp`
const STEP_MS = 30_000

/** What an app shows now, or so many steps later. */
const codeOf = (secret: string, steps = 0) =>
  TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + steps * STEP_MS })

/** As if the code that was taken last had been taken long ago: the codes of now have not been used then. */
const letTimePass = (server: TestServer, sid: string) =>
  rows(server, 'update users set totp_step = totp_step - 1000 where sid = $1', [sid])

async function withTotp(server: TestServer) {
  const browser = await withPassword(server)
  const { body } = await browser.post(TOTP_PATH)
  const { status, text } = await browser.post(TOTP_PATH, { Secret: body.secret, Totp: codeOf(body.secret) })
  assert.equal(status, 200, text)
  await letTimePass(server, browser.user.sid)
  return { browser, secret: body.secret as string, name: browser.user.name }
}

test('a code is asked for once the app has shown that it has the secret, which is sealed', async () => {
  const server = await shared()
  const browser = await withPassword(server)
  const { status, body } = await browser.post(TOTP_PATH)
  assert.equal(status, 200)
  assert.match(body.secret, /^[A-Z2-7]{32}$/)
  const uri = new URL(body.uri)
  assert.deepEqual(
    [uri.protocol, uri.host, uri.searchParams.get('secret'), uri.searchParams.get('issuer')],
    ['otpauth:', 'totp', body.secret, 'Maskline'],
  )
  const confirm = (params: Record<string, string>) => browser.post(TOTP_PATH, { Secret: body.secret, ...params })
  assertRefused(await confirm({}), 400, 20001, /Totp/)
  assertRefused(await confirm({ Totp: codeOf(body.secret, 5) }), 400, 80701, /Totp/)
  assertRefused(await confirm({ Totp: codeOf(body.secret), Secret: 'AAAA' }), 400, 80701, /Secret/)
  assert.equal((await confirm({ Totp: codeOf(body.secret) })).body.user.has_totp, true)
  // Whoever finds a session open cannot put their own app in the place of this one.
  const other = (await browser.post(TOTP_PATH)).body.secret
  assertRefused(await browser.post(TOTP_PATH, { Secret: other, Totp: codeOf(other) }), 400, 80701, /already/)
  const [{ totp_sealed }] = await rows(server, 'select totp_sealed from users where sid = $1', [browser.user.sid])
  assert.equal(totp_sealed.includes(body.secret), false)
  assert.equal(server.store.keys.open(`${browser.user.sid}/totp`, totp_sealed), body.secret)
})

test('the password alone is not enough then, a code counts once, and none counts that came before it', async () => {
  const server = await shared()
  const { secret, name, browser } = await withTotp(server)
  const sign = (Totp?: string) =>
    openBrowser(server).post(SESSION, { Name: name, Password: PASSWORD, ...(Totp && { Totp }) })
  assertRefused(await sign(), 401, 20003)
  assertRefused(await sign('000000'), 401, 20003)
  const code = codeOf(secret, 1)
  const answers = await Promise.all([sign(code), sign(code), sign(code)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401])
  assertRefused(await sign(code), 401, 20003)
  assertRefused(await sign(codeOf(secret, 0)), 401, 20003)
  // The control: it is the use that spoils them.
  await letTimePass(server, browser.user.sid)
  assert.equal((await sign(code)).status, 200)
})

test('a clock may be off by one step, and not by two', () => {
  const secret = new Secret({ size: 20 }).base32
  const now = 1_800_000_000_000
  const at = (steps: number) => TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: now + steps * STEP_MS })
  const known = [-2, -1, 0, 1, 2].map((steps) => totpStep(secret, at(steps), now))
  const step = now / STEP_MS
  assert.deepEqual(known, [undefined, step - 1, step, step + 1, undefined])
  assert.equal(totpStep(secret, 'not a code', now), undefined)
})

test('who takes it off gives a code, and a link from an admin gets in whoever lost theirs', async () => {
  const server = await shared()
  const { browser, secret, name } = await withTotp(server)
  assertRefused(await browser.delete(TOTP_PATH), 400, 20001, /Totp/)
  assertRefused(await browser.delete(`${TOTP_PATH}?Totp=000000`), 400, 80701, /Totp/)
  assert.equal((await follow(openBrowser(server), await createLink(server.store, browser.user))).status, 200)
  assert.equal((await browser.delete(`${TOTP_PATH}?Totp=${codeOf(secret)}`)).status, 204)
  assert.equal((await browser.get(SESSION)).body.user.has_totp, false)
  assert.equal((await openBrowser(server).post(SESSION, { Name: name, Password: PASSWORD })).status, 200)
})

/** A browser elsewhere, by what the proxy in front adds. */
const from = (server: TestServer, address: string) => openBrowser(server, { 'x-forwarded-for': address })

test('who guesses has to wait, from there and for that name; who signed in there before, and who has a link, need not', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_TRUSTED_PROXIES: '127.0.0.0/8' } })
  const { user } = await withPassword(server)
  const right = { Name: user.name, Password: PASSWORD }
  const home = from(server, '192.0.2.1')
  assert.equal((await home.post(SESSION, right)).status, 200)
  // Who came in where is written down every few seconds.
  await rows(
    server,
    `insert into key_uses (sid, date_last_used, address) values ($1, now(), '192.0.2.1')
     on conflict (sid) do update set address = excluded.address`,
    [user.sid],
  )

  const guess = (at: number) => from(server, `198.51.100.${at}`).post(SESSION, { ...right, Password: 'guessed' })
  for (let at = 0; at < 6; at++) assertRefused(await guess(1), 401, 20003)
  const held = await guess(1)
  assertRefused(held, 429, 20429)
  assert.ok(Number(held.headers.get('retry-after')) >= 1)
  // The right one has to wait there, too, and anybody else from there need not yet.
  assertRefused(await from(server, '198.51.100.1').post(SESSION, right), 429, 20429)
  assertRefused(await from(server, '198.51.100.1').post(SESSION, { ...right, Name: newName('other') }), 401, 20003)

  for (let at = 2; (await guess(at)).status === 401; at++) assert.ok(at < 60, 'the name is held some time')
  assertRefused(await from(server, '203.0.113.9').post(SESSION, right), 429, 20429)
  assert.equal((await from(server, '192.0.2.1').post(SESSION, right)).status, 200)
  const link = await createLink(server.store, user)
  assert.equal((await follow(from(server, '203.0.113.9'), link)).status, 200)
})

test('the wait doubles up to a quarter of an hour, is over by itself, and tries at once are no way around', () => {
  let now = 1_000_000
  const back_off = createBackOff(() => now)
  const tries = [{ key: 'somebody', free: 3, clears: true as const }]
  const waits: number[] = []
  for (let at = 0; at < 16; at++) {
    back_off.count(tries)
    waits.push(back_off.wait(tries))
    now += back_off.wait(tries) * 1000
  }
  assert.deepEqual(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
  assert.equal(back_off.wait(tries), 0)
  back_off.succeeded(tries)
  back_off.count(tries)
  assert.equal(back_off.wait(tries), 0)
  for (let at = 0; at < 4; at++) back_off.count(tries)
  assert.equal(back_off.wait(tries) > 0, true)
  now += 3_600_000
  back_off.count(tries)
  assert.equal(back_off.wait(tries), 0)

  const shared = [{ key: 'a network', free: 1 }]
  back_off.count(shared)
  back_off.count(shared)
  back_off.succeeded(shared)
  assert.equal(back_off.wait(shared), 0)
  back_off.count(shared)
  assert.equal(back_off.wait(shared), 1, 'what was wrong before somebody else succeeded still counts')
})

test('all addresses of a network of IPv6 are one', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:db8:1:2::1'))
  assert.notEqual(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'))
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1')
})
