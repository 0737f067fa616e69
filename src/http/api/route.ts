import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TObject, TSchema } from 'typebox'
import Type from 'typebox'
import { maskLastFour } from '../../core/e164.ts'
import { ProxyError } from '../../core/errors.ts'
import type { Scope } from '../../core/scopes.ts'
import { scopeRefusal } from './auth.ts'
import { type Form, readForm } from './form.ts'
import { maskFor } from './mask.ts'
import { ErrorBody } from './present.ts'

export type Operation = {
  summary: string
  /** What the caller must be allowed, all of it; bytes, in which nothing can be hidden, take `pii` too. */
  scope: Scope | Scope[]
  /** Whether the answer would be empty with people hidden: then it takes `pii`, too. */
  disclosing?: boolean
  /** Its name in the OpenAPI document, where the path does not say enough: `ListServiceRecording`. */
  id?: string
  body?: TObject
  query?: TObject
  /** The body of the answer; none with 204. */
  answer?: TSchema
  /** Instead: the content types of an answer that is no JSON. */
  bytes?: string[]
  status?: 200 | 201 | 204
  /** Not, where a repeat does no harm and an answer is not kept. */
  keyed?: false
}

type Method = 'GET' | 'POST' | 'DELETE'

const FORM = 'application/x-www-form-urlencoded'

const IdempotencyHeader = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({ maxLength: 255, description: 'Repeats with the same key are given the same answer, for a day.' }),
  ),
})

/**
 * One operation: its schema, of which the OpenAPI document is made, and its handler, whose result is the body. The
 * schemas describe; parameters are read by `parseForm`, which answers in the vendor's codes.
 */
export function route(
  app: FastifyInstance,
  method: Method,
  url: string,
  operation: Operation,
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
): void {
  const { summary, scope, id = operationId(method, url), body, query, answer, bytes } = operation
  const { status = 200, keyed = true, disclosing = Boolean(bytes) } = operation
  const scopes = [...[scope].flat(), ...(disclosing ? (['pii'] as const) : [])]
  const mask = answer && maskFor(answer)
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '')
  app.route({
    method,
    url,
    schema: {
      summary,
      operationId: id,
      tags: [collectionOf(url)],
      security: [{ account: scopes }],
      ...(body ? { body, consumes: [FORM] } : {}),
      ...(query ? { querystring: query } : {}),
      ...(method === 'POST' && keyed ? { headers: IdempotencyHeader } : {}),
      ...(names.length > 0
        ? { params: Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()]))) }
        : {}),
      response: {
        [status]: describeAnswer(operation),
        default: { ...ErrorBody, description: 'Refused: see `code`.' },
      },
    },
    onRequest: (request, _reply, done) => done(scopeRefusal(request, scopes)),
    handler: async (request, reply) => {
      const result = await handler(request, reply)
      reply.code(status)
      if (status === 204) return reply.send()
      if (!mask || request.caller.scopes.has('pii')) return result
      // Pages are written by hand where they are read often.
      return mask(Buffer.isBuffer(result) ? JSON.parse(result.toString()) : result)
    },
  })
}

function describeAnswer({ answer, bytes }: Operation): object {
  if (answer) return { ...answer, description: 'Done.' }
  if (!bytes) return { type: 'null', description: 'Done; no body.' }
  const schema = Type.String({ format: 'binary' })
  return { description: 'Done.', content: Object.fromEntries(bytes.map((type) => [type, { schema }])) }
}

/** What the operation is about: the last collection in the path. */
const collectionOf = (url: string) =>
  url
    .split('/')
    .filter((part) => part && !part.startsWith(':'))
    .at(-1) ?? ''

/** As the vendor names them: ListSession, CreateSession, FetchSession, UpdateSession, DeleteSession. */
function operationId(method: Method, url: string): string {
  const collection = collectionOf(url)
  const isOne = /:\w+$/.test(url) || collection === 'Settings' || collection === 'Media'
  const verbs = isOne
    ? { GET: 'Fetch', POST: 'Update', DELETE: 'Delete' }
    : { GET: 'List', POST: 'Create', DELETE: 'Delete' }
  return verbs[method] + (collection === 'Settings' ? collection : collection.replace(/s$/, ''))
}

export const formOf = (request: FastifyRequest): Form => (request.body as Form | undefined) ?? new Map()

export function queryOf(request: FastifyRequest): Form {
  const at = request.url.indexOf('?')
  return at < 0 ? new Map() : readForm(request.url.slice(at + 1))
}

/** The path as the vendor words it: without version, host and query. A number that was taken for a name is masked. */
export const notFound = (request: FastifyRequest) => {
  const path = request.url.replace(/\?.*$/s, '').replace(/^\/v1(?=\/|$)/, '')
  return new ProxyError(20404, { resource: path.replace(/(\+|%2B)\d{7,15}/gi, maskLastFour) })
}
