import type { ContentKind } from '../../db/schema.ts'
import { findAddresses } from './addresses.ts'
import { tokensOf } from './digits.ts'
import { findOtherNumbers, findOwnNumbers } from './numbers.ts'
import { findPaymentWords, PAYMENT_WORDS, phraseOf } from './payment-words.ts'
import { readText, type Span, typedSpan } from './reading.ts'

/** What is looked for, and what is known: whose numbers are their own, which domains are allowed, which words are meant. */
export type Wanted = {
  kinds: ReadonlySet<ContentKind>
  own: string[]
  allowed_domains: string[]
  payment_words: string[]
}
export type Found = Span & { kind: ContentKind }

/** Contact details in a text, by their places in it. Takes time in proportion to the text, whatever is in it. */
export function findContent(text: string, wanted: Wanted): Found[] {
  const { kinds, own } = wanted
  const reading = readText(text)
  const tokens = tokensOf(reading.text)
  const found: Found[] = []
  const add = (kind: ContentKind, spans: Span[]) => void found.push(...spans.map((span) => ({ kind, ...span })))
  const placed = (spans: Span[]) => spans.map((span) => typedSpan(reading, span))
  if (kinds.has('email_addresses') || kinds.has('links')) {
    const { emails, links } = findAddresses(reading, wanted.allowed_domains.map(foldDomain))
    if (kinds.has('email_addresses')) add('email_addresses', emails)
    if (kinds.has('links')) add('links', links)
  }
  if (kinds.has('own_number') || kinds.has('other_numbers')) {
    const ownSpans = placed(findOwnNumbers(reading.text, tokens, own))
    if (kinds.has('own_number')) add('own_number', ownSpans)
    if (kinds.has('other_numbers')) {
      const isOwn = (span: Span) => ownSpans.some(({ from, to }) => from < span.to && span.from < to)
      add(
        'other_numbers',
        placed(findOtherNumbers(reading.text, tokens)).filter((span) => !isOwn(span)),
      )
    }
  }
  if (kinds.has('payment_words'))
    add('payment_words', placed(findPaymentWords(tokens, phrasesOf(wanted.payment_words))))
  return found
}

const foldDomain = (domain: string) => readText(domain).text

const phrases = (words: string[]) => words.map((word) => phraseOf(readText(word)))
const USUAL = phrases(PAYMENT_WORDS)
const phrasesOf = (words: string[]) => new Set([...USUAL, ...phrases(words)])

export const REDACTED = '***'
const MOST_ROUNDS = 20

/**
 * The text without what is looked for. What is left is looked through again until nothing is found in it, so that taking
 * something out never brings anything together.
 */
export function redactContent(text: string, wanted: Wanted): string {
  let left = text
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const found = findContent(left, wanted).sort((a, b) => a.from - b.from)
    if (found.length === 0) return left
    left = without(left, found)
  }
  return REDACTED
}

function without(text: string, spans: Span[]): string {
  let result = ''
  let at = 0
  for (const { from, to } of spans) {
    if (from >= at) result += text.slice(at, from) + REDACTED
    at = Math.max(at, to)
  }
  return result + text.slice(at)
}
