import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { actingAs } from '../core/audit.ts'
import { type BackOff, createBackOff, networkOf, type Try } from '../core/back-off.ts'
import { findByPassword, isPassword, removeTotp, setPassword, setTotp } from '../core/credentials.ts'
import { invalidParameter, missingParameter, ProxyError } from '../core/errors.ts'
import { createPasswords, MAX_PASSWORD, type Passwords } from '../core/passwords.ts'
import { scopesOfRole } from '../core/scopes.ts'
import { takeLink } from '../core/sign-in-links.ts'
import { isTotpSecret, newTotpSecret, totpUri } from '../core/totp.ts'
import { switchAccount, type UserSession, type UserSessions } from '../core/user-sessions.ts'
import { findUserByName, isKnownAddress } from '../core/users.ts'
import type { User } from '../db/user-schema.ts'
import { parseForm } from './api/form.ts'
import { presentDate } from './api/present.ts'
import { formOf, queryOf } from './api/route.ts'
import { consoleFiles } from './console-files.ts'
import type { HttpContext } from './context.ts'
import { cookieOf, findSession, isOfOurPage, NO_COOKIE } from './session-cookie.ts'

/** What the build of the console made, beside the program and beside its sources. */
const FOLDER = fileURLToPath(new URL('../../console/dist/', import.meta.url))

const Secret = Type.Optional(Type.String({ maxLength: MAX_PASSWORD }))
const SignIn = Type.Object({ Name: Secret, Password: Secret, Totp: Secret, Link: Secret })
const PasswordChange = Type.Object({ Current: Secret, Password: Type.String({ maxLength: MAX_PASSWORD }) })
const TotpChange = Type.Object({ Secret, Totp: Secret })

type Door = HttpContext & { user_sessions: UserSessions; passwords: Passwords; back_off: BackOff }

/** The console: its pages for anybody, and the session of whoever signs in. All else it does by the API. */
export async function consoleRoutes(
  app: FastifyInstance,
  context: HttpContext & { user_sessions: UserSessions },
  folder = FOLDER,
): Promise<void> {
  consoleFiles(app, folder)
  const door: Door = { ...context, passwords: createPasswords(), back_off: createBackOff() }
  await app.register(async (scope) => sessionRoutes(scope, door), { prefix: '/session' })
}

function sessionRoutes(app: FastifyInstance, door: Door): void {
  const { store, user_sessions } = door
  const schema = { hide: true }
  app.addHook('onRequest', async (request, reply) => {
    reply.header('Cache-Control', 'no-store')
    if (request.method !== 'GET') requireOurPage(request, store.rules.public_url)
  })

  app.get('/', { schema }, async (request) => present(door, await requireSession(door, request, 'look')))

  app.post('/', { schema }, async (request, reply) => {
    const { name, password, totp, link } = parseForm(SignIn, formOf(request), 'create')
    const user = link
      ? await byLink(door, request, link)
      : await byPassword(door, request, reply, { name, password, totp })
    const before = await findSession(door, request, 'look')
    const how = { by: link ? ('link' as const) : ('password' as const), origin: request.ip, instead_of: before }
    const token = await user_sessions.begin(storeOf(door, request, user), user, how)
    if (!token) throw refusal('There is no account yet: `maskline accounts create` makes one.')
    door.sign_ins.used(user.sid, request.ip)
    reply.header('Set-Cookie', cookieOf(token))
    return present(door, await user_sessions.find(token, 'look'))
  })

  app.delete('/', { schema }, async (request, reply) => {
    const session = await requireSession(door, request, 'look')
    await user_sessions.end(storeOf(door, request, session.user), session)
    reply.headers({ 'Set-Cookie': NO_COOKIE, 'Clear-Site-Data': '"cache", "storage"' })
    return reply.code(204).send()
  })

  app.post('/account', { schema }, async (request) => {
    const session = await requireSession(door, request, 'use')
    const { account_sid } = parseForm(Type.Object({ AccountSid: Type.String() }), formOf(request), 'create')
    if (session.user.account_sid !== null) throw new ProxyError(20403)
    if (!(await switchAccount(store, session, account_sid))) throw new ProxyError(80401)
    return await presentAnew(door, request, session)
  })

  app.post('/password', { schema }, async (request, reply) => {
    const session = await requireSession(door, request, 'use')
    const { current, password } = parseForm(PasswordChange, formOf(request), 'create')
    if (!session.is_by_link) {
      if (current === undefined) throw missingParameter('Current')
      const check = () => isPassword(store, door.passwords, session.user.sid, current)
      if (!(await isRight(door, reply, session, check))) throw invalidParameter('Current', 'It is another one.')
    }
    await setPassword(storeOf(door, request, session.user), door.passwords, session, password)
    return await presentAnew(door, request, session)
  })

  totpRoutes(app, door)
}

