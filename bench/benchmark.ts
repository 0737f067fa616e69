import type { Scope } from '../proof/support/scope.ts'
import type { Figure } from './figures.ts'
import type { Shape } from './people.ts'
import type { BenchPostgres } from './postgres.ts'
import type { Programs } from './programs.ts'

/**
 * What a benchmark is: a figure of ours beside that of a peer, or of a ceiling, measured in the same run on the same
 * machine and the same PostgreSQL. They take turns, so what else the machine does meets both, and only their ratio counts.
 */
export type Benchmark = {
  name: string
  title: string
  /** Of both figures, as in `messages/s`. */
  unit: string
  /** What ours is held against. */
  peer: string
  /** Undefined where a figure is only to be known. */
  goal: Goal | undefined
  /** Starts what it takes; the first measurement of each is not counted. */
  prepare: (house: House, scope: Scope) => Promise<Contest>
}

/** Of the ratio of ours to the peer's. */
export type Goal = { ratio: 'at least' | 'at most'; of: number }

/** One measurement each. What throws breaks the benchmark, which is another thing than missing a goal. */
export type Contest = {
  ours: () => Promise<number>
  peer: () => Promise<number>
  /** What else is to be known of the figures, after the last round. */
  remarks?: () => string[]
}

/** Where benchmarks are measured. */
export type House = {
  postgres: BenchPostgres
  programs: Programs
  /** The data set. */
  shape: Shape
  /** Of the data sets that are compared in size, from the smallest to the largest. */
  growth: { sessions: number[]; pools: number[] }
  /** How long one measurement lasts. */
  seconds: number
  /** How many connections or clients are tried before the rounds, to take the best. */
  concurrency: [number, ...number[]]
  /** Where the server writes a profile of the processor when it ends. */
  profile: string | undefined
  progress: (what: string) => void
}

export type Result = {
  name: string
  title: string
  unit: string
  peer: string
  goal: Goal | undefined
  seconds: number
  remarks: string[]
} & ({ broken: string } | { broken?: undefined; ours: Figure; other: Figure; ratio: Figure; met: boolean | undefined })

/** Which of `candidates` gives most, and how much. */
export async function findBest(
  candidates: readonly [number, ...number[]],
  measure: (candidate: number) => Promise<number>,
): Promise<number> {
  let [best] = candidates
  let most = 0
  for (const candidate of candidates) {
    const figure = await measure(candidate)
    if (figure > most) [best, most] = [candidate, figure]
  }
  return best
}
