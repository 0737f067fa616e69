import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { findAccount } from '../core/accounts.ts'
import { ProxyError } from '../core/errors.ts'
import { covers, ROLES, scopesOfRole } from '../core/scopes.ts'
import { isSid } from '../core/sid.ts'
import { createLink } from '../core/sign-in-links.ts'
import * as users from '../core/users.ts'
import type { Role, User } from '../db/user-schema.ts'
import { parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, notFound, queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const UserCreate = Type.Object({
  Name: Type.String({
    maxLength: users.MAX_NAME,
    description: 'What they sign in by; nobody else on this server has it.',
  }),
  Role: OneOf(ROLES),
  AccountSid: Type.Optional(
    Type.String({
      maxLength: 34,
      description: "The account they work for: the caller's own, or all where that may be.",
    }),
  ),
})
const UserUpdate = Type.Object({
  Role: Type.Optional(OneOf(ROLES)),
  Disabled: Type.Optional(Type.Boolean({ description: 'Whether they are kept out.' })),
  NewLink: Type.Optional(
    Type.Boolean({ description: 'Makes a link that signs them in once; the one before it ends.' }),
  ),
  ResetTotp: Type.Optional(Type.Boolean({ description: 'Asks for no code any more.' })),
})

const fields = {
  sid: SidOf('US'),
  name: Plain,
  role: OneOf(ROLES),
  account_sid: Nullable(SidOf('AC')),
  has_password: Type.Boolean(),
  has_totp: Type.Boolean(),
  is_disabled: Type.Boolean(),
  date_created: DateTime,
  date_updated: DateTime,
  date_last_used: Nullable(DateTime),
  url: Url,
}
const UserBody = Type.Object(fields)
const UserWithLink = Type.Object({ ...fields, link: Nullable(Plain) })

const presentUser = (base: string) => (user: users.ListedUser) => ({
  sid: user.sid,
  name: user.name,
  role: user.role,
  account_sid: user.account_sid,
  has_password: user.password_hash !== null,
  has_totp: user.totp_sealed !== null,
  is_disabled: user.is_disabled,
  date_created: presentDate(user.date_created),
  date_updated: presentDate(user.date_updated),
  date_last_used: presentDate(user.date_last_used),
  url: `${base}/${user.sid}`,
})

/** Users of the console. Nobody makes, changes or removes one who may do more than they may, nor keeps themselves out. */
export function userRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1/Users`
  const present = presentUser(base)
  changeRoutes(app, context, present)

  route(
    app,
    'POST',
    '/Users',
    { summary: 'Create a user of the console', scope: 'users', body: UserCreate, answer: UserWithLink, status: 201 },
    async (request) => {
      // A repeat by Idempotency-Key is not shown the link again.
      let link: string | null = null
      const made = await once(request, async (trx) => {
        const { account_sid, ...wanted } = parseForm(UserCreate, formOf(request), 'create')
        const user = { ...wanted, account_sid: await readAccount(context, request, account_sid) }
        requireCovered(request, user)
        const created = await users.createUser(trx, user)
        link = await createLink(trx, created)
        return present({ ...created, date_last_used: null })
      })
      return { ...made, link }
    },
  )

  route(
    app,
    'GET',
    '/Users',
    { summary: 'List users of the console', scope: 'users', query: PageQuery, answer: PageOf('users', UserBody) },
    async (request) => {
      const query = parsePage(queryOf(request))
      const { is_of_all, account_sid } = request.caller
      const found = await users.pageOfUsers(store, is_of_all ? null : account_sid, query.request)
      return presentPage(found, query, { key: 'users', url: base, present })
    },
  )

  route(
    app,
    'GET',
    '/Users/:Sid',
    { summary: 'Fetch a user of the console', scope: 'users', answer: UserBody },
    async (request) => present(await getUser(context, request)),
  )
}

function changeRoutes(app: FastifyInstance, context: HttpContext, present: ReturnType<typeof presentUser>): void {
  route(
    app,
    'POST',
    '/Users/:Sid',
    {
      summary: 'Change what a user may do, keep them out, or let them in anew',
      scope: 'users',
      body: UserUpdate,
      answer: UserWithLink,
    },
    async (request) => {
      const user = await getUser(context, request)
      let link: string | null = null
      const changed = await once(request, async (trx) => {
        const { new_link, disabled, ...changes } = parseForm(UserUpdate, formOf(request), 'update')
        for (const one of [user, { ...user, ...changes }]) requireCovered(request, one)
        if (changes.role !== undefined || disabled !== undefined) requireAnother(request, user)
        const after = await users.updateUser(trx, user.sid, { ...changes, is_disabled: disabled })
        if (!after) throw notFound(request)
        if (new_link) link = await createLink(trx, user)
        return present({ ...user, ...after })
      })
      return { ...changed, link }
    },
  )

  route(
    app,
    'DELETE',
    '/Users/:Sid',
    { summary: 'Remove a user of the console', scope: 'users', status: 204 },
    async (request) => {
      const user = await getUser(context, request)
      requireCovered(request, user)
      requireAnother(request, user)
      if (!(await users.deleteUser(request.store, user.sid))) throw notFound(request)
    },
  )
}

/** Throws 20403 for a change by which somebody would lock themselves out. */
function requireAnother({ caller }: FastifyRequest, { sid }: User): void {
  if (caller.sid === sid) throw new ProxyError(20403)
}

/** Throws 20006. */
function requireCovered({ caller }: FastifyRequest, user: { role: Role; account_sid: string | null }): void {
  const { scopes, gives = scopes } = caller
  if (!covers(gives, scopesOfRole(user))) throw new ProxyError(20006)
}

/** The account of a new user, null for all. Throws 80401 for one that is not there, or not the caller's to give. */
async function readAccount({ store }: HttpContext, { caller }: FastifyRequest, given?: string): Promise<string | null> {
  if (given === undefined) return caller.is_of_all ? null : caller.account_sid
  const isThere = caller.is_of_all ? await findAccount(store, given) : given === caller.account_sid
  if (!isThere) throw new ProxyError(80401)
  return given
}

/** The user a path names, of the caller's account or, for a user of all accounts, of any. Throws 20404. */
async function getUser({ store }: HttpContext, request: FastifyRequest): Promise<users.ListedUser> {
  const { Sid } = request.params as { Sid: string }
  const { is_of_all, account_sid } = request.caller
  const user = isSid('US', Sid) ? await users.findUser(store, Sid) : undefined
  if (!user || !(is_of_all || user.account_sid === account_sid)) throw notFound(request)
  return user
}
