import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { runCli } from '../test/support/cli.ts'
import { type CanaryScan, createCanaryScan, type Sighting } from './privacy/canaries.ts'
import { type PrivateWorld, query, startPrivateWorld } from './privacy/world.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { inScope } from './support/scope.ts'
import { withStore } from './support/with-store.ts'

/**
 * All that PostgreSQL has written is read as bytes: tables, indexes, write-ahead log, temporary files, its own log; and
 * beside it the backup, packed and unpacked, and every row as text, which is what a dump has.
 */
const IN_CLEAR: Break[] = [
  {
    file: 'core/participants.ts',
    passage: '    friendly_name: params.friendly_name ?? null,\n',
    becomes: '    friendly_name: params.friendly_name ?? params.identifier,\n',
  },
  {
    file: 'core/callbacks.ts',
    passage: `keys.seal(\`\${sid}/response\`, response)`,
    becomes: 'Buffer.from(response)',
  },
  {
    file: 'core/sign-in-links.ts',
    passage: "auditUser(trx, 'user.create-link', user)",
    becomes: "auditUser(trx, 'user.create-link', user, { token })",
  },
  {
    file: 'core/user-sessions.ts',
    passage: "'user.sign-in', user, { by })",
    becomes: "'user.sign-in', user, { by, token })",
  },
  {
    file: 'core/credentials.ts',
    passage: "auditUser(trx, 'user.set-password', user)",
    becomes: "auditUser(trx, 'user.set-password', user, { password })",
  },
  {
    file: 'core/credentials.ts',
    passage: "auditUser(trx, 'user.set-totp', user)",
    becomes: "auditUser(trx, 'user.set-totp', user, { secret: given.secret })",
  },
]
const SHOWN = ['answer', 'code secret', 'link', 'number', 'password', 'session']

export const x2NothingInClear: Proof = {
  id: 'X2',
  name: 'x2-nothing-in-clear',
  promise: 'no number, text, attachment, token or password stands in clear in the files of the database or in a backup',
  goal: '0 occurrences',
  sizes: { short: 5, full: 200, unit: 'conversations' },
  run: async ({ size, progress }) => {
    const found = await inScope(async (scope) => {
      progress('people talk')
      return look(await startPrivateWorld(scope, size), progress)
    })
    progress('control')
    const control = await inScope(async (scope) => look(await startPrivateWorld(scope, 2, IN_CLEAR), progress))
    return {
      figure: `${found.sightings.length} occurrences of ${found.canaries} canaries in ${found.files} files and texts, ${found.megabytes} MB`,
      holds: found.sightings.length === 0,
      control: {
        figure: `${control.sightings.length} of ${kindsOf(control.sightings).join(', ')} where these are not sealed, in ${placesOf(control.sightings).join(', ')}`,
        fails: placesOf(control.sightings).length >= 4 && SHOWN.join() === kindsOf(control.sightings).join(),
      },
      details: found.sightings.slice(0, 20).map(describe),
    }
  },
}

/** Text, as, place: never the canary whole. */
export const describe = ({ canary, where, as }: Sighting) => `a ${canary.kind} as ${as} in ${where}`

export const kindsOf = (sightings: Sighting[]) => [...new Set(sightings.map(({ canary }) => canary.kind))].sort()

const placesOf = (sightings: Sighting[]) =>
  [...new Set(sightings.map(({ where }) => where.replace(/[:/].*/s, '')))].sort()

async function look(world: PrivateWorld, progress: (what: string) => void) {
  const scan = createCanaryScan(world.canaries)
  const seen = { sightings: [] as Sighting[], files: 0, bytes: 0 }
  const add = (where: string, bytes: Buffer) => {
    seen.files++
    seen.bytes += bytes.length
    seen.sightings.push(...scan(where, bytes))
  }
  progress('the log and the tables are written')
  await query(world, 'checkpoint')
  readCluster(world, add)
  progress('a backup')
  const file = join(world.data_dir, 'maskline.backup')
  const { code, stderr } = await runCli(['backup', file], world.env)
  if (code !== 0) throw new Error(stderr)
  const packed = readFileSync(file)
  add('backup', packed)
  add('backup: unpacked', unpack(packed))
  await readRows(world, add)
  assertScanSees(world, scan)
  return { ...seen, canaries: world.canaries.length, megabytes: Math.round(seen.bytes / 1e6) }
}

type Add = (where: string, bytes: Buffer) => void

/** The passwords of its own are in files beside the cluster, for their owner's eyes. */
function readCluster({ data_dir }: PrivateWorld, add: Add) {
  add('log of PostgreSQL', readFileSync(join(data_dir, 'postgres.log')))
  const cluster = join(data_dir, 'postgres')
  for (const path of readdirSync(cluster, { recursive: true, encoding: 'utf8' })) {
    const whole = join(cluster, path)
    const bytes = readWhereThere(whole)
    const kind = path.startsWith('pg_wal') ? 'write-ahead log' : 'files'
    if (bytes) add(`${kind}: ${path}`, bytes)
  }
}

/** Files come and go under a running server. */
function readWhereThere(path: string): Buffer | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined
  } catch {
    return undefined
  }
}

const unpack = (bytes: Buffer) => (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes)

const readRows = ({ env }: PrivateWorld, add: Add) =>
  withStore(env, async ({ pool }) => {
    const tables = await pool.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public'`,
    )
    for (const { name } of tables.rows) {
      const { rows } = await pool.query<{ row: string }>(`select t::text as row from "${name}" t`)
      add(`dump: ${name}`, Buffer.from(rows.map(({ row }) => row).join('\n')))
    }
  })

/** Each canary in each dress, in the midst of something else. */
function assertScanSees({ canaries }: PrivateWorld, scan: CanaryScan) {
  for (const { text } of canaries) {
    const plain = Buffer.from(`x${text}y`)
    for (const dress of [plain, Buffer.from(`x${text}y`, 'utf16le'), plain.toString('hex'), plain.toString('base64')]) {
      if (scan('itself', Buffer.from(dress)).length === 0) throw new Error('the search does not see what it is to find')
    }
  }
}
