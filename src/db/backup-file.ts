import { createHash } from 'node:crypto'
import { DatabaseError, errorCode } from './database-error.ts'

/**
 * What a backup holds, once unpacked: text that psql could load as well. A line that describes it with its SHA-256, so
 * that it can be believed before the rest is read; every table in PostgreSQL's own text format between a COPY statement
 * and `\.`; a line with the number of rows in each; and last the SHA-256 of everything above it, by which a file that was
 * cut off or changed is known. Later formats begin with the same two lines.
 *
 *   -- maskline backup {"format":1,"maskline":"…","migrations":[…],"tables":[…],…}
 *   -- sha256 …
 *   copy "accounts" ("sid", …) from stdin;
 *   AC…	acme	…
 *   \.
 *   -- rows {"accounts":1,…}
 *   -- sha256 …
 */
export type BackupHeader = {
  format: number
  /** The version of the program that wrote it. */
  maskline: string
  postgres: string
  date: string
  migrations: { version: number; name: string; sha256: string }[]
  /** As in the table: wrapped by the master key, which is not here. Repeated so that a wrong one is known at once. */
  data_keys: { purpose: string; wrapped: string }[]
  tables: BackupTable[]
}

export type BackupTable = { name: string; columns: string[] }

export type RowCounts = Record<string, number>

export const FORMAT = 1

const HEADER = '-- maskline backup '
const ROWS = '-- rows '
const SHA256 = '-- sha256 '
/** Of a line that is no row. */
const MAX_LINE = 1 << 20
const NEWLINE = 10
const END = Buffer.from('\\.\n')
const END_AFTER_ROWS = Buffer.from('\n\\.\n')

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

const copyStatement = ({ name, columns }: BackupTable) =>
  `copy ${quoted(name)} (${columns.map(quoted).join(', ')}) from stdin`

/** `copy` gives the rows of a table; `counts` is complete once they have been read. */
export async function* writeBackup(
  header: BackupHeader,
  copy: (table: BackupTable) => AsyncIterable<Buffer>,
  counts: RowCounts,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const hashed = (part: Buffer | string) => {
    const bytes = Buffer.from(part)
    hash.update(bytes)
    return bytes
  }
  yield hashed(`${HEADER}${JSON.stringify(header)}\n`)
  yield hashed(`${SHA256}${hash.copy().digest('hex')}\n`)
  for (const table of header.tables) {
    yield hashed(`${copyStatement(table)};\n`)
    for await (const chunk of copy(table)) yield hashed(chunk)
    yield hashed(END)
  }
  yield hashed(`${ROWS}${JSON.stringify(counts)}\n`)
  yield Buffer.from(`${SHA256}${hash.digest('hex')}\n`)
}

export type BackupReader = {
  /** Comes first: throws when this backup is of no use here. */
  header: (header: BackupHeader) => Promise<void> | void
  /** Reads the rows of a table to their end, and gives how many they were. */
  table: (statement: string, rows: AsyncIterable<Buffer>, table: BackupTable) => Promise<number>
}

/** Reads a backup from its beginning to its end, and throws unless it is what was written. */
export async function readBackup(source: AsyncIterable<Buffer>, reader: BackupReader): Promise<BackupHeader> {
  const { line, rows, digest, atEnd } = scan(source)
  const description = await line()
  if (!description.startsWith(HEADER)) throw foreign()
  const described = digest()
  if ((await line()) !== SHA256 + described) throw damaged()
  const header = parseHeader(description.slice(HEADER.length))
  await reader.header(header)
  const counts: RowCounts = {}
  for (const table of header.tables) {
    const statement = copyStatement(table)
    if ((await line()) !== `${statement};`) throw damaged()
    counts[table.name] = await reader.table(statement, rows(), table)
  }
  if ((await line()) !== ROWS + JSON.stringify(counts)) throw damaged()
  const sha256 = digest()
  if ((await line()) !== SHA256 + sha256 || !(await atEnd())) throw damaged()
  return header
}

/** For reading a backup without a database: the rows counted as their lines. */
export async function countRows(_statement: string, rows: AsyncIterable<Buffer>): Promise<number> {
  let count = 0
  for await (const chunk of rows) {
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) count++
  }
  return count
}

const damaged = (cause?: unknown) =>
  new DatabaseError('The backup is cut off or was changed: nothing was restored. Take another copy of it.', { cause })

function parseHeader(text: string): BackupHeader {
  const header = JSON.parse(text) as BackupHeader
  if (header.format <= FORMAT) return header
  throw new DatabaseError(
    `The backup was written by maskline ${header.maskline}, in a format (${header.format}) that this version does not ` +
      `know yet (${FORMAT}): restore it with that version or a newer one.`,
  )
}

const foreign = (cause?: unknown) => new DatabaseError('This is not a backup of maskline.', { cause })

/** Takes a stream of bytes apart: lines, and the rows of tables up to the line that ends them. */
function scan(source: AsyncIterable<Buffer>) {
  const chunks = source[Symbol.asyncIterator]()
  const hash = createHash('sha256')
  let held: Buffer = Buffer.alloc(0)
  let taken = 0
  const more = async () => {
    try {
      const { value, done } = await chunks.next()
      if (!done) held = Buffer.concat([held, value])
      return !done
    } catch (error) {
      // What the unpacking says of a file that is broken, or none of ours.
      const code = errorCode(error) ?? ''
      if (!code.startsWith('Z_')) throw error
      throw taken === 0 && code === 'Z_DATA_ERROR' ? foreign(error) : damaged(error)
    }
  }
  const take = (length: number) => {
    const part = held.subarray(0, length)
    held = held.subarray(length)
    taken += length
    hash.update(part)
    return part
  }
  const line = async () => {
    for (;;) {
      const end = held.indexOf(NEWLINE)
      if (end >= 0) return take(end + 1).toString('utf8', 0, end)
      if (held.length > MAX_LINE || !(await more())) throw taken === 0 ? foreign() : damaged()
    }
  }
  /** Whole rows at a time, so that what is held always begins with a line. */
  const rows = async function* () {
    for (;;) {
      if (held.subarray(0, END.length).equals(END)) return void take(END.length)
      const end = held.indexOf(END_AFTER_ROWS)
      const length = (end >= 0 ? end : held.lastIndexOf(NEWLINE)) + 1
      if (length > 0) yield take(length)
      else if (!(await more())) throw damaged()
    }
  }
  const atEnd = async () => held.length === 0 && !(await more())
  return { line, rows, digest: () => hash.copy().digest('hex'), atEnd }
}
