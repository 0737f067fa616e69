import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findRunningServer } from '../src/db/embedded.ts'
import { query } from '../test/support/backup.ts'
import { dataFolder } from '../test/support/cli.ts'
import { fillWithMany } from '../test/support/many-rows.ts'
import { startReceiver } from '../test/support/receiver.ts'
import { poolNumber } from '../test/support/server.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { findCarriedRate } from './support/carried-rate.ts'
import { compileProgram } from './support/compiled-program.ts'
import type { Service } from './support/deployment.ts'
import { startFixedRate } from './support/fixed-rate.ts'
import { bringUntilTaken, createLedger, type Ledger } from './support/ledger.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { type Change, findMissing } from './support/one-moment.ts'
import { type Restored, readContents, restoreInto, succeed } from './support/restored.ts'
import { inScope, type Scope } from './support/scope.ts'
import { type Passing, startChurn } from './support/session-churn.ts'
import { untilNothingIsDue } from './support/settled-world.ts'
import { withStore } from './support/with-store.ts'

/**
 * Backups are taken by the CLI while texts come at a fixed rate that the machine carries, and sessions come and go. Each
 * is restored into a folder of its own. What carrier and client were told is held against what is in it, doctor looks at
 * it, and a server is started on it in place of the first. The database has a past, so that reading it takes a while.
 */
const RATE = 500
const PAST = { sessions: 2_000, interactions: 20_000 }
/** Of the load before the backup and after it. */
const LEAD_MS = 2_000
const SETTLED_MS = 60_000
/** So often at most, until one of them was torn. */
const CONTROL_BACKUPS = 3

/** Every table as it was when it came to be read. */
export const NO_SNAPSHOT: Break = {
  file: 'db/backup.ts',
  passage: "'begin isolation level repeatable read, read only'",
  becomes: "'begin isolation level read committed, read only'",
}

export const d7Backup: Proof = {
  id: 'D7',
  name: 'd7-backup',
  promise: 'a backup taken beside a busy server is of one moment, and a server goes on from it',
  goal: '0 missing, 0 faults by doctor, 0 webhooks failed',
  sizes: { short: 1, full: 10, unit: 'backups' },
  run: ({ size, progress }) =>
    inScope(async (scope) => {
      const site = await startSite(scope)
      const found: Round[] = []
      for (let at = 0; at < size; at++) {
        progress(`${at} of ${size} backups`)
        found.push(await backUpAndRestore(scope, site))
      }
      progress('control')
      const control = await tearBackups(scope, site)
      const sum = (what: (round: Round) => number) => found.reduce((total, round) => total + what(round), 0)
      const faults = found.flatMap(({ restored }) => restored.faults)
      const missing = sum((round) => round.missing.length)
      const failed = sum((round) => round.failed.length)
      const wrong = missing + failed + faults.length + sum(({ lost, doubled }) => lost + doubled)
      const slowest = Math.min(...found.map(({ rate }) => rate))
      return {
        figure:
          `${missing} of ${sum(({ changes }) => changes)} missing, ${faults.length} faults, ` +
          `${failed} of ${sum(({ webhooks }) => webhooks)} webhooks failed, ` +
          `in ${size} ${size === 1 ? 'backup' : 'backups'} at ${slowest} texts/s`,
        holds: wrong === 0,
        control: {
          figure:
            `${control.missing.length} missing, ${control.restored.faults.length} kinds of faults ` +
            'where each table is read as it is when its turn comes',
          fails: control.missing.length + control.restored.faults.length > 0,
        },
        details: [...found.map(describe), `control, ${control.backups} backups: ${describe(control)}`],
      }
    }),
}

