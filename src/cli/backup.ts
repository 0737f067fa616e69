import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createGunzip } from 'node:zlib'
import type { Command } from 'commander'
import type pg from 'pg'
import { type Config, findDevMasterKey, loadConfig } from '../config.ts'
import { audit } from '../core/audit.ts'
import { SealError, unwrapKey } from '../core/seal.ts'
import { openKysely } from '../core/store.ts'
import { type Progress, saveBackup } from '../db/backup.ts'
import type { BackupHeader } from '../db/backup-file.ts'
import { DatabaseError, errorCode } from '../db/database-error.ts'
import { type Database, openDatabase } from '../db/open.ts'
import { checkBackup, type Restored, type RestoreOptions, restoreBackup } from '../db/restore.ts'
import { createLogger } from '../log.ts'
import { VERSION } from '../version.ts'
import { print, progressLine, UsageError } from './output.ts'
import { openTarget } from './whole-file.ts'
import { operator } from './with-store.ts'

export function backupCommands(program: Command): void {
  program
    .command('backup <file>')
    .description('write everything in the database to one file, beside a running server; - is standard output')
    .option('--overwrite', 'replace the file when it is there')
    .option('--json', 'print JSON')
    .addHelpText('after', BACKUP_HELP)
    .action(runBackup)
  program
    .command('restore <file>')
    .description('fill an empty database with a backup, all of it or nothing; - is standard input')
    .option('--json', 'print JSON')
    .addHelpText('after', RESTORE_HELP)
    .action(runRestore)
}

const BACKUP_HELP = `
It sees everything as it was at one moment and holds nobody up. The master key is not needed and not in the file. What is
sealed in the database (numbers of people, messages, credentials) is sealed in the file too; in clear are proxy numbers,
names that you gave, addresses of callbacks, and when who of the unnamed wrote to whom. Keep the master key elsewhere:
without it the file is worth nothing.

Examples:
  maskline backup maskline.backup
  maskline backup --overwrite /backups/maskline.backup
  maskline backup - | age -r age1… > maskline.backup.age
  maskline backup - | aws s3 cp - s3://backups/maskline.backup`

const RESTORE_HELP = `
The database has to be empty and no server at work on it; a backup of an older version is brought up to date. A file is
read to its end before anything is written. Give the master key of the server that the backup was made of, so that it can
be tried; with another one nothing is restored.

Nothing is sent twice: of a message that was still to be sent at the time of the backup the carrier is asked first. Do not
start a server on a restored copy while the one it is a copy of goes on.

Examples:
  MASKLINE_DATA_DIR=./restored maskline restore maskline.backup
  DATABASE_URL=postgres://…/restored MASKLINE_MASTER_KEY_FILE=/run/secrets/maskline maskline restore maskline.backup
  age -d -i key.txt maskline.backup.age | maskline restore -`

async function runBackup(file: string, options: { overwrite?: boolean; json?: boolean }) {
  const config = loadConfig('tool')
  if (!config.database_url && !existsSync(join(config.data_dir, 'postgres'))) {
    throw new UsageError(`There is no database in ${config.data_dir}: run this with the settings the server runs with.`)
  }
  if (file === '-' && process.stdout.isTTY) throw new UsageError('A backup is not for reading: send it somewhere.')
  const target = file === '-' ? undefined : openTarget(file, options.overwrite ? 'replace' : 'keep')
  const began = performance.now()
  const { step, done } = progressLine(process.stderr)
  try {
    const { rows, bytes, header } = await withDatabase(config, { share: true, step }, async ({ pool }) => {
      await record(pool, 'backup.start')
      const options = { version: VERSION, progress: report(step, 'saving') }
      return await saveBackup(pool, target?.stream ?? process.stdout, options)
    })
    target?.keep()
    done()
    const summary = { file, rows, bytes, tables: header.tables.length, ...presentHeader(header) }
    // Standard output may be the backup itself.
    if (options.json) tell(file, () => print([summary], options), JSON.stringify([summary]))
    else {
      const saved = `Saved ${count(rows, 'row')} to ${file} (${size(bytes)}, ${seconds(began)}).`
      const text = `${saved} Keep the master key with care, elsewhere.`
      tell(file, () => console.log(text), text)
    }
  } catch (error) {
    if (!NOT_WRITTEN.has(errorCode(error) ?? '')) throw error
    throw new UsageError(`Cannot write ${file}: ${(error as Error).message}`)
  } finally {
    done()
    target?.discard()
  }
}

/** A full disk, or a pipe at whose other end nobody reads any more. */
const NOT_WRITTEN = new Set(['EPIPE', 'ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'])

const tell = (file: string, toOutput: () => void, text: string) => (file === '-' ? console.error(text) : toOutput())

