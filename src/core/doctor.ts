import type pg from 'pg'
import { AUDIT_CHECKS } from './doctor/audit.ts'
import {
  type Check,
  EXAMPLES,
  type Found,
  type Look,
  type Probe,
  type Reading,
  SOURCES,
  type Source,
} from './doctor/check.ts'
import { DATABASE_CHECKS } from './doctor/database.ts'
import { POOL_CHECKS } from './doctor/pool.ts'
import { PROBE_CHECKS } from './doctor/probe.ts'
import { PROMISE_CHECKS } from './doctor/promise.ts'
import { ROW_CHECKS } from './doctor/rows.ts'
import { SEALED_CHECKS } from './doctor/sealed.ts'
import { WORK_CHECKS } from './doctor/work.ts'

/**
 * Holds the data against the promise. Everything is read from one snapshot, in a transaction that may not write and whose
 * statements have a time limit, so it can run beside servers in production. A check that could not be finished vouches for
 * nothing, and that is told like a fault.
 */
export const CHECKS: Check[] = [
  ...DATABASE_CHECKS,
  ...PROMISE_CHECKS,
  ...ROW_CHECKS,
  ...WORK_CHECKS,
  ...SEALED_CHECKS,
  ...POOL_CHECKS,
  ...AUDIT_CHECKS,
]

export type Status = 'good' | 'found' | 'skipped' | 'unfinished'

export type Result = Found & Pick<Check, 'id' | 'level' | 'means' | 'advice'> & { status: Status; took_ms: number }

export type Diagnosis = { faults: number; warnings: number; unfinished: number; took_ms: number; checks: Result[] }

/** Quick: opens no participants and interactions. Usual: opens every participant and a share of many interactions. */
export type Depth = 'quick' | 'usual' | 'deep'

export type DoctorOptions = Pick<Look, 'keys' | 'migrations' | 'now'> & {
  /** Without it nobody is called. */
  probe?: Probe
  depth: Depth
  progress: (step: string) => void
}

const STATEMENT_LIMIT_S = 60
/** So many rows of a table are opened in half a second. */
const USUALLY_OPENED = 50_000
const BATCH = 5_000

export async function examine(pool: pg.Pool, options: DoctorOptions): Promise<Diagnosis> {
  const began = performance.now()
  const client = await pool.connect()
  try {
    await client.query('begin isolation level repeatable read, read only')
    await client.query(`set local statement_timeout = '${STATEMENT_LIMIT_S}s'`)
    // The joins below hash whole tables, once.
    await client.query("set local work_mem = '64MB'")
    // Offenders are few, which the planner cannot know: it would take handing them over for too dear to share the work.
    await client.query('set local parallel_tuple_cost = 0')
    const checks = await readAll(client, options)
    return {
      faults: count(checks, ({ level, status }) => level === 'fault' && status === 'found'),
      warnings: count(checks, ({ level, status }) => level === 'warning' && status === 'found'),
      unfinished: count(checks, ({ status }) => status === 'unfinished'),
      took_ms: Math.round(performance.now() - began),
      checks,
    }
  } finally {
    // Nothing to keep; a connection that cannot do even this is not given back.
    await client.query('rollback').then(
      () => client.release(),
      (error) => client.release(error),
    )
  }
}

const count = (checks: Result[], isSo: (check: Result) => boolean) => checks.filter(isSo).length

async function readAll(client: pg.PoolClient, options: DoctorOptions): Promise<Result[]> {
  const most_opened = options.depth === 'deep' ? Number.POSITIVE_INFINITY : USUALLY_OPENED
  const look: Look = {
    ...options,
    probe: options.probe,
    most_opened,
    query: async (text, values = []) => (await client.query(text, values)).rows,
    stream: (text, take) => stream(client, text, take),
  }
  const results = new Map<string, Result>()
  const all = options.probe ? [...CHECKS, ...PROBE_CHECKS] : CHECKS
  for (const [read, checks] of readingsOf(all)) {
    options.progress(checks.length > 1 ? `${checks[0]?.id} and ${checks.length - 1} more` : `${checks[0]?.id}`)
    for (const result of await readOne(client, look, options.depth, read, checks)) results.set(result.id, result)
  }
  return all.flatMap(({ id }) => results.get(id) ?? [])
}

