import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { moreInfo, ProxyError } from '../core/errors.ts'
import { listEvents } from '../core/events.ts'
import { updateService } from '../core/services.ts'
import { isSid } from '../core/sid.ts'
import type { Event, Service } from '../db/schema.ts'
import { parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Nullable, OneOf, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, queryOf, route } from './api/route.ts'
import { getService } from './api/services.ts'
import type { HttpContext } from './context.ts'

const EventFilter = Type.Object({
  ErrorCode: Type.Optional(Type.Integer({ minimum: 1, description: 'Only events of this code.' })),
  ServiceSid: Type.Optional(Type.String({ description: 'Only events of this service.' })),
})
const EventQuery = Type.Object({ ...PageQuery.properties, ...EventFilter.properties })

const EventBody = Type.Object({
  sid: SidOf('NO'),
  account_sid: SidOf('AC'),
  service_sid: Nullable(SidOf('KS')),
  session_sid: Nullable(Type.String()),
  participant_sid: Nullable(Type.String()),
  interaction_sid: Nullable(Type.String()),
  error_code: Type.Integer(),
  log_level: OneOf(['error', 'warning']),
  message: Type.String(),
  more_info: Url,
  date_created: DateTime,
})

const presentEvent = (event: Event) => ({
  sid: event.sid,
  account_sid: event.account_sid,
  service_sid: event.service_sid || null,
  session_sid: event.session_sid,
  participant_sid: event.participant_sid,
  interaction_sid: event.interaction_sid,
  error_code: event.error_code,
  log_level: event.level,
  message: event.message,
  more_info: moreInfo(event.error_code),
  date_created: presentDate(event.date_created),
})

const Settings = Type.Object({
  OptOutWords: Type.Optional(
    Type.Boolean({ description: 'Whether STOP and its like are kept from the partner; on unless set.' }),
  ),
})
const SettingsBody = Type.Object({ service_sid: SidOf('KS'), opt_out_words: Type.Boolean(), url: Url })

/** What the vendor's API has no place for: the event log, and settings of our own. */
export function masklineRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1`
  const presentSettings = ({ sid, opt_out_words }: Service) => ({
    service_sid: sid,
    opt_out_words,
    url: `${base}/Services/${sid}/Settings`,
  })

  route(
    app,
    'GET',
    '/Events',
    { summary: 'List events', query: EventQuery, answer: PageOf('events', EventBody) },
    async (request) => {
      const form = queryOf(request)
      const { error_code, service_sid } = parseForm(EventFilter, form, 'update')
      if (service_sid && !isSid('KS', service_sid)) throw new ProxyError(80408)
      const query = parsePage(form)
      const found = await listEvents(store, request.caller.account_sid, { error_code, service_sid }, query.request)
      const url = new URL(`${base}/Events`)
      if (error_code) url.searchParams.set('ErrorCode', String(error_code))
      if (service_sid) url.searchParams.set('ServiceSid', service_sid)
      return presentPage(found, query, { key: 'events', url: url.href, present: presentEvent })
    },
  )

  route(
    app,
    'GET',
    '/Services/:ServiceSid/Settings',
    { summary: 'Fetch settings of a service', answer: SettingsBody },
    async (request) => presentSettings(await getService(context, request)),
  )

  route(
    app,
    'POST',
    '/Services/:ServiceSid/Settings',
    { summary: 'Change settings of a service', body: Settings, answer: SettingsBody },
    async (request) => {
      const service = await getService(context, request)
      return await once(store, request, async (trx) =>
        presentSettings(await updateService(trx, service, parseForm(Settings, formOf(request), 'update'))),
      )
    },
  )
}
