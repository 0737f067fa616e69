import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { listTables, nameOf, PLAIN_TEXT, type Progress } from './backup.ts'
import { type BackupHeader, type BackupReader, type BackupTable, countRows, readBackup } from './backup-file.ts'
import { copyIn } from './copy.ts'
import { DatabaseError } from './database-error.ts'
import { migrate, pendingMigrations } from './migrate.ts'

/**
 * Fills an empty database with a backup: brings it to the backup's migration, loads everything in one transaction, then
 * brings it to the newest one.
 *
 * Between the backup and now the server it was made of went on, so what was due then may have been done since, and the
 * invariant that nothing is sent twice (I8) has to hold across that. Therefore, in the same transaction:
 *
 * - A message still to be sent, intercepted or not, counts as one whose sending ended in an unknown outcome. Its carrier is
 *   asked for it before it is sent, from the moment it came in (`core/send.ts`); one that cannot say is asked again, and
 *   in the end the leg fails. It waits a minute first, for one that left as the old server died.
 * - A message that fits no session, and about which the customer's application was still to be asked, is not asked about
 *   again: the answer may make a session on another number or several replies, which no carrier could be asked about.
 * - Callbacks that were due are delivered, perhaps once more, with the token by which the receiver knows a repeat.
 * - Calls are left as they are: looking after one only asks the carrier how it ended, and starts none.
 *
 * These statements run on the schema of the backup, so they have to fit every one from migration 1 on.
 */
const HOLD_BACK = {
  messages: `
    update interactions set send_started_at = coalesce(send_started_at, date_created),
      due_at = greatest(due_at, now() + interval '1 minute')
    where type = 'message' and due_at is not null and stage in ('intercept', 'send')`,
  questions: `
    update interactions set stage = null, due_at = null
    where type = 'message' and due_at is not null and stage = 'out-of-session'`,
}

export type Restored = {
  header: BackupHeader
  rows: number
  /** Messages whose carriers are asked before they are sent. */
  in_doubt: number
  /** Messages outside any session about which nobody is asked any more. */
  not_asked: number
  /** Callbacks that are delivered, perhaps again. */
  callbacks: number
}

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url))

export type RestoreOptions = {
  /** Throws when this backup is of no use here, such as when the master key does not open it. */
  check: (header: BackupHeader) => void
  progress: Progress
  step: (text: string) => void
}

/** Reads a backup to its end without touching a database: throws when it is not whole, or cannot be restored here. */
export const checkBackup = (source: AsyncIterable<Buffer>, check: RestoreOptions['check']): Promise<BackupHeader> =>
  readBackup(source, { header: (header) => checkHeader(header, check), table: countRows })

function checkHeader(header: BackupHeader, check: RestoreOptions['check']) {
  const known = migrationFiles()
  const last = header.migrations.at(-1)
  if (!last || last.version > known.length) {
    throw new DatabaseError(
      `The backup is newer than this maskline: it has migration ${last?.name}, and this program knows ` +
        `${known.at(-1)?.replace('.sql', '')} as its last. Restore it with maskline ${header.maskline} or a newer one.`,
    )
  }
  check(header)
}

export async function restoreBackup(
  pool: pg.Pool,
  source: AsyncIterable<Buffer>,
  options: RestoreOptions,
): Promise<Restored> {
  const { progress, step } = options
  await refuseRunning(pool)
  let client: pg.PoolClient | undefined
  let failure: Error | undefined
  const state = { table: '', rows: 0, bytes: 0 }
  const reader: BackupReader = {
    async header(header) {
      checkHeader(header, options.check)
      await refuseUsed(pool)
      await migrateTo(pool, header, step)
      client = await pool.connect()
      await beginLoading(client, header)
    },
    async table(statement, chunks, table) {
      if (!client) throw new Error('rows before the header')
      state.table = table.name
      const count = await copyIn(client, statement, counted(chunks, state, progress))
      state.rows += count
      return count
    },
  }
  let restored: Restored
  try {
    const header = await readBackup(source, reader)
    restored = { header, rows: state.rows, ...(await holdBack(client)) }
    await client?.query('commit')
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    // After a failure the connection is closed, and with it its transaction.
    client?.release(failure)
  }
  await migrate(pool, { progress: step })
  step('gathering statistics')
  for (const table of await listTables(pool)) await pool.query(`analyze ${nameOf(table)}`)
  return restored
}

