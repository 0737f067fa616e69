import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLogger } from '../../src/log.ts'

/**
 * A PostgreSQL with a migrated database `maskline`, from which databases are made. It is the embedded one, or an empty
 * server of your own that MASKLINE_TEST_SERVER names, by the URL of one who may do anything.
 */
export async function startPostgres(): Promise<{ url: string; stop: () => Promise<void> }> {
  const own = process.env.MASKLINE_TEST_SERVER
  const server = own ? await prepareServer(own) : await startServer()
  const pool = new pg.Pool({ connectionString: server.url })
  await migrate(pool, { progress: () => undefined })
  await pool.end()
  return server
}

async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-test-'))
  const server = await startEmbedded({
    data_dir: folder,
    postgres_flags: ['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=300'],
    progress: () => undefined,
    log: createLogger('error'),
  })
  const stop = async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url: server.url, stop }
}

/** Fails when there is a database `maskline` already, which may be somebody's. */
async function prepareServer(address: string) {
  const query = async (statement: string) => {
    const client = new pg.Client({ connectionString: address })
    await client.connect()
    const { rows } = await client.query(statement).finally(() => client.end())
    return rows
  }
  const [{ version }] = await query("select current_setting('server_version') as version")
  console.error(`# on PostgreSQL ${version}`)
  await query("create database maskline encoding 'UTF8' template template0")
  const url = new URL(address)
  url.pathname = '/maskline'
  return { url: url.href, stop: async () => void (await query('drop database maskline')) }
}
