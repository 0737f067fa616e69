import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import pg from 'pg'
import { createRandom, type Random } from '../proof/random.ts'
import { withStore as withStoreOf } from '../proof/support/with-store.ts'
import { createAccount } from '../src/core/accounts.ts'
import { addCarrier } from '../src/core/carriers.ts'
import { createService } from '../src/core/services.ts'
import { newSid } from '../src/core/sid.ts'
import type { Store } from '../src/core/store.ts'
import { copyIn } from '../src/db/copy.ts'
import { poolNumberOf, type Shape, sidesOf, WORDS } from './people.ts'
import { type BenchPostgres, COPIES } from './postgres.ts'

/**
 * The data set, made once and kept as a database to copy: one account with one service, its pool, open sessions of two
 * people each, and what they have written. Every value is as the server would have made it, sealed and indexed.
 */

/** Of every data set, so that one of an earlier run can be opened. */
export const MASTER_KEY = createHash('sha256').update('maskline bench').digest('hex')
export const AUTH_TOKEN = createHash('md5').update('maskline bench').digest('hex')

/** Rises when rows are made otherwise than before. */
const EDITION = 1
const HISTORY_MS = 30 * 86_400_000
const CHUNK_ROWS = 2_000

/** The name of the database with a data set of this shape, which is made if it is not there. */
export async function prepareTemplate(
  postgres: BenchPostgres,
  shape: Shape,
  progress: (what: string) => void,
): Promise<string> {
  const edition = `e${EDITION}m${readdirSync(new URL('../src/db/migrations', import.meta.url)).length}`
  const { sessions, interactions, pool, seed } = shape
  const name = `bench_${edition}_${sessions}_${interactions}_${pool}_${seed}`
  const found = await postgres.query<{ datname: string }>(
    `select datname from pg_database where datname like 'bench\\_%'`,
  )
  if (found.some(({ datname }) => datname === name)) return name
  // Of another edition, or half of one. Copies are of somebody who measures.
  for (const { datname } of found) {
    if (!datname.startsWith(`bench_${edition}_`) && !datname.startsWith(COPIES))
      await postgres.query(`drop database ${datname} with (force)`)
  }
  await postgres.query("create database bench_new encoding 'UTF8' template template0")
  await fillDatabase(postgres.urlOf('bench_new'), shape, progress)
  await postgres.query('checkpoint')
  await postgres.query(`alter database bench_new rename to ${name}`)
  return name
}

/** A store on a database, for what is set up beside the server. */
export const withStore = <Result>(database_url: string, work: (store: Store) => Promise<Result>) =>
  withStoreOf({ DATABASE_URL: database_url, MASKLINE_MASTER_KEY: MASTER_KEY }, work)

type Owner = { account_sid: string; carrier_sid: string; service_sid: string }
type Talk = { sid: string; people: [string, string]; numbers: [string, string]; began: number }

/** Into an empty database, or one that is migrated. */
export async function fillDatabase(database_url: string, shape: Shape, progress: (what: string) => void) {
  const owner = await withStore(database_url, async (store) => {
    const { account } = await createAccount(store, { friendly_name: 'bench', auth_token: AUTH_TOKEN })
    const names = { account_sid: account.sid, kind: 'simulator', friendly_name: 'bench', credentials: {} }
    const carrier = await addCarrier(store, names)
    const service = await createService(store, account.sid, { unique_name: 'bench' })
    return { account_sid: account.sid, carrier_sid: carrier.sid, service_sid: service.sid }
  })
  await withStore(database_url, async (store) => {
    const client = new pg.Client({ connectionString: database_url })
    await client.connect()
    try {
      await fillTables(client, store, owner, shape, progress)
      progress('vacuum')
      await client.query('vacuum (analyze, freeze)')
    } finally {
      await client.end()
    }
  })
}

