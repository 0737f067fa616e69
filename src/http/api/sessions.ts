import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { invalidParameter, missingParameter, ProxyError } from '../../core/errors.ts'
import type { NewParticipant } from '../../core/participants.ts'
import { updateSession } from '../../core/session-state.ts'
import * as sessions from '../../core/sessions.ts'
import { isSid } from '../../core/sid.ts'
import type { SessionScope, ShownSession } from '../../db/statements/read-sessions.ts'
import type { HttpContext } from '../context.ts'
import { DateParameter, parseForm } from './form.ts'
import { once } from './idempotency.ts'
import { type ListQuery, PageOf, PageQuery, parsePage, writePage } from './page.ts'
import { DateTime, Nullable, OneOf, Plain, SidOf, Url } from './present.ts'
import { formOf, notFound, queryOf, route } from './route.ts'
import { getService } from './services.ts'
import { presentSession, writeSession } from './session-body.ts'

const MODES = ['voice-and-message', 'voice-only', 'message-only'] as const
const STATUSES = ['open', 'in-progress', 'closed', 'failed', 'unknown'] as const

const changeable = {
  DateExpiry: Type.Optional(DateParameter('When the session ends by itself; goes before Ttl.')),
  Ttl: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2147483646,
      description: 'Seconds after the last interaction; 0 is no limit.',
    }),
  ),
  Status: Type.Optional(OneOf(STATUSES)),
}
const SessionCreate = Type.Object({
  UniqueName: Type.Optional(
    Type.String({ maxLength: 191, description: 'Unique in the service until the session is deleted.' }),
  ),
  Mode: Type.Optional(OneOf(MODES)),
  Participants: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Up to two JSON objects with Identifier and what else a participant takes.',
    }),
  ),
  ...changeable,
})
const SessionUpdate = Type.Object(changeable)

export const SessionBody = Type.Object({
  service_sid: SidOf('KS'),
  status: OneOf(STATUSES),
  unique_name: Nullable(Plain),
  date_started: Nullable(DateTime),
  date_ended: Nullable(DateTime),
  date_last_interaction: Nullable(DateTime),
  date_expiry: Nullable(DateTime),
  ttl: Type.Integer(),
  mode: OneOf(MODES),
  closed_reason: Nullable(Plain),
  sid: SidOf('KC'),
  date_updated: DateTime,
  date_created: DateTime,
  account_sid: SidOf('AC'),
  url: Url,
  links: Type.Object({ interactions: Url, participants: Url }),
})

/** The session a path names by SID, in a service of the caller's account. Throws 20404. */
export async function getSession({ store }: HttpContext, request: FastifyRequest): Promise<ShownSession> {
  const { SessionSid = '' } = request.params as { SessionSid?: string }
  const scope = getScope(request)
  const session = isSid('KC', SessionSid) ? await sessions.findSession(store, scope, SessionSid) : undefined
  if (!session) throw notFound(request)
  return session
}

async function getSessionBySidOrName({ store }: HttpContext, request: FastifyRequest): Promise<ShownSession> {
  const { SessionSid } = request.params as { SessionSid: string }
  const scope = getScope(request)
  if (SessionSid.includes('\0')) throw notFound(request)
  const session =
    (isSid('KC', SessionSid) && (await sessions.findSession(store, scope, SessionSid))) ||
    (await sessions.findSessionByName(store, scope, SessionSid))
  if (!session) throw notFound(request)
  return session
}

/** What names no service leads nowhere, and is not looked for. */
function getScope(request: FastifyRequest): SessionScope {
  const { ServiceSid = '' } = request.params as { ServiceSid?: string }
  if (!isSid('KS', ServiceSid)) throw notFound(request)
  return { account_sid: request.caller.account_sid, service_sid: ServiceSid }
}

const COLLECTION = '/Services/:ServiceSid/Sessions'

export function sessionRoutes(app: FastifyInstance, context: HttpContext): void {
  collectionRoutes(app, context)
  instanceRoutes(app, context)
}

function collectionRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const base = `${store.rules.public_url}/v1`
  const present = presentSession(base)
  const write = writeSession(base)

  route(
    app,
    'POST',
    COLLECTION,
    { summary: 'Create a session', scope: 'sessions:write', body: SessionCreate, answer: SessionBody, status: 201 },
    async (request) => {
      const service = await getService(context, request)
      return await once(request, async (trx) => {
        const params = parseForm(SessionCreate, formOf(request), 'create')
        const participants = (params.participants ?? []).flatMap(parseParticipants)
        return present(await sessions.createSession(trx, service, { ...params, participants }))
      })
    },
  )

  route(
    app,
    'GET',
    COLLECTION,
    { summary: 'List sessions', scope: 'sessions:read', query: PageQuery, answer: PageOf('sessions', SessionBody) },
    async (request, reply) => {
      const scope = getScope(request)
      const query = await parsePageOfService(context, request)
      const found = await sessions.listSessions(store, scope, query.request)
      if (found.rows.length === 0) await getService(context, request)
      const url = `${base}/Services/${scope.service_sid}/Sessions`
      reply.type('application/json; charset=utf-8')
      return writePage(found, query, { key: 'sessions', url, write })
    },
  )
}

/** The service is looked for when nothing comes, or now: where it is not there, nothing else is the matter. */
async function parsePageOfService(context: HttpContext, request: FastifyRequest): Promise<ListQuery> {
  try {
    return parsePage(queryOf(request))
  } catch (error) {
    await getService(context, request)
    throw error
  }
}

function instanceRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const present = presentSession(`${store.rules.public_url}/v1`)

  route(
    app,
    'GET',
    `${COLLECTION}/:SessionSid`,
    { summary: 'Fetch a session by SID or unique name', scope: 'sessions:read', answer: SessionBody },
    async (request) => present(await getSessionBySidOrName(context, request)),
  )

  route(
    app,
    'POST',
    `${COLLECTION}/:SessionSid`,
    {
      summary: 'Update, close or re-open a session',
      scope: 'sessions:write',
      body: SessionUpdate,
      answer: SessionBody,
    },
    async (request) => {
      const service = await getService(context, request)
      const { SessionSid } = request.params as { SessionSid: string }
      if (!isSid('KC', SessionSid)) throw notFound(request)
      return await once(request, async (trx) => {
        const params = parseForm(SessionUpdate, formOf(request), 'update')
        const session = await updateSession(trx, service, SessionSid, params)
        if (!session) throw notFound(request)
        return present(session)
      })
    },
  )

  route(
    app,
    'DELETE',
    `${COLLECTION}/:SessionSid`,
    { summary: 'Delete a session with all that is in it', scope: 'sessions:write', status: 204 },
    async (request) => {
      const service = await getService(context, request)
      const { SessionSid } = request.params as { SessionSid: string }
      const deleted = isSid('KC', SessionSid) && (await sessions.deleteSession(request.store, service.sid, SessionSid))
      if (!deleted) throw notFound(request)
    },
  )
}

/** One `Participants` value: a JSON object as the vendor documents it, or an array of them. Keys in any casing. */
function parseParticipants(text: string): NewParticipant[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw invalidParameter(
      'Participants',
      'Give each participant as a JSON object, as in {"Identifier":"+12025550123"}.',
    )
  }
  const objects = Array.isArray(json) ? json : [json]
  if (objects.length > 2) throw new ProxyError(80609)
  return objects.map(parseParticipant)
}

const PARTICIPANT_FIELDS = ['identifier', 'friendly_name', 'proxy_identifier', 'proxy_identifier_sid'] as const
const MAX_LENGTH = { identifier: 191, friendly_name: 255, proxy_identifier: 255, proxy_identifier_sid: 34 }

const pascalCase = (name: string) => name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

function parseParticipant(json: unknown): NewParticipant {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalidParameter('Participants', 'Each participant is a JSON object.')
  }
  const given = new Map(Object.entries(json).map(([name, value]) => [name.replaceAll('_', '').toLowerCase(), value]))
  const participant: NewParticipant = { identifier: '' }
  for (const field of PARTICIPANT_FIELDS) {
    const value: unknown = given.get(field.replaceAll('_', ''))
    if (value === undefined || value === null || value === '') continue
    if (typeof value !== 'string' || value.length > MAX_LENGTH[field] || value.includes('\0')) {
      throw invalidParameter(
        'Participants',
        `${pascalCase(field)} is a text of at most ${MAX_LENGTH[field]} characters, without NUL.`,
      )
    }
    participant[field] = value
  }
  if (!participant.identifier) throw missingParameter('Identifier')
  return participant
}
