/**
 * What is surely known of something that is switched on and off by operations of which only the beginning and the end are
 * known. Clocks are read in whole milliseconds, so two things are in order only where their readings differ; a stretch is
 * therefore without its ends.
 */
export type Stretch = { from: number; to: number }

/** At one moment from `lo` to `hi`; or not at all, unless it is certain. */
export type Switch = { on: boolean; lo: number; hi: number; isCertain: boolean }

/** When it was surely on, or surely off, whatever the moments at which the switches took effect. Before all of them it is off. */
export function surely(on: boolean, switches: Switch[]): Stretch[] {
  const contrary = switches.filter((other) => other.on !== on)
  const stretches = switches
    .filter((each) => each.isCertain && each.on === on)
    .map(({ lo, hi }) => ({ from: hi, to: earliest(contrary.filter((other) => other.hi >= lo)) }))
  if (!on) stretches.push({ from: Number.NEGATIVE_INFINITY, to: earliest(contrary) })
  return merge(stretches)
}

const earliest = (switches: Switch[]) => Math.min(Number.POSITIVE_INFINITY, ...switches.map(({ lo }) => lo))

/** In order, and each in one piece. Two that only touch stay apart: of the moment between them nothing is sure. */
function merge(stretches: Stretch[]): Stretch[] {
  const merged: Stretch[] = []
  for (const { from, to } of stretches.filter((each) => each.from < each.to).sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last && from < last.to) last.to = Math.max(last.to, to)
    else merged.push({ from, to })
  }
  return merged
}

export const either = (one: Stretch[], other: Stretch[]): Stretch[] => merge([...one, ...other])

export function both(one: Stretch[], other: Stretch[]): Stretch[] {
  const common: Stretch[] = []
  for (let [a, b] = [0, 0]; a < one.length && b < other.length; ) {
    const [mine, theirs] = [one[a]!, other[b]!]
    const [from, to] = [Math.max(mine.from, theirs.from), Math.min(mine.to, theirs.to)]
    if (from < to) common.push({ from, to })
    if (mine.to < theirs.to) a++
    else b++
  }
  return common
}

/** Whether all of the time between these two is in one of them. */
export const covers = (stretches: Stretch[], from: number, to: number): boolean =>
  stretches.some((each) => each.from < from && to < each.to)

/** The last moment until `at` that is in none of them; minus infinity when there is none. */
export function lastOutside(stretches: Stretch[], at: number): number {
  let moment = at
  for (let nth = stretches.length - 1; nth >= 0; nth--) {
    const { from, to } = stretches[nth]!
    if (from < moment && moment < to) moment = from
  }
  return moment
}

/** Whether any moment between these two is in none of them. */
export const leavesRoom = (stretches: Stretch[], from: number, to: number): boolean =>
  lastOutside(stretches, to) >= from
