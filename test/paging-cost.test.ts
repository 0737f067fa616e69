import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'
import { listEvents } from '../src/core/events.ts'
import { listInteractions } from '../src/core/interactions.ts'
import type { PageRequest } from '../src/core/page.ts'
import { listPool } from '../src/core/phone-numbers.ts'
import { listServices } from '../src/core/services.ts'
import { listSessions } from '../src/core/sessions.ts'
import type { Store } from '../src/core/store.ts'
import type { Schema } from '../src/db/schema.ts'
import { rows, serverForFile } from './support/proxy-api.ts'
import type { TestServer } from './support/server.ts'

const shared = serverForFile()

const SIZE = 50
const ROWS = 10_000
const hex = (at: number) => at.toString(16).padStart(32, '0')
const SERVICE = `KS${hex(1)}`
const SESSION = `KC${hex(1)}`
const PARTICIPANT = `KP${hex(1)}`

/** Each list with rows for 200 pages of it; `$1` is the account, `$2` its carrier, `at` counts. */
const LISTS: {
  prefix: string
  table: string
  insert: string
  list: (store: Store, account: string, page: PageRequest) => Promise<unknown>
}[] = [
  {
    prefix: 'KS',
    table: 'services',
    insert: `(sid, account_sid, unique_name, default_ttl, geo_match_level, number_selection_behavior)
      select 'KS' || sid, $1, at, 0, 'country', 'prefer-sticky'`,
    list: (store, account, page) => listServices(store, account, page),
  },
  {
    prefix: 'KC',
    table: 'sessions',
    insert: `(service_sid, sid, account_sid, status, mode, ttl) select '${SERVICE}', 'KC' || sid, $1, 'open', 'voice-only', 0`,
    list: (store, account_sid, page) => listSessions(store, { account_sid, service_sid: SERVICE }, page),
  },
  {
    prefix: 'PN',
    table: 'phone_numbers',
    insert: `(sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, capabilities, service_sid)
      select 'PN' || sid, $1, $2, at, '+' || at + 12025550000, at, '{}', '${SERVICE}'`,
    list: (store, _account, page) => listPool(store, SERVICE, 'PN', page),
  },
  {
    prefix: 'KI',
    table: 'interactions',
    insert: `(service_sid, sid, account_sid, carrier_sid, session_sid, type, origin, outcome, outbound_participant_sid)
      select '${SERVICE}', 'KI' || sid, $1, $2, '${SESSION}', 'message', 'api', 'sent', '${PARTICIPANT}'`,
    list: (store, _account, page) => listInteractions(store, { service_sid: SERVICE, session_sid: SESSION }, page),
  },
  {
    prefix: 'NO',
    table: 'events',
    insert: `(sid, account_sid, error_code, level, message) select 'NO' || sid, $1, 80902, 'error', 'x'`,
    list: (store, account, page) => listEvents(store, account, {}, page),
  },
]

type Plan = { [key: string]: unknown; 'Node Type': string; Plans?: Plan[] }

/** Without what is computed for each row of the page, which is the same on every page. */
const nodesOf = (plan: Plan): Plan[] =>
  plan['Parent Relationship'] === 'SubPlan' ? [] : [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** What the database does for one page: the kinds of its steps, the rows it looked at and the blocks it touched. */
async function costOf(server: TestServer, { table, list }: (typeof LISTS)[number], page: PageRequest) {
  const queries: Pick<CompiledQuery, 'sql' | 'parameters'>[] = []
  const { pool } = server.store
  const query = (asked: pg.QueryConfig) => {
    queries.push({ sql: asked.text, parameters: asked.values ?? [] })
    return pool.query(asked)
  }
  const watched: pg.Pool = Object.assign(Object.create(pool), { query })
  const dialect = new PostgresDialect({ pool })
  const db = new Kysely<Schema>({
    dialect,
    log: ({ query }) => {
      queries.push(query)
    },
  })
  await list({ ...server.store, db, pool: watched }, server.account.sid, page)
  const [asked] = queries
  const [answer] = await rows(server, `explain (analyze, buffers, format json) ${asked?.sql}`, [
    ...(asked?.parameters ?? []),
  ])
  const plan = answer['QUERY PLAN'][0].Plan as Plan
  const nodes = nodesOf(plan)
  const scans = nodes.filter((node) => node['Relation Name'] === table)
  const looked = scans.map(
    (node) =>
      (Number(node['Actual Rows']) + Number(node['Rows Removed by Filter'] ?? 0)) * Number(node['Actual Loops']),
  )
  return {
    kinds: nodes.map((node) => node['Node Type']),
    rows: looked.reduce((sum, count) => sum + count, 0),
    blocks: Number(plan['Shared Hit Blocks']) + Number(plan['Shared Read Blocks']),
  }
}

test('page 200 of every list is found by an index, unsorted, at the cost of page 1, and control: by counting it is not', async () => {
  const server = await shared()
  const { sid, carrier_sid } = server.account
  for (const { table, insert } of LISTS) {
    const from = `from generate_series(1, ${ROWS}) at, lpad(to_hex(at), 32, '0') sid`
    const values = insert.includes('$2') ? [sid, carrier_sid] : [sid]
    await rows(server, `insert into ${table} ${insert} ${from}`, values)
    await rows(server, `analyze ${table}`)
  }
  for (const list of LISTS) {
    const first = await costOf(server, list, { size: SIZE, from: { skip: 0 } })
    const last = ROWS - SIZE
    const deep = await costOf(server, list, { size: SIZE, from: { after: list.prefix + hex(last) } })
    const back = await costOf(server, list, { size: SIZE, from: { before: list.prefix + hex(last) } })
    for (const [name, cost] of Object.entries({ first, deep, back })) {
      const what = `${list.table}, ${name}: ${JSON.stringify(cost)}`
      assert.ok(cost.rows > 0 && cost.rows <= SIZE + 1, what)
      assert.ok(!cost.kinds.some((kind) => /Sort|Seq Scan|Bitmap/.test(kind)), what)
      assert.ok(cost.blocks <= 2 * first.blocks, `${what}, where the first page touches ${first.blocks} blocks`)
    }
    const counted = await costOf(server, list, { size: SIZE, from: { skip: last } })
    assert.ok(counted.rows >= last, `counting reads all rows before: ${JSON.stringify(counted)}`)
  }
})
