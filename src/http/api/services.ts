import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ProxyError } from '../../core/errors.ts'
import * as services from '../../core/services.ts'
import { isSid } from '../../core/sid.ts'
import type { Service } from '../../db/schema.ts'
import type { HttpContext } from '../context.ts'
import { ClearableText, parseForm } from './form.ts'
import { once } from './idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './page.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './present.ts'
import { formOf, notFound, queryOf, route } from './route.ts'

const CallbackUrl = (description: string) =>
  Type.Optional(ClearableText({ format: 'uri', maxLength: 4000, description }))
const UniqueName = Type.String({
  minLength: 1,
  maxLength: 191,
  description: 'Unique in the account; not for personal data.',
})

const settings = {
  DefaultTtl: Type.Optional(Type.Integer({ minimum: 0, maximum: 2147483646, description: 'Seconds; 0 is no limit.' })),
  CallbackUrl: CallbackUrl('Told of every interaction and of each change of its outbound leg.'),
  GeoMatchLevel: Type.Optional(OneOf(['country', 'area-code', 'extended-area-code', 'overlay', 'radius'])),
  NumberSelectionBehavior: Type.Optional(OneOf(['prefer-sticky', 'avoid-sticky'])),
  InterceptCallbackUrl: CallbackUrl('Asked before each interaction; 403 blocks it.'),
  OutOfSessionCallbackUrl: CallbackUrl('Asked what to do with a message or call that belongs to no session.'),
  ChatInstanceSid: Type.Optional(
    ClearableText({ pattern: '^IS[0-9a-fA-F]{32}$', maxLength: 34, description: 'Kept and echoed.' }),
  ),
}
const ServiceCreate = Type.Object({ UniqueName, ...settings })
const ServiceUpdate = Type.Object({ UniqueName: Type.Optional(UniqueName), ...settings })

const ServiceBody = Type.Object({
  sid: SidOf('KS'),
  account_sid: SidOf('AC'),
  chat_instance_sid: Nullable(Plain),
  unique_name: Plain,
  default_ttl: Type.Integer(),
  callback_url: Nullable(Url),
  geo_match_level: OneOf(['country', 'area-code', 'extended-area-code', 'overlay', 'radius']),
  number_selection_behavior: OneOf(['prefer-sticky', 'avoid-sticky']),
  intercept_callback_url: Nullable(Url),
  out_of_session_callback_url: Nullable(Url),
  date_created: DateTime,
  date_updated: DateTime,
  url: Url,
  links: Type.Object({ sessions: Url, phone_numbers: Url, short_codes: Url }),
})

export const presentService = (base: string) => (service: Service) => {
  const url = `${base}/Services/${service.sid}`
  return {
    sid: service.sid,
    account_sid: service.account_sid,
    chat_instance_sid: service.chat_instance_sid,
    unique_name: service.unique_name,
    default_ttl: service.default_ttl,
    callback_url: service.callback_url,
    geo_match_level: service.geo_match_level,
    number_selection_behavior: service.number_selection_behavior,
    intercept_callback_url: service.intercept_callback_url,
    out_of_session_callback_url: service.out_of_session_callback_url,
    date_created: presentDate(service.date_created),
    date_updated: presentDate(service.date_updated),
    url,
    links: { sessions: `${url}/Sessions`, phone_numbers: `${url}/PhoneNumbers`, short_codes: `${url}/ShortCodes` },
  }
}

/** The service a path names by SID, of the caller's account. Throws 20404. */
export async function getService(context: HttpContext, request: FastifyRequest): Promise<Service> {
  const { ServiceSid = '' } = request.params as { ServiceSid?: string }
  const service = isSid('KS', ServiceSid)
    ? await services.findService(context.store, request.caller.account_sid, ServiceSid)
    : undefined
  if (!service) throw notFound(request)
  return service
}

export function serviceRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const present = presentService(`${store.rules.public_url}/v1`)

  route(
    app,
    'POST',
    '/Services',
    { summary: 'Create a service', scope: 'services:write', body: ServiceCreate, answer: ServiceBody, status: 201 },
    (request) =>
      once(request, async (trx) => {
        const params = parseForm(ServiceCreate, formOf(request), 'create')
        checkChatInstance(params.chat_instance_sid)
        return present(await services.createService(trx, request.caller.account_sid, params))
      }),
  )

  route(
    app,
    'GET',
    '/Services',
    { summary: 'List services', scope: 'services:read', query: PageQuery, answer: PageOf('services', ServiceBody) },
    async (request) => {
      const query = parsePage(queryOf(request))
      const found = await services.listServices(store, request.caller.account_sid, query.request)
      return presentPage(found, query, { key: 'services', url: `${store.rules.public_url}/v1/Services`, present })
    },
  )

  route(
    app,
    'GET',
    '/Services/:ServiceSid',
    { summary: 'Fetch a service by SID or unique name', scope: 'services:read', answer: ServiceBody },
    async (request) => present(await getServiceBySidOrName(context, request)),
  )

  route(
    app,
    'POST',
    '/Services/:ServiceSid',
    { summary: 'Update a service', scope: 'services:write', body: ServiceUpdate, answer: ServiceBody },
    async (request) => {
      const service = await getService(context, request)
      return await once(request, async (trx) => {
        const params = parseForm(ServiceUpdate, formOf(request), 'update')
        checkChatInstance(params.chat_instance_sid)
        return present(await services.updateService(trx, service, params))
      })
    },
  )

  route(
    app,
    'DELETE',
    '/Services/:ServiceSid',
    { summary: 'Delete a service with all that is in it', scope: 'services:write', status: 204 },
    async (request) => {
      await services.deleteService(request.store, await getService(context, request))
    },
  )
}

async function getServiceBySidOrName({ store }: HttpContext, request: FastifyRequest): Promise<Service> {
  const { ServiceSid } = request.params as { ServiceSid: string }
  if (ServiceSid.includes('\0')) throw notFound(request)
  const { account_sid } = request.caller
  const service =
    (await services.findService(store, account_sid, ServiceSid)) ??
    (await services.findServiceByName(store, account_sid, ServiceSid))
  if (!service) throw notFound(request)
  return service
}

/** No chat service is bound to anything here, so a SID that is none cannot be meant. */
function checkChatInstance(sid: string | null | undefined) {
  if (sid && !/^IS[0-9a-fA-F]{32}$/.test(sid))
    throw new ProxyError(80701, { parameter: 'ChatInstanceSid', reason: 'It is no chat instance SID.' })
}
