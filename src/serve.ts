import { createServer as createSocket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { createGuard, type Guard } from './callbacks/guard.ts'
import { reach } from './callbacks/reach.ts'
import { simulatorCarrier } from './carriers/simulator/carrier.ts'
import { createNetwork, type Network, SECRET_HEADER } from './carriers/simulator/network.ts'
import { simulatorRoutes } from './carriers/simulator/routes.ts'
import { twilioCarrier, twilioCredentials } from './carriers/twilio/adapter.ts'
import type { Config } from './config.ts'
import { createAuthenticator } from './core/accounts.ts'
import { audit } from './core/audit.ts'
import { type CarrierFactory, type Carriers, createCarriers, listCarriers } from './core/carriers.ts'
import { createDirectory } from './core/directory.ts'
import { openKeyring } from './core/keys.ts'
import { limitStore } from './core/limited-store.ts'
import { recordReport } from './core/outbound.ts'
import { createRateLimiter } from './core/rate-limit.ts'
import { relayMessage } from './core/relay.ts'
import { createSignIns } from './core/sign-ins.ts'
import { openKysely, type Store } from './core/store.ts'
import { createUserSessions } from './core/user-sessions.ts'
import { migrate } from './db/migrate.ts'
import { type Database, openDatabase } from './db/open.ts'
import type { HttpContext } from './http/context.ts'
import { DATABASE_LIMIT_MS } from './http/genuine.ts'
import { createServer } from './http/server.ts'
import { startAuditLog } from './jobs/audit-log.ts'
import type { JobContext } from './jobs/context.ts'
import { startExchange } from './jobs/exchange-counts.ts'
import { startInteractionWorker } from './jobs/interactions.ts'
import { startCallbackWorker } from './jobs/send-callback.ts'
import { startSignIns } from './jobs/sign-ins.ts'
import { startSweeper } from './jobs/sweep.ts'
import { startWatchingKeys } from './jobs/watch-keys.ts'
import type { TwimlDocument } from './twiml/document.ts'
import { VERSION } from './version.ts'

/** Balancers get this long to see that readiness fails before the door closes. */
const DRAIN_MS = 1_000

/** While the door closes: how often idle connections are closed, and when all are. No carrier waits for much longer. */
const CLOSE_EVERY_MS = 50
const CLOSE_LIMIT_MS = 8_000

/**
 * How long the workers wait for the database. A server that is gone without a word, as when a machine fails, would else
 * keep them waiting for a quarter of an hour, until the system gives the connection up.
 */
const JOBS_LIMIT_MS = 20_000

export type Running = { url: string; port: number; store: Store; stop(): Promise<void> }

export type ServeOptions = {
  log: Logger
  progress: (step: string) => void
  /** Runs before anything listens: seeds the account of `dev`. */
  prepare?: (store: Store, carriers: Carriers) => Promise<void>
  /** The console says so. */
  is_dev?: boolean
  /** Between failing readiness and closing the door. */
  drain_ms?: number
  postgres_flags?: string[]
}

/** Opens the database with the key ring on it: what the server and every tool begin with. */
export async function openStore(
  config: Config,
  masterKey: Buffer,
  options: Pick<ServeOptions, 'log' | 'progress' | 'postgres_flags'> & { share?: boolean },
): Promise<{ store: Store; database: Database }> {
  const { database_url, data_dir, db_pool } = config
  const database = await openDatabase({ database_url, data_dir, pool: db_pool, ...options })
  try {
    await migrate(database.pool, options)
    const db = openKysely(database.pool)
    const { public_url, number_validation, radius_miles, match_calling_code, retention_days, number_hold_days } = config
    const { ring_timeout_s, max_call_s, flood_limit, repeat_limit } = config
    const calls = { ring_timeout_s, max_call_s }
    const floods = { flood_limit, repeat_limit }
    const days = { retention_days, number_hold_days }
    const rules = { public_url, number_validation, radius_miles, match_calling_code, ...days, ...calls, ...floods }
    const keys = await openKeyring(db, config.master_key_next ? [masterKey, config.master_key_next] : [masterKey])
    return { store: { db, pool: database.pool, keys, rules }, database }
  } catch (error) {
    await database.stop()
    throw error
  }
}

/** The program: config → database → carriers → http and jobs. `stop` undoes it in the opposite order. */
export async function startServer(given: Config, masterKey: Buffer, options: ServeOptions): Promise<Running> {
  const { log } = options
  const config = await withPort(given)
  const { store, database } = await openStore(config, masterKey, options)
  try {
    return await assemble(config, store, database, options)
  } catch (error) {
    log.debug({ err: error }, 'starting failed')
    await database.stop()
    throw error
  }
}

async function assemble(config: Config, store: Store, database: Database, options: ServeOptions): Promise<Running> {
  const { log } = options
  // Carriers ask these two first, and wait for nothing longer.
  const brief = limitStore(store, DATABASE_LIMIT_MS)
  const directory = createDirectory(brief)
  let wake: HttpContext['wake'] = () => undefined
  let app: FastifyInstance | undefined
  const request: OwnRequest = (call) => requestOwn(app, config, call)
  const network = simulatedNetwork({ store, directory, log, wake: (due) => wake(due), request })
  const sign_ins = createSignIns()
  const guard = createGuard({ allow: config.callback_allow, onRefusal: sign_ins.guarded })
  const { simulator, ...real } = carrierKinds(network, guard)
  const carriers = createCarriers(brief, config.simulator ? { simulator, ...real } : real)
  await audit(store, { action: 'master-key.open', details: { version: VERSION } })
  await options.prepare?.(store, carriers)

  const limiter = createRateLimiter({ per_endpoint: config.rate_limit, per_account: config.account_rate_limit })
  let accepting = true
  const context: HttpContext = {
    store,
    carriers,
    directory,
    guard,
    ...doorSettings(config),
    authenticate: createAuthenticator(store),
    sign_ins,
    user_sessions: config.console ? openUserSessions(store, config) : undefined,
    limiter,
    wake: (due) => wake(due),
    isAccepting: () => accepting,
    version: VERSION,
    is_dev: options.is_dev ?? false,
    log,
  }
  const findSimulator = async (account_sid: string) =>
    (await listCarriers(store, account_sid)).find((row) => row.kind === 'simulator')
  app = await createServer(context, config.simulator ? { '/simulator': simulatorRoutes(network, findSimulator) } : {})
  await app.listen({ port: config.port, host: config.host })

  const jobs: JobContext = {
    store: limitStore(store, JOBS_LIMIT_MS),
    carriers,
    guard,
    intercept_timeout_ms: config.intercept_timeout_ms,
    log,
    wake: (due) => wake(due),
  }
  const workers = { interactions: startInteractionWorker(jobs), callbacks: startCallbackWorker(jobs) }
  const others = [
    startSweeper({ store, carriers, log }),
    startExchange({ store: brief, limiter, log }),
    startSignIns({ store: jobs.store, sign_ins, log }),
    startWatchingKeys({ store: brief, log }),
  ]
  const last = startAuditLog({ store: jobs.store, days: config.audit_days, log })
  wake = (due) => workers[due].wake()

  const stop = async () => {
    accepting = false
    await delay(options.drain_ms ?? DRAIN_MS)
    await closeDoor(app)
    await Promise.all([...others, ...Object.values(workers)].map((job) => job.stop()))
    await last.stop()
    await guard.close()
    await database.stop()
  }
  let stopped: Promise<void> | undefined
  return { url: config.public_url, port: config.port, store, stop: () => (stopped ??= stop()) }
}

const doorSettings = ({ intercept_timeout_ms, max_requests, trusted_proxies, resource_case, simulator }: Config) => ({
  ...{ intercept_timeout_ms, max_requests, trusted_proxies, resource_case },
  has_simulator: simulator,
})

const openUserSessions = (store: Store, { console_idle_minutes, console_session_hours }: Config) =>
  createUserSessions(store, { idle_s: 60 * console_idle_minutes, absolute_s: 3600 * console_session_hours })

/**
 * Requests in hand end first. A connection on which an answer was still under way is idle only after it, and would then be
 * kept open for whatever its client may ask next, for longer than anybody waits for a server to stop.
 */
async function closeDoor(app: FastifyInstance): Promise<void> {
  const idle = setInterval(() => app.server.closeIdleConnections(), CLOSE_EVERY_MS)
  const limit = setTimeout(() => app.server.closeAllConnections(), CLOSE_LIMIT_MS)
  await app.close()
  clearInterval(idle)
  clearTimeout(limit)
}

type OwnRequest = (call: {
  url: string
  method: 'POST' | 'GET'
  params: Record<string, string>
  secret: string
}) => Promise<TwimlDocument>

/** The simulated phones, whose messages and reports come to us as a carrier's would. */
function simulatedNetwork({
  store,
  directory,
  log,
  wake,
  request,
}: Pick<HttpContext, 'store' | 'directory' | 'log' | 'wake'> & { request: OwnRequest }): Network {
  // The network repeats what throws here; nobody else would hear of it.
  const logged = (what: string) => (error: unknown) => {
    log.error({ err: error }, what)
    throw error
  }
  const network = createNetwork({
    receive: async (sid, account_sid, message) => {
      await relayMessage(store, directory, { sid, account_sid }, message).catch(
        logged('a message could not be taken in'),
      )
      wake('interactions')
    },
    report: async (carrier_sid, leg, report) => {
      await recordReport(store, carrier_sid, leg, report).catch(logged('a report could not be taken in'))
      wake('callbacks')
    },
    isProxyNumber: async (account_sid, number) => (await directory.find(number))?.account_sid === account_sid,
    request: (url, method, params) => request({ url, method, params, secret: network.secret }),
  })
  return network
}

/**
 * A request of the simulated network to our own webhooks, by way of the server's routing but of no socket: the public
 * address need not lead back to this process.
 */
async function requestOwn(
  app: FastifyInstance | undefined,
  { public_url }: Config,
  request: Parameters<OwnRequest>[0],
): Promise<TwimlDocument> {
  if (!app) throw new Error('the server has not started yet')
  const path = request.url.startsWith(public_url) ? request.url.slice(public_url.length) : request.url
  const form = new URLSearchParams(request.params).toString()
  const answer = await app.inject({
    method: request.method,
    url: request.method === 'GET' ? `${path}${path.includes('?') ? '&' : '?'}${form}` : path,
    headers: { [SECRET_HEADER]: request.secret, 'content-type': 'application/x-www-form-urlencoded' },
    ...(request.method === 'POST' ? { payload: form } : {}),
  })
  return { status: answer.statusCode, content_type: String(answer.headers['content-type'] ?? ''), body: answer.body }
}

/** Every kind of carrier there is; simulated phones live in `network`. */
const carrierKinds = (network: Network, guard?: Guard) => ({
  simulator: ((_credentials, row) => simulatorCarrier(network, row)) satisfies CarrierFactory,
  twilio: ((credentials) =>
    twilioCarrier({ ...twilioCredentials(credentials), elsewhere: guard?.agent })) satisfies CarrierFactory,
})

/** The same for tools, which set carriers up and look numbers up, but let nobody text. */
export const toolCarriers = (): Record<string, CarrierFactory> =>
  carrierKinds(
    createNetwork({
      receive: async () => undefined,
      report: async () => undefined,
      isProxyNumber: async () => false,
      request: () => Promise.reject(new Error('nobody calls a tool')),
    }),
  )

const PROBE_TIMEOUT_MS = 3_000

/** For tools: whether an application of a customer can be reached from here, by the rules that callbacks keep to. */
export const applicationProbe = ({ callback_allow }: Pick<Config, 'callback_allow'>) => {
  const guard = createGuard({ allow: callback_allow })
  return (origin: string) => reach(guard, origin, PROBE_TIMEOUT_MS)
}

/** With port 0 a free one is chosen first, because addresses we give out name it. */
async function withPort(config: Config): Promise<Config> {
  if (config.port !== 0) return config
  const port = await new Promise<number>((resolve, reject) => {
    const socket = createSocket()
    socket.once('error', reject)
    socket.listen(0, config.host, () => {
      const address = socket.address()
      socket.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
  return { ...config, port, public_url: config.public_url.replace(/:0$/, `:${port}`) }
}
