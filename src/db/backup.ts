import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type pg from 'pg'
import { type BackupHeader, type BackupTable, FORMAT, quoted, type RowCounts, writeBackup } from './backup-file.ts'
import { copyOut } from './copy.ts'
import { DatabaseError } from './database-error.ts'

/**
 * Writes everything in the database to one file, while servers go on: one read-only transaction sees it all as it was at
 * one moment. Rows stream from the server through the packing to the file. Which tables and columns there are is asked of
 * the database, so that one of another version can be saved as well, before an upgrade for instance.
 */
export type Saved = { header: BackupHeader; counts: RowCounts; rows: number; bytes: number }

export type Progress = (state: { table: string; rows: number; bytes: number }) => void

/** Packing is what takes the time; the levels above this one take twice as long for a file a few percent smaller. */
const LEVEL = 4

export async function saveBackup(
  pool: pg.Pool,
  target: NodeJS.WritableStream,
  { version, progress }: { version: string; progress: Progress },
): Promise<Saved> {
  const client = await pool.connect()
  let failure: Error | undefined
  try {
    const tables = await listTables(client)
    await client.query('begin isolation level repeatable read, read only')
    await client.query(PLAIN_TEXT)
    // Before anything is read, and with it the moment fixed: no migration may rewrite a table under it.
    if (tables.length > 0) await client.query(`lock table ${tables.map(nameOf).join(', ')} in access share mode`)
    const header = await describe(client, version)
    const counts: RowCounts = {}
    const state = { table: '', rows: 0, bytes: 0 }
    const copy = (table: BackupTable) => {
      state.table = table.name
      return copyOut(
        client,
        `copy ${quoted(table.name)} (${table.columns.map(quoted).join(', ')}) to stdout`,
        (rows) => {
          counts[table.name] = rows
          state.rows += rows
        },
      )
    }
    const counted = async function* (packed: AsyncIterable<Buffer>) {
      for await (const chunk of packed) {
        state.bytes += chunk.length
        progress(state)
        yield chunk
      }
    }
    await pipeline(writeBackup(header, copy, counts), createGzip({ level: LEVEL }), counted, target)
    await client.query('commit')
    return { header, counts, rows: state.rows, bytes: state.bytes }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    client.release(failure)
  }
}

export const nameOf = ({ name }: BackupTable) => quoted(name)

/** Settings that values read the same under everywhere, no limit on how long it may take, and no row kept from us. */
export const PLAIN_TEXT = `
  set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
  set local bytea_output = 'hex'; set local extra_float_digits = 3; set local row_security = off;
  set local statement_timeout = 0; set local lock_timeout = 0; set local idle_in_transaction_session_timeout = 0`

async function describe(client: pg.ClientBase, version: string): Promise<BackupHeader> {
  const tables = await listTables(client)
  if (!tables.some(({ name }) => name === 'data_keys')) {
    throw new DatabaseError('There is nothing to save: this database was never used by maskline.')
  }
  const about = await client.query<{ postgres: string; date: Date }>(
    "select current_setting('server_version') as postgres, now() as date",
  )
  const { postgres = '', date } = about.rows[0] ?? {}
  const migrations = await client.query('select version, name, sha256 from schema_migrations order by version')
  const data_keys = await client.query(
    "select purpose, encode(wrapped, 'base64') as wrapped from data_keys order by id",
  )
  return {
    format: FORMAT,
    maskline: version,
    postgres,
    date: (date ?? new Date()).toISOString(),
    migrations: migrations.rows,
    data_keys: data_keys.rows,
    tables,
  }
}

/**
 * The tables of the schema in an order in which they can be filled: those that a foreign key points to come first. Columns
 * that the database computes are left out, and so are tables of extensions, unlogged ones, and the list of migrations, which
 * the header has.
 */
export async function listTables(db: pg.Pool | pg.ClientBase): Promise<BackupTable[]> {
  const { rows } = await db.query<BackupTable & { needs: string[] }>(`
    select c.relname as name,
      (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      array(select f.relname::text from pg_constraint k join pg_class f on f.oid = k.confrelid
            where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as needs
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and c.relpersistence = 'p'
      and c.relname <> 'schema_migrations'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by c.relname`)
  const ordered: BackupTable[] = []
  const placed = new Set<string>()
  while (ordered.length < rows.length) {
    const next = rows.find(({ name, needs }) => !placed.has(name) && needs.every((other) => placed.has(other)))
    if (!next) throw new Error('foreign keys go round in a circle')
    placed.add(next.name)
    ordered.push({ name: next.name, columns: next.columns })
  }
  return ordered
}
