import { basename } from 'node:path'
import { bytesOf, type SystemCall } from './system-calls.ts'

/** A record of the write-ahead log: where it begins, and of which transaction it is. */
export type WalRecord = { start: bigint; xid: number }

const SEGMENT_BYTES = 16n * 1024n * 1024n

/**
 * What was written to PostgreSQL's write-ahead log and when it was made durable, read from system calls. A page is written
 * again and again as it fills, so a record counts as written only where its own bytes were.
 */
export function createWalTrace() {
  const writes: { file: string; at: bigint; bytes: Buffer; ended: number }[] = []
  const syncs: { file: string; began: number; ended: number }[] = []

  return {
    syncs,

    read({ name, args, result, began, ended }: SystemCall) {
      const [, path = ''] = /^\d+<([^>]*\/pg_wal\/[^>]*)>/.exec(args) ?? []
      const file = basename(path)
      // A segment that is being prepared under another name has no records yet.
      if (!/^[0-9A-F]{24}$/.test(file)) return
      if (name === 'fsync' || name === 'fdatasync') {
        if (result === 0) syncs.push({ file, began, ended })
      } else if (name === 'pwrite64') {
        const [, quoted = '', offset = ''] = /^[^"]*"(.*)", \d+, (\d+)$/.exec(args) ?? []
        const bytes = bytesOf(quoted).subarray(0, result)
        if (result > 0) writes.push({ file, at: segmentStart(file) + BigInt(offset), bytes, ended })
      } else throw new Error(`the log was written by ${name}, which is not understood here`)
    },

    /** When the record was on disk: the end of the first fsync that began after its bytes had been written. */
    durableAt({ start, xid }: WalRecord): number | undefined {
      const written = writes.find(({ at, bytes }) => {
        const offset = Number(start - at)
        // Its header begins with its length and the transaction, in eight bytes that never lie on two pages.
        if (offset < 0 || offset + 8 > bytes.length) return false
        return bytes.readUInt32LE(offset) > 0 && bytes.readUInt32LE(offset + 4) === xid
      })
      return written && syncs.find(({ file, began }) => file === written.file && began >= written.ended)?.ended
    },
  }
}

/** The name is the timeline and two halves of the segment's number, in eight digits each. */
const segmentStart = (file: string) =>
  (BigInt(`0x${file.slice(8, 16)}`) * 256n + BigInt(`0x${file.slice(16, 24)}`)) * SEGMENT_BYTES
