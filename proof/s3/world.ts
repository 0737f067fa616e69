import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { startKeptServer } from '../../src/db/kept-server.ts'
import { dataFolder } from '../../test/support/cli.ts'
import { type CuttableLine, startCuttableLine } from '../../test/support/cuttable-line.ts'
import { eventually } from '../../test/support/server.ts'
import { drawPeople } from '../people.ts'
import type { Random } from '../random.ts'
import { makeAccount } from '../support/deployment.ts'
import type { Params } from '../support/http.ts'
import { freePort, type KillableOptions, type KillableServer, startKillable } from '../support/killable-server.ts'
import { endPostgres } from '../support/postgres-processes.ts'
import type { Scope } from '../support/scope.ts'
import { startWatchingCarrier, type WatchingCarrier } from '../support/watching-carrier.ts'
import { type Customer, INTERCEPT_TIMEOUT_MS, startCustomer } from './customer.ts'
import { type Answer, createRecorder, type Recorder, tryAsk } from './record.ts'

/**
 * Two servers on a PostgreSQL of their own, of which one has a wrong clock; a carrier, a customer's application, and lines
 * between all of them that can be broken. What is outside of the servers is in this process.
 */
export type World = {
  random: Random
  recorder: Recorder
  servers: [Server, Server]
  lines: { carrier: CuttableLine; customer: CuttableLine }
  postgres: Postgres
  carrier: WatchingCarrier
  customer: Customer
  /** Where the carrier brings what comes in, as it signs it. */
  door: string
  /** Who texts and calls now; everybody meets many others, and makes room for somebody new after a while. */
  people: () => [string, ...string[]]
  /** Asks the API of some server, as the account. */
  ask: (method: 'GET' | 'POST' | 'DELETE', path: string, params?: Params, key?: string) => Promise<Answer>
  /** An address of ours at some server. */
  reach: (url: string) => string
}

export type Server = {
  name: string
  /** What it is reached by, and what it reaches the database by. */
  lines: { front: CuttableLine; database: CuttableLine }
  /** Where its users see it. */
  port: number
  process: KillableServer
  start: () => Promise<KillableServer>
}

export type Postgres = Awaited<ReturnType<typeof startPostgres>>

const SKEW_MS = 5 * 60_000
const PEOPLE = 14
const NEWCOMER_EVERY_MS = 3_000
/** A client gives up before the slowest of answers. */
const ASK_LIMIT_MS = 4_000

export async function startWorld(
  scope: Scope,
  options: { random: Random; cli: string; index: boolean },
): Promise<World> {
  const { random, cli } = options
  const recorder = createRecorder()
  const postgres = await startPostgres(scope)
  const carrier = await startWatchingCarrier(scope)
  const customer = await startCustomer(scope, { random, recorder })
  const lines = {
    carrier: await startCuttableLine(scope, new URL(carrier.credentials.base_url)),
    customer: await startCuttableLine(scope, new URL(customer.url)),
  }
  const master_key = randomBytes(32).toString('hex')
  const base_url = `http://127.0.0.1:${lines.carrier.port}`
  const place = { DATABASE_URL: postgres.url(), MASKLINE_MASTER_KEY: master_key }
  const account = await makeAccount(place, { ...carrier.credentials, base_url })
  await noteBegun(postgres)
  if (!options.index) await postgres.query('drop index interactions_event')

  const ports = [await freePort(), await freePort()]
  const fronts = await Promise.all(ports.map((port) => startCuttableLine(scope, new URL(`http://127.0.0.1:${port}`))))
  const public_url = `http://127.0.0.1:${fronts[0]?.port}`
  const env = {
    MASKLINE_MASTER_KEY: master_key,
    MASKLINE_PUBLIC_URL: public_url,
    MASKLINE_NUMBER_VALIDATION: 'possible',
    MASKLINE_NUMBER_HOLD_DAYS: '0',
    MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8',
    MASKLINE_INTERCEPT_TIMEOUT_MS: String(INTERCEPT_TIMEOUT_MS),
    MASKLINE_LOG_LEVEL: 'error',
  }
  const servers = await Promise.all(
    fronts.map(async (front, at): Promise<Server> => {
      const database = await postgres.line(scope)
      const clock_skew_ms = at === 0 ? 0 : SKEW_MS
      const DATABASE_URL = database.url
      const given: KillableOptions = { cli, port: ports[at] ?? 0, env: { ...env, DATABASE_URL }, clock_skew_ms }
      const start = () => startKillable(scope, given)
      const lines = { front, database }
      return { name: `server ${at + 1}`, lines, port: front.port, process: await start(), start }
    }),
  )
  const reach = (url: string) => {
    const { pathname, search } = new URL(url, public_url)
    return `http://127.0.0.1:${servers[random.below(2)]?.port}${pathname}${search}`
  }
  const authorization = `Basic ${Buffer.from(`${account.sid}:${account.auth_token}`).toString('base64')}`
  return {
    ...{ random, recorder, lines, postgres, carrier, customer, reach },
    servers: servers as World['servers'],
    door: `${public_url}/webhooks/${account.carrier_sid}`,
    people: gather(random),
    ask: (method, path, params, key) => {
      const headers: Record<string, string> = { authorization, ...(key ? { 'idempotency-key': key } : {}) }
      return tryAsk(method, reach(path), { headers, ...(params ? { params } : {}), limit_ms: ASK_LIMIT_MS })
    },
  }
}

