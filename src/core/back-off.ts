import ipaddr from 'ipaddr.js'

/**
 * Who guesses has to wait for longer with every try. Tries are counted when they begin, so that many at once are no way around,
 * and given back when they succeed. In the memory of one server: several let through as many times more.
 */
export type BackOff = {
  /** How many seconds to wait; 0 when none. */
  wait(tries: Try[]): number
  count(tries: Try[]): void
  /** It was right: it does not count, and what came before it does not where `clears` says so. */
  succeeded(tries: Try[]): void
}

/** `free` of them cost nothing. */
export type Try = { key: string; free: number; clears?: true }

const FIRST_MS = 1_000
const LONGEST_MS = 15 * 60_000
const FORGOTTEN_MS = 60 * 60_000
const MOST = 20_000

export function createBackOff(now: () => number = Date.now): BackOff {
  const known = new Map<string, { count: number; until: number; at: number }>()
  const get = (key: string) => {
    const entry = known.get(key)
    return entry && now() - entry.at < FORGOTTEN_MS ? entry : { count: 0, until: 0, at: 0 }
  }
  return {
    wait: (tries) => Math.max(0, ...tries.map(({ key }) => Math.ceil((get(key).until - now()) / 1000))),
    count(tries) {
      for (const { key, free } of tries) {
        const count = get(key).count + 1
        const wait_ms = count > free ? Math.min(LONGEST_MS, FIRST_MS * 2 ** (count - free - 1)) : 0
        known.delete(key)
        known.set(key, { count, until: now() + wait_ms, at: now() })
        const [oldest] = known.keys()
        if (known.size > MOST && oldest !== undefined) known.delete(oldest)
      }
    },
    succeeded(tries) {
      for (const { key, clears } of tries) {
        const entry = known.get(key)
        if (entry && !clears) Object.assign(entry, { count: entry.count - 1, until: 0 })
        else known.delete(key)
      }
    },
  }
}

/** Whoever has an address of IPv6 has all of its network. */
export function networkOf(address: string): string {
  if (!ipaddr.IPv6.isValid(address)) return address
  const { parts } = ipaddr.IPv6.parse(address)
  return parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')
}
