/** The alphabet of GSM 03.38; the second line's characters are written with an escape in front and so count twice. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
const EXTENDED = new Set('\f^{}\\[~]|€')

/** In how many parts a text travels: 160 characters fit in one, or 70 when some are outside the GSM alphabet. */
export function countSegments(body: string): number {
  const characters = [...body]
  const isGsm = characters.every((character) => BASIC.has(character) || EXTENDED.has(character))
  const lengths = characters.map((character) => (isGsm ? (EXTENDED.has(character) ? 2 : 1) : character.length))
  // A part of several gives seven characters, or three, to its header.
  const { whole, part } = isGsm ? { whole: 160, part: 153 } : { whole: 70, part: 67 }
  if (lengths.reduce((sum, length) => sum + length, 0) <= whole) return 1

  let segments = 1
  let used = 0
  for (const length of lengths) {
    // Neither an escape nor half of a pair may end a part.
    if (used + length > part) {
      segments++
      used = 0
    }
    used += length
  }
  return segments
}
