import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import { openBrowser, SESSION, tokenOf } from '../../test/support/console.ts'
import type { TestServer } from '../../test/support/server.ts'
import { withStore } from '../support/with-store.ts'
import type { Canary } from './canaries.ts'
import type { PrivateWorld } from './world.ts'

/** Somebody comes to the console by a link and by a password with a code, and meets faults of the database and of their own. */
export async function signIn(world: PrivateWorld, url: string): Promise<void> {
  const { api, env, canaries, hashes, errors } = world
  const browser = openBrowser({ url } as TestServer)
  const add = (kind: Canary['kind'], text: string) => {
    assert.ok(text, `there is no ${kind}`)
    canaries.push({ kind, text })
    return text
  }
  const post = async (path: string, params: Record<string, string> = {}) => {
    const { status, text, body } = await browser.post(SESSION + path, params)
    assert.equal(status, 200, text)
    return body
  }
  const fails = async (path: string, params: Record<string, string>) => {
    const { status, text } = await browser.post(SESSION + path, params)
    assert.ok(status >= 400, 'this was to be refused')
    errors.push(text)
  }
  const within = async (table: string, work: () => Promise<void>) => {
    await withStore(env, ({ pool }) => pool.query(`alter table ${table} add constraint never check (false) not valid`))
    await work()
    await withStore(env, ({ pool }) => pool.query(`alter table ${table} drop constraint never`))
  }
  const newPassword = () => add('password', randomBytes(15).toString('hex'))
  const addSession = () => add('session', browser.cookie().replace(/^[^=]*=/, ''))

  const { sid, name, link } = await api.post('/maskline/v1/Users', [
    ['Name', 'somebody'],
    ['Role', 'admin'],
  ])
  const Link = add('link', tokenOf(link))
  await within('user_sessions', () => fails('', { Link }))
  const other = await api.post(`/maskline/v1/Users/${sid}`, [['NewLink', 'true']])
  await post('', { Link: add('link', tokenOf(other.link)) })
  addSession()
  await within('users', () => fails('/password', { Password: newPassword() }))
  const Password = newPassword()
  await post('/password', { Password })
  const secret = add('code secret', (await post('/totp')).secret)
  const codeAt = (timestamp: number) => TOTP.generate({ secret: Secret.fromBase32(secret), timestamp })
  await within('users', () => fails('/totp', { Secret: secret, Totp: codeAt(Date.now()) }))
  await post('/totp', { Secret: secret, Totp: codeAt(Date.now()) })
  await fails('', { Name: name, Password })
  await fails('', { Name: Password, Password })
  await fails('/password', { Current: newPassword(), Password })
  // A code counts once, and that of the next half minute counts already.
  await post('', { Name: name, Password, Totp: codeAt(Date.now() + 30_000) })
  addSession()
  const { rows } = await withStore(env, ({ pool }) =>
    pool.query('select password_hash from users where sid = $1', [sid]),
  )
  // PostgreSQL quotes only how a value begins. The salt comes before the hash proper.
  hashes.push({ kind: 'hash', text: rows[0].password_hash.split('$')[4] })
}
