import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { createAccount } from '../../src/core/accounts.ts'
import { addCarrier } from '../../src/core/carriers.ts'
import { newSid } from '../../src/core/sid.ts'
import type { Env } from '../../test/support/cli.ts'
import { createDatabase } from '../../test/support/database.ts'
import { eventually, poolNumber } from '../../test/support/server.ts'
import { type Api, apiOf, type Params } from './http.ts'
import type { Scope } from './scope.ts'
import { type ProcessOptions, type ServerProcess, startServerProcess } from './server-process.ts'
import { withStore } from './with-store.ts'

/** One server of a deployment: its API, and where it takes the carrier's webhooks. */
export type Server = ServerProcess & { api: Api; door: string }

export type Deployment = {
  servers: [Server, ...Server[]]
  /** Looks into the database, from outside of any server. */
  pool: pg.Pool
  database_url: string
  /** What the servers were started with. */
  env: Env
  account: { sid: string; auth_token: string }
}

export type DeploymentOptions = {
  /** Of a carrier that speaks Twilio's format; without it the account is on the simulated network. */
  credentials?: Record<string, string>
  /** One server for each. */
  processes: Omit<ProcessOptions, 'env'>[]
  env?: Record<string, string>
  /** Runs before any server does. */
  prepare?: (pool: pg.Pool) => Promise<unknown>
  /** Puts something before the database, as the servers see it. */
  reach?: (database_url: string) => Promise<string>
}

/** Several server processes on one database, with one account and its carrier. */
export async function startDeployment(scope: Scope, options: DeploymentOptions): Promise<Deployment> {
  const database_url = await createDatabase(scope)
  const pool = new pg.Pool({ connectionString: database_url, max: 4 })
  scope.after(() => pool.end())
  const master_key = randomBytes(32).toString('hex')
  const place = { DATABASE_URL: database_url, MASKLINE_MASTER_KEY: master_key }
  const account = await makeAccount(place, options.credentials)
  await options.prepare?.(pool)
  const env = {
    DATABASE_URL: (await options.reach?.(database_url)) ?? database_url,
    MASKLINE_MASTER_KEY: master_key,
    MASKLINE_NUMBER_VALIDATION: 'possible',
    MASKLINE_SIMULATOR: String(!options.credentials),
    MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8',
    ...options.env,
  }
  // What is stopped together is stopped at once.
  const stops: (() => unknown)[] = []
  scope.after(() => Promise.all(stops.map((stop) => stop())))
  const inParallel = { after: (clean: unknown) => void stops.push(clean as () => unknown) }
  const started = await Promise.allSettled(
    options.processes.map((process) => startServerProcess(inParallel, { ...process, env })),
  )
  const servers = started.map((outcome): Server => {
    if (outcome.status === 'rejected') throw outcome.reason
    const { value: server } = outcome
    const door = `${server.url}/webhooks/${account.carrier_sid}`
    return Object.assign(server, { api: apiOf(server.url, account), door })
  })
  return { servers: servers as Deployment['servers'], pool, database_url, env, account }
}

/** At a carrier that speaks Twilio's format, or without credentials on the simulated network. */
export const makeAccount = (env: Env, credentials?: Record<string, string>) =>
  withStore(env, async (store) => {
    const sid = newSid('AC')
    const { auth_token } = await createAccount(store, { sid, friendly_name: 'proof' })
    const kind = credentials ? 'twilio' : 'simulator'
    const names = { account_sid: sid, kind, friendly_name: 'proof' }
    const carrier = await addCarrier(store, { ...names, credentials: credentials ?? {} })
    return { sid, auth_token, carrier_sid: carrier.sid }
  })

export type Service = { sid: string; path: string; numbers: string[] }

let named = 0
let numbered = 0

export async function makeService(api: Api, numbers: number, params: Params = []): Promise<Service> {
  const { sid } = await api.post('/v1/Services', [['UniqueName', `service-${++named}`], ...params])
  const service: Service = { sid, path: `/v1/Services/${sid}`, numbers: [] }
  for (let at = 0; at < numbers; at++) {
    // Every number is in one pool of one database, so after many databases they may come again.
    const number = poolNumber(numbered++ % 9000)
    await api.post(`${service.path}/PhoneNumbers`, [['PhoneNumber', number]])
    service.numbers.push(number)
  }
  return service
}

/** Somebody in a session, and the number by which they reach the other. */
export type Talker = { identifier: string; proxy: string }
export type Conversation = { sid: string; path: string; alice: Talker; bob: Talker }

/** A session of two, on the first two numbers of the service. */
export async function converse(
  api: Api,
  service: Service,
  [alice, bob]: [string, string],
  params: Params = [],
): Promise<Conversation> {
  const talkers = [alice, bob].map((identifier, at) => ({ identifier, proxy: service.numbers[at] ?? '' }))
  const participants = talkers.map(({ identifier, proxy }): [string, string] => [
    'Participants',
    JSON.stringify({ Identifier: identifier, ProxyIdentifier: proxy }),
  ])
  const { sid } = await api.post(`${service.path}/Sessions`, [...participants, ...params])
  const path = `${service.path}/Sessions/${sid}`
  return { sid, path, alice: talkers[0]!, bob: talkers[1]! }
}

/** Until nothing is due any more within two minutes, and no try here is put off for so long. */
export async function settled({ pool }: Pick<Deployment, 'pool'>, limit_ms = 60_000): Promise<void> {
  const isSettled = async () => {
    const { rows } = await pool.query(
      `select (select count(*) from interactions where due_at < now() + interval '2 minutes' and type = 'message')
            + (select count(*) from callbacks where due_at is not null) as due`,
    )
    return Number(rows[0].due) === 0
  }
  await eventually(isSettled, 'nothing is due any more', limit_ms)
}

/** What the servers logged of errors: the first lines. */
export const loggedErrors = ({ servers }: Deployment): string[] => {
  const errors = servers.flatMap((server) => server.errors)
  return errors.length === 0
    ? []
    : [`the servers logged ${errors.length} errors, the first: ${errors[0]?.slice(0, 600)}`]
}
