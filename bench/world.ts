import pg from 'pg'
import type { Scope } from '../proof/support/scope.ts'
import { addCarrier, listCarriers } from '../src/core/carriers.ts'
import type { House } from './benchmark.ts'
import { type Child, startChild } from './child.ts'
import { AUTH_TOKEN, MASTER_KEY, prepareTemplate, withStore } from './data.ts'
import type { Shape } from './people.ts'
import { copyDatabase, POOL } from './postgres.ts'
import type { CarrierOptions, Counts } from './programs/carrier.ts'
import type { LoadResult } from './programs/loops.ts'
import { type BenchServer, startBenchServer } from './server.ts'

/** A server on a copy of the data set, with a carrier. */
export type World = {
  shape: Shape
  database_url: string
  /** For looks from outside. */
  query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>
  server: BenchServer
  account: { account_sid: string; auth_token: string }
  service_sid: string
  carrier_sid: string
  /** Where the carrier posts messages, as it signs them. */
  door: string
  /** The stand-in; undefined with the simulator. */
  carrier: Child<{ port: number }> | undefined
}

export type WorldOptions = {
  /** A silent carrier answers nothing, so that what is taken in goes no further. */
  carrier: 'silent' | 'answering' | 'simulator'
  /** Whether the customer is told of every status, which the stand-in takes, too. */
  callbacks?: boolean
  shape?: Shape
  /** Of the server; none unless given. */
  rate_limit?: number
}

export async function startWorld(house: House, scope: Scope, options: WorldOptions): Promise<World> {
  const shape = options.shape ?? house.shape
  const template = await prepareTemplate(house.postgres, shape, house.progress)
  house.progress('copying the data set')
  const database_url = await copyDatabase(house.postgres, scope, template)
  const pool = new pg.Pool({ connectionString: database_url, max: 2 })
  pool.on('error', () => undefined)
  scope.after(() => pool.end())
  const query: World['query'] = async (text, values = []) => (await pool.query(text, values)).rows
  const [owner] = await query<{ service_sid: string; account_sid: string }>(
    'select sid as service_sid, account_sid from services',
  )
  if (!owner) throw new Error('The data set has no service.')
  const account = { account_sid: owner.account_sid, auth_token: AUTH_TOKEN }

  const carrier = options.carrier === 'simulator' ? undefined : await startCarrier(house, scope, account, options)
  const carrier_sid = await connectCarrier(database_url, account, carrier?.ready.port)
  if (!carrier_sid) throw new Error('The data set has no carrier.')
  const callback_url = options.callbacks && carrier ? `http://127.0.0.1:${carrier.ready.port}/callbacks` : null
  await query('update phone_numbers set carrier_sid = $1', [carrier_sid])
  await query('update services set callback_url = $1', [callback_url])
  await query('vacuum (analyze) phone_numbers, services')

  const server = await startBenchServer(scope, {
    cli: house.programs.cli,
    profile: house.profile,
    env: {
      DATABASE_URL: database_url,
      MASKLINE_MASTER_KEY: MASTER_KEY,
      MASKLINE_NUMBER_VALIDATION: 'possible',
      MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8',
      MASKLINE_SIMULATOR: String(options.carrier === 'simulator'),
      MASKLINE_DB_POOL: String(POOL),
      MASKLINE_RATE_LIMIT: String(options.rate_limit ?? 0),
      // A few people stand for very many here.
      MASKLINE_FLOOD_LIMIT: '0',
      MASKLINE_REPEAT_LIMIT: '0',
    },
  })
  // A server that stops waits for what is at a carrier, which a silent one would never end.
  scope.after(() => carrier?.stop())
  const door = `${server.url}/webhooks/${carrier_sid}/messages`
  return { shape, database_url, query, server, account, service_sid: owner.service_sid, carrier_sid, door, carrier }
}

type Account = World['account']

function startCarrier(house: House, scope: Scope, { account_sid, auth_token }: Account, options: WorldOptions) {
  const stand_in: CarrierOptions = { account_sid, auth_token, answers: options.carrier === 'answering' }
  return startChild<{ port: number }>(scope, house.programs.of('carrier'), stand_in)
}

/** The stand-in on its port as the account's carrier, or else the simulated one, which the data set has. */
async function connectCarrier(database_url: string, { account_sid, auth_token }: Account, port: number | undefined) {
  return await withStore(database_url, async (store) => {
    if (port === undefined) return (await listCarriers(store, account_sid))[0]?.sid
    const credentials = { account_sid, auth_token, base_url: `http://127.0.0.1:${port}` }
    return (await addCarrier(store, { account_sid, kind: 'twilio', friendly_name: 'bench', credentials })).sid
  })
}

export const seenBy = (carrier: World['carrier']): Promise<Counts> => {
  if (!carrier) throw new Error('There is no stand-in for a carrier here.')
  return carrier.ask<Counts>('counts')
}

/** Every message that was acknowledged has to have found its session and be stored: an answer alone says neither. */
export async function checkRelayed({ query }: World, results: Pick<LoadResult, 'answered'>[]): Promise<void> {
  const acknowledged = results.reduce((sum, { answered }) => sum + answered, 0)
  const [row] = await query<{ outside: number; due: number }>(
    `select (select count(*)::int from interactions where session_sid is null) as outside,
            (select count(*)::int from interactions where due_at is not null) as due`,
  )
  if (!row || row.outside > 0) throw new Error(`${row?.outside} messages found no session.`)
  if (row.due < acknowledged)
    throw new Error(`${acknowledged} messages were acknowledged, and ${row.due} wait to be sent.`)
}
