import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { CATALOGUE, type ErrorCode, ProxyError } from '../../core/errors.ts'
import * as interactions from '../../core/interactions.ts'
import { SEND_LEASE_S, sendClaimed } from '../../core/send.ts'
import { isSid } from '../../core/sid.ts'
import { claimInteraction } from '../../db/statements/claim-interactions.ts'
import type { HttpContext } from '../context.ts'
import { parseForm } from './form.ts'
import { idempotencyKey, once } from './idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './page.ts'
import { getParticipant } from './participants.ts'
import { DateTime, Nullable, Plain, presentDate, SidOf, Url } from './present.ts'
import { formOf, notFound, queryOf, route } from './route.ts'
import { getService } from './services.ts'
import { getSession } from './sessions.ts'

const MessageCreate = Type.Object({
  Body: Type.Optional(Type.String({ description: 'At most 1600 characters.' })),
  MediaUrl: Type.Optional(Type.Array(Type.String({ format: 'uri' }), { description: 'Up to ten attachments.' })),
})

const fields = {
  service_sid: SidOf('KS'),
  data: Type.String({ 'x-pii': 'data' }),
  date_created: DateTime,
  date_updated: DateTime,
  inbound_participant_sid: Nullable(SidOf('KP')),
  inbound_resource_sid: Nullable(Plain),
  inbound_resource_status: Nullable(Plain),
  inbound_resource_type: Nullable(Plain),
  inbound_resource_url: Nullable(Url),
  outbound_participant_sid: Nullable(SidOf('KP')),
  outbound_resource_sid: Nullable(Plain),
  outbound_resource_status: Nullable(Plain),
  outbound_resource_type: Nullable(Plain),
  outbound_resource_url: Nullable(Url),
  sid: SidOf('KI'),
  type: Plain,
  url: Url,
  account_sid: SidOf('AC'),
  session_sid: SidOf('KC'),
}
const InteractionBody = Type.Object(fields)
const InteractionPage = PageOf('interactions', InteractionBody)
const MessageInteractionBody = Type.Object({ ...fields, participant_sid: SidOf('KP') })
const SentPage = PageOf('interactions', MessageInteractionBody)

type Presented = interactions.OpenedInteraction

const presentInteraction = (context: HttpContext, url: (row: Presented) => string) => (row: Presented) => {
  const cased = (word: string) =>
    context.resource_case === 'lower' ? word : word.charAt(0).toUpperCase() + word.slice(1)
  const kind = row.type === 'message' ? { type: 'message', path: 'Messages' } : { type: 'call', path: 'Calls' }
  const leg = (participant_sid: string | null, sid: string | null, status: string | null) => ({
    participant_sid,
    resource_sid: sid,
    resource_status: status,
    resource_type: participant_sid ? cased(kind.type) : null,
    resource_url: sid && `https://api.twilio.com/2010-04-01/Accounts/${row.account_sid}/${kind.path}/${sid}.json`,
  })
  const inbound = leg(row.inbound_participant_sid, row.inbound_resource_sid, row.inbound_resource_status)
  const outbound = leg(row.outbound_participant_sid, row.outbound_resource_sid, row.outbound_resource_status)
  return {
    service_sid: row.service_sid,
    data: row.data,
    date_created: presentDate(row.date_created),
    date_updated: presentDate(row.date_updated),
    ...prefixed('inbound_', inbound),
    ...prefixed('outbound_', outbound),
    sid: row.sid,
    type: cased(row.type),
    url: url(row),
    account_sid: row.account_sid,
    session_sid: row.session_sid,
  }
}

const prefixed = (prefix: string, leg: Record<string, string | null>) =>
  Object.fromEntries(Object.entries(leg).map(([name, value]) => [prefix + name, value]))

