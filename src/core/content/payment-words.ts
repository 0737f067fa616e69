import { type Token, tokensOf } from './digits.ts'
import type { Reading, Span } from './reading.ts'

/** Words about paying past the platform. The service's own come to these. */
export const PAYMENT_WORDS = [
  ...[
    'cash',
    'venmo',
    'paypal',
    'cash app',
    'zelle',
    'western union',
    'moneygram',
    'revolut',
    'apple pay',
    'google pay',
  ],
  ...['bitcoin', 'btc', 'crypto', 'usdt', 'ethereum', 'bank transfer', 'wire transfer', 'iban', 'routing number'],
  ...['account number', 'sort code', 'gift card', 'gift cards', 'pay me directly', 'off the app', 'off the platform'],
]

const MOST_TOKENS = 4
const LONGEST = 60

/** Letters of other alphabets that look like Latin ones, and digits that stand for letters. */
const LOOKS: Record<string, string> = {
  ...{ а: 'a', в: 'b', с: 'c', е: 'e', н: 'h', і: 'i', ј: 'j', к: 'k', м: 'm', о: 'o', р: 'p', ѕ: 's', т: 't' },
  ...{ х: 'x', у: 'y', ԁ: 'd', ɡ: 'g', α: 'a', ο: 'o', ρ: 'p', ν: 'v', ι: 'i', τ: 't', κ: 'k' },
}
const AS_LETTER: Record<string, string> = { 0: 'o', 1: 'i', 3: 'e', 4: 'a', 5: 's', 7: 't', 8: 'b' }

/** A phrase as it is compared: without spaces, since people write `pay pal` and `cashapp`. */
const plain = (word: string) => {
  const latin = word.replace(/[^a-z\d]/g, (letter) => LOOKS[letter] ?? letter)
  return /[a-z]/.test(latin) ? latin.replace(/\d/g, (digit) => AS_LETTER[digit] ?? digit) : latin
}

export const phraseOf = (reading: Reading) =>
  tokensOf(reading.text)
    .map(({ text }) => plain(text))
    .join('')

export function findPaymentWords(tokens: Token[], phrases: ReadonlySet<string>): Span[] {
  const words: (Span & { word: string; isSpelled: boolean })[] = []
  for (const token of tokens) {
    const word = plain(token.text)
    const isSpelled = word.length === 1
    const last = words.at(-1)
    // Letters by themselves, as in `c a s h`, are one word.
    const goesOn = isSpelled && last?.isSpelled && token.from - last.to <= 2 && last.word.length < LONGEST
    if (goesOn) Object.assign(last, { word: last.word + word, to: token.to })
    else words.push({ word, isSpelled, from: token.from, to: token.to })
  }
  const spans: Span[] = []
  for (const [at, { from }] of words.entries()) {
    let phrase = ''
    for (let next = at; next < at + MOST_TOKENS && next < words.length && phrase.length < LONGEST; next++) {
      phrase += words[next]!.word
      if (phrases.has(phrase)) spans.push({ from, to: words[next]!.to })
    }
  }
  return spans
}
