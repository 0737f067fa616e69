/**
 * The digits in a text, and what people write for digits: words, letters that look like them, letters and digits mixed. How
 * far the reading goes is its depth: 1 digits only, 2 what is surely meant so, 3 what may be meant so.
 */
export type Piece = { digits: string; from: number; to: number; isDisguised: boolean }
export type Depth = 1 | 2 | 3

const WORDS = new Map<string, string>(
  [
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen',
    'cero uno dos tres cuatro cinco seis siete ocho nueve',
    'nul un deux trois quatre cinq six sept huit neuf',
    'null eins zwei drei vier funf sechs sieben acht neun',
    'zero um dois tres quatro cinco seis sete oito nove',
    'oh',
    'o',
    'nought',
    'naught',
  ].flatMap((list) => list.split(' ').map((word, at): [string, string] => [word, String(at)])),
)
/** Words of English as well, or too short to mean a digit by themselves. */
for (const word of ['un', 'um', 'null']) WORDS.delete(word)

const TENS = new Map(
  'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ').map((word, at) => [word, String(at + 2)]),
)
const LONGEST = Math.max(...[...WORDS.keys(), ...TENS.keys()].map(({ length }) => length))
const TIMES = new Map([
  ['double', 2],
  ['triple', 3],
  ['treble', 3],
])
/** They sound like digits. */
const SOUNDS = new Map([
  ...['to', 'too', 'tu'].map((word): [string, string] => [word, '2']),
  ...['for', 'fore'].map((word): [string, string] => [word, '4']),
  ['won', '1'],
  ['ate', '8'],
  ['sex', '6'],
  ['tree', '3'],
])
/** They look like digits: those of the first row more than those of the second. */
const LOOKS = { o: '0', i: '1', l: '1', q: '9', g: '9', z: '2', s: '5', b: '8', a: '4', e: '3', t: '7' }
const AS_LETTER: Record<string, string> = { 0: 'o', 1: 'i', 3: 'e', 4: 'a', 5: 's', 7: 't' }

/** A word of the text. `isWritten` is in digits; `spelled` is what its words for digits mean. */
export type Token = {
  text: string
  from: number
  to: number
  hasDigit: boolean
  isWritten: boolean
  spelled: string | undefined
}

/** Read by hand, since every text of a guarded service comes through here: a pattern takes five times as long. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let from = -1
  let digits = 0
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : 32
    const isDigit = code >= 48 && code <= 57
    if (isDigit || (code >= 97 && code <= 122) || (code > 127 && isWordOf(text, at))) {
      if (from < 0) from = at
      if (isDigit) digits++
    } else if (from >= 0) {
      const word = text.slice(from, at)
      const isWritten = digits === word.length
      tokens.push({
        text: word,
        from,
        to: at,
        hasDigit: digits > 0,
        isWritten,
        spelled: digits ? undefined : spelled(word),
      })
      from = -1
      digits = 0
    }
  }
  return tokens
}

/** Of two halves of a character both count as what it is. */
function isWordOf(text: string, at: number): boolean {
  const isSecond = (text.charCodeAt(at) & 0xfc00) === 0xdc00 && at > 0
  const character = String.fromCodePoint(text.codePointAt(isSecond ? at - 1 : at) ?? 0)
  return /^[\p{L}\p{N}]$/u.test(character)
}

const isNumeric = (token: Token | undefined, depth: Depth) =>
  token !== undefined && (token.isWritten || token.spelled !== undefined || (depth > 2 && SOUNDS.has(token.text)))

export function piecesOf(text: string, tokens: Token[], depth: Depth): Piece[] {
  const pieces: Piece[] = []
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!
    const before = pieces.length
    if (token.isWritten) pieces.push(piece(token, token.text, false))
    else if (depth > 1) pushMeant(pieces, text, tokens, at, depth)
    else if (token.hasDigit) pushParts(pieces, token, depth)
    const times = depth > 1 && at > 0 ? TIMES.get(tokens[at - 1]!.text) : undefined
    const first = pieces[before]
    if (times && first) {
      const digits = first.digits.charAt(0).repeat(times) + first.digits.slice(1)
      pieces[before] = { ...first, digits, from: tokens[at - 1]!.from, isDisguised: true }
    }
  }
  return pieces
}

