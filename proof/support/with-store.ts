import { pino } from 'pino'
import { readConfig } from '../../src/config.ts'
import type { Store } from '../../src/core/store.ts'
import { openStore } from '../../src/serve.ts'
import type { Env } from '../../test/support/cli.ts'

/**
 * Works on a server's data as its tools do, beside it where it runs on a PostgreSQL of its own. The database is migrated by
 * this where it was not.
 */
export async function withStore<Result>(env: Env, work: (store: Store) => Promise<Result>): Promise<Result> {
  const quiet = { log: pino({ level: 'silent' }), progress: () => undefined, share: true }
  const key = Buffer.from(env.MASKLINE_MASTER_KEY ?? '', 'hex')
  const { store, database } = await openStore(readConfig(env, 'tool'), key, quiet)
  try {
    return await work(store)
  } finally {
    await database.stop()
  }
}
