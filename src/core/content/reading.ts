/**
 * A text as somebody reads it: in small letters, without accents, in plain digits whatever script or shape they were typed
 * in, and without what cannot be seen. Each character knows its place in what was typed.
 */
export type Reading = { text: string; from: number[]; to: number[] }
export type Span = { from: number; to: number }

/** What compatibility decomposition does not know. */
const SHAPES = new Map([
  ...['。', '｡', '․', '。'].map((dot): [string, string] => [dot, '.']),
  ['🔟', '10'],
  ['⓿', '0'],
  ...[0x24f5, 0x2776, 0x2780, 0x278a].flatMap((first) =>
    Array.from({ length: 10 }, (_, at): [string, string] => [String.fromCodePoint(first + at), String(at + 1)]),
  ),
])

const UNSEEN = /^[\p{Default_Ignorable_Code_Point}\p{M}\p{Cf}]$/u
const known = new Map<string, string>()
/** There are no more of them in any script that people write. */
const MOST_KNOWN = 20_000

export function readText(typed: string): Reading {
  const reading: Reading = { text: '', from: [], to: [] }
  let at = 0
  for (const character of typed) {
    const end = at + character.length
    const shown = character < '\x80' ? character.toLowerCase() : fold(character)
    for (let nth = 0; nth < shown.length; nth++) {
      reading.from.push(at)
      reading.to.push(end)
    }
    reading.text += shown
    // What cannot be seen goes with what it follows.
    if (shown === '' && reading.to.length > 0) reading.to[reading.to.length - 1] = end
    at = end
  }
  return reading
}

function fold(character: string): string {
  const before = known.get(character)
  if (before !== undefined) return before
  if (known.size > MOST_KNOWN) known.clear()
  const folded = foldAnew(character)
  known.set(character, folded)
  return folded
}

function foldAnew(character: string): string {
  const shape = SHAPES.get(character)
  if (shape !== undefined) return shape
  let folded = ''
  for (const part of character.normalize('NFKD')) {
    if (UNSEEN.test(part)) continue
    if (/^\p{Nd}$/u.test(part)) folded += digitOf(part)
    else if (/^\p{Pd}$/u.test(part)) folded += '-'
    else if (/^\p{Z}$/u.test(part)) folded += ' '
    else folded += part.toLowerCase()
  }
  return folded
}

/** In every script the ten digits stand in a row, and next to no others. */
function digitOf(character: string): number {
  const code = character.codePointAt(0) ?? 0
  let zero = code
  while (code - zero < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--
  return code - zero
}

/** The same with each match of a pattern read as what `becomes` makes of it, all of which has the place of the match. */
export function rewrite(reading: Reading, pattern: RegExp, becomes: (match: RegExpMatchArray) => string): Reading {
  const matches = [...reading.text.matchAll(pattern)]
  if (matches.length === 0) return reading
  const result: Reading = { text: '', from: [], to: [] }
  const copy = (from: number, to: number) => {
    result.text += reading.text.slice(from, to)
    for (let at = from; at < to; at++) {
      result.from.push(reading.from[at] ?? 0)
      result.to.push(reading.to[at] ?? 0)
    }
  }
  let at = 0
  for (const match of matches) {
    const end = match.index! + match[0].length
    copy(at, match.index!)
    const written = becomes(match)
    for (let nth = 0; nth < written.length; nth++) {
      result.from.push(reading.from[match.index!] ?? 0)
      result.to.push(reading.to[end - 1] ?? 0)
    }
    result.text += written
    at = end
  }
  copy(at, reading.text.length)
  return result
}

/** Of a span of the reading, the place in what was typed. */
export const typedSpan = ({ from, to }: Reading, span: Span): Span => ({
  from: from[span.from] ?? 0,
  to: to[span.to - 1] ?? 0,
})