function totpRoutes(app: FastifyInstance, door: Door): void {
  const schema = { hide: true }
  const wrong = () => invalidParameter('Totp', 'It is not the code of the moment, or was used already.')

  app.post('/totp', { schema }, async (request, reply) => {
    const session = await requireSession(door, request, 'use')
    const { secret, totp } = parseForm(TotpChange, formOf(request), 'create')
    if (secret === undefined) {
      const made = newTotpSecret()
      return { secret: made, uri: totpUri(made, session.user.name) }
    }
    if (!isTotpSecret(secret)) throw invalidParameter('Secret', 'Give the one that was shown.')
    if (totp === undefined) throw missingParameter('Totp')
    await setTotp(storeOf(door, request, session.user), session, { secret, code: totp })
    reply.code(200)
    return await presentAnew(door, request, session)
  })

  app.delete('/totp', { schema }, async (request, reply) => {
    const session = await requireSession(door, request, 'use')
    const { totp } = parseForm(TotpChange, request.body ? formOf(request) : queryOf(request), 'create')
    if (totp === undefined) throw missingParameter('Totp')
    const remove = () => removeTotp(storeOf(door, request, session.user), session, totp)
    if (!(await isRight(door, reply, session, remove))) throw wrong()
    door.user_sessions.forget(session)
    return reply.code(204).send()
  })
}

/**
 * By name and password. Tries are counted for the name from that network, for the network, and for the name. The last one
 * does not hold whoever signed in from there before, or anybody could keep others out; nor does any hold a link, which
 * `maskline users link` makes and nobody can guess.
 */
async function byPassword(
  door: Door,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, password, totp }: { name?: string; password?: string; totp?: string },
): Promise<User> {
  if (name === undefined) throw missingParameter('Name')
  if (password === undefined) throw missingParameter('Password')
  const { store, back_off, passwords, sign_ins } = door
  const [who, network] = [name.normalize('NFC').trim().toLowerCase(), networkOf(request.ip)]
  const near: Try[] = [
    { key: `${who} ${network}`, free: 5, clears: true },
    { key: network, free: 30 },
  ]
  const byName: Try = { key: who, free: 50 }
  const isHeld = back_off.wait([byName]) > 0 && !(await isKnownAddress(store, name, request.ip))
  const tries = isHeld || back_off.wait([byName]) === 0 ? [...near, byName] : near
  const user = await counted(door, reply, tries, () => findByPassword(store, passwords, { name, password, totp }))
  if (user) return user
  sign_ins.refused((await findUserByName(store, name))?.sid ?? '', request.ip)
  throw new ProxyError(20003)
}

async function byLink({ store, sign_ins }: Door, request: FastifyRequest, token: string): Promise<User> {
  const user = await takeLink(store, token)
  if (user) return user
  sign_ins.refused('', request.ip)
  throw new ProxyError(20003)
}

/** What somebody who is signed in is asked again, counted for them alone. */
const isRight = (door: Door, reply: FastifyReply, { user }: UserSession, check: () => Promise<boolean>) =>
  counted(door, reply, [{ key: user.sid, free: 5, clears: true }], check)

/** Throws 20429 for who has to wait, with `Retry-After`. */
async function counted<T>({ back_off }: Door, reply: FastifyReply, tries: Try[], check: () => Promise<T>): Promise<T> {
  const wait_s = back_off.wait(tries)
  if (wait_s > 0) {
    reply.header('Retry-After', wait_s)
    throw new ProxyError(20429)
  }
  back_off.count(tries)
  const result = await check()
  if (result) back_off.succeeded(tries)
  return result
}

/** Throws 20403 for a page of others, and says what is wrong when the browser would drop the cookie. */
function requireOurPage(request: FastifyRequest, public_url: string): void {
  if (request.headers['sec-fetch-site'] === undefined) {
    throw refusal(
      'A browser keeps no session of a page that came over plain HTTP, nor does anything but a browser. ' +
        'Open the console at its https address, or on the machine itself at http://localhost.',
    )
  }
  if (!isOfOurPage(request, public_url)) throw new ProxyError(20403)
}

const refusal = (message: string) => new ProxyError(20001, { message })

/** Throws 20003. */
async function requireSession(door: Door, request: FastifyRequest, purpose: 'use' | 'look'): Promise<UserSession> {
  const session = await findSession(door, request, purpose)
  if (!session) throw new ProxyError(20003)
  return session
}

const storeOf = ({ store }: Door, { ip, id }: FastifyRequest, { sid }: { sid: string }) =>
  actingAs(store, { kind: 'user', sid, origin: ip, request_sid: id })

async function presentAnew(door: Door, request: FastifyRequest, session: UserSession) {
  door.user_sessions.forget(session)
  return present(door, await requireSession(door, request, 'look'))
}

function present({ store, version, has_simulator, is_dev }: Door, session: UserSession | undefined) {
  if (!session) throw new ProxyError(20003)
  const { user, account, is_by_link, date_idle_expiry, date_expiry } = session
  return {
    user,
    account,
    scopes: [...scopesOfRole(user)],
    is_by_link,
    version,
    public_url: store.rules.public_url,
    has_simulator,
    is_dev,
    date_idle_expiry: presentDate(date_idle_expiry),
    date_expiry: presentDate(date_expiry),
  }
}
