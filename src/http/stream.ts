import type { FastifyInstance, FastifyReply } from 'fastify'
import Type from 'typebox'
import { invalidParameter, missingParameter, ProxyError } from '../core/errors.ts'
import { findService } from '../core/services.ts'
import { findSession } from '../core/sessions.ts'
import { isSid } from '../core/sid.ts'
import type { Store } from '../core/store.ts'
import { isSameCaller } from './api/auth.ts'
import { parseForm } from './api/form.ts'
import { notFound, queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'
import { leaveHand } from './in-hand.ts'
import { closeFeed, createFeed, listen } from './stream-feed.ts'

const Query = Type.Object({
  ServiceSid: Type.Optional(Type.String({ description: 'Only what happens in this service.' })),
  SessionSid: Type.Optional(Type.String({ description: 'Only what happens in this session of it.' })),
  LastEventId: Type.Optional(Type.String({ description: 'As the header Last-Event-ID: go on where this was told.' })),
})

const TYPE = 'text/event-stream'

/**
 * All that happens, as it happens; to clients that do not ask for a stream, what has happened by now. Callbacks, events,
 * sessions and participants come to those who may read them.
 */
export function streamRoutes(app: FastifyInstance, context: HttpContext): void {
  const feed = createFeed(context)
  app.addHook('preClose', async () => closeFeed(feed))

  route(
    app,
    'GET',
    '/Stream',
    {
      ...{ summary: 'Follow what happens', id: 'FollowStream', scope: 'interactions:read', query: Query },
      ...{ bytes: [TYPE], disclosing: false },
    },
    async (request, reply) => {
      const { service_sid, session_sid, last_event_id } = parseForm(Query, queryOf(request), 'update')
      const { caller, headers } = request
      const scope = { account_sid: caller.account_sid, service_sid, session_sid }
      if (!(await isThere(context.store, scope))) throw notFound(request)
      const stream = await listen(feed, {
        ...{ scope, caller, isAllowed: () => isSameCaller(context, request) },
        after: headers['last-event-id']?.toString() ?? last_event_id,
        goes_on: headers.accept?.includes(TYPE) ?? false,
      })
      if (typeof stream === 'string') throw refusal(stream, reply)
      leaveHand(reply.raw)
      reply.type(TYPE).header('X-Accel-Buffering', 'no')
      return stream
    },
  )
}

type Place = { account_sid: string; service_sid?: string | undefined; session_sid?: string | undefined }

async function isThere(store: Store, { account_sid, service_sid, session_sid }: Place): Promise<boolean> {
  if (session_sid && !service_sid) throw missingParameter('ServiceSid')
  if (!service_sid) return true
  if (!isSid('KS', service_sid)) throw new ProxyError(80408)
  if (!session_sid) return (await findService(store, account_sid, service_sid)) !== undefined
  if (!isSid('KC', session_sid)) throw invalidParameter('SessionSid')
  return (await findSession(store, { account_sid, service_sid }, session_sid)) !== undefined
}

function refusal(whose: 'account' | 'server', reply: FastifyReply): ProxyError {
  reply.header('Retry-After', '5')
  return new ProxyError(whose === 'account' ? 20429 : 20503)
}
