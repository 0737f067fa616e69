import { randomFillSync } from 'node:crypto'

/** The two letters every SID begins with, by resource. `MC`, `CB`, `AU`, `BN` and `US` are ours; the others are the vendor's. */
export type SidPrefix =
  | 'AC'
  | 'SK'
  | 'KS'
  | 'PN'
  | 'SC'
  | 'KC'
  | 'KP'
  | 'KI'
  | 'SM'
  | 'MM'
  | 'CA'
  | 'RE'
  | 'NO'
  | 'RQ'
  | 'MC'
  | 'CB'
  | 'AU'
  | 'BN'
  | 'US'

const pool = Buffer.alloc(8192)
let used = pool.length
let lastMs = 0
let sequence = 0

/**
 * A SID: the prefix and the 32 hex digits of a UUIDv7, so that rows are stored in the order of creation and a list pages
 * by `sid`. Within one millisecond a 12-bit counter keeps this process's SIDs in order (RFC 9562, 6.2 method 1).
 */
export function newSid(prefix: SidPrefix, now = Date.now()): string {
  if (used + 8 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  if (now > lastMs) {
    lastMs = now
    sequence = pool.readUInt8(used) << 2
  } else if (++sequence > 0xfff) {
    lastMs++
    sequence = 0
  }
  const head = lastMs.toString(16).padStart(12, '0') + (0x7000 | sequence).toString(16)
  const variant = (0x80 | (pool.readUInt8(used) & 0x3f)).toString(16)
  const tail = pool.toString('hex', used + 1, used + 8)
  used += 8
  return prefix + head + variant + tail
}

/** What comes before every SID that is made at this moment or later, and after every one from before. */
export const sidAt = (prefix: SidPrefix, ms: number) =>
  prefix + Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')

/** Whether `text` is a SID of this kind: the prefix and 32 hex digits, in either case, as the vendor's patterns allow. */
export const isSid = (prefix: SidPrefix, text: string) =>
  text.length === 34 && text.startsWith(prefix) && /^[0-9a-fA-F]{32}$/.test(text.slice(2))
