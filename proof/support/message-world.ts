import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { findRunningServer } from '../../src/db/embedded.ts'
import { type Env, postgresOf } from '../../test/support/cli.ts'
import { person, poolNumber } from '../../test/support/server.ts'
import { startTwilioApi } from '../../test/support/twilio-api.ts'
import { converse, makeAccount } from './deployment.ts'
import { type Api, apiOf } from './http.ts'
import { freePort, type KillableServer, startKillable } from './killable-server.ts'
import { inLanes, type Scope } from './scope.ts'

/** Somebody who texts a proxy number, and what has to come of it. */
export type Route = { from: string; to: string; then: { from: string; to: string } }

/**
 * A server that can be killed, whose carrier is the stand-in for Twilio: what was sent is on record outside of it. The
 * load and the stand-in are in this process.
 */
export type MessageWorld = {
  twilio: Awaited<ReturnType<typeof startTwilioApi>>
  /** Where the carrier posts, as it is signed. */
  door: string
  routes: Route[]
  /** Where its own PostgreSQL is, if it has one. */
  data_dir: string
  /** The settings that the server and the tools run with. */
  env: Env
  api: Api
  server: KillableServer
  /** Another process with the same settings, by default on the same port. */
  start: (settings?: { cli?: string; port?: number; env?: Env }) => Promise<KillableServer>
  /** Looks into the database from outside. */
  query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>
}

export type WorldOptions = {
  cli: string
  /** Of the server's own PostgreSQL, or the database, and then what the server is given in its place. */
  data: { data_dir: string } | { database_url: string; seen_as?: string }
  /** Where the world sees the server; by default at its port. */
  public_url?: string
  /** By default one that is free. */
  port?: number | undefined
  conversations?: number
  /** Further settings. */
  env?: Env
}

export async function startMessageWorld(scope: Scope, options: WorldOptions): Promise<MessageWorld> {
  const { cli, data } = options
  const port = options.port ?? (await freePort())
  const twilio = await startTwilioApi({ after: (stop) => scope.after(stop) })
  const public_url = options.public_url ?? `http://127.0.0.1:${port}`
  const master_key = randomBytes(32).toString('hex')
  const place =
    'data_dir' in data ? { MASKLINE_DATA_DIR: data.data_dir } : databaseOf(data.seen_as ?? data.database_url)
  const env: Env = {
    ...place,
    MASKLINE_MASTER_KEY: master_key,
    MASKLINE_PUBLIC_URL: public_url,
    MASKLINE_NUMBER_VALIDATION: 'possible',
    MASKLINE_LOG_LEVEL: 'warn',
    ...options.env,
  }
  const server = await startKillable(scope, { cli, port, env })
  const { account_sid, auth_token, url: base_url } = twilio
  const account = await makeAccount(
    { ...env, ...('database_url' in data ? databaseOf(data.database_url) : {}) },
    { account_sid, auth_token, base_url },
  )
  const api = apiOf(`http://127.0.0.1:${port}`, account)
  const world = {
    twilio,
    door: `${public_url}/webhooks/${account.carrier_sid}`,
    data_dir: 'data_dir' in data ? data.data_dir : '',
    env,
    api,
    routes: await makeRoutes(api, twilio, options.conversations ?? 40),
    server,
    start: (settings: { cli?: string; port?: number; env?: Env } = {}) =>
      startKillable(scope, { cli, port, ...settings, env: { ...env, ...settings.env } }),
    query: <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) => queryOnce<Row>(data, text, values),
  }
  twilio.requests.length = 0
  return world
}

const databaseOf = (database_url: string): Env => ({ DATABASE_URL: database_url })

async function makeRoutes(api: Api, twilio: MessageWorld['twilio'], conversations: number) {
  const { sid } = await api.post('/v1/Services', [['UniqueName', 'proof']])
  const service = { sid, path: `/v1/Services/${sid}`, numbers: [poolNumber(0), poolNumber(1)] }
  for (const phone_number of service.numbers) {
    twilio.addNumber({ phone_number })
    await api.post(`${service.path}/PhoneNumbers`, [['PhoneNumber', phone_number]])
  }
  const routes: Route[] = []
  await inLanes(
    Array.from({ length: conversations }, (_, at) => at),
    4,
    async (at) => {
      const { alice, bob } = await converse(api, service, [person(2 * at), person(2 * at + 1)])
      for (const [one, other] of [[alice, bob] as const, [bob, alice] as const]) {
        const then = { from: other.proxy, to: other.identifier }
        routes.push({ from: one.identifier, to: one.proxy, then })
      }
    },
  )
  return routes
}

/** A connection for each question, because the database comes and goes. */
async function queryOnce<Row extends pg.QueryResultRow>(data: WorldOptions['data'], text: string, values: unknown[]) {
  const url = 'database_url' in data ? data.database_url : findRunningServer(data.data_dir)
  if (!url) throw new Error(`nobody runs the PostgreSQL ${'data_dir' in data ? postgresOf(data.data_dir) : ''}`)
  const client = new pg.Client({ connectionString: url })
  // A question that it interrupts fails by itself.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(text, values)).rows
  } finally {
    await client.end()
  }
}
