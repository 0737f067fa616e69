import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { listEndpoints } from '../core/callback-health.ts'
import {
  CALLBACK_STATUSES,
  type CallbackFilter,
  findCallback,
  listAttempts,
  listCallbacks,
  replayCallback,
  replayCallbacks,
  statusOf,
} from '../core/callback-records.ts'
import { openResponse } from '../core/callbacks.ts'
import { invalidParameter } from '../core/errors.ts'
import { isSid } from '../core/sid.ts'
import type { Store } from '../core/store.ts'
import type { Callback, CallbackAttemptRow } from '../db/schema.ts'
import { DateParameter, type Form, parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { filteredUrl, PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { checkPlace } from './api/place.ts'
import { DateTime, Message, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, notFound, queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const Filter = Type.Object({
  Status: Type.Optional(Type.Unsafe<Status>({ type: 'string', enum: [...CALLBACK_STATUSES] })),
  ServiceSid: Type.Optional(Type.String({ description: 'Only callbacks of this service.' })),
  SessionSid: Type.Optional(Type.String({ description: 'Only callbacks of this session of it.' })),
  Endpoint: Type.Optional(
    Type.String({
      description: 'Only callbacks to this scheme, host and port, as in https://app.example. Failed ones only.',
    }),
  ),
  Since: Type.Optional(DateParameter('Only callbacks made at this time or later.')),
  Until: Type.Optional(DateParameter('Only callbacks made before this time.')),
})
const Query = Type.Object({ ...PageQuery.properties, ...Filter.properties })
type Status = (typeof CALLBACK_STATUSES)[number]

export const CallbackBody = Type.Object({
  sid: SidOf('CB'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  interaction_sid: SidOf('KI'),
  callback_url: Plain,
  status: OneOf(CALLBACK_STATUSES),
  waits_for_endpoint: Type.Boolean(),
  attempts: Type.Integer(),
  inbound_resource_status: Nullable(Plain),
  outbound_resource_status: Nullable(Plain),
  date_created: DateTime,
  date_next_attempt: Nullable(DateTime),
  date_delivered: Nullable(DateTime),
  date_replayed: Nullable(DateTime),
  url: Url,
  links: Type.Object({ attempts: Url, request: Url }),
})

export const AttemptBody = Type.Object({
  sid: SidOf('CB'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  interaction_sid: SidOf('KI'),
  callback_sid: SidOf('CB'),
  callback_url: Plain,
  attempt: Type.Integer(),
  tries: Type.Integer(),
  status_code: Nullable(Type.Integer()),
  error: Nullable(Message),
  duration_ms: Type.Integer(),
  response: Nullable(Type.String()),
  response_type: Nullable(Plain),
  date_created: DateTime,
})

const EndpointBody = Type.Object({
  endpoint: Plain,
  account_sid: SidOf('AC'),
  health: OneOf(['healthy', 'failing', 'waiting']),
  failures: Type.Integer(),
  failing_since: Nullable(DateTime),
  date_opened: Nullable(DateTime),
  date_next_probe: Nullable(DateTime),
})

const baseOf = ({ store }: Pick<HttpContext, 'store'>) => `${store.rules.public_url}/maskline/v1`

export const presentCallback = (base: string) => (row: Callback) => ({
  sid: row.sid,
  account_sid: row.account_sid,
  service_sid: row.service_sid,
  interaction_sid: row.interaction_sid,
  callback_url: row.url,
  status: statusOf(row),
  waits_for_endpoint: row.is_put_off,
  attempts: row.attempts,
  inbound_resource_status: row.inbound_resource_status,
  outbound_resource_status: row.outbound_resource_status,
  date_created: presentDate(row.date_created),
  date_next_attempt: presentDate(row.due_at),
  date_delivered: presentDate(row.date_delivered),
  date_replayed: presentDate(row.date_replayed),
  url: `${base}/Callbacks/${row.sid}`,
  links: { attempts: `${base}/Callbacks/${row.sid}/Attempts`, request: `${base}/Callbacks/${row.sid}/Request` },
})

/** When it was begun: the row is written when it is over. */
export const presentAttempt = (store: Store) => (row: CallbackAttemptRow) => ({
  sid: row.sid,
  account_sid: row.account_sid,
  service_sid: row.service_sid,
  interaction_sid: row.interaction_sid,
  callback_sid: row.callback_sid,
  callback_url: row.url,
  attempt: row.attempt,
  tries: row.tries,
  status_code: row.status_code,
  error: row.error,
  duration_ms: row.duration_ms,
  response: openResponse(store, row),
  response_type: row.response_type,
  date_created: presentDate(new Date(row.date_created.getTime() - row.duration_ms)),
})

export function callbackRoutes(app: FastifyInstance, context: HttpContext): void {
  readRoutes(app, context)
  replayRoutes(app, context)
  route(
    app,
    'GET',
    '/CallbackEndpoints',
    {
      summary: 'List where callbacks go, those first that fail',
      scope: 'callbacks:read',
      answer: Type.Object({ callback_endpoints: Type.Array(EndpointBody) }),
    },
    async (request) => {
      const found = await listEndpoints(context.store, request.caller.account_sid)
      const endpoints = found.map(({ endpoint, account_sid, state, failures, ...dates }) => ({
        ...{ endpoint, account_sid, health: state, failures },
        failing_since: presentDate(dates.failing_since),
        date_opened: presentDate(dates.date_opened),
        date_next_probe: presentDate(dates.probe_at),
      }))
      return { callback_endpoints: endpoints }
    },
  )
}

function readRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = baseOf(context)

  route(
    app,
    'GET',
    '/Callbacks',
    {
      summary: 'List status callbacks',
      scope: 'callbacks:read',
      query: Query,
      answer: PageOf('callbacks', CallbackBody),
    },
    async (request) => {
      const form = queryOf(request)
      const query = parsePage(form)
      const found = await listCallbacks(store, request.caller.account_sid, parseFilter(form), query.request)
      const url = filteredUrl(`${base}/Callbacks`, Filter, form)
      return presentPage(found, query, { key: 'callbacks', url, present: presentCallback(base) })
    },
  )

  route(
    app,
    'GET',
    '/Callbacks/:CallbackSid',
    { summary: 'Fetch a status callback', scope: 'callbacks:read', answer: CallbackBody },
    async (request) => presentCallback(base)(await getCallback(context, request)),
  )

  route(
    app,
    'GET',
    '/Callbacks/:CallbackSid/Attempts',
    {
      ...{ summary: 'List the attempts at a status callback', id: 'ListCallbackAttempt' },
      scope: 'callbacks:read',
      ...{ query: PageQuery, answer: PageOf('attempts', AttemptBody) },
    },
    async (request) => {
      const callback = await getCallback(context, request)
      const query = parsePage(queryOf(request))
      const found = await listAttempts(store, callback, query.request)
      const url = `${base}/Callbacks/${callback.sid}/Attempts`
      return presentPage(found, query, { key: 'attempts', url, present: presentAttempt(store) })
    },
  )
}

function replayRoutes(app: FastifyInstance, context: HttpContext): void {
  route(
    app,
    'POST',
    '/Callbacks/:CallbackSid/Replay',
    { summary: 'Tell a status callback again', scope: 'callbacks:replay', id: 'ReplayCallback', answer: CallbackBody },
    async (request) => {
      const callback = await getCallback(context, request)
      const body = await once(request, async (trx) =>
        presentCallback(baseOf(context))(await replayCallback(trx, callback)),
      )
      context.wake('callbacks')
      return body
    },
  )

  route(
    app,
    'POST',
    '/Callbacks/Replay',
    {
      ...{ summary: 'Tell all status callbacks again that fit, those that failed unless Status says otherwise' },
      scope: 'callbacks:replay',
      ...{ id: 'ReplayCallbacks', body: Filter, answer: Type.Object({ count: Type.Integer() }) },
    },
    async (request) => {
      const { status = 'failed', ...filter } = parseFilter(formOf(request), 'failed')
      const body = await once(request, async (trx) => ({
        count: await replayCallbacks(trx, request.caller.account_sid, { ...filter, status }),
      }))
      context.wake('callbacks')
      return body
    },
  )
}

function parseFilter(form: Form, fallback?: Status): CallbackFilter {
  const filter = parseForm(Filter, form, 'update')
  checkPlace(filter)
  if (filter.endpoint && !/^https?:\/\/[^/?#@\s]+$/i.test(filter.endpoint)) {
    throw invalidParameter('Endpoint', 'Give scheme, host and port, as in https://app.example.')
  }
  if (filter.endpoint && (filter.status ?? fallback) !== 'failed') {
    throw invalidParameter('Endpoint', 'Ask for one endpoint with Status failed.')
  }
  return filter
}

/** The callback a path names. Throws 20404. */
export async function getCallback({ store }: HttpContext, request: FastifyRequest): Promise<Callback> {
  const { CallbackSid: sid = '' } = request.params as { CallbackSid?: string }
  const callback = isSid('CB', sid) ? await findCallback(store, request.caller.account_sid, sid) : undefined
  if (!callback) throw notFound(request)
  return callback
}