/** All of one country, as the numbers are: whoever cannot be given any is of no use here. */
function gather(random: Random): World['people'] {
  const all = drawPeople(random, 2_000).filter((person) => person.startsWith('+1'))
  const began = performance.now()
  return () => {
    const newcomers = Math.floor((performance.now() - began) / NEWCOMER_EVERY_MS)
    const first = newcomers % (all.length - PEOPLE)
    return all.slice(first, first + PEOPLE) as ReturnType<World['people']>
  }
}

/** It is started again whenever it ended, and then is somewhere else, where the lines lead from then on. */
async function startPostgres(scope: Scope) {
  const data_dir = dataFolder(scope)
  scope.after(() => endPostgres(data_dir))
  const lines: CuttableLine[] = []
  let url = ''
  const moveTo = (moved: string) => {
    url = moved
    for (const line of lines) line.lead(new URL(url))
  }
  // Its processes are killed, not the machine, so nothing is lost that was only handed to the system.
  const postgres_flags = ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=100']
  const quiet = { log: pino({ level: 'silent' }), progress: () => undefined }
  const kept = await startKeptServer({ data_dir, postgres_flags, ...quiet }, moveTo)
  scope.after(() => kept.stop())
  moveTo(kept.url)

  /** A connection for each question, because it comes and goes. */
  const query = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }
  return {
    data_dir,
    url: () => url,
    query,
    isBack: () =>
      eventually(
        () =>
          query('select').then(
            () => true,
            () => false,
          ),
        'PostgreSQL is back',
        60_000,
      ),
    /** Another way to it, which can be broken. */
    async line(scope: Scope) {
      const line = await startCuttableLine(scope, new URL(url))
      lines.push(line)
      const seen_as = new URL(url)
      seen_as.port = String(line.port)
      return Object.assign(line, { url: seen_as.href })
    },
  }
}

/** Has the database note whenever a server takes a message up to send it, in the statement that does, by whose now() it judges. */
async function noteBegun({ query }: Postgres) {
  await query(`
    create table proof_begun (sid text not null, at timestamptz not null);
    create function proof_note_begun() returns trigger language plpgsql as $$
    begin
      insert into proof_begun (sid, at) values (new.sid, now());
      return null;
    end $$;
    create trigger proof_note_begun after update on interactions for each row
      when (new.stage = 'send' and (new.attempts > old.attempts or old.stage is distinct from new.stage))
      execute function proof_note_begun()`)
}

/** By the interaction, in milliseconds since 1970. */
export async function readBegun({ postgres }: World): Promise<Map<string, number[]>> {
  const begun = new Map<string, number[]>()
  type Row = { sid: string; at: number }
  const rows = await postgres.query<Row>('select sid, extract(epoch from at)::float8 * 1000 as at from proof_begun')
  for (const { sid, at } of rows) begun.set(sid, [...(begun.get(sid) ?? []), at])
  return begun
}
