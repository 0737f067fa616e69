import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataFolder } from '../test/support/cli.ts'
import type { Proof } from './proof.ts'
import { compileProgram } from './support/compiled-program.ts'
import { createLedger, type Ledger } from './support/ledger.ts'
import { type MessageWorld, startMessageWorld } from './support/message-world.ts'
import { postgresProcesses } from './support/postgres-processes.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'
import { type SystemCall, traceCalls } from './support/system-calls.ts'
import { createWalTrace, type WalRecord } from './support/wal-trace.ts'

/**
 * The system calls of PostgreSQL and of the server are traced while a carrier brings texts. For each that was answered
 * 2xx, PostgreSQL's own reading of its write-ahead log says where the commit lies in it; the trace says when these
 * very bytes had been written and an fsync that began after that had returned, and when the server began to write the
 * answer. The answer has to be the later one.
 */
const LANES = 8
const CONTROL = 100

export const d1Fsync: Proof = {
  id: 'D1',
  name: 'd1-fsync',
  promise: 'a carrier is told yes only after the fsync of the commit',
  goal: '0 answers before it',
  sizes: { short: 200, full: 2_000, unit: 'events' },
  async run({ size, progress }) {
    const measure = (events: number, synchronous_commit: 'on' | 'off') =>
      inScope(async (scope) => {
        progress(`${events} events with synchronous_commit=${synchronous_commit}`)
        const cli = await compileProgram(scope)
        const world = await startMessageWorld(scope, { cli, data: { data_dir: dataFolder(scope) } })
        return await compareTimes(scope, world, events, synchronous_commit)
      })
    const { margins, syncs, settings } = await measure(size, 'on')
    const control = await measure(Math.min(size, CONTROL), 'off')
    const [early, earlyThere] = [countNegative(margins), countNegative(control.margins)]
    return {
      figure: `${early} of ${margins.length} answers came before the fsync of their commit`,
      holds: early === 0 && margins.length === size,
      control: {
        figure: `${earlyThere} of ${control.margins.length} with synchronous_commit=off`,
        fails: earlyThere > control.margins.length / 2,
      },
      details: [
        `${syncs} fsyncs of the log; ${settings}`,
        `from the end of the fsync to the answer: ${Math.min(...margins).toFixed(2)} ms or more`,
      ],
    }
  },
}

const countNegative = (list: number[]) => list.filter((one) => one < 0).length

async function compareTimes(scope: Scope, world: MessageWorld, events: number, synchronous_commit: 'on' | 'off') {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-trace-'))
  scope.after(() => rmSync(folder, { recursive: true, force: true }))
  const from = await prepare(world, synchronous_commit)
  const ledger = createLedger(world)
  // Every connection is there before the trace begins.
  await inLanes(Array.from({ length: LANES * 3 }), LANES, async () => void (await ledger.bring(ledger.next())))
  ledger.turnOver()

  const trace = await traceCalls(scope, [world.server.pid, ...postgresProcesses(world.data_dir)], folder)
  await inLanes(Array.from({ length: events }), LANES, async () => void (await ledger.bring(ledger.next())))
  // Whatever is not on disk yet comes there now, so that the log can be read; the trace goes on meanwhile.
  await world.query('select txid_current(), pg_switch_wal()')
  const wal = createWalTrace()
  const answers = new Map<string, number>()
  await trace.stop((call) => {
    wal.read(call)
    readAnswers(call, answers)
  })
  await ledger.close()
  const commits = await readCommits(world, from)
  const margins = marginsOf(ledger, { commits, answers, durableAt: wal.durableAt })
  return { margins, syncs: wal.syncs.length, settings: await readSettings(world) }
}

/** Has every event's transaction noted; from here on the log is read. */
async function prepare(world: MessageWorld, synchronous_commit: 'on' | 'off'): Promise<string> {
  await world.query(`alter system set synchronous_commit = ${synchronous_commit}`)
  await world.query('select pg_reload_conf()')
  await world.query('create extension pg_walinspect')
  await world.query('create table proof_events (event_id text, xid bigint)')
  await world.query(`
    create function proof_note() returns trigger language plpgsql as $$
    begin
      insert into proof_events values (new.event_id, pg_current_xact_id()::text::bigint);
      return null;
    end $$`)
  await world.query('create trigger proof_note after insert on interactions for each row execute function proof_note()')
  const [row] = await world.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  return row?.lsn ?? ''
}

/** Where the commit of each event is in the log, by the event's id at the carrier. */
async function readCommits(world: MessageWorld, from: string): Promise<Map<string, WalRecord>> {
  const rows = await world.query<{ event_id: string; start: string; xid: string }>(
    `select e.event_id, (c.start_lsn - '0/0'::pg_lsn)::text as start, e.xid
     from pg_get_wal_records_info($1, pg_current_wal_flush_lsn()) c join proof_events e on c.xid::text::bigint = e.xid
     where c.resource_manager = 'Transaction' and c.record_type = 'COMMIT'`,
    [from],
  )
  return new Map(rows.map(({ event_id, start, xid }) => [event_id, { start: BigInt(start), xid: Number(xid) }]))
}

/** When the server began to write each answer, by the id of the request that is in it. */
function readAnswers({ name, args, began }: SystemCall, answers: Map<string, number>) {
  if (!name.startsWith('write') || !args.includes('HTTP/1.1 200')) return
  const [, id] = /twilio-request-id: (RQ[0-9a-f]{32})/i.exec(args) ?? []
  if (id) answers.set(id, began)
}

/** By how many ms each answer came after the fsync. */
function marginsOf(
  ledger: Ledger,
  {
    commits,
    answers,
    durableAt,
  }: {
    commits: Map<string, WalRecord>
    answers: Map<string, number>
    durableAt: (record: WalRecord) => number | undefined
  },
): number[] {
  return ledger.texts.flatMap(({ sid, tries }) => {
    const request_id = tries.find(({ outcome }) => outcome === 'acknowledged')?.request_id
    if (!request_id) return []
    const [commit, answered] = [commits.get(sid), answers.get(request_id)]
    if (!commit) throw new Error(`the log has no commit of ${sid}, which was acknowledged`)
    if (answered === undefined) throw new Error(`the trace has no answer to ${request_id}`)
    return [(answered - (durableAt(commit) ?? Number.POSITIVE_INFINITY)) * 1000]
  })
}

async function readSettings(world: MessageWorld): Promise<string> {
  const names = ['fsync', 'wal_sync_method', 'full_page_writes', 'synchronous_commit']
  const rows = await world.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any($1)',
    [names],
  )
  return rows.map(({ name, setting }) => `${name}=${setting}`).join(', ')
}
