import { orientationOf, tiffOf } from './tiff.ts'

/**
 * A JPEG without what is not the picture: EXIF with its place and its thumbnail, XMP, IPTC, colour profiles, comments,
 * further pictures behind the first. Of its segments those that decoders need are kept, and no others.
 * https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
 */
const SOI = 0xd8
const EOI = 0xd9
const SOS = 0xda
const APP0 = 0xe0
const APP1 = 0xe1
const APP14 = 0xee

/** Frames, Huffman and arithmetic tables, quantisation, restarts and what belongs to them. */
const isNeeded = (marker: number) =>
  (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) || (marker >= 0xdb && marker <= 0xdf)

const EXIF = Buffer.from('Exif\0\0', 'latin1')

export const isJpeg = (bytes: Buffer) => bytes[0] === 0xff && bytes[1] === SOI && bytes[2] === 0xff

/** Undefined for what cannot be read as a JPEG up to its picture. */
export function stripJpeg(bytes: Buffer): Buffer | undefined {
  const kept: Buffer[] = []
  let orientation: number | undefined
  let hasPicture = false
  let at = 2
  while (at < bytes.length) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1] ?? 0
    // Any number of fill bytes may stand before a marker.
    if (marker === 0xff) {
      at++
      continue
    }
    if (marker === EOI) break
    // It has no content: a restart that was left over.
    if (marker >= 0xd0 && marker <= 0xd7) {
      at += 2
      continue
    }
    const end = at + 2 + (at + 4 <= bytes.length ? bytes.readUInt16BE(at + 2) : 0)
    if (end < at + 4 || end > bytes.length) {
      if (hasPicture) break
      return undefined
    }
    const segment = bytes.subarray(at, end)
    if (marker === APP1) orientation ??= orientationIn(segment)
    else if (marker === APP0) kept.push(...bareJfif(segment))
    else if (marker === APP14 && segment.toString('latin1', 4, 9) === 'Adobe') kept.push(segment.subarray(0, 16))
    else if (isNeeded(marker)) kept.push(segment)
    at = end
    if (marker !== SOS) continue
    hasPicture = true
    at = endOfScan(bytes, end)
    kept.push(segment, bytes.subarray(end, at))
  }
  // Broken off within the picture it is shown as far as it goes.
  return hasPicture
    ? Buffer.concat([Buffer.of(0xff, SOI), ...exifOf(orientation), ...kept, Buffer.of(0xff, EOI)])
    : undefined
}

function orientationIn(segment: Buffer): number | undefined {
  return segment.subarray(4, 10).equals(EXIF) ? orientationOf(segment.subarray(10)) : undefined
}

function exifOf(orientation: number | undefined): Buffer[] {
  if (orientation === undefined || orientation === 1) return []
  const content = Buffer.concat([EXIF, tiffOf(orientation)])
  return [Buffer.of(0xff, APP1, 0, content.length + 2), content]
}

/** The segment says how pixels are to be read, and may hold a small picture of its own, which stays behind. */
function bareJfif(segment: Buffer): Buffer[] {
  if (segment.toString('latin1', 4, 9) !== 'JFIF\0' || segment.length < 18) return []
  const bare = Buffer.from(segment.subarray(0, 18))
  bare.writeUInt16BE(16, 2)
  bare.writeUInt16BE(0, 16)
  return [bare]
}

/** Within a scan a marker byte is followed by 0, or by the number of a restart. */
function endOfScan(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1]
    if (next === undefined) return at
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at
  }
  return bytes.length
}