const describe = (round: Round) =>
  `${round.rate} texts/s brought, ${Math.round(round.per_second)} acknowledged and ` +
  `${Math.round(round.sent_per_second)} sent during ` +
  `${round.took_ms} ms of backup, half of them within ${Math.round(round.p50_ms)} ms, 99 of 100 within ` +
  `${Math.round(round.p99_ms)} ms; ${round.sessions} sessions came and went; ${round.restored.rows} rows, of them ` +
  `${round.restored.in_doubt} messages to be sent and ${round.restored.callbacks} callbacks; ${round.lost} lost, ` +
  `${round.doubled} doubled; missing: ${tally(round.missing.map(({ what }) => what))}; faults: ` +
  `${round.restored.faults.join(', ') || 'none'}; warnings: ${round.restored.warnings.join(', ') || 'none'}` +
  (round.failed.length > 0
    ? `; ${round.failed.length} failed, ${round.refused_before} of them before and ${round.refused_during} ` +
      `during the backup, while ${Math.round(round.wanted)} processes wanted ${availableParallelism()} processors: ` +
      `${round.failed[0]}`
    : '')

const tally = (words: string[]) =>
  [...new Set(words)].map((word) => `${words.filter((other) => other === word).length} ${word}`).join(', ') || 'none'

type Round = {
  missing: Change[]
  /** How many were held against the backup. */
  changes: number
  webhooks: number
  failed: string[]
  /** Of them, texts before the backup began, and while it was taken. */
  refused_before: number
  refused_during: number
  /** How many processes wanted a processor, those of others too. */
  wanted: number
  /** Of the texts, also of those that the restored server sent. */
  lost: number
  doubled: number
  sessions: number
  /** Of texts, of which so many were acknowledged and sent while the backup was taken. */
  rate: number
  per_second: number
  sent_per_second: number
  p50_ms: number
  p99_ms: number
  took_ms: number
  restored: Restored
}

/** A server with a past, and all that has been changed there since. */
type Site = {
  cli: string
  world: MessageWorld
  ledger: Ledger
  service: Service
  changes: Change[]
  passing: Passing[]
}

async function startSite(scope: Scope): Promise<Site> {
  const cli = await compileProgram(scope)
  const application = await startReceiver(scope as unknown as TestContext)
  const world = await startMessageWorld(scope, {
    cli,
    data: { data_dir: dataFolder(scope) },
    env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' },
  })
  await withStore(world.env, (store) => fillWithMany(store, PAST))

  const { sid } = await world.api.post('/v1/Services', [
    ['UniqueName', 'passing'],
    ['CallbackUrl', application.url],
  ])
  const service = { sid, path: `/v1/Services/${sid}`, numbers: [poolNumber(2), poolNumber(3)] }
  for (const phone_number of service.numbers) {
    world.twilio.addNumber({ phone_number })
    await world.api.post(`${service.path}/PhoneNumbers`, [['PhoneNumber', phone_number]])
  }
  return { cli, world, ledger: createLedger(world), service, changes: [], passing: [] }
}

async function backUpAndRestore(scope: Scope, site: Site): Promise<Round> {
  const data_dir = dataFolder(scope)
  const round = await backUpUnderLoad(site, { cli: site.cli, data_dir })
  const { lost, doubled } = await goOnFrom(site, data_dir)
  site.ledger.turnOver()
  return { ...round, lost: round.lost + lost, doubled: round.doubled + doubled }
}

