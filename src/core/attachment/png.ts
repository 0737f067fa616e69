import { crc32 } from 'node:zlib'
import { orientationOf, tiffOf } from './tiff.ts'

/**
 * A PNG without what is not the picture: texts, times, EXIF, colour profiles, chunks that only some program knows, and
 * whatever stands behind the end. https://www.w3.org/TR/png-3/
 */
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** What says how pixels are to be read and shown; animation is part of it. */
const KEPT = new Set(
  'IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB sBIT bKGD pHYs hIST cICP mDCV cLLI acTL fcTL fdAT'.split(' '),
)

export const isPng = (bytes: Buffer) => bytes.subarray(0, 8).equals(SIGNATURE)

/** Undefined for what cannot be read as a PNG to its end. */
export function stripPng(bytes: Buffer): Buffer | undefined {
  const kept: Buffer[] = [SIGNATURE]
  let at = 8
  while (at + 12 <= bytes.length) {
    const length = bytes.readUInt32BE(at)
    const end = at + 12 + length
    if (end > bytes.length) return undefined
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (KEPT.has(type)) kept.push(bytes.subarray(at, end))
    if (type === 'eXIf') kept.push(...orientationChunk(bytes.subarray(at + 8, end - 4)))
    if (type === 'IEND') return kept.length > 2 ? Buffer.concat(kept) : undefined
    at = end
  }
  return undefined
}

function orientationChunk(exif: Buffer): Buffer[] {
  const orientation = orientationOf(exif)
  if (orientation === undefined || orientation === 1) return []
  const content = Buffer.concat([Buffer.from('eXIf', 'latin1'), tiffOf(orientation)])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(content.length - 4, 0)
  frame.writeUInt32BE(crc32(content), 4)
  return [frame.subarray(0, 4), content, frame.subarray(4)]
}
