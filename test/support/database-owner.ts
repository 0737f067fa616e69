/**
 * A program that owns a data folder, for tests that kill it: opens the database, writes a line about it, and holds it
 * until its standard input ends. Arguments: the data folder, and the user id to run as when it is started by root.
 */
import pino from 'pino'
import { openDatabase } from '../../src/db/open.ts'

const [data_dir, uid] = process.argv.slice(2)
if (!data_dir) throw new Error('the data folder is missing')
if (uid !== undefined && process.setuid && process.setgid && process.setgroups) {
  // Everything is loaded by now, so a checkout that only root can read does not matter.
  process.setgroups([])
  process.setgid(Number(uid))
  process.setuid(Number(uid))
}

const say = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`)
const db = await openDatabase({
  database_url: undefined,
  data_dir,
  pool: 2,
  progress: (step) => say({ step }),
  log: pino({ level: 'silent' }),
})
say({ url: db.url })
process.stdin.resume().once('end', async () => {
  await db.stop()
  say({ stopped: true })
})
