/** A small generator that the same seed starts anew (mulberry32): what it draws can be drawn again. */
export type Random = ReturnType<typeof createRandom>

export function createRandom(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    chance: (probability: number) => next() < probability,
    pick: <T>(list: readonly [T, ...T[]]): T => list[below(list.length)] ?? list[0],
    /** A name, each as often as its weight says. */
    draw<Name extends string>(weights: Record<Name, number>): Name {
      const entries = Object.entries(weights) as [Name, number][]
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of entries) {
        left -= weight
        if (left < 0) return name
      }
      throw new Error('there is nothing to draw from')
    },
    /** Names of kinds, each as often as its weight says, that make so many together; one has to make a single one. */
    drawKinds(kinds: Record<string, { weight: number; makes: number }>, total: number): string[] {
      const weights = Object.fromEntries(Object.entries(kinds).map(([name, { weight }]) => [name, weight]))
      const drawn: string[] = []
      for (let left = total; left > 0; ) {
        const name = this.draw(weights)
        const makes = kinds[name]?.makes ?? 0
        if (makes > left) continue
        left -= makes
        drawn.push(name)
      }
      return drawn
    },
  }
}