async function fillTables(client: pg.Client, store: Store, owner: Owner, shape: Shape, tell: (what: string) => void) {
  const random = createRandom(shape.seed)
  const now = Date.now()
  const load = (table: string, columns: string, rows: number, row: (at: number) => unknown[]) =>
    loadRows(client, { table, columns, rows, row }, tell)

  const numbers = Array.from({ length: shape.pool }, (_, at) => ({ sid: newSid('PN'), number: poolNumberOf(at) }))
  const capabilities = '{"sms": true, "mms": true, "voice": true, "fax": false}'
  await load('phone_numbers', NUMBER_COLUMNS, shape.pool, (at) => {
    const { sid, number } = numbers[at]!
    return [sid, owner.account_sid, owner.carrier_sid, sid, number, number, 'US', capabilities, owner.service_sid]
  })

  const talks = Array.from({ length: shape.sessions }, (): Talk => {
    const began = now - random.below(HISTORY_MS)
    return { sid: newSid('KC'), people: [newSid('KP'), newSid('KP')], numbers: ['', ''], began }
  })
  const written = Math.min(shape.sessions, shape.interactions)
  await load('sessions', SESSION_COLUMNS, shape.sessions, (at) => {
    const { sid, began } = talks[at]!
    const date = new Date(began).toISOString()
    const started = at < written ? date : undefined
    const status = at < written ? 'in-progress' : 'open'
    const { service_sid, account_sid } = owner
    return [service_sid, sid, account_sid, status, 'voice-and-message', '0', date, date, date, started, started]
  })
  await load('participants', PARTICIPANT_COLUMNS, 2 * shape.sessions, (at) => {
    const talk = talks[at >> 1]!
    const which = (at & 1) as 0 | 1
    const { identifier, proxy } = sidesOf(shape, at >> 1)[which]
    const { sid: number_sid, number } = numbers[proxy]!
    const sid = talk.people[which]
    talk.numbers[which] = number
    const [sealed, hash] = [store.keys.seal(`${sid}/identifier`, identifier), store.keys.blindIndex(identifier)]
    const date = new Date(talk.began).toISOString()
    return [owner.service_sid, sid, talk.sid, owner.account_sid, sealed, hash, number, number_sid, date, date]
  })
  await load('interactions', INTERACTION_COLUMNS, shape.interactions, (at) =>
    interactionRow(store, owner, random, talks[at % shape.sessions]!),
  )
}

const NUMBER_COLUMNS =
  'sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, iso_country, capabilities, service_sid'
const SESSION_COLUMNS =
  'service_sid, sid, account_sid, status, mode, ttl, ttl_since, date_created, date_updated, date_started, date_last_interaction'
const PARTICIPANT_COLUMNS =
  'service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash, proxy_identifier, ' +
  'proxy_identifier_sid, date_created, date_updated'
const INTERACTION_COLUMNS =
  'service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed, carrier_sid, event_id, dialled_number, ' +
  'inbound_participant_sid, inbound_resource_sid, inbound_resource_status, outbound_participant_sid, ' +
  'outbound_resource_sid, outbound_resource_status, outbound_carrier_id, outbound_number, outbound_carrier_sid, attempts, ' +
  'send_started_at, date_created, date_updated'

/** A message that was delivered some time ago. */
function interactionRow(store: Store, owner: Owner, random: Random, talk: Talk): unknown[] {
  const { account_sid, carrier_sid, service_sid } = owner
  const from = random.below(2) as 0 | 1
  const to = (1 - from) as 0 | 1
  const sid = newSid('KI')
  const digits = Array.from({ length: 4 }, () =>
    random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('')
  const [event, sent] = [`SM${digits}`, `SM${[...digits].reverse().join('')}`]
  const date = new Date(talk.began + random.below(3_600_000)).toISOString()
  const data = store.keys.seal(`${sid}/data`, WORDS[random.below(WORDS.length)] ?? '')
  const inbound = [talk.people[from], event, 'delivered']
  const outbound = [talk.people[to], sent, 'delivered', sent, talk.numbers[to], carrier_sid]
  const what = ['message', 'inbound', 'relayed', data, carrier_sid, event, talk.numbers[from]]
  return [service_sid, sid, account_sid, talk.sid, ...what, ...inbound, ...outbound, '1', date, date, date]
}

type Rows = { table: string; columns: string; rows: number; row: (at: number) => unknown[] }

/** With the indexes made afterwards, which takes a fraction of keeping them up to date. */
async function loadRows(client: pg.Client, { table, columns, rows, row }: Rows, progress: (what: string) => void) {
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition from pg_index i
     where i.indrelid = $1::regclass and not i.indisprimary and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`,
    [table],
  )
  for (const { name } of indexes) await client.query(`drop index ${name}`)
  const chunks = async function* () {
    for (let from = 0; from < rows; from += CHUNK_ROWS) {
      progress(`${table} ${progressBar(from / rows)} ${from.toLocaleString('en')} of ${rows.toLocaleString('en')}`)
      const lines = Array.from({ length: Math.min(CHUNK_ROWS, rows - from) }, (_, at) => copyLine(row(from + at)))
      yield Buffer.from(lines.join(''))
    }
  }
  await copyIn(client, `copy ${table} (${columns}) from stdin`, chunks())
  for (const { name, definition } of indexes) {
    progress(`${table}: index ${name}`)
    await client.query(definition)
  }
}

/** One row in the text format of COPY. */
const copyLine = (values: unknown[]) => `${values.map(copyValue).join('\t')}\n`

function copyValue(value: unknown): string {
  if (value === undefined || value === null) return '\\N'
  if (Buffer.isBuffer(value)) return `\\\\x${value.toString('hex')}`
  return String(value).replace(/[\\\t\n\r]/g, (sign) => `\\${{ '\t': 't', '\n': 'n', '\r': 'r' }[sign] ?? sign}`)
}

const BAR = 24
const progressBar = (share: number) => '█'.repeat(Math.round(share * BAR)).padEnd(BAR, '·')
