/**
 * How many numbers each person held at each moment. A number serves any number of people but each of them once, and what
 * they were released from is kept from them until it has cooled down: so a pool is exhausted for whoever holds all of it.
 * Pure: it is given each person's pairs, and says what would have been under any ttl and cool-down. Times are seconds.
 */
export type Pair = {
  /** Which of the pool's numbers. */
  number: number
  from: number
  /** When it was released; Infinity while it is live. */
  to: number
  /** What the ttl counts from, where the ttl of the service rules the session. */
  ttl_since: number | undefined
  /** Whether it ended because that ttl had run out. */
  has_run_out: boolean
}

export type Rule = { default_ttl: number; cool_down_s: number }

/** The time that is looked back on: so many steps, of which the last ends now. */
export type Window = { from: number; step: number; steps: number }

export type Replayed = {
  /** Of each number now: the people who are live on it, and those it is cooling down for. */
  live: number[]
  cooling: number[]
  /** The most numbers that one person holds now: of each group, and of all. */
  busiest_of_group: Map<number, number>
  busiest_held: number
  /** The most that one person held in all the time, and when that first was. */
  peak_held: number
  peak_at: number | undefined
  /** The most that one person held in each step. */
  history: number[]
}

/** From when to when a number was taken for somebody, by what holds for its session. */
type Span = { from: number; released: number; until: number }

function spanOf({ from, to, ttl_since, has_run_out }: Pair, { default_ttl, cool_down_s }: Rule): Span {
  const runs_out =
    ttl_since === undefined || default_ttl === 0 ? Number.POSITIVE_INFINITY : Math.max(from, ttl_since + default_ttl)
  const released = has_run_out ? runs_out : Math.min(to, runs_out)
  return { from, released, until: released + cool_down_s }
}

/** `groups` has the group of each number; undefined is one that nobody is given by themselves: it is counted, not held. */
export function createReplay(groups: (number | undefined)[], rule: Rule, window: Window) {
  const now = window.from + window.step * window.steps
  const replayed: Replayed = {
    live: groups.map(() => 0),
    cooling: groups.map(() => 0),
    busiest_of_group: new Map(),
    busiest_held: 0,
    peak_held: 0,
    peak_at: undefined,
    history: Array.from({ length: window.steps }, () => 0),
  }
  const count = (of_numbers: number[], number: number) => {
    of_numbers[number] = (of_numbers[number] ?? 0) + 1
  }

  /** One person, with all their pairs. Most have one: what is for more is not begun for them. */
  function add(pairs: Pair[]): void {
    const held: Span[] = []
    const held_now = new Map<number, number>()
    for (const [number, spans] of byNumber(pairs, rule)) {
      const current = spans.filter(({ from, until }) => from <= now && now < until)
      if (current.some(({ released }) => now < released)) count(replayed.live, number)
      else if (current.length > 0) count(replayed.cooling, number)
      const group = groups[number]
      if (group === undefined) continue
      held.push(...merged(spans))
      if (current.length > 0) held_now.set(group, (held_now.get(group) ?? 0) + 1)
    }
    const { busiest_of_group: busiest } = replayed
    for (const [group, numbers] of held_now) busiest.set(group, Math.max(numbers, busiest.get(group) ?? 0))
    replayed.busiest_held = Math.max(replayed.busiest_held, sum(held_now.values()))
    sweep(held)
  }

  /** Goes through the moments at which the person came to hold one more number, or one less. */
  function sweep(held: Span[]): void {
    const [first] = held
    if (first && held.length === 1) {
      note(1, Math.max(first.from, window.from), first.until)
      return
    }
    const changes = held.flatMap(({ from, until }) => [
      { at: from, by: 1 },
      { at: until, by: -1 },
    ])
    changes.sort((a, b) => a.at - b.at)
    let level = 0
    for (const [nth, { at, by }] of changes.entries()) {
      level += by
      const next = changes[nth + 1]?.at ?? Number.POSITIVE_INFINITY
      if (level > 0 && next > at) note(level, Math.max(at, window.from), next)
    }
  }

  function note(level: number, from: number, until: number): void {
    if (from > now || until <= from) return
    if (level > replayed.peak_held || (level === replayed.peak_held && from < (replayed.peak_at ?? from))) {
      replayed.peak_held = level
      replayed.peak_at = from
    }
    const first = Math.min(window.steps - 1, Math.floor((from - window.from) / window.step))
    const last = Math.min(window.steps - 1, Math.ceil((until - window.from) / window.step) - 1)
    for (let step = first; step <= last; step++) {
      if ((replayed.history[step] ?? 0) < level) replayed.history[step] = level
    }
  }

  return { add, replayed }
}

function byNumber(pairs: Pair[], rule: Rule): Iterable<[number, Span[]]> {
  const [first] = pairs
  if (first && pairs.length === 1) return [[first.number, [spanOf(first, rule)]]]
  const found = new Map<number, Span[]>()
  for (const pair of pairs) {
    const spans = found.get(pair.number)
    if (spans) spans.push(spanOf(pair, rule))
    else found.set(pair.number, [spanOf(pair, rule)])
  }
  return found
}

/** Where a number was held twice at once, or again before it was free, it was held once. */
function merged(spans: Span[]): Span[] {
  if (spans.length === 1) return spans
  const result: Span[] = []
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1)
    if (last && span.from <= last.until) last.until = Math.max(last.until, span.until)
    else result.push({ ...span })
  }
  return result
}

const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, one) => total + one, 0)
