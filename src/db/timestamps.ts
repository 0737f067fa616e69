import pg from 'pg'

/**
 * Moments as PostgreSQL writes them. The driver's own reading of one takes twice as long, for the sake of forms that a server
 * in UTC never writes; those are left to it.
 */
const { TIMESTAMPTZ } = pg.types.builtins
const parseAny: (text: string) => Date = pg.types.getTypeParser(TIMESTAMPTZ, 'text')

const [DASH, DOT, ZERO] = [45, 46, 48]
const END_OF_SECONDS = 19

/** In UTC and in a year of four digits: `2030-01-31 12:00:00.123456+00`. */
const isPlain = (text: string) => text.charCodeAt(4) === DASH && text.endsWith('+00')

export function parseTimestamp(text: string): Date {
  const year = numberAt(text, 0) * 100 + numberAt(text, 2)
  // Date.UTC takes the first hundred years for those after 1900.
  if (!isPlain(text) || year < 100) return parseAny(text)
  const month = numberAt(text, 5) - 1
  const seconds = Date.UTC(year, month, numberAt(text, 8), numberAt(text, 11), numberAt(text, 14), numberAt(text, 17))
  return new Date(seconds + (text.charCodeAt(END_OF_SECONDS) === DOT ? milliseconds(text) : 0))
}

/** Two digits. */
const numberAt = (text: string, at: number) => (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO

/** Zeros at the end are not written. */
function milliseconds(text: string): number {
  let value = 0
  for (let [at, unit] = [END_OF_SECONDS + 1, 100]; unit >= 1; at++, unit /= 10) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0) break
    value += digit * unit
  }
  return value
}

/** The text itself, where it has only to be cut to be shown. */
export const keepTimestamp = (text: string): Date | string => (isPlain(text) ? text : parseAny(text))

/** The driver's types, with another reading of moments. */
export const typesWith = (parse: (text: string) => Date | string) => ({
  getTypeParser: ((oid, format) =>
    oid === TIMESTAMPTZ && format !== 'binary'
      ? parse
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
})
