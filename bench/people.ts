import { createRandom } from '../proof/random.ts'

/**
 * Who is who in the data set, by arithmetic: whoever makes load knows everybody's number and whom they reach by which,
 * without asking a database. All numbers are invented: nobody has the area code 555, and 555-01xx is for fiction.
 */
export type Shape = {
  /** Open, with two people each. */
  sessions: number
  interactions: number
  /** Proxy numbers. */
  pool: number
  seed: number
}

export type Side = { identifier: string; proxy: number }

/** Nobody in a session has a number from here on. */
export const FIRST_NEWCOMER = 4_000_000

export const personOf = (at: number) => `+1555${String(2_000_000 + at).padStart(7, '0')}`

export const FIRST_AREA_CODE = 212

export const poolNumberOf = (at: number) =>
  `+1${FIRST_AREA_CODE + Math.floor(at / 100)}55501${String(at % 100).padStart(2, '0')}`

/** The two of a session, each with the place in the pool of the number by which they reach the other. */
export function sidesOf({ seed, pool }: Shape, session: number): [Side, Side] {
  const random = createRandom(seed + session)
  const one = random.below(pool)
  const other = pool === 1 ? one : (one + 1 + random.below(pool - 1)) % pool
  return [
    { identifier: personOf(2 * session), proxy: one },
    { identifier: personOf(2 * session + 1), proxy: other },
  ]
}

/** What people write. */
export const WORDS = [
  'On my way',
  'Two minutes',
  'I am at the entrance',
  'The blue door on the left, second floor',
  'Thank you',
]
