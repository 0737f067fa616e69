import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import * as participants from '../../core/participants.ts'
import { isSid } from '../../core/sid.ts'
import type { Session } from '../../db/schema.ts'
import type { HttpContext } from '../context.ts'
import { parseForm } from './form.ts'
import { once } from './idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './page.ts'
import { DateTime, Nullable, Plain, presentDate, SidOf, Url } from './present.ts'
import { formOf, notFound, queryOf, route } from './route.ts'
import { getService } from './services.ts'
import { getSession } from './sessions.ts'

const ParticipantCreate = Type.Object({
  Identifier: Type.String({ maxLength: 191, description: "The person's own number, as in +12025550123." }),
  FriendlyName: Type.Optional(Type.String({ maxLength: 255, description: 'Not for personal data.' })),
  ProxyIdentifier: Type.Optional(
    Type.String({ maxLength: 255, description: 'A number of the pool, also a reserved one.' }),
  ),
  ProxyIdentifierSid: Type.Optional(Type.String({ maxLength: 34, description: 'The same by its SID.' })),
})

export const ParticipantBody = Type.Object({
  sid: SidOf('KP'),
  session_sid: SidOf('KC'),
  service_sid: SidOf('KS'),
  account_sid: SidOf('AC'),
  friendly_name: Nullable(Plain),
  identifier: Type.String({ 'x-pii': 'identifier' }),
  proxy_identifier: Nullable(Plain),
  proxy_identifier_sid: Nullable(Plain),
  date_deleted: Nullable(DateTime),
  date_created: DateTime,
  date_updated: DateTime,
  url: Url,
  links: Type.Object({ message_interactions: Url }),
})

const ParticipantPage = PageOf('participants', ParticipantBody)

export const presentParticipant = (base: string) => (participant: participants.OpenedParticipant) => {
  const { service_sid, session_sid, sid } = participant
  const url = `${base}/Services/${service_sid}/Sessions/${session_sid}/Participants/${sid}`
  return {
    sid,
    session_sid,
    service_sid,
    account_sid: participant.account_sid,
    friendly_name: participant.friendly_name,
    identifier: participant.identifier,
    proxy_identifier: participant.proxy_identifier,
    proxy_identifier_sid: participant.proxy_identifier_sid,
    date_deleted: presentDate(participant.date_deleted),
    date_created: presentDate(participant.date_created),
    date_updated: presentDate(participant.date_updated),
    url,
    links: { message_interactions: `${url}/MessageInteractions` },
  }
}

/** The participant a path names, removed or not. Throws 20404. */
export async function getParticipant(
  context: HttpContext,
  request: FastifyRequest,
  session: Pick<Session, 'service_sid' | 'sid'>,
): Promise<participants.OpenedParticipant> {
  const { ParticipantSid = '' } = request.params as { ParticipantSid?: string }
  const participant = isSid('KP', ParticipantSid)
    ? await participants.findParticipant(context.store, session.service_sid, session.sid, ParticipantSid)
    : undefined
  if (!participant) throw notFound(request)
  return participant
}

export function participantRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/v1`
  const present = presentParticipant(base)
  const collection = '/Services/:ServiceSid/Sessions/:SessionSid/Participants'

  route(
    app,
    'POST',
    collection,
    {
      summary: 'Add a participant',
      scope: 'sessions:write',
      body: ParticipantCreate,
      answer: ParticipantBody,
      status: 201,
    },
    async (request) => {
      const service = await getService(context, request)
      const session = await getSession(context, request)
      return await once(request, async (trx) => {
        const params = parseForm(ParticipantCreate, formOf(request), 'create')
        const participant = await participants.createParticipant(trx, service, session.sid, params)
        if (!participant) throw notFound(request)
        return present(participant)
      })
    },
  )

  route(
    app,
    'GET',
    collection,
    { summary: 'List participants', scope: 'sessions:read', query: PageQuery, answer: ParticipantPage },
    async (request) => {
      const { service_sid, sid } = await getSession(context, request)
      const query = parsePage(queryOf(request))
      const found = await participants.listParticipants(store, service_sid, sid, query.request)
      const url = `${base}/Services/${service_sid}/Sessions/${sid}/Participants`
      return presentPage(found, query, { key: 'participants', url, present })
    },
  )

  route(
    app,
    'GET',
    `${collection}/:ParticipantSid`,
    { summary: 'Fetch a participant', scope: 'sessions:read', answer: ParticipantBody },
    async (request) => {
      const session = await getSession(context, request)
      return present(await getParticipant(context, request, session))
    },
  )

  route(
    app,
    'DELETE',
    `${collection}/:ParticipantSid`,
    { summary: 'Remove a participant', scope: 'sessions:write', status: 204 },
    async (request) => {
      const session = await getSession(context, request)
      const { ParticipantSid } = request.params as { ParticipantSid: string }
      const removed =
        isSid('KP', ParticipantSid) &&
        (await participants.removeParticipant(request.store, session.service_sid, session.sid, ParticipantSid))
      if (!removed) throw notFound(request)
    },
  )
}