const piece = ({ from, to }: Token, digits: string, isDisguised: boolean): Piece => ({ digits, from, to, isDisguised })

/** What a word means that is not written in digits alone. */
function pushMeant(pieces: Piece[], text: string, tokens: Token[], at: number, depth: Depth): void {
  const token = tokens[at]!
  const digits = token.hasDigit ? mixed(token.text, depth) : meantBy(text, tokens, at, depth)
  if (digits) pieces.push(piece(token, digits, true))
  else if (token.hasDigit) pushParts(pieces, token, depth)
}

function meantBy(text: string, tokens: Token[], at: number, depth: Depth): string | undefined {
  const token = tokens[at]!
  const [before, after] = [tokens[at - 1], tokens[at + 1]]
  const word = token.text
  if (word === 'i' || word === 'l') return isNumeric(before, depth) && isNumeric(after, depth) ? '1' : undefined
  if (word === 'hundred') return isNumeric(before, depth) ? '00' : undefined
  const isBeside = isNumeric(before, depth) || isNumeric(after, depth)
  if (word === 'o' || word === 'oh') return isBeside ? '0' : undefined
  const tens = TENS.get(word)
  if (tens) return isUnitNext(text, token, after) ? tens : `${tens}0`
  if (token.spelled || depth < 3) return token.spelled
  return isBeside && /^[oil]{2,9}$/.test(word) ? asDigits(word) : SOUNDS.get(word)
}

const isUnitNext = (text: string, token: Token, after: Token | undefined) =>
  after !== undefined && /^[ -]$/.test(text.slice(token.to, after.from)) && /^[1-9]$/.test(WORDS.get(after.text) ?? '')

/** A word that is made of nothing but words for digits, the longest first. */
function spelled(word: string): string | undefined {
  if (word.length > 200 || !/^[a-z]+$/.test(word)) return undefined
  let digits = ''
  for (let at = 0; at < word.length; ) {
    let length = Math.min(LONGEST, word.length - at)
    while (length > 0 && !WORDS.has(word.slice(at, at + length)) && !TENS.has(word.slice(at, at + length))) length--
    if (length === 0) return undefined
    const part = word.slice(at, at + length)
    const unit = WORDS.get(word.slice(at + length)) ?? ''
    digits += WORDS.get(part) ?? (/^[1-9]$/.test(unit) ? TENS.get(part) : `${TENS.get(part)}0`)
    at += length
  }
  return digits
}

/** Letters among digits: `2O2`, `f1ve`. */
function mixed(word: string, depth: Depth): string | undefined {
  if (!/\d/.test(word) || word.length > 200) return undefined
  const asWord = spelled(word.replace(/\d/g, (digit) => AS_LETTER[digit] ?? digit))
  if (asWord) return asWord
  if (!(depth > 2 ? /^[\doilqgzsbaet]+$/ : /^[\doil]+$/).test(word)) return undefined
  return asDigits(word)
}

const asDigits = (word: string) => word.replace(/[a-z]/g, (letter) => LOOKS[letter as keyof typeof LOOKS])

/** The digits of a word that has others in it as well, and words for digits between them. */
function pushParts(pieces: Piece[], token: Token, depth: Depth): void {
  for (const match of token.text.matchAll(/\d+|\D+/g)) {
    const [part] = match
    const isDigits = part >= '0' && part <= ':'
    const isBetween = match.index > 0 && match.index + part.length < token.text.length
    const digits = isDigits ? part : depth > 1 ? (isBetween && looksLike(part)) || spelled(part) : undefined
    const from = token.from + match.index
    if (digits) pieces.push({ digits, from, to: from + part.length, isDisguised: !isDigits })
  }
}

const looksLike = (part: string) => (/^[oil]+$/.test(part) ? asDigits(part) : undefined)
