import type { LeakScan } from '../leak-scan.ts'

/** Where bytes are looked at: all that reaches the partner's side, and all that may be shown to anybody else. */
export const PLACES = [
  'partners’ phones',
  'callers’ phones',
  'answers about the partner’s leg',
  'answers about the caller’s leg',
  'orders to the carrier',
  'carrier’s words about the partner’s leg',
  'errors',
  'status callbacks',
  'intercept callbacks',
  'interactions',
  'recordings',
  'events',
  'log',
] as const
export type Place = (typeof PLACES)[number]

export type Tally = { texts: number; bytes: number; leaks: number }
export type Taps = ReturnType<typeof createTaps>

const MAX_EXAMPLES = 5

/** Looks at every text at once and keeps none, but the first examples of what was found. */
export function createTaps(scan: LeakScan) {
  const tallies = Object.fromEntries(PLACES.map((place) => [place, { texts: 0, bytes: 0, leaks: 0 }])) as Record<
    Place,
    Tally
  >
  const examples: string[] = []
  return {
    tallies,
    examples,
    /** Nobody's number may be there but those of `allowed`, which this reader knows as their own, or has to dial. */
    look(place: Place, text: string, allowed: readonly string[] = []) {
      const tally = tallies[place]
      tally.texts++
      tally.bytes += text.length
      for (const { person, as } of scan(text)) {
        if (allowed.includes(person)) continue
        tally.leaks++
        if (examples.length < MAX_EXAMPLES) examples.push(`${place}: ${person} as ${as} in ${text.slice(0, 2000)}`)
      }
    },
    /** Whose numbers are in a text that may hold them. */
    peopleIn: (text: string) => scan(text).map(({ person }) => person),
  }
}
