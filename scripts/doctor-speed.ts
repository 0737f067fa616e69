import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../src/config.ts'
import { examine } from '../src/core/doctor.ts'
import { createLogger } from '../src/log.ts'
import { openStore } from '../src/serve.ts'
import { fillWithMany } from '../test/support/many-rows.ts'

// How long `maskline doctor` takes on much data: `tsx scripts/doctor-speed.ts [interactions] [sessions]`. It makes a
// PostgreSQL of its own, fills it, and prints the time of each depth with the slowest checks.

const [interactions = 1_000_000, sessions = interactions / 10] = process.argv.slice(2).map(Number)
const folder = mkdtempSync(join(tmpdir(), 'maskline-doctor-'))
const config = readConfig({ MASKLINE_DATA_DIR: folder }, 'tool')
const progress = () => undefined
const { store, database } = await openStore(config, randomBytes(32), { log: createLogger('error'), progress })
try {
  const began = performance.now()
  await fillWithMany(store, { sessions, interactions })
  console.log(`${interactions} interactions, ${sessions} sessions, made in ${seconds(performance.now() - began)}`)
  for (const depth of ['quick', 'usual', 'deep'] as const) {
    const options = { depth, keys: store.keys, migrations: { pending: [] }, now: Date.now, progress }
    const { took_ms, faults, unfinished, checks } = await examine(store.pool, options)
    const slowest = [...checks].sort((a, b) => b.took_ms - a.took_ms).slice(0, 25)
    console.log(`${depth}: ${seconds(took_ms)}, ${faults} faults, ${unfinished} unfinished`)
    for (const { id, took_ms, status } of slowest)
      if (took_ms > 100) console.log(`  ${id} ${seconds(took_ms)} ${status}`)
  }
} finally {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
}

function seconds(ms: number) {
  return `${(ms / 1000).toFixed(1)} s`
}
