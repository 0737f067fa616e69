import { openKysely, type Store } from './store.ts'
import { limitPool } from './time-limit.ts'

/** The same store for those who wait no longer than this for its database: see `limitPool`. */
export function limitStore(store: Store, limit_ms: number): Store {
  const pool = limitPool(store.pool, limit_ms)
  return { ...store, pool, db: openKysely(pool) }
}
