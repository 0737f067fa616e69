import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { CONTENT_ACTIONS, CONTENT_KINDS } from '../core/content-settings.ts'
import { openBody, openSentBody } from '../core/interactions.ts'
import { getInteraction } from './api/interactions.ts'
import { Nullable, OneOf, SidOf, Url } from './api/present.ts'
import { route } from './api/route.ts'
import { getSession } from './api/sessions.ts'
import type { HttpContext } from './context.ts'

const FindingsBody = Type.Object({
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  session_sid: SidOf('KC'),
  interaction_sid: SidOf('KI'),
  found: Type.Array(Type.Object({ kind: OneOf(CONTENT_KINDS), action: OneOf(CONTENT_ACTIONS) })),
  body: Type.String({ description: 'The text as it was typed.' }),
  sent_body: Nullable(Type.String({ description: 'The text that leaves instead, where something was taken out.' })),
  url: Url,
})

/** What the content guard found in a message, and what it did. */
export function contentGuardRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  route(
    app,
    'GET',
    '/Services/:ServiceSid/Sessions/:SessionSid/Interactions/:InteractionSid/ContentGuard',
    {
      summary: 'Fetch what the content guard found in a message',
      scope: 'interactions:read',
      id: 'FetchContentGuard',
      answer: FindingsBody,
    },
    async (request) => {
      const { sid: session_sid, service_sid } = await getSession(context, request)
      const row = await getInteraction(context, request, { service_sid, session_sid })
      const path = `/Services/${service_sid}/Sessions/${session_sid}/Interactions/${row.sid}/ContentGuard`
      return {
        account_sid: row.account_sid,
        service_sid,
        session_sid,
        interaction_sid: row.sid,
        found: Object.entries(row.content_found ?? {}).map(([kind, action]) => ({ kind, action })),
        body: openBody(store, row),
        sent_body: row.sent_data_sealed && openSentBody(store, row),
        url: `${store.rules.public_url}/maskline/v1${path}`,
      }
    },
  )
}
