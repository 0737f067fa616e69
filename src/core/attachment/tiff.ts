/**
 * The one thing of a picture's EXIF that is kept: which way up it is shown. EXIF is laid out as a TIFF file, of which a directory
 * of one entry is enough.
 */
const ORIENTATION = 0x0112
const SHORT = 3

/** 1 to 8, of which 1 is upright; undefined where there is none, or nothing that can be read. */
export function orientationOf(tiff: Buffer): number | undefined {
  if (tiff.length < 14) return undefined
  const order = tiff.toString('latin1', 0, 2)
  if (order !== 'II' && order !== 'MM') return undefined
  const short = (at: number) => (order === 'II' ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
  const directory = order === 'II' ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4)
  if (short(2) !== 42 || directory + 2 > tiff.length) return undefined
  for (let nth = 0; nth < short(directory); nth++) {
    const entry = directory + 2 + nth * 12
    if (entry + 12 > tiff.length) return undefined
    if (short(entry) !== ORIENTATION) continue
    const value = short(entry + 8)
    return short(entry + 2) === SHORT && value >= 1 && value <= 8 ? value : undefined
  }
  return undefined
}

export function tiffOf(orientation: number): Buffer {
  const tiff = Buffer.alloc(26)
  tiff.write('MM', 'latin1')
  tiff.writeUInt16BE(42, 2)
  tiff.writeUInt32BE(8, 4)
  tiff.writeUInt16BE(1, 8)
  tiff.writeUInt16BE(ORIENTATION, 10)
  tiff.writeUInt16BE(SHORT, 12)
  tiff.writeUInt32BE(1, 14)
  tiff.writeUInt16BE(orientation, 18)
  return tiff
}
