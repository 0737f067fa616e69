import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyReply } from 'fastify'
import { ProxyError } from '../core/errors.ts'
import { newSid } from '../core/sid.ts'
import { requireCaller, requireRate, scopeRefusal } from './api/auth.ts'
import { readForm } from './api/form.ts'
import { interactionRoutes, messageInteractionRoutes } from './api/interactions.ts'
import { participantRoutes } from './api/participants.ts'
import { phoneNumberRoutes } from './api/phone-numbers.ts'
import { notFound } from './api/route.ts'
import { serviceRoutes } from './api/services.ts'
import { sessionRoutes } from './api/sessions.ts'
import { answerBroken, FOR_BROWSERS } from './broken-requests.ts'
import { vendorIngress } from './call-webhooks.ts'
import { trustProxies } from './client-address.ts'
import { consoleRoutes } from './console.ts'
import type { HttpContext } from './context.ts'
import { presentError, restErrorHandler } from './errors.ts'
import { forCarriers } from './genuine.ts'
import { healthRoutes } from './health.ts'
import { boundRequests } from './in-hand.ts'
import { masklineRoutes } from './maskline.ts'
import { mediaRoutes } from './media.ts'
import { boundSlowness, SERVER_OPTIONS } from './slow-sockets.ts'
import { webhookRoutes } from './webhooks.ts'
import { refuseAmbiguous } from './well-formed.ts'

const MAX_BODY_BYTES = 256 * 1024

/**
 * The doors, each with its own authentication and format of errors: the Proxy REST API under /v1, our own additions under
 * /maskline/v1, carriers under /webhooks, attachments under /media, the console, and probes. `others` are doors that concrete
 * carriers bring, by path.
 */
export async function createServer(
  context: HttpContext,
  others: Record<string, FastifyPluginAsync> = {},
): Promise<FastifyInstance> {
  const always = headersOfAll(context)
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    http: SERVER_OPTIONS,
    routerOptions: { maxParamLength: 1000, ignoreTrailingSlash: true },
    genReqId: () => newSid('RQ'),
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // Such requests meet no hook. A part of the path that is longer than any name leads nowhere.
    frameworkErrors: ({ code }, request, reply: FastifyReply) => {
      const unreadable = new ProxyError(20001, { message: 'The request could not be read.' })
      const refusal = code === 'FST_ERR_MAX_PARAM_LENGTH' ? notFound(request) : unreadable
      reply
        .code(refusal.status)
        .headers({ ...always, 'Twilio-Request-Id': request.id })
        .send(presentError(refusal))
    },
  })
  boundRequests(app.server, context.max_requests)
  // The schemas describe; parameters are read by `parseForm`, and bodies are written as they are.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))
  app.setNotFoundHandler((request) => Promise.reject(notFound(request)))
  app.setErrorHandler(restErrorHandler(context))
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ ...always, 'Twilio-Request-Id': request.id })
    done()
  })
  answerBroken(app, boundSlowness(app, context.max_requests))
  refuseAmbiguous(app)
  trustProxies(app, context.trusted_proxies)

  await app.register(swagger, openapi(context))
  let document: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    // Anybody may ask for it, so it is written once.
    document ??= JSON.stringify(app.swagger())
    return reply.type('application/json').send(document)
  })
  await app.register((scope) => doors(scope, context, others))
  await app.register((scope) => healthRoutes(scope, context))
  return app
}

/** Nor is a browser to come without TLS again where there was some. */
const headersOfAll = ({ store }: HttpContext): Record<string, string> => ({
  ...FOR_BROWSERS,
  ...(store.rules.public_url.startsWith('https:') ? { 'Strict-Transport-Security': 'max-age=31536000' } : {}),
})

async function doors(app: FastifyInstance, context: HttpContext, others: Record<string, FastifyPluginAsync>) {
  await app.register((scope) => restScope(scope, context), { prefix: '/v1' })
  await app.register((scope) => ownScope(scope, context), { prefix: '/maskline/v1' })
  for (const [prefix, routes] of Object.entries(others)) {
    await app.register(
      (scope) =>
        authenticated(scope, context, async (app, options) => {
          // What phones show cannot be hidden, so whoever holds one must be allowed to see it; of users it is known that they do.
          app.addHook('onRequest', (request, _reply, done) =>
            done(scopeRefusal(request, request.caller.kind === 'user' ? ['simulator'] : ['simulator', 'pii'])),
          )
          await routes(app, options)
        }),
      { prefix },
    )
  }
  const carriers = forCarriers(context)
  await app.register((scope) => webhookRoutes(scope, carriers), { prefix: '/webhooks' })
  await app.register((scope) => vendorIngress(scope, carriers), { prefix: '/v1/Accounts' })
  await app.register((scope) => mediaRoutes(scope, context), { prefix: '/media' })
  const { user_sessions } = context
  if (user_sessions) await app.register((scope) => consoleScope(scope, { ...context, user_sessions }))
}