async function backUpUnderLoad(site: Site, { cli, data_dir }: { cli: string; data_dir: string }): Promise<Round> {
  const { world, ledger } = site
  const file = join(data_dir, 'maskline.backup')
  const { rate, since, took_ms, sent_per_second, load, churn } = await underLoad(site, () =>
    succeed(cli, ['backup', file], world.env),
  )
  await untilNothingIsDue(world, SETTLED_MS)
  const { lost, doubled, astray } = ledger.audit()

  const during = load.tries.filter(({ began_at, ms }) => began_at + ms > since && began_at + ms <= since + took_ms)
  const ms = during.map((one) => one.ms).sort((one, other) => one - other)
  site.changes.push(...textsOf(ledger), ...churn.changes)
  site.passing.push(...churn.passing)
  const restored = await restoreInto({ cli: site.cli, env: world.env, file, data_dir: join(data_dir, 'restored') })
  const contents = await readContents(join(data_dir, 'restored'), site.passing)
  const refused = load.tries.filter(({ outcome }) => outcome !== 'acknowledged')
  return {
    missing: findMissing(site.changes, contents.isThere, since),
    changes: site.changes.length,
    webhooks: load.tries.length + churn.changes.length,
    failed: [...refused.map((one) => JSON.stringify(one)), ...churn.failed],
    refused_before: refused.filter(({ began_at, ms }) => began_at + ms <= since).length,
    refused_during: refused.filter(({ began_at, ms }) => began_at + ms > since && began_at <= since + took_ms).length,
    wanted: loadavg()[0] ?? 0,
    lost: lost.length + astray.length,
    doubled: doubled.length + contents.doubled,
    sessions: churn.passing.length,
    rate,
    per_second: (during.length / took_ms) * 1000,
    sent_per_second,
    p50_ms: ms[Math.floor(ms.length / 2)] ?? 0,
    p99_ms: ms[Math.floor(ms.length * 0.99)] ?? 0,
    took_ms,
    restored,
  }
}

async function underLoad({ world, ledger, service }: Site, work: () => Promise<unknown>) {
  const port = () => world.server.port
  // Which also warms up a server that has just started.
  const rate = await findCarriedRate(ledger, port, RATE)
  ledger.turnOver()
  const load = startFixedRate(ledger, rate, port)
  const churn = startChurn(world, ledger, service)
  try {
    await delay(LEAD_MS)
    const [since, sent] = [Date.now(), world.twilio.account.messages.length]
    await work()
    const took_ms = Date.now() - since
    const sent_per_second = ((world.twilio.account.messages.length - sent) / took_ms) * 1000
    await delay(LEAD_MS)
    return { rate, since, took_ms, sent_per_second, load, churn }
  } finally {
    await load.finish()
    await churn.finish()
  }
}

const textsOf = ({ texts }: Ledger): Change[] =>
  texts.flatMap(({ sid, tries }) => {
    const taken = tries.find(({ outcome }) => outcome === 'acknowledged')
    return taken ? [{ what: 'text', sid, began_at: taken.began_at, ended_at: taken.began_at + taken.ms }] : []
  })

/** Starts a server on what was restored in place of the other, which comes back afterwards. */
async function goOnFrom({ world, ledger }: Site, data_dir: string) {
  await stop(world)
  const MASKLINE_DATA_DIR = join(data_dir, 'restored')
  world.server = await world.start({ env: { MASKLINE_DATA_DIR } })
  const database = findRunningServer(MASKLINE_DATA_DIR) ?? ''
  // It waits a minute for the other server, which has ended.
  await query(database, 'update interactions set due_at = now() where due_at is not null')
  await bringUntilTaken(ledger, ledger.next(), { port: () => world.server.port, limit_ms: SETTLED_MS })
  await untilNothingIsDue({ query: (text, values) => query(database, text, values) }, SETTLED_MS)
  const { lost, doubled, astray } = ledger.audit()
  await stop(world)
  world.server = await world.start()
  return { lost: lost.length + astray.length, doubled: doubled.length }
}

async function stop({ server }: MessageWorld) {
  server.signal('SIGTERM')
  await server.ended
}

/** Backups of a program without the snapshot, restored and looked at by the one with it. */
async function tearBackups(scope: Scope, site: Site): Promise<Round & { backups: number }> {
  const cli = await compileProgram(scope, [NO_SNAPSHOT])
  for (let backups = 1; ; backups++) {
    const round = await backUpUnderLoad(site, { cli, data_dir: dataFolder(scope) })
    site.ledger.turnOver()
    const isTorn = round.missing.length + round.restored.faults.length > 0
    if (isTorn || backups === CONTROL_BACKUPS) return { ...round, backups }
  }
}
