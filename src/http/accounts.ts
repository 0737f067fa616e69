import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import * as accounts from '../core/accounts.ts'
import { ProxyError } from '../core/errors.ts'
import { isSid } from '../core/sid.ts'
import { parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, notFound, queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const STATES = ['active', 'suspended'] as const

const FriendlyName = Type.String({ minLength: 1, maxLength: 64, description: 'What it is called.' })
const Sid = Type.Optional(
  Type.String({ maxLength: 34, description: 'The one it has elsewhere; otherwise one is made.' }),
)
const AccountCreate = Type.Object({ FriendlyName, Sid })
const AccountUpdate = Type.Object({ FriendlyName: Type.Optional(FriendlyName), Status: Type.Optional(OneOf(STATES)) })

const fields = {
  sid: SidOf('AC'),
  friendly_name: Plain,
  status: OneOf(STATES),
  date_created: DateTime,
  date_updated: DateTime,
  date_last_used: Nullable(DateTime),
  url: Url,
}
const AccountBody = Type.Object(fields)
const NewAccountBody = Type.Object({ ...fields, auth_token: Nullable(Plain) })

const presentAccount = (base: string) => (row: accounts.UsedAccount) => ({
  sid: row.sid,
  friendly_name: row.friendly_name,
  status: row.status,
  date_created: presentDate(row.date_created),
  date_updated: presentDate(row.date_updated),
  date_last_used: presentDate(row.date_last_used),
  url: `${base}/${row.sid}`,
})

/** The accounts of this server for users of all of them, and for everybody else their own. */
export function accountRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1/Accounts`
  const present = presentAccount(base)

  route(
    app,
    'POST',
    '/Accounts',
    { summary: 'Create an account', scope: 'accounts', body: AccountCreate, answer: NewAccountBody, status: 201 },
    async (request) => {
      requireOfAll(request)
      // A repeat by Idempotency-Key is not shown the token again.
      let auth_token: string | null = null
      const made = await once(request, async (trx) => {
        const created = await accounts.createAccount(trx, parseForm(AccountCreate, formOf(request), 'create'))
        auth_token = created.auth_token
        return present({ ...created.account, date_last_used: null })
      })
      return { ...made, auth_token }
    },
  )

  route(
    app,
    'GET',
    '/Accounts',
    { summary: 'List accounts', scope: 'services:read', query: PageQuery, answer: PageOf('accounts', AccountBody) },
    async (request) => {
      const query = parsePage(queryOf(request))
      const { is_of_all, account_sid } = request.caller
      const found = await accounts.pageOfAccounts(store, is_of_all ? null : account_sid, query.request)
      return presentPage(found, query, { key: 'accounts', url: base, present })
    },
  )

  route(
    app,
    'GET',
    '/Accounts/:Sid',
    { summary: 'Fetch an account', scope: 'services:read', answer: AccountBody },
    async (request) => present(await getAccount(context, request)),
  )

  route(
    app,
    'POST',
    '/Accounts/:Sid',
    { summary: 'Rename, suspend or resume an account', scope: 'accounts', body: AccountUpdate, answer: AccountBody },
    async (request) => {
      const { sid } = await getAccount(context, request)
      return await once(request, async (trx) => {
        const { friendly_name, status } = parseForm(AccountUpdate, formOf(request), 'update')
        // An account that suspended itself could not take that back.
        if (status) requireOfAll(request)
        if (friendly_name) await accounts.renameAccount(trx, sid, friendly_name)
        if (status) await accounts.setAccountStatus(trx, sid, status)
        return present((await accounts.findUsedAccount(trx, sid)) ?? notThere(request))
      })
    },
  )
}

/** Throws 20403. */
function requireOfAll({ caller }: FastifyRequest): void {
  if (!caller.is_of_all) throw new ProxyError(20403)
}

/** The account a path names, if the caller may know of it. Throws 20404. */
async function getAccount({ store }: HttpContext, request: FastifyRequest): Promise<accounts.UsedAccount> {
  const { Sid } = request.params as { Sid: string }
  const { is_of_all, account_sid } = request.caller
  const mayBe = isSid('AC', Sid) && (is_of_all || Sid === account_sid)
  return (mayBe && (await accounts.findUsedAccount(store, Sid))) || notThere(request)
}

function notThere(request: FastifyRequest): never {
  throw notFound(request)
}