/** A browser that asks for nothing in particular is led to the console. */
async function consoleScope(app: FastifyInstance, context: Parameters<typeof consoleRoutes>[1]) {
  formOnly(app)
  app.get('/', { schema: { hide: true } }, async (request, reply) => {
    if (!/\btext\/html\b/.test(request.headers.accept ?? '')) throw notFound(request)
    return reply.redirect('console/')
  })
  await app.register((scope) => consoleRoutes(scope, context), { prefix: '/console' })
}

const openapi = (context: HttpContext) => ({
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Maskline',
      version: context.version,
      description: 'Number masking: the Proxy REST API, and what Maskline adds to it.',
    },
    servers: [{ url: context.store.rules.public_url }],
    components: { securitySchemes: { account: { type: 'http' as const, scheme: 'basic' } } },
    security: [{ account: [] }],
  },
  transformObject: (made: { openapiObject?: object; swaggerObject?: object }) =>
    withOptionalBodies(made.openapiObject ?? {}),
})

type Described = { paths?: Record<string, Record<string, { requestBody?: RequestBody }>> }
type RequestBody = { required?: boolean; content?: Record<string, { schema?: { required?: string[] } }> }

/** A body without a parameter that is required may be left out: updating nothing is no error. */
function withOptionalBodies(document: Described): object {
  for (const operations of Object.values(document.paths ?? {})) {
    for (const { requestBody } of Object.values(operations)) {
      const schemas = Object.values(requestBody?.content ?? {}).map(({ schema }) => schema)
      if (requestBody) requestBody.required = schemas.some((schema) => (schema?.required?.length ?? 0) > 0)
    }
  }
  return document
}

/** The Proxy REST API. */
async function restScope(scope: FastifyInstance, context: HttpContext) {
  addCors(scope)
  formOnly(scope)
  await authenticated(scope, context, async (app) => {
    limited(app, context)
    withOtherMethodsRefused(app, () => {
      serviceRoutes(app, context)
      phoneNumberRoutes(app, context, 'PN')
      phoneNumberRoutes(app, context, 'SC')
      sessionRoutes(app, context)
      participantRoutes(app, context)
      interactionRoutes(app, context)
      messageInteractionRoutes(app, context)
    })
  })
}

async function ownScope(scope: FastifyInstance, context: HttpContext) {
  formOnly(scope)
  await authenticated(scope, context, async (app) => {
    limited(app, context)
    withOtherMethodsRefused(app, () => masklineRoutes(app, context))
  })
}

async function authenticated(scope: FastifyInstance, context: HttpContext, routes: FastifyPluginAsync) {
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('Cache-Control', 'no-store')
    if (request.method !== 'OPTIONS') await requireCaller(context, request)
  })
  scope.setNotFoundHandler((request) => Promise.reject(notFound(request)))
  await routes(scope, {})
}

/** After whoever asks is known, so that nobody uses up what is another's. */
function limited(scope: FastifyInstance, context: HttpContext) {
  scope.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'OPTIONS') requireRate(context, request, reply)
    done()
  })
}

function formOnly(scope: FastifyInstance) {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, text: string) => readForm(text),
  )
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Registers routes, and for each path a refusal of the methods it has not: 405 and not 404. */
function withOtherMethodsRefused(scope: FastifyInstance, routes: () => void) {
  const known = new Map<string, Set<string>>()
  let watching = true
  scope.addHook('onRoute', ({ url, method }) => {
    if (!watching) return
    const taken = known.get(url) ?? new Set()
    known.set(url, taken)
    for (const name of [method].flat()) taken.add(name)
  })
  routes()
  watching = false
  for (const [url, taken] of known) {
    scope.route({
      method: METHODS.filter((method) => !taken.has(method)),
      url: url.slice(scope.prefix.length),
      schema: { hide: true },
      handler: () => Promise.reject(new ProxyError(20004)),
    })
  }
}

/** The CORS headers of the vendor's API, so that what runs in a browser there runs here. */
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers':
    'Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, Idempotency-Key',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Access-Control-Expose-Headers': 'ETag, Twilio-Request-Id',
  'Access-Control-Allow-Credentials': 'true',
}

function addCors(scope: FastifyInstance) {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.headers(CORS)
    done()
  })
  scope.options('/*', { schema: { hide: true } }, async (_request, reply) => reply.code(200).send())
}
