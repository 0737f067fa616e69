import type { Change, History } from './history.ts'
import { quietFrom } from './lives.ts'
import { type Stretch, type Switch, surely } from './stretches.ts'

/** When a number was surely in the pool of a service, and when it surely was not. */
export type Pool = { service: string; number: string; in: Stretch[]; out: Stretch[]; changes: Change[] }

/** By number, one for every service that may ever have had it. */
export function findPools(history: History): Map<string, Pool[]> {
  const quiet = quietFrom(history)
  const known = new Map<string, { service: string; number: string; switches: Switch[]; changes: Change[] }>()
  const add = (service: string, number: string, on: boolean, change: Change) => {
    const pool = known.get(`${service} ${number}`) ?? { service, number, switches: [], changes: [] }
    known.set(`${service} ${number}`, pool)
    const isCertain = change.outcome === 'done'
    const hi = isCertain ? change.ended_at : Math.max(change.began_at, quiet)
    pool.switches.push({ on, lo: change.began_at, hi, isCertain })
    pool.changes.push(change)
  }
  for (const entry of history) {
    if (entry.type !== 'change' || entry.outcome === 'refused') continue
    if (entry.what === 'service')
      for (const number of entry.service.numbers) add(entry.service.sid, number, true, entry)
    if (entry.what === 'add number') add(entry.service, entry.number, true, entry)
    if (entry.what === 'remove number') add(entry.service, entry.number, false, entry)
  }
  const pools = new Map<string, Pool[]>()
  for (const { service, number, switches, changes } of known.values()) {
    const pool = { service, number, in: surely(true, switches), out: surely(false, switches), changes }
    pools.set(number, [...(pools.get(number) ?? []), pool])
  }
  return pools
}