async function* counted(chunks: AsyncIterable<Buffer>, state: Parameters<Progress>[0], progress: Progress) {
  for await (const chunk of chunks) {
    state.bytes += chunk.length
    progress(state)
    yield chunk
  }
}

/** A server that runs on the database holds data keys in memory, which would not be those of the backup. */
async function refuseRunning(pool: pg.Pool) {
  const { rows } = await pool.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and application_name = 'maskline' and pid <> pg_backend_pid()`,
  )
  if (rows.length === 0) return
  throw new DatabaseError(
    `A maskline is at work on this database: stop it first. (If none runs any more, end what it left with ` +
      `${rows.map(({ pid }) => `select pg_terminate_backend(${pid})`).join('; ')}.)`,
  )
}

/** What a first start leaves, and nobody misses: keys that have sealed nothing yet, and that it was started. */
const OF_A_START = ['data_keys', 'audit_pending', 'audit_entries', 'audit_ends', 'key_uses']

async function refuseUsed(db: pg.Pool | pg.PoolClient) {
  for (const table of await listTables(db)) {
    if (OF_A_START.includes(table.name)) continue
    const { rows } = await db.query<{ used: boolean }>(`select exists (select from ${nameOf(table)}) as used`)
    if (!rows[0]?.used) continue
    throw new DatabaseError(
      `The database is not empty, there are ${table.name}: a backup is restored into an empty one only. Name another ` +
        'folder with MASKLINE_DATA_DIR, or make another database with `createdb` and name it in DATABASE_URL.',
    )
  }
}

/** Gives an empty database the tables that the backup has, which may be those of an older version. */
async function migrateTo(pool: pg.Pool, { migrations }: BackupHeader, step: (text: string) => void) {
  const wanted = migrations.at(-1)?.version ?? 0
  const pending = await pendingMigrations(pool)
  const files = migrationFiles()
  if (files.length - pending.length > wanted) {
    throw new DatabaseError(
      `The backup is of an older version, from before ${files[wanted]}, which this empty database has already: restore ` +
        'it into one that no maskline was started on. It is brought up to date afterwards.',
    )
  }
  const folder = mkdtempSync(join(tmpdir(), 'maskline-migrations-'))
  try {
    for (const file of files.slice(0, wanted)) copyFileSync(join(MIGRATIONS, file), join(folder, file))
    await migrate(pool, { progress: step, folder })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const migrationFiles = () =>
  readdirSync(MIGRATIONS)
    .filter((file) => file.endsWith('.sql'))
    .sort()

async function beginLoading(client: pg.PoolClient, header: BackupHeader) {
  await client.query('begin')
  await client.query(PLAIN_TEXT)
  const tables = await listTables(client)
  // Nobody writes between the look and the load.
  await client.query(`lock table ${tables.map(nameOf).join(', ')} in exclusive mode`)
  await refuseUsed(client)
  for (const { name } of tables) if (OF_A_START.includes(name)) await client.query(`delete from ${name}`)
  const { rows } = await client.query('select version, name, sha256 from schema_migrations order by version')
  const same = JSON.stringify(rows) === JSON.stringify(header.migrations)
  const missing = header.tables.find((table) => !tables.some((there) => isWithin(table, there)))
  if (same && !missing) return
  const what = missing ? `the table ${missing.name} as it is there` : 'the same migrations'
  throw new DatabaseError(
    `The backup is of another program: this one has not ${what}. Restore it with maskline ${header.maskline}.`,
  )
}

const isWithin = (table: BackupTable, there: BackupTable) =>
  table.name === there.name && table.columns.every((column) => there.columns.includes(column))

async function holdBack(client: pg.PoolClient | undefined) {
  const countOf = async (statement: string) => (await client?.query(statement))?.rowCount ?? 0
  return {
    in_doubt: await countOf(HOLD_BACK.messages),
    not_asked: await countOf(HOLD_BACK.questions),
    callbacks: await countOf('select from callbacks where due_at is not null'),
  }
}