async function runRestore(file: string, options: { json?: boolean }) {
  const config = loadConfig('tool')
  if (file === '-' && process.stdin.isTTY) throw new UsageError('Give the backup on standard input, or name its file.')
  if (file !== '-' && !existsSync(file)) throw new UsageError(`There is no file ${file}.`)
  const key = config.master_key ?? (config.database_url ? undefined : findDevMasterKey(config.data_dir))
  const check = (header: BackupHeader) => checkKey(header, key)
  const began = performance.now()
  const { step, done } = progressLine(process.stderr)
  try {
    if (file !== '-') {
      step(`checking ${file}`)
      await checkBackup(unpack(file), check)
    }
    const restoring: RestoreOptions = { check, step, progress: report(step, 'loading') }
    const restored = await withDatabase(config, { share: false, step }, async ({ pool }) => {
      const restored = await restoreBackup(pool, unpack(file), restoring)
      await record(pool, 'backup.restore')
      return restored
    })
    done()
    const { header, ...counts } = restored
    const summary = { file, ...counts, master_key: key ? 'opens' : 'not-given', ...presentHeader(header) }
    if (options.json) print([summary], options)
    else console.log(greeting(file, restored, seconds(began), key, config))
  } finally {
    done()
  }
}

async function withDatabase<T>(
  config: Config,
  { share, step }: { share: boolean; step: (text: string) => void },
  work: (database: Database) => Promise<T>,
): Promise<T> {
  const { database_url, data_dir } = config
  const log = createLogger('error')
  const database = await openDatabase({ database_url, data_dir, pool: 1, share, progress: step, log })
  try {
    return await work(database)
  } finally {
    await database.stop()
  }
}

/** A database of an older version can be saved, too, and has no audit log. */
async function record(pool: pg.Pool, action: string): Promise<void> {
  const { rows } = await pool.query("select to_regclass('audit_pending') is not null as there")
  if (rows[0]?.there) await audit({ db: openKysely(pool), actor: operator() }, { action })
}

/** Begins with the first that is asked of it: until then nobody would hear of an error. */
async function* unpack(file: string): AsyncGenerator<Buffer> {
  const source = file === '-' ? process.stdin : createReadStream(file)
  const unpacked = createGunzip({ chunkSize: 1 << 18 })
  source.on('error', (error: Error) => unpacked.destroy(error))
  yield* source.pipe(unpacked)
}

function checkKey({ data_keys }: BackupHeader, key: Buffer | undefined) {
  if (!key) return
  try {
    for (const { purpose, wrapped } of data_keys) unwrapKey(key, purpose, Buffer.from(wrapped, 'base64'))
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    throw new DatabaseError(
      'The master key does not open this backup: nothing was restored. Give the key of the server that the backup was ' +
        'made of (MASKLINE_MASTER_KEY or MASKLINE_MASTER_KEY_FILE; of `dev` it is the file master.key of its data folder).',
    )
  }
}

const presentHeader = ({ maskline, postgres, date, migrations }: BackupHeader) => ({
  maskline,
  postgres,
  date,
  migration: migrations.at(-1)?.name ?? null,
})

function greeting(file: string, restored: Restored, took: string, key: Buffer | undefined, config: Config): string {
  const { header, rows, in_doubt, not_asked, callbacks } = restored
  const lines = [
    `Restored ${count(rows, 'row')} from ${file} (made ${header.date} by maskline ${header.maskline}; ${took}).`,
    key ? 'The master key opens it.' : keyAdvice(config),
  ]
  if (in_doubt > 0) lines.push(`${count(in_doubt, 'message')} to be sent: the carrier is asked first, in a minute.`)
  if (not_asked > 0)
    lines.push(`${count(not_asked, 'message')} outside any session: nobody is asked what to do any more.`)
  if (callbacks > 0) lines.push(`${count(callbacks, 'callback')} to be delivered, some of them perhaps again.`)
  return lines.join('\n')
}

const keyAdvice = ({ database_url, data_dir }: Config) =>
  'No master key was given, so it was not tried. Start the server with that of the server which the backup was made of ' +
  '(MASKLINE_MASTER_KEY or MASKLINE_MASTER_KEY_FILE); nothing opens it but that one.' +
  (database_url ? '' : ` For \`dev\`, copy master.key and both dev-… files of the old data folder to ${data_dir}.`)

const PROGRESS_MS = 100

function report(step: (text: string) => void, what: string): Progress {
  let told = 0
  return ({ table, rows, bytes }) => {
    if (performance.now() - told < PROGRESS_MS) return
    told = performance.now()
    step(`${what} ${table}: ${count(rows, 'row')}, ${size(bytes)}`)
  }
}

const count = (number: number, what: string) => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`

const size = (bytes: number) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`)

const seconds = (began: number) => `${((performance.now() - began) / 1000).toFixed(1)} s`
