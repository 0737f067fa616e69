import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type pg from 'pg'
import { ConfigError, findDevMasterKey, loadConfig } from '../config.ts'
import type { Migrations } from '../core/doctor/check.ts'
import { type Depth, type Diagnosis, examine, type Result } from '../core/doctor.ts'
import { openDataKeys, readDataKeys, WrongMasterKey } from '../core/keys.ts'
import type { Keyring } from '../core/seal.ts'
import { openKysely } from '../core/store.ts'
import { DatabaseError } from '../db/database-error.ts'
import { pendingMigrations } from '../db/migrate.ts'
import { openDatabase } from '../db/open.ts'
import { createLogger } from '../log.ts'
import { applicationProbe } from '../serve.ts'
import { progressLine, UsageError } from './output.ts'

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'check the data against the promise, and what threatens it; changes nothing, also beside a running server',
    )
    .option('--quick', "leave out what opens participants' numbers and the text of interactions, and the audit log")
    .option('--deep', 'open the text of every interaction, also where there are millions')
    .option('--probe', "connect to the services' applications, too, and ask them nothing")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nIt reads one snapshot and ends with status 0 when nothing is wrong or there are warnings only, with 1 when a\n' +
        'fault was found or a check could not be finished, and with 2 when it was not used rightly.\n' +
        '\nExamples:\n  maskline doctor\n  maskline doctor --quick\n  maskline doctor --probe\n' +
        '  maskline doctor --json | jq \'.checks[] | select(.status == "found")\'',
    )
    // Commander ends with 1, which stands for a fault here.
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(runDoctor)
}

async function runDoctor({ quick, deep, probe, json }: Partial<Record<'quick' | 'deep' | 'probe' | 'json', boolean>>) {
  if (quick && deep) throw new UsageError('Give --quick or --deep, not both.')
  const diagnosis = await diagnose(quick ? 'quick' : deep ? 'deep' : 'usual', probe)
  console.log(json ? JSON.stringify(diagnosis, null, 2) : report(diagnosis))
  process.exitCode = diagnosis.faults + diagnosis.unfinished > 0 ? 1 : 0
}

/** Unlike the other tools it does not migrate, and makes neither a database nor data keys: it is told what is there. */
async function diagnose(depth: Depth, probe: boolean | undefined): Promise<Diagnosis> {
  const config = loadConfig('tool')
  const { database_url, data_dir } = config
  if (!database_url && !existsSync(join(data_dir, 'postgres'))) {
    throw new UsageError(
      `There is no database in ${data_dir}. Start the server first, or run this with the settings it runs with.`,
    )
  }
  const masterKeys = [
    config.master_key ?? (database_url ? undefined : findDevMasterKey(data_dir)),
    config.master_key_next,
  ]
  const given = masterKeys.filter((key) => key !== undefined)
  if (given.length === 0)
    throw new ConfigError(['MASKLINE_MASTER_KEY: is missing: give the key that the server runs with'])
  const { step, done } = progressLine(process.stderr)
  const log = createLogger('error')
  const database = await openDatabase({ database_url, data_dir, pool: 2, share: true, progress: step, log })
  try {
    const { pool } = database
    const [keys, migrations] = [await findKeyring(pool, given), await findMigrations(pool)]
    return await examine(pool, {
      depth,
      keys,
      migrations,
      now: Date.now,
      ...(probe ? { probe: applicationProbe(config) } : {}),
      progress: (check) => step(`checking ${check}`),
    })
  } finally {
    done()
    await database.stop()
  }
}

/** Undefined when there are no data keys, which opening them would make, or others. */
async function findKeyring(pool: pg.Pool, masterKeys: Buffer[]): Promise<Keyring | undefined> {
  const { rows } = await pool.query("select to_regclass('data_keys') is not null as there")
  if (!rows[0]?.there) return undefined
  const found = await readDataKeys(openKysely(pool))
  if (found.length === 0) return undefined
  try {
    return openDataKeys(found, masterKeys)
  } catch (error) {
    if (error instanceof WrongMasterKey) return undefined
    throw error
  }
}

async function findMigrations(pool: pg.Pool): Promise<Migrations> {
  try {
    return { pending: (await pendingMigrations(pool)).map(({ name }) => name) }
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error
    return { pending: [], problem: error.message }
  }
}

const WIDTH = 31

function report({ checks, faults, warnings, unfinished, took_ms }: Diagnosis): string {
  const number = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  const counts = [number(faults, 'fault'), number(warnings, 'warning')]
  if (unfinished > 0) counts.push(`${unfinished} not finished`)
  const summary = `${number(checks.length, 'check')} in ${(took_ms / 1000).toFixed(1)} s: ${counts.join(', ')}.`
  return [...checks.flatMap(describe), '', summary].join('\n')
}

function describe(check: Result): string[] {
  const { id, means, advice, count, examples, note } = check
  const head = `${mark(check)} ${id.padEnd(WIDTH)} ${means}`
  const notes = note ? [`    ${note}`] : []
  if (check.status !== 'found') return [head, ...notes]
  const more = count > examples.length ? `, and ${count - examples.length} more` : ''
  const offenders = examples.length > 0 ? [`    ${examples.join(', ')}${more}`] : []
  return [head, ...offenders, ...notes, `    → ${advice}`]
}

function mark({ status, level }: Result): string {
  if (status === 'good') return '✓'
  if (status === 'skipped') return '-'
  if (status === 'unfinished') return '?'
  return level === 'fault' ? '✗' : '!'
}
