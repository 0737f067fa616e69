import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { moreInfo, ProxyError } from '../core/errors.ts'
import { listEvents } from '../core/events.ts'
import { isSid } from '../core/sid.ts'
import type { Event } from '../db/schema.ts'
import { parseForm } from './api/form.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Message, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { queryOf, route } from './api/route.ts'
import { auditLogRoutes } from './audit-log.ts'
import { blockedNumberRoutes } from './blocked-numbers.ts'
import { callbackRoutes } from './callbacks.ts'
import { contentGuardRoutes } from './content-guard.ts'
import type { HttpContext } from './context.ts'
import { recordRoutes } from './interactions.ts'
import { keyRoutes } from './keys.ts'
import { privacyRoutes } from './privacy.ts'
import { recordingRoutes } from './recordings.ts'
import { revealRoutes } from './reveal.ts'
import { searchRoutes } from './search.ts'
import { settingsRoutes } from './settings.ts'

const EventFilter = Type.Object({
  ErrorCode: Type.Optional(Type.Integer({ minimum: 1, description: 'Only events of this code.' })),
  ServiceSid: Type.Optional(Type.String({ description: 'Only events of this service.' })),
})
const EventQuery = Type.Object({ ...PageQuery.properties, ...EventFilter.properties })

const EventBody = Type.Object({
  sid: SidOf('NO'),
  account_sid: SidOf('AC'),
  service_sid: Nullable(SidOf('KS')),
  session_sid: Nullable(Plain),
  participant_sid: Nullable(Plain),
  interaction_sid: Nullable(Plain),
  error_code: Type.Integer(),
  log_level: OneOf(['error', 'warning']),
  message: Message,
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

/**
 * What the vendor's API has no place for: the event log, settings of our own, recordings, the audit log, callbacks, API keys,
 * what is hidden, privacy, blocked numbers, what the content guard found, why interactions went where they did, and search.
 */
export function masklineRoutes(app: FastifyInstance, context: HttpContext): void {
  eventRoutes(app, context)
  settingsRoutes(app, context)
  recordingRoutes(app, context)
  auditLogRoutes(app, context)
  callbackRoutes(app, context)
  keyRoutes(app, context)
  revealRoutes(app, context)
  privacyRoutes(app, context)
  blockedNumberRoutes(app, context)
  contentGuardRoutes(app, context)
  recordRoutes(app, context)
  searchRoutes(app, context)
}

function eventRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/maskline/v1`

  route(
    app,
    'GET',
    '/Events',
    { summary: 'List events', scope: 'events:read', query: EventQuery, answer: PageOf('events', EventBody) },
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
}
