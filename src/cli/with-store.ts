import { existsSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { ConfigError, findDevMasterKey, loadConfig } from '../config.ts'
import { actingAs } from '../core/audit.ts'
import type { Actor, Store } from '../core/store.ts'
import { createLogger } from '../log.ts'
import { openStore } from '../serve.ts'
import { progressLine, UsageError } from './output.ts'

/**
 * Opens the database as the server would: yours by DATABASE_URL, else the embedded one, beside a running server or alone.
 * A tool run without the server's settings must not make a database of its own, so only `migrate` may make one.
 * The master key is the server's; for a data folder of `dev` it is the one kept there.
 */
export async function withStore(
  work: (store: Store, masterKeys: Buffer[]) => Promise<void>,
  { database = 'existing', next }: { database?: 'existing' | 'new'; next?: Buffer | undefined } = {},
): Promise<void> {
  const config = loadConfig('tool')
  config.master_key_next = next ?? config.master_key_next
  if (database === 'existing' && !config.database_url && !existsSync(join(config.data_dir, 'postgres'))) {
    throw new UsageError(
      `There is no database in ${config.data_dir}. Start the server first, or run this with the settings it runs with.`,
    )
  }
  const key = config.master_key ?? (config.database_url ? undefined : findDevMasterKey(config.data_dir))
  if (!key) throw new ConfigError(['MASKLINE_MASTER_KEY: is missing: give the key that the server runs with'])
  const progress = progressLine(process.stderr)
  const log = createLogger('error')
  const opened = await openStore(config, key, { log, progress: progress.step, share: true })
  progress.done()
  try {
    await work(actingAs(opened.store, operator()), config.master_key_next ? [key, config.master_key_next] : [key])
  } finally {
    await opened.database.stop()
  }
}

/** Whoever is at the keyboard, as the operating system knows them. */
export const operator = (): Actor => ({ kind: 'operator', origin: `${userName()}@${hostname()}` })

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // In a container a user need not have a name.
    return `uid ${process.getuid?.()}`
  }
}
