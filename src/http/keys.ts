import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import * as apiKeys from '../core/api-keys.ts'
import { invalidParameter, missingParameter } from '../core/errors.ts'
import { isScope, KEY_TYPES, SCOPE_NAMES, type Scope, scopesOf } from '../core/scopes.ts'
import { isSid } from '../core/sid.ts'
import type { KeyType } from '../db/schema.ts'
import { parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, notFound, queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const FriendlyName = Type.String({ minLength: 1, maxLength: 64, description: 'What the key is for.' })
const kind = {
  Type: Type.Optional(OneOf(KEY_TYPES)),
  Scopes: Type.Optional(
    Type.Array(OneOf(SCOPE_NAMES), { description: 'What a restricted key may do, and nothing else; once for each.' }),
  ),
}
const KeyCreate = Type.Object({ FriendlyName, ...kind })
const KeyUpdate = Type.Object({ FriendlyName: Type.Optional(FriendlyName), ...kind })

const fields = {
  sid: SidOf('SK'),
  account_sid: SidOf('AC'),
  friendly_name: Plain,
  type: OneOf(KEY_TYPES),
  scopes: Type.Array(OneOf(SCOPE_NAMES)),
  date_created: DateTime,
  date_updated: DateTime,
  date_last_used: Nullable(DateTime),
  url: Url,
}
const KeyBody = Type.Object(fields)
const NewKeyBody = Type.Object({ ...fields, secret: Nullable(Plain) })

const presentKey = (base: string) => (key: apiKeys.UsedApiKey) => ({
  sid: key.sid,
  account_sid: key.account_sid,
  friendly_name: key.friendly_name,
  type: key.type,
  scopes: [...scopesOf(key)],
  date_created: presentDate(key.date_created),
  date_updated: presentDate(key.date_updated),
  date_last_used: presentDate(key.date_last_used),
  url: `${base}/${key.sid}`,
})

/** API keys of an account. Nobody makes, changes or revokes a key that may do more than they may. */
export function keyRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1/Keys`
  const present = presentKey(base)

  route(
    app,
    'POST',
    '/Keys',
    { summary: 'Create an API key', scope: 'keys', body: KeyCreate, answer: NewKeyBody, status: 201 },
    async (request) => {
      const { account_sid, scopes, gives = scopes } = request.caller
      // A repeat by Idempotency-Key is not shown the secret again, since it is kept nowhere.
      let secret: string | null = null
      const made = await once(request, async (trx) => {
        const { friendly_name, ...wanted } = parseForm(KeyCreate, formOf(request), 'create')
        const kind = { type: 'standard' as const, scopes: [], ...readKind(wanted) }
        apiKeys.requireCovered(gives, kind)
        const created = await apiKeys.createApiKey(trx, { account_sid, friendly_name, ...kind })
        secret = created.secret
        return present({ ...created.key, date_last_used: null })
      })
      return { ...made, secret }
    },
  )

  route(
    app,
    'GET',
    '/Keys',
    { summary: 'List API keys', scope: 'keys', query: PageQuery, answer: PageOf('keys', KeyBody) },
    async (request) => {
      const query = parsePage(queryOf(request))
      const found = await apiKeys.pageOfApiKeys(store, request.caller.account_sid, query.request)
      return presentPage(found, query, { key: 'keys', url: base, present })
    },
  )

  route(app, 'GET', '/Keys/:Sid', { summary: 'Fetch an API key', scope: 'keys', answer: KeyBody }, async (request) =>
    present(await getKey(context, request)),
  )

  route(
    app,
    'POST',
    '/Keys/:Sid',
    { summary: 'Rename an API key or change what it may do', scope: 'keys', body: KeyUpdate, answer: KeyBody },
    async (request) => {
      const key = await getKey(context, request)
      return await once(request, async (trx) => {
        const { friendly_name, ...wanted } = parseForm(KeyUpdate, formOf(request), 'update')
        const kind = readKind(wanted)
        const { scopes, gives = scopes } = request.caller
        for (const one of [key, { ...key, ...kind }]) apiKeys.requireCovered(gives, one)
        const changed = await apiKeys.updateApiKey(trx, key, { ...(friendly_name && { friendly_name }), ...kind })
        if (!changed) throw notFound(request)
        return present({ ...key, ...changed })
      })
    },
  )

  route(app, 'DELETE', '/Keys/:Sid', { summary: 'Revoke an API key', scope: 'keys', status: 204 }, async (request) => {
    const key = await getKey(context, request)
    const { scopes, gives = scopes } = request.caller
    apiKeys.requireCovered(gives, key)
    if (!(await apiKeys.revokeApiKey(request.store, key.sid))) throw notFound(request)
  })
}

/** The key a path names, of the caller's account and not revoked. Throws 20404. */
async function getKey({ store }: HttpContext, request: FastifyRequest): Promise<apiKeys.UsedApiKey> {
  const { Sid } = request.params as { Sid: string }
  const key = isSid('SK', Sid) ? await apiKeys.findApiKey(store, request.caller.account_sid, Sid) : undefined
  if (!key) throw notFound(request)
  return key
}

/** Whoever names scopes means a restricted key. */
function readKind({ type, scopes }: { type?: KeyType; scopes?: Scope[] }): { type?: KeyType; scopes?: Scope[] } {
  if (!type && !scopes) return {}
  if (type && type !== 'restricted') {
    if (scopes) throw invalidParameter('Scopes', 'Only a restricted key has scopes of its own.')
    return { type, scopes: [] }
  }
  if (!scopes) throw missingParameter('Scopes')
  if (!scopes.every(isScope)) throw invalidParameter('Scopes', `Give some of ${SCOPE_NAMES.join(', ')}.`)
  return { type: 'restricted', scopes: [...new Set(scopes)] }
}
