import type { Diagnosis } from '../../src/core/doctor.ts'
import { openDatabase } from '../../src/db/open.ts'
import { createLogger } from '../../src/log.ts'
import type { Env } from '../../test/support/cli.ts'
import { runTool } from './compiled-program.ts'
import type { Change } from './one-moment.ts'
import type { Passing } from './session-churn.ts'

/** A data folder that a backup was restored into, before any server has run on it. */
export type Restored = {
  rows: number
  /** Messages whose carrier is to be asked first. */
  in_doubt: number
  callbacks: number
  /** By doctor, in its usual depth and in its full one: checks that found a fault, or were not finished. */
  faults: string[]
  warnings: string[]
}

type Place = { cli: string; env: Env; file: string; data_dir: string }

export async function restoreInto({ cli, env, file, data_dir }: Place): Promise<Restored> {
  const there = { ...env, MASKLINE_DATA_DIR: data_dir }
  const [{ rows, in_doubt, callbacks }] = JSON.parse(await succeed(cli, ['restore', file, '--json'], there))
  const found = [
    await examine(cli, ['doctor', '--json'], there),
    await examine(cli, ['doctor', '--deep', '--json'], there),
  ]
  const those = (level: string) => [...new Set(found.flatMap((diagnosis) => problems(diagnosis, level)))]
  return { rows, in_doubt, callbacks, faults: those('fault'), warnings: those('warning') }
}

export async function succeed(cli: string, args: string[], env: Env): Promise<string> {
  const { code, stdout, stderr } = await runTool(cli, args, env)
  if (code !== 0) throw new Error(`maskline ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}

async function examine(cli: string, args: string[], env: Env): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runTool(cli, args, env)
  if (!stdout.startsWith('{')) throw new Error(`maskline ${args.join(' ')} ended with ${code}: ${stderr}`)
  const diagnosis: Diagnosis = JSON.parse(stdout)
  const isFaulty = diagnosis.faults + diagnosis.unfinished > 0
  if ((code !== 0) !== isFaulty) throw new Error(`doctor ended with ${code}, and told of ${diagnosis.faults} faults`)
  return diagnosis
}

/** What could not be finished vouches for nothing, so it counts as a fault. */
const problems = ({ checks }: Diagnosis, wanted: string) =>
  checks
    .filter(({ status, level }) => (status === 'found' ? level === wanted : status !== 'good' && wanted === 'fault'))
    .map(({ id, count }) => `${id} ${count}`)

export type Contents = {
  /** Events of which there is more than one row. */
  doubled: number
  isThere: (change: Change) => boolean
}

/** What is in it of all that was changed. */
export async function readContents(data_dir: string, passing: Passing[]): Promise<Contents> {
  const log = createLogger('error')
  const quiet = { progress: () => undefined, log }
  const { pool, stop } = await openDatabase({ database_url: undefined, data_dir, pool: 1, ...quiet })
  try {
    const interactions = await pool.query<Record<'sid' | 'event_id' | 'outcome' | 'status', string | null>>(
      'select sid, event_id, outcome, outbound_resource_status as status from interactions',
    )
    const sessions = await pool.query<{ sid: string; status: string }>('select sid, status from sessions')
    const eventOf = new Map(passing.map(({ sid, event }) => [sid, event]))
    const outcomes = new Map(interactions.rows.map(({ event_id, outcome }) => [event_id, outcome]))
    const statuses = new Map(interactions.rows.map(({ sid, status }) => [sid, status]))
    const states = new Map(sessions.rows.map(({ sid, status }) => [sid, status]))
    // Of what was said in a deleted session the event remains, which tells it from one that was not open yet.
    const isDeleted = (sid: string) => outcomes.get(eventOf.get(sid) ?? '') === 'deleted'
    const looks: Record<string, (sid: string) => boolean> = {
      text: (sid) => outcomes.has(sid),
      report: (sid) => statuses.get(sid) === 'delivered',
      open: (sid) => states.has(sid) || isDeleted(sid),
      close: (sid) => states.get(sid) === 'closed' || isDeleted(sid),
      delete: isDeleted,
    }
    const events = interactions.rows.filter(({ event_id }) => event_id !== null).length
    return {
      doubled: events - [...outcomes.keys()].filter((event_id) => event_id !== null).length,
      isThere: ({ what, sid }) => looks[what]?.(sid) ?? false,
    }
  } finally {
    await stop()
  }
}
