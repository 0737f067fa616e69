import type { Tally } from './taps.ts'

/** Where the bytes of texts are looked at: all that reaches the partner's side, and all that is told to anybody else. */
export const TEXT_PLACES = [
  'partners’ phones',
  'attachments',
  'orders to the carrier',
  'answers to the carrier',
  'errors',
  'status callbacks',
  'intercept callbacks',
  'interactions',
  'events',
  'log',
] as const
export type TextPlace = (typeof TEXT_PLACES)[number]

export type TextTaps = ReturnType<typeof createTextTaps>

const MAX_EXAMPLES = 5
/** Headers come again and again; what was found in them need not be looked for each time. */
const MAX_KNOWN = 20_000

export function createTextTaps(peopleIn: (text: string) => string[]) {
  const tallies = Object.fromEntries(TEXT_PLACES.map((place) => [place, { texts: 0, bytes: 0, leaks: 0 }])) as Record<
    TextPlace,
    Tally
  >
  const examples: string[] = []
  const known = new Map<string, string[]>()
  const peopleInHeaders = (headers: string) => {
    const people = known.get(headers) ?? peopleIn(headers)
    if (known.size < MAX_KNOWN) known.set(headers, people)
    return people
  }
  return {
    tallies,
    examples,
    /** Nobody's number may be there but those of `allowed`, whose own it is. */
    look(place: TextPlace, text: string, { allowed = [], headers = {} }: Looked = {}) {
      const readable = withoutChance(text)
      const about = JSON.stringify(headers)
      const tally = tallies[place]
      tally.texts++
      tally.bytes += readable.length + about.length
      for (const person of new Set([...peopleIn(readable), ...peopleInHeaders(about)])) {
        if (allowed.includes(person)) continue
        tally.leaks++
        if (examples.length < MAX_EXAMPLES) examples.push(`${place}: ${person} in ${about} ${readable.slice(0, 2000)}`)
      }
    },
  }
}

type Looked = { allowed?: readonly string[]; headers?: object }

/**
 * The scan passes over the digits of our identifiers, which come up by chance, where it can tell one. So the token of an
 * attachment is given the letters of an identifier. Nothing that could hide a number goes.
 */
const withoutChance = (text: string) =>
  text.replace(/((?:\/|%2f)media(?:\/|%2f)KS[0-9a-f]{32}(?:\/|%2f))(?=[0-9a-f]{32}(?![0-9a-f]))/gi, '$1MT')
