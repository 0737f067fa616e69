import { type Depth, type Piece, piecesOf, type Token } from './digits.ts'
import type { Span } from './reading.ts'

/** Telephone numbers in a text: those of people who are known, in any disguise, and others where they look like one. */

/** So many digits are as good as the whole number: those that know each other leave the rest out. */
const TAIL = 7
const LEAST = 6

/** Whether it is anybody's, in the order it is written or backwards. Whatever stands between the digits does not matter. */
export function findOwnNumbers(text: string, tokens: Token[], own: string[]): Span[] {
  const spans: Span[] = []
  const known = own
    .map((number) => number.replace(/\D/g, ''))
    .filter((digits) => digits.length >= LEAST)
    .map((digits) => ({ digits, reversed: [...digits].reverse().join('') }))
  for (const depth of [1, 2, 3] satisfies Depth[]) {
    const pieces = piecesOf(text, tokens, depth)
    const stream = pieces.map(({ digits }) => digits).join('')
    if (stream.length < LEAST) continue
    const isOwn = new Uint8Array(stream.length)
    for (const { digits, reversed } of known) {
      for (const [from, to] of [...tailsIn(stream, digits), ...headsIn(stream, reversed)]) isOwn.fill(1, from, to)
    }
    if (isOwn.includes(1)) spans.push(...piecesWith(pieces, isOwn))
  }
  return joined(text, spans)
}

/** The pieces of which any digit is marked. */
function piecesWith(pieces: Piece[], marks: Uint8Array): Piece[] {
  let end = 0
  return pieces.filter(({ digits }) => {
    const begin = end
    end += digits.length
    return marks.subarray(begin, end).includes(1)
  })
}

/** Where the end of a number stands, with as much of what comes before it as is there. */
function tailsIn(stream: string, digits: string): [number, number][] {
  const tail = digits.slice(-TAIL)
  return placesOf(stream, tail).map((at) => {
    let from = at
    let left = digits.length - tail.length
    while (from > 0 && left > 0 && stream[from - 1] === digits[left - 1]) {
      from--
      left--
    }
    return [from, at + tail.length]
  })
}

function headsIn(stream: string, digits: string): [number, number][] {
  const head = digits.slice(0, TAIL)
  return placesOf(stream, head).map((at) => {
    let length = head.length
    while (length < digits.length && stream[at + length] === digits[length]) length++
    return [at, at + length]
  })
}

function placesOf(text: string, part: string): number[] {
  const places: number[] = []
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) places.push(at)
  return places
}

/** One span for pieces with nothing but a few marks between them. */
function joined(text: string, spans: Span[]): Span[] {
  const sorted = spans.map(({ from, to }) => ({ from, to })).sort((a, b) => a.from - b.from || a.to - b.to)
  const result: Span[] = []
  for (const span of sorted) {
    const last = result.at(-1)
    const isNext = last && (span.from <= last.to || /^[^\p{L}\p{N}]{1,4}$/u.test(text.slice(last.to, span.from)))
    if (isNext) last.to = Math.max(last.to, span.to)
    else result.push(span)
  }
  return result.map(({ from, to }) => ({ from: /[+(]/.test(text[from - 1] ?? '') ? from - 1 : from, to }))
}

const DATE = /(?<![\d./-])(?:\d{4}|\d{1,2})([./-])\d{1,2}\1(?:\d{4}|\d{1,2})(?![\d]|[./-]\d)/g
const TIME = /(?<![\d:])\d{1,2}:\d{2}(?::\d{2})?(?![\d:])/g
const REFERENCE =
  /(?:\b(?:order|tracking|invoice|ref|reference|reservation|booking|confirmation|ticket|case|parcel|id|no|nr|code|pin)\b[ .:#]{0,3}(?:number|no|nr|id|code|is)?[ .:#]{0,3}|#)$/
/** What stands between the groups of a number. */
const GAP = /^[ .()[\]/_*~|+-]{1,3}$/
const WORD_GAP = /^[ ,.()[\]/_*~|+-]{1,4}$/

type Run = { digits: string; groups: number[]; disguised: number; from: number; to: number }

/** Those that look like a telephone number: with their country, grouped as one, or spelled out. */
export function findOtherNumbers(text: string, tokens: Token[]): Span[] {
  const others = [...text.matchAll(DATE), ...text.matchAll(TIME)]
  const isOther = ({ from, to }: Token) =>
    others.some(({ index, 0: match }) => from < index + match.length && index < to)
  const left = others.length > 0 ? tokens.filter((token) => !isOther(token)) : tokens
  const runs = runsOf(text, piecesOf(text, left, 2))
  return runs.filter((run) => isPhone(text, run)).map(({ from, to }) => joined(text, [{ from, to }])[0]!)
}

function runsOf(text: string, pieces: Piece[]): Run[] {
  const runs: Run[] = []
  let before: Piece | undefined
  for (const piece of pieces) {
    const { digits, from, to, isDisguised } = piece
    const gap = before && text.slice(before.to, from)
    const isOne = gap === '' || (gap && (before?.isDisguised && isDisguised ? WORD_GAP : GAP).test(gap))
    const run = isOne ? runs.at(-1) : undefined
    const disguised = isDisguised ? digits.length : 0
    if (!run) runs.push({ digits, groups: [digits.length], disguised, from, to })
    else {
      Object.assign(run, { digits: run.digits + digits, to, disguised: run.disguised + disguised })
      if (gap === '') run.groups[run.groups.length - 1]! += digits.length
      else run.groups.push(digits.length)
    }
    before = piece
  }
  return runs
}

const NANP = /^1?[2-9]\d\d[2-9]\d{6}$/
const NANP_GROUPS = /^(1,)?(3,3,4|3,7|6,4|10)$|^11$|^4,3,4$|^1(,1){9,10}$|^2(,2){4}$|^5,5$/

function isPhone(text: string, { digits, groups, disguised, from }: Run): boolean {
  const { length } = digits
  if (length < 7 || length > 15) return false
  if (disguised >= 4 && disguised < length * 2) return true
  const isInternational = text[from - 1] === '+' || (digits.startsWith('00') && length > 9)
  if (isInternational) return length >= 8
  if (groups.length === 1 && REFERENCE.test(text.slice(Math.max(0, from - 40), from))) return false
  if (NANP.test(digits)) return NANP_GROUPS.test(groups.join(','))
  if (digits.startsWith('0')) return length >= 9 && length <= 12
  return length === 7 && groups.join(',') === '3,4' && /[-.]/.test(text[from + 3] ?? '')
}
