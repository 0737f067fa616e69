import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { ProxyError } from '../core/errors.ts'
import { isSid } from '../core/sid.ts'
import { CANDIDATE_REASONS } from '../core/trace/candidates.ts'
import { findRecord, type InteractionRecord, listRecords, type RecordFilter } from '../core/trace/records.ts'
import { ACTORS, DETAIL_NUMBERS, DETAIL_TEXTS, RESULTS, STEP_KINDS, type Step } from '../core/trace/steps.ts'
import { findTrace } from '../core/trace/trace.ts'
import { STATES, VERDICT_CODES } from '../core/trace/verdicts.ts'
import type { Outcome } from '../db/schema.ts'
import { DateParameter, type Form, parseForm } from './api/form.ts'
import { filteredUrl, PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Message, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { notFound, queryOf, route } from './api/route.ts'
import { AttemptBody, CallbackBody, presentAttempt, presentCallback } from './callbacks.ts'
import type { HttpContext } from './context.ts'

const OUTCOMES = [
  ...(['relayed', 'sent', 'blocked', 'out-of-session', 'no-partner', 'opt-out', 'mode-mismatch', 'deleted'] as const),
] satisfies Outcome[]
const TYPES = ['message', 'call'] as const

const Filter = Type.Object({
  ServiceSid: Type.Optional(Type.String({ description: 'Only interactions of this service.' })),
  SessionSid: Type.Optional(Type.String({ description: 'Only interactions of this session.' })),
  Outcome: Type.Optional(OneOf(OUTCOMES)),
  Type: Type.Optional(OneOf(TYPES)),
  Since: Type.Optional(DateParameter('Only interactions of this time or later.')),
  Until: Type.Optional(DateParameter('Only interactions before this time.')),
})
const Query = Type.Object({ ...PageQuery.properties, ...Filter.properties })

const VerdictBody = Type.Object({ state: OneOf(STATES), code: OneOf(VERDICT_CODES), text: Message })

export const RecordBody = Type.Object({
  sid: SidOf('KI'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  session_sid: Nullable(SidOf('KC')),
  type: OneOf(TYPES),
  origin: OneOf(['inbound', 'api', 'twiml']),
  outcome: OneOf(OUTCOMES),
  sender: Nullable(Type.String({ 'x-pii': 'identifier' })),
  sender_participant_sid: Nullable(SidOf('KP')),
  dialled_number: Nullable(Plain),
  recipient_participant_sid: Nullable(SidOf('KP')),
  outbound_number: Nullable(Plain),
  data: Type.String({ 'x-pii': 'data' }),
  num_media: Type.Integer(),
  inbound_resource_sid: Nullable(Plain),
  inbound_resource_status: Nullable(Plain),
  outbound_resource_sid: Nullable(Plain),
  outbound_resource_status: Nullable(Plain),
  error_code: Nullable(Type.Integer()),
  duration_s: Nullable(Type.Integer()),
  attempts: Type.Integer(),
  date_next_attempt: Nullable(DateTime),
  verdict: VerdictBody,
  date_created: DateTime,
  date_updated: DateTime,
  url: Url,
  links: Type.Object({ trace: Url }),
})

const CandidateBody = Type.Object({
  participant_sid: SidOf('KP'),
  session_sid: SidOf('KC'),
  session_unique_name: Nullable(Plain),
  proxy_identifier: Plain,
  live: Type.Boolean(),
  reason: OneOf(CANDIDATE_REASONS),
  text: Message,
})

const optional = <Name extends string>(names: readonly Name[], schema: import('typebox').TSchema) =>
  Object.fromEntries(names.map((name) => [name, Type.Optional(Nullable(schema))]))

const StepBody = Type.Object({
  // To the millisecond: how long each step took is what a trace is read for.
  at: Type.String({ format: 'date-time', 'x-pii': false }),
  kind: OneOf(STEP_KINDS),
  actor: OneOf(ACTORS),
  text: Message,
  duration_ms: Nullable(Type.Integer()),
  result: OneOf(RESULTS),
  details: Type.Object({ ...optional(DETAIL_TEXTS, Plain), ...optional(DETAIL_NUMBERS, Type.Integer()) }),
})

const TraceBody = Type.Object({
  interaction: RecordBody,
  candidates: Type.Array(CandidateBody),
  steps: Type.Array(StepBody),
  callbacks: Type.Array(Type.Object({ ...CallbackBody.properties, attempts_made: Type.Array(AttemptBody) })),
  verdict: VerdictBody,
})

/** `base` is where our own API begins. */
export const presentRecord = (base: string) => (row: InteractionRecord) => {
  const url = `${base}/Interactions/${row.sid}`
  return {
    sid: row.sid,
    account_sid: row.account_sid,
    service_sid: row.service_sid,
    session_sid: row.session_sid,
    type: row.type === 'voice' ? 'call' : 'message',
    origin: row.origin,
    outcome: row.outcome,
    sender: row.sender,
    sender_participant_sid: row.inbound_participant_sid,
    dialled_number: row.dialled_number,
    recipient_participant_sid: row.outbound_participant_sid,
    outbound_number: row.outbound_number,
    data: row.data,
    num_media: row.num_media,
    inbound_resource_sid: row.inbound_resource_sid,
    inbound_resource_status: row.inbound_resource_status,
    outbound_resource_sid: row.outbound_resource_sid,
    outbound_resource_status: row.outbound_resource_status,
    error_code: row.error_code,
    duration_s: row.duration_s,
    attempts: row.attempts,
    // A call is due only so that somebody looks after it.
    date_next_attempt: row.type === 'message' ? presentDate(row.due_at) : null,
    verdict: row.verdict,
    date_created: presentDate(row.date_created),
    date_updated: presentDate(row.date_updated),
    url,
    links: { trace: `${url}/Trace` },
  }
}

const presentStep = ({ at, ...step }: Step) => ({ at: at.toISOString(), ...step })

/** Every interaction of an account, also those that came to no session, and why each went where it did. */
export function recordRoutes(app: FastifyInstance, { store }: HttpContext): void {
  const base = `${store.rules.public_url}/maskline/v1`
  const present = presentRecord(base)

  route(
    app,
    'GET',
    '/Interactions',
    {
      summary: 'List the interactions of the account, the newest first',
      scope: 'interactions:read',
      id: 'ListInteractionRecord',
      query: Query,
      answer: PageOf('interactions', RecordBody),
    },
    async (request) => {
      const form = queryOf(request)
      const query = parsePage(form)
      const found = await listRecords(store, request.caller.account_sid, parseFilter(form), query.request)
      const url = filteredUrl(`${base}/Interactions`, Filter, form)
      return presentPage(found, query, { key: 'interactions', url, present })
    },
  )

  route(
    app,
    'GET',
    '/Interactions/:InteractionSid',
    {
      summary: 'Fetch an interaction and what became of it',
      scope: 'interactions:read',
      id: 'FetchInteractionRecord',
      answer: RecordBody,
    },
    async (request) => present(await found(request, (account_sid, sid) => findRecord(store, account_sid, sid))),
  )

  route(
    app,
    'GET',
    '/Interactions/:InteractionSid/Trace',
    {
      summary: 'Fetch why an interaction went where it did',
      scope: 'interactions:read',
      id: 'FetchTrace',
      answer: TraceBody,
    },
    async (request) => {
      const trace = await found(request, (account_sid, sid) => findTrace(store, account_sid, sid))
      return {
        interaction: present(trace.record),
        candidates: trace.candidates,
        steps: trace.steps.map(presentStep),
        callbacks: trace.callbacks.map(({ attempts_made, ...callback }) => ({
          ...presentCallback(base)(callback),
          attempts_made: attempts_made.map(presentAttempt(store)),
        })),
        verdict: trace.record.verdict,
      }
    },
  )
}

function parseFilter(form: Form): RecordFilter {
  const { type, ...filter } = parseForm(Filter, form, 'update')
  if (filter.service_sid && !isSid('KS', filter.service_sid)) throw new ProxyError(80408)
  if (filter.session_sid && !isSid('KC', filter.session_sid)) throw new ProxyError(80409)
  return { ...filter, type: type === 'call' ? 'voice' : type }
}

/** What the path names, of the caller's account. Throws 20404. */
async function found<Found>(
  request: FastifyRequest,
  find: (account_sid: string, sid: string) => Promise<Found | undefined>,
): Promise<Found> {
  const { InteractionSid: sid = '' } = request.params as { InteractionSid?: string }
  const one = isSid('KI', sid) ? await find(request.caller.account_sid, sid) : undefined
  if (!one) throw notFound(request)
  return one
}
