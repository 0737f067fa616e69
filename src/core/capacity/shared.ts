import type { Keyring } from '../seal.ts'
import type { Store } from '../store.ts'

/**
 * Answers that are costly to make and that several may ask for at once: one is made at a time, for all who want it, and kept
 * for some seconds, and longer the longer it took. So looking at figures never takes more than a small share of the database.
 */
const KEPT_MS = 10_000
const MOST_SHARE = 1 / 20
const MOST = 100

type Kept<Answer> = { answer: Promise<Answer>; until: number }
type Desk<Answer> = { kept: Map<string, Kept<Answer>>; turn: Promise<unknown> }

export function createShared<Answer>() {
  const desks = new WeakMap<Keyring, Desk<Answer>>()

  return function share({ keys }: Store, key: string, make: () => Promise<Answer>): Promise<Answer> {
    const desk = desks.get(keys) ?? { kept: new Map(), turn: Promise.resolve() }
    desks.set(keys, desk)
    const known = desk.kept.get(key)
    if (known && performance.now() < known.until) return known.answer
    if (desk.kept.size >= MOST) desk.kept.clear()
    const made = desk.turn.then(async () => {
      const began = performance.now()
      const answer = await make()
      const now = performance.now()
      kept.until = now + Math.max(KEPT_MS, (now - began) / MOST_SHARE)
      return answer
    })
    const kept: Kept<Answer> = { answer: made, until: Number.POSITIVE_INFINITY }
    desk.kept.set(key, kept)
    // One that failed is made anew by whoever asks next.
    desk.turn = made.catch(() => desk.kept.delete(key))
    return made
  }
}
