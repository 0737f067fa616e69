import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listEvents } from '../core/events.ts'
import { accountRoutes } from './accounts.ts'
import { parseForm } from './api/form.ts'
import { filteredUrl, PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { checkPlace } from './api/place.ts'
import { queryOf, route } from './api/route.ts'
import { auditLogRoutes } from './audit-log.ts'
import { blockedNumberRoutes } from './blocked-numbers.ts'
import { callbackRequestRoutes } from './callback-request.ts'
import { callbackRoutes } from './callbacks.ts'
import { contentGuardRoutes } from './content-guard.ts'
import type { HttpContext } from './context.ts'
import { EventBody, presentEvent } from './event-body.ts'
import { recordRoutes } from './interactions.ts'
import { keyRoutes } from './keys.ts'
import { poolRoutes } from './pool.ts'
import { privacyRoutes } from './privacy.ts'
import { recordingRoutes } from './recordings.ts'
import { revealRoutes } from './reveal.ts'
import { searchRoutes } from './search.ts'
import { settingsRoutes } from './settings.ts'
import { streamRoutes } from './stream.ts'
import { userRoutes } from './users.ts'

const EventFilter = Type.Object({
  ErrorCode: Type.Optional(Type.Integer({ minimum: 1, description: 'Only events of this code.' })),
  ServiceSid: Type.Optional(Type.String({ description: 'Only events of this service.' })),
  SessionSid: Type.Optional(Type.String({ description: 'Only events of this session of it.' })),
})
const EventQuery = Type.Object({ ...PageQuery.properties, ...EventFilter.properties })

/**
 * What the vendor's API has no place for: the event log, settings of our own, recordings, the audit log, callbacks, API keys,
 * what is hidden, privacy, blocked numbers, what the content guard found, why interactions went where they did, search, the
 * stream of all that happens, what the pool looks like, accounts, and users of the console.
 */
export function masklineRoutes(app: FastifyInstance, context: HttpContext): void {
  eventRoutes(app, context)
  settingsRoutes(app, context)
  recordingRoutes(app, context)
  auditLogRoutes(app, context)
  callbackRoutes(app, context)
  callbackRequestRoutes(app, context)
  keyRoutes(app, context)
  revealRoutes(app, context)
  privacyRoutes(app, context)
  blockedNumberRoutes(app, context)
  contentGuardRoutes(app, context)
  recordRoutes(app, context)
  searchRoutes(app, context)
  streamRoutes(app, context)
  poolRoutes(app, context)
  accountRoutes(app, context)
  userRoutes(app, context)
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
      const filter = parseForm(EventFilter, form, 'update')
      checkPlace(filter)
      const query = parsePage(form)
      const found = await listEvents(store, request.caller.account_sid, filter, query.request)
      const url = filteredUrl(`${base}/Events`, EventFilter, form)
      return presentPage(found, query, { key: 'events', url, present: presentEvent })
    },
  )
}