export function interactionRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/v1`
  const collection = '/Services/:ServiceSid/Sessions/:SessionSid/Interactions'
  const urlOf = (scope: interactions.InteractionScope) =>
    `${base}/Services/${scope.service_sid}/Sessions/${scope.session_sid}/Interactions`
  const present = (row: Presented) =>
    presentInteraction(
      context,
      () => `${urlOf({ service_sid: row.service_sid, session_sid: row.session_sid ?? '' })}/${row.sid}`,
    )(row)

  const getScope = async (request: FastifyRequest): Promise<interactions.InteractionScope> => {
    const session = await getSession(context, request)
    return { service_sid: session.service_sid, session_sid: session.sid }
  }

  route(
    app,
    'GET',
    collection,
    { summary: 'List interactions', scope: 'interactions:read', query: PageQuery, answer: InteractionPage },
    async (request) => {
      const scope = await getScope(request)
      const query = parsePage(queryOf(request))
      const found = await interactions.listInteractions(store, scope, query.request)
      return presentPage(found, query, { key: 'interactions', url: urlOf(scope), present })
    },
  )

  route(
    app,
    'GET',
    `${collection}/:Sid`,
    { summary: 'Fetch an interaction', scope: 'interactions:read', answer: InteractionBody },
    async (request) => present(await getInteraction(context, request, await getScope(request))),
  )

  route(
    app,
    'DELETE',
    `${collection}/:Sid`,
    { summary: 'Delete the record of an interaction', scope: 'interactions:write', status: 204 },
    async (request) => {
      const scope = await getScope(request)
      const { Sid } = request.params as { Sid: string }
      const deleted =
        isSid('KI', Sid) &&
        (await interactions.deleteInteraction(
          request.store,
          { ...scope, account_sid: request.caller.account_sid },
          Sid,
        ))
      if (!deleted) throw notFound(request)
    },
  )
}

/** The interaction a path names, also one with something of it behind. Throws 20404. */
export async function getInteraction(
  context: HttpContext,
  request: FastifyRequest,
  scope: interactions.InteractionScope,
): Promise<interactions.OpenedInteraction> {
  const { Sid = '', InteractionSid = Sid } = request.params as { Sid?: string; InteractionSid?: string }
  const row = isSid('KI', InteractionSid)
    ? await interactions.findInteraction(context.store, scope, InteractionSid)
    : undefined
  if (!row) throw notFound(request)
  return row
}

export function messageInteractionRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/v1`
  const collection = '/Services/:ServiceSid/Sessions/:SessionSid/Participants/:ParticipantSid/MessageInteractions'
  const urlOf = (participant: ParticipantPath) =>
    `${base}/Services/${participant.service_sid}/Sessions/${participant.session_sid}/Participants/${participant.sid}/MessageInteractions`
  const present = (row: Presented) => {
    const { service_sid, session_sid, outbound_participant_sid } = row
    const url = urlOf({ service_sid, session_sid: session_sid ?? '', sid: outbound_participant_sid ?? '' })
    return { ...presentInteraction(context, () => `${url}/${row.sid}`)(row), participant_sid: outbound_participant_sid }
  }

  route(
    app,
    'POST',
    collection,
    {
      summary: 'Send a message to a participant',
      scope: 'interactions:write',
      body: MessageCreate,
      answer: MessageInteractionBody,
    },
    async (request) => {
      const { service, participant } = await getOwner(context, request)
      // With a key the answer is that of the commit, the same for every repeat, and a worker sends. Without one the message is
      // set aside for this request, which waits for the carrier's word.
      const keyed = idempotencyKey(request) !== undefined
      const created = await once(request, async (trx) => {
        const params = parseForm(MessageCreate, formOf(request), 'create')
        return present(
          await interactions.createMessageInteraction(trx, service, participant, params, keyed ? 0 : SEND_LEASE_S),
        )
      })
      if (keyed) {
        context.wake('interactions')
        return created
      }
      const { sid } = created as { sid: string }
      await sendNow(context, { service_sid: service.sid, sid })
      const sent = await interactions.findInteraction(store, scopeOf(participant), sid)
      return sent ? present(sent) : created
    },
  )

  route(
    app,
    'GET',
    collection,
    { summary: 'List messages sent to a participant', scope: 'interactions:read', query: PageQuery, answer: SentPage },
    async (request) => {
      const { participant } = await getOwner(context, request)
      const query = parsePage(queryOf(request))
      const found = await interactions.listInteractions(store, scopeOf(participant), query.request)
      return presentPage(found, query, { key: 'interactions', url: urlOf(participant), present })
    },
  )

  route(
    app,
    'GET',
    `${collection}/:Sid`,
    { summary: 'Fetch a message sent to a participant', scope: 'interactions:read', answer: MessageInteractionBody },
    async (request) => {
      const { participant } = await getOwner(context, request)
      return present(await getInteraction(context, request, scopeOf(participant)))
    },
  )
}

type ParticipantPath = { service_sid: string; session_sid: string; sid: string }

/** The participant that a message's path names, with the service it is in. */
async function getOwner(context: HttpContext, request: FastifyRequest) {
  const service = await getService(context, request)
  const session = await getSession(context, request)
  return { service, participant: await getParticipant(context, request, session) }
}

const scopeOf = ({ service_sid, session_sid, sid }: ParticipantPath): interactions.InteractionScope => ({
  service_sid,
  session_sid,
  participant_sid: sid,
})

/** Sends what was just created. A carrier's refusal is the caller's answer, in its code. */
async function sendNow(context: HttpContext, message: { service_sid: string; sid: string }): Promise<void> {
  const claimed = await claimInteraction(context.store.pool, { ...message, lease_s: SEND_LEASE_S })
  if (!claimed) return
  const sent = await sendClaimed(context.store, context.carriers, claimed)
  context.wake('callbacks')
  if (sent.result !== 'refused') return
  const code = sent.code !== undefined && sent.code in CATALOGUE ? (sent.code as ErrorCode) : 80613
  throw new ProxyError(code)
}
