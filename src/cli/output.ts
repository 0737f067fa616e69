import { ConfigError } from '../config.ts'
import { CarrierError } from '../core/carrier.ts'
import { ProxyError } from '../core/errors.ts'
import { WrongMasterKey } from '../core/keys.ts'
import { DatabaseError } from '../db/database-error.ts'

/** Something the person at the keyboard has to change; its message says what. */
export class UsageError extends Error {}

/** Whoever read what we write, as `head` does, has seen enough. */
class ReaderGone extends Error {}

const isGone = (error: Error) => /^(EPIPE|ERR_STREAM_DESTROYED)$/.test((error as { code?: string }).code ?? '')

/** What is still printed when nobody reads any more goes nowhere, and the command comes to its end. */
export function endQuietly(stream: NodeJS.WriteStream): void {
  stream.on('error', (error) => {
    if (!isGone(error)) throw error
  })
}

/** Writes a part of much, at the pace at which it is read; once nobody reads any more, nothing further is made. */
export function write(chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(chunk, (error) => {
      if (error) reject(isGone(error) ? new ReaderGone() : error)
      else resolve()
    })
  })
}

/** The net of the CLI: what can be put right is told in a line, anything else with its stack. */
export function fail(error: unknown): never {
  if (error instanceof ReaderGone) process.exit(0)
  if (error instanceof ConfigError) {
    console.error(`These settings have to be put right:\n${error.problems.map((problem) => `  ${problem}`).join('\n')}`)
    process.exit(2)
  }
  if (error instanceof UsageError || error instanceof WrongMasterKey) {
    console.error(error.message)
    process.exit(2)
  }
  const explained = [ProxyError, CarrierError, DatabaseError].some((kind) => error instanceof kind)
  const { code } = error as { code?: string }
  if (explained) console.error((error as Error).message)
  else if (code === 'EADDRINUSE') console.error('Another program listens on that port. Choose one with MASKLINE_PORT.')
  else console.error(error)
  process.exit(1)
}

/** Rows as a table for people, or as JSON for programs. */
export function print(rows: Record<string, string | number | null>[], options: { json?: boolean | undefined }): void {
  if (options.json) {
    console.log(JSON.stringify(rows, null, 2))
    return
  }
  const first = rows[0]
  if (!first) {
    console.log('(none)')
    return
  }
  const columns = Object.keys(first)
  const text = (row: Record<string, unknown>, column: string) => String(row[column] ?? '')
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => text(row, column).length)))
  const line = (cells: string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  console.log(line(columns))
  for (const row of rows) console.log(line(columns.map((column) => text(row, column))))
}

/** Tells of a long step while it lasts: on a terminal in one line that is overwritten, elsewhere not at all. */
export function progressLine(stream: NodeJS.WriteStream): { step: (text: string) => void; done: () => void } {
  const clear = '\r\u001b[2K'
  return {
    step: (text) => stream.isTTY && stream.write(`${clear}… ${text}`),
    done: () => stream.isTTY && stream.write(clear),
  }
}
