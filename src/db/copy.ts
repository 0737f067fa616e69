import { once } from 'node:events'
import { Readable } from 'node:stream'
import type pg from 'pg'
import { DatabaseError } from './database-error.ts'

/**
 * COPY over the driver, which hands the messages of the protocol to the query in progress
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY), so that rows stream in both directions and
 * none is held longer than the other end takes. After a failure, or when the rows are not read to their end, the
 * connection is of no more use: release it with the error.
 */

/** What a connection of the driver offers for COPY, and its types leave out. */
type CopyConnection = pg.Connection & {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

/** Rows come in a message each; this many bytes of them make a chunk. */
const CHUNK = 65_536

/** The rows of a `copy … to stdout`; `count` is told their number before the last chunk. */
export function copyOut(client: pg.ClientBase, statement: string, count: (rows: number) => void): Readable {
  let socket: pg.Connection['stream'] | undefined
  let waiting: Buffer[] = []
  let size = 0
  const rows = new Readable({ read: () => void socket?.resume() })
  const flush = () => {
    if (size > 0 && !rows.push(Buffer.concat(waiting, size))) socket?.pause()
    waiting = []
    size = 0
  }
  client.query({
    submit(connection: pg.Connection) {
      socket = connection.stream
      connection.query(statement)
    },
    handleCopyData({ chunk }: { chunk: Buffer }) {
      // The driver reads the next message into the same memory.
      waiting.push(Buffer.from(chunk))
      size += chunk.length
      if (size >= CHUNK) flush()
    },
    handleCommandComplete: (message: { text: string }) => count(rowsOf(message)),
    handleReadyForQuery() {
      flush()
      rows.push(null)
      // Nobody asks for rows any more, and the next answer comes on the same connection.
      socket?.resume()
    },
    handleError: (error: Error) => void rows.destroy(stopped('gives no more rows', error)),
  })
  return rows
}

/** Gives a `copy … from stdin` its rows; resolves to how many they were. */
export function copyIn(client: pg.ClientBase, statement: string, chunks: AsyncIterable<Buffer>): Promise<number> {
  return new Promise((resolve, reject) => {
    let rows = 0
    let ended = false
    const fail = (error: Error) => {
      ended = true
      reject(error)
    }
    const send = async (connection: CopyConnection) => {
      for await (const chunk of chunks) {
        if (ended) return
        connection.sendCopyFromChunk(chunk)
        // A connection that breaks meanwhile is told to handleError.
        if (connection.stream.writableNeedDrain) await once(connection.stream, 'drain').catch(() => undefined)
      }
      connection.endCopyFrom()
    }
    client.query({
      submit: (connection: pg.Connection) => connection.query(statement),
      handleCopyInResponse: (connection: CopyConnection) => void send(connection).catch(fail),
      handleCommandComplete(message: { text: string }) {
        rows = rowsOf(message)
      },
      handleReadyForQuery: () => resolve(rows),
      handleError: (error: Error) => fail(stopped('takes no more rows, and keeps none of them', error)),
    })
  })
}

const stopped = (what: string, cause: Error) => new DatabaseError(`The database ${what}: ${cause.message}.`, { cause })

/** The server's last word on it: `COPY 42`. */
const rowsOf = ({ text }: { text: string }) => Number(text.split(' ')[1])
