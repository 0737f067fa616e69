import type { Contest, Goal } from './benchmark.ts'

/** Of all rounds. */
export type Figure = { median: number; min: number; max: number }

export type Round = { ours: number; peer: number }

/** Who is measured first changes from round to round, so that neither always comes after the other. */
export async function runRounds(contest: Contest, rounds: number, progress: (what: string) => void): Promise<Round[]> {
  progress('warming up')
  await contest.ours()
  await contest.peer()
  const measured: Round[] = []
  for (let at = 0; at < rounds; at++) {
    const figures = { ours: 0, peer: 0 }
    for (const who of at % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const)) {
      progress(`round ${at + 1} of ${rounds}, ${who}`)
      figures[who] = await contest[who]()
      if (!(figures[who] > 0)) throw new Error(`In round ${at + 1} ${who} measured ${figures[who]}.`)
    }
    measured.push(figures)
  }
  return measured
}

/** The ratio is taken within each round: what slows one of a round slows the other, too. */
export function summarise(rounds: Round[]): { ours: Figure; other: Figure; ratio: Figure } {
  return {
    ours: figureOf(rounds.map(({ ours }) => ours)),
    other: figureOf(rounds.map(({ peer }) => peer)),
    ratio: figureOf(rounds.map(({ ours, peer }) => ours / peer)),
  }
}

export function figureOf(values: number[]): Figure {
  if (values.length === 0) throw new Error('Nothing was measured.')
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const [lower, upper] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  if (lower === undefined || upper === undefined) throw new Error('Nothing was measured.')
  return (lower + upper) / 2
}

export function isMet(ratio: Figure, goal: Goal | undefined): boolean | undefined {
  if (!goal) return undefined
  return goal.ratio === 'at least' ? ratio.median >= goal.of : ratio.median <= goal.of
}
