import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { PLACE_KINDS } from '../core/search/by-sid.ts'
import { QUERY_KINDS, search } from '../core/search/search.ts'
import { parseForm } from './api/form.ts'
import { Nullable, OneOf, Plain, SidOf } from './api/present.ts'
import { formOf, route } from './api/route.ts'
import { presentSession } from './api/session-body.ts'
import { SessionBody } from './api/sessions.ts'
import type { HttpContext } from './context.ts'
import { presentRecord, RecordBody } from './interactions.ts'

const Query = Type.Object({
  Query: Type.String({
    maxLength: 255,
    description: 'A SID of any kind, a unique name, a proxy number, or the number of a person in any spelling.',
  }),
})

const ParticipantBody = Type.Object({
  sid: SidOf('KP'),
  identifier: Type.String({ 'x-pii': 'identifier' }),
  proxy_identifier: Plain,
})

const FoundBody = Type.Object({
  query_kind: OneOf(QUERY_KINDS),
  sessions: Type.Array(
    Type.Object({
      ...SessionBody.properties,
      participants: Type.Array(ParticipantBody),
      match: Nullable(SidOf('KP')),
    }),
  ),
  interactions: Type.Array(RecordBody),
  numbers: Type.Array(Type.Object({ sid: Plain, service_sid: Nullable(SidOf('KS')), phone_number: Plain })),
  found: Nullable(
    Type.Object({
      kind: OneOf(PLACE_KINDS),
      sid: Plain,
      service_sid: Nullable(SidOf('KS')),
      session_sid: Nullable(SidOf('KC')),
    }),
  ),
  note: Nullable(Plain),
})

/** What somebody has in hand leads to where it stands. It is a POST so that nobody's number is in an address. */
export function searchRoutes(app: FastifyInstance, { store }: HttpContext): void {
  const present = presentSession(`${store.rules.public_url}/v1`)
  const record = presentRecord(`${store.rules.public_url}/maskline/v1`)
  route(
    app,
    'POST',
    '/Search',
    {
      summary: 'Search by a SID, a name or a number',
      scope: ['sessions:read', 'interactions:read'],
      keyed: false,
      id: 'Search',
      body: Query,
      answer: FoundBody,
    },
    async (request) => {
      const { query } = parseForm(Query, formOf(request), 'create')
      const { found, ...rest } = await search(request.store, request.caller.account_sid, query)
      return {
        ...rest,
        sessions: rest.sessions.map(({ session, participants, match }) => ({
          ...present(session),
          participants: participants.map(({ sid, identifier, proxy_identifier }) => ({
            ...{ sid, identifier, proxy_identifier },
          })),
          match,
        })),
        interactions: rest.interactions.map(record),
        found: found && {
          kind: found.kind,
          sid: found.sid,
          service_sid: found.service_sid,
          session_sid: found.session_sid,
        },
      }
    },
  )
}
