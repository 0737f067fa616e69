import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { DatabaseError } from './database-error.ts'

export type Migration = { version: number; name: string; sha256: string; sql: string }

type Applied = { version: number; name: string; sha256: string }

const FOLDER = fileURLToPath(new URL('migrations', import.meta.url))

/** Any number would do, as long as nothing else takes an advisory lock by it: "maskline" in ASCII. */
const LOCK = '7881707728092622437'

/**
 * Brings the database up to date; gives the migrations that this call applied. Several servers may start at once: each
 * migration is a transaction that begins with waiting for the lock, and then looks again at what is left to do.
 */
export async function migrate(
  pool: pg.Pool,
  options: { progress: (step: string) => void; folder?: string },
): Promise<Migration[]> {
  const known = readMigrations(options.folder ?? FOLDER)
  const done: Migration[] = []
  const client = await pool.connect()
  let failure: Error | undefined
  try {
    for (;;) {
      const migration = await applyNext(client, known, options.progress)
      if (!migration) return done
      done.push(migration)
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    // After a failure the connection is closed, and with it its transaction.
    client.release(failure)
  }
}

/** What `migrate` would apply. Throws, as `migrate` does, when the database and the program do not go together. */
export async function pendingMigrations(pool: pg.Pool, folder = FOLDER): Promise<Migration[]> {
  const { rows } = await pool.query<{ there: boolean }>("select to_regclass('schema_migrations') is not null as there")
  return findPending(readMigrations(folder), rows[0]?.there ? await listApplied(pool) : [])
}

async function applyNext(client: pg.PoolClient, known: Migration[], progress: (step: string) => void) {
  await client.query('begin')
  await client.query(`select pg_advisory_xact_lock(${LOCK})`)
  await client.query(
    `create table if not exists schema_migrations (
       version integer primary key,
       name text not null,
       sha256 text not null,
       date_applied timestamptz not null default now()
     )`,
  )
  const next = findPending(known, await listApplied(client))[0]
  if (next) {
    progress(`applying migration ${next.name}`)
    await run(client, next)
    const { version, name, sha256 } = next
    await client.query('insert into schema_migrations (version, name, sha256) values ($1, $2, $3)', [
      version,
      name,
      sha256,
    ])
  }
  await client.query('commit')
  return next
}

async function run(client: pg.PoolClient, migration: Migration) {
  try {
    await client.query(migration.sql)
  } catch (cause) {
    throw new DatabaseError(
      `Migration ${migration.name} failed and was rolled back${lineOf(cause, migration.sql)}: ` +
        `${cause instanceof Error ? cause.message : cause}`,
      { cause },
    )
  }
}

/** PostgreSQL says where an error is as a position in the text. */
function lineOf(error: unknown, sql: string) {
  if (!(error instanceof Error && 'position' in error && typeof error.position === 'string')) return ''
  return `, in line ${sql.slice(0, Number(error.position)).split('\n').length}`
}

async function listApplied(db: pg.Pool | pg.PoolClient): Promise<Applied[]> {
  const { rows } = await db.query<Applied>('select version, name, sha256 from schema_migrations order by version')
  return rows
}

function findPending(known: Migration[], applied: Applied[]): Migration[] {
  for (const [index, { name, version, sha256 }] of applied.entries()) {
    const file = known[index]
    if (!file) {
      throw new DatabaseError(
        `The database is newer than this maskline: it has migration ${name}, and this program knows ` +
          `${known.at(-1)?.name ?? 'none'} as its last. Start the version that migrated it, or a newer one.`,
      )
    }
    if (file.version !== version) {
      throw new DatabaseError(`The database lacks migration ${file.name} but has ${name}: restore it from a backup.`)
    }
    if (file.sha256 !== sha256) {
      throw new DatabaseError(
        `Migration ${file.name} was edited after this database applied it: put the file back as it was, and make the ` +
          'change in a new migration.',
      )
    }
  }
  return known.slice(applied.length)
}

/** The numbered files, which count from 1 without a gap, so that the order of files is the order of versions. */
function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
  return files.map((file, index) => {
    const number = /^(\d{4})-[a-z0-9-]+\.sql$/.exec(file)?.[1]
    if (Number(number) !== index + 1) {
      const expected = String(index + 1).padStart(4, '0')
      throw new DatabaseError(
        `${join(folder, file)} should be called ${expected}-name.sql: numbers count up from 0001.`,
      )
    }
    // A checkout with CRLF line ends holds the same migration.
    const sql = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n')
    const sha256 = createHash('sha256').update(sql).digest('hex')
    return { version: index + 1, name: file.replace(/\.sql$/, ''), sha256, sql }
  })
}