async function readOne(client: pg.PoolClient, look: Look, depth: Depth, read: Reading, checks: Check[]) {
  const began = performance.now()
  const present = (check: Check, status: Status, found: Found): Result => {
    const { id, level, means, advice } = check
    return { id, level, status, means, advice, ...found, took_ms: Math.round(performance.now() - began) }
  }
  const skipped = checks.filter((check) => reasonToSkip(check, look, depth))
  if (skipped.length === checks.length) {
    return checks.map((check) => present(check, 'skipped', nothing(reasonToSkip(check, look, depth))))
  }
  await client.query('savepoint reading')
  try {
    const found = await read(look)
    await client.query('release savepoint reading')
    return checks.map((check) => {
      const answer = found[check.id] ?? nothing()
      return present(check, answer.count > 0 ? 'found' : 'good', answer)
    })
  } catch (error) {
    // Lost connections fly: here it is decided only that one reading failed.
    await client.query('rollback to savepoint reading')
    return checks.map((check) => present(check, 'unfinished', nothing(reasonOf(error))))
  }
}

const nothing = (note?: string): Found => ({ count: 0, examples: [], ...(note ? { note } : {}) })

function reasonToSkip({ find }: Check, { keys }: Look, depth: Depth): string | undefined {
  if (!('opens' in find)) return undefined
  if (!keys) return 'The data keys are needed for this.'
  return find.opens === 'many' && depth === 'quick' ? 'Left out by --quick.' : undefined
}

/** PostgreSQL quotes values of rows in some messages, so of those only the code is repeated. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown }).code
  if (code === '57014') return `It took longer than ${STATEMENT_LIMIT_S} s.`
  if (code === '42P01' || code === '42703') return 'A table or column is missing: the database is not migrated.'
  return typeof code === 'string' ? `PostgreSQL refused it (${code}).` : String(error)
}

/** Each reading once, in the order of the checks, with all the checks it answers. */
function readingsOf(checks: Check[]): Map<Reading, Check[]> {
  const readings = new Map<Reading, Check[]>()
  const ofSource = new Map<Source, Reading>()
  for (const check of checks) {
    const read = readingOf(check, checks, ofSource)
    readings.set(read, [...(readings.get(read) ?? []), check])
  }
  return readings
}

function readingOf({ id, find }: Check, checks: Check[], ofSource: Map<Source, Reading>): Reading {
  if ('read' in find) return find.read
  if ('rows' in find) return async (look) => ({ [id]: await readRows(look, find.rows) })
  const known = ofSource.get(find.of) ?? ((look) => readSource(look, find.of, checks))
  ofSource.set(find.of, known)
  return known
}

async function readRows({ query }: Look, text: string): Promise<Found> {
  const [row] = await query<Found>(
    `with offenders as materialized (${text})
     select (select count(*)::int from offenders) as count,
            array(select sid from offenders limit ${EXAMPLES}) as examples`,
  )
  return row ?? nothing()
}

/** One reading of a source for all its checks; only rows that one of them minds are looked at more closely. */
async function readSource({ query }: Look, source: Source, checks: Check[]): Promise<Record<string, Found>> {
  const { sid, from } = SOURCES[source]
  const wanted = checks.flatMap(({ id, find }) =>
    'of' in find && find.of === source ? [{ id, where: find.where }] : [],
  )
  const predicates = wanted.map(({ where }) => `(${where})`)
  const [row] = await query<{ found: Record<string, Found> }>(
    `with offenders as materialized (
       select ${sid} as sid, array[${predicates.join(',\n')}] as minded from ${from} where ${predicates.join('\nor ')}
     ),
     counted as (
       select nth - 1 as nth, count(*) filter (where minded[nth]) as count,
              to_json((array_agg(sid) filter (where minded[nth]))[1:${EXAMPLES}]) as examples
       from offenders, generate_series(1, ${wanted.length}) nth group by nth
     )
     select json_object_agg(nth, json_build_object('count', count, 'examples', coalesce(examples, '[]'))) as found from counted`,
  )
  return Object.fromEntries(wanted.map(({ id }, at) => [id, row?.found?.[at] ?? nothing()]))
}

/** The next batch is on its way while one is worked on. In binary, since hex would double what is sealed. */
async function stream<Row>(client: pg.PoolClient, text: string, take: (row: Row) => void): Promise<void> {
  await client.query(`declare reading no scroll cursor for ${text}`)
  const fetch = async () => {
    const query = { text: `fetch ${BATCH} from reading`, binary: true }
    return (await client.query(query)).rows as Row[]
  }
  let next = fetch()
  for (;;) {
    const rows = await next
    if (rows.length === 0) break
    next = fetch()
    // Its failure is met at the next turn, after this batch.
    next.catch(() => undefined)
    for (const row of rows) take(row)
  }
  await client.query('close reading')
}
