import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { findRunningServer } from '../src/db/embedded.ts'
import { readIfThere } from '../src/db/owner-lock.ts'
import {
  assertRefusedBy,
  countAllRows,
  createEmptyDatabase,
  digestTables,
  query,
  runForJson,
} from './support/backup.ts'
import { cleanEnv, commandLine, dataFolder, runCli, startCli } from './support/cli.ts'
import { startCuttableLine } from './support/cuttable-line.ts'
import { createDatabase } from './support/database.ts'
import { eventually, person } from './support/server.ts'

type Cleaning = Parameters<typeof startCli>[0]

/** `maskline dev` in a folder, with its account. */
async function startDev(t: Cleaning, folder: string) {
  const dev = startCli(t, ['dev'], {
    ...{ MASKLINE_DATA_DIR: folder, MASKLINE_PORT: '0', MASKLINE_LOG_LEVEL: 'warn' },
    // The same people text each other all the time here.
    MASKLINE_FLOOD_LIMIT: '0',
  })
  await dev.printed(/Ctrl-C/)
  const read = (name: string) => new RegExp(`${name} +(\\S+)`).exec(dev.output.stdout)?.[1] ?? ''
  const authorization = `Basic ${Buffer.from(`${read('account SID')}:${read('auth token')}`).toString('base64')}`
  const call = async (path: string, body?: URLSearchParams | string) => {
    const headers = { authorization, ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}) }
    const answer = await fetch(read('base URL') + path, { headers, ...(body ? { method: 'POST', body } : {}) })
    assert.ok(answer.ok, `${path}: ${answer.status}`)
    // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
    return (await answer.json()) as Record<string, any>
  }
  const openSession = async (service: string, people: string[]) => {
    const params = new URLSearchParams(
      people.map((Identifier): [string, string] => ['Participants', JSON.stringify({ Identifier })]),
    )
    const session = await call(`/v1/Services/${service}/Sessions`, params)
    const { participants } = await call(`/v1/Services/${service}/Sessions/${session.sid}/Participants`)
    return participants as { identifier: string; proxy_identifier: string }[]
  }
  const text = (from: string, to: string, body: string) =>
    call('/simulator/messages', JSON.stringify({ from, to, body }))
  const heard = (who: string, body: string) =>
    eventually(async () => {
      const { messages } = await call(`/simulator/handsets/${encodeURIComponent(who)}/messages`)
      return messages.some((message: { body: string }) => message.body === body)
    }, `“${body}” is heard`)
  const { sid: service } = await call('/v1/Services/demo')
  return { dev, text, heard, openSession: (...people: string[]) => openSession(service, people) }
}

test('a backup of a server at work is of one moment, and a server started on it relays for the same people', async (t) => {
  const [folder, elsewhere] = [dataFolder(t), dataFolder(t)]
  const { dev, openSession, text } = await startDev(t, folder)
  const [alice, bob] = [person(0), person(1)]
  const lines = await openSession(alice, bob)
  const numberOf = (who: string) => lines.find(({ identifier }) => identifier === who)?.proxy_identifier ?? ''

  let going = true
  let sent = 0
  const traffic = [0, 1, 2, 3].map(async (lane) => {
    for (let at = 0; going; at++) {
      const people = [person(10 + lane), person(20 + lane)] as const
      const pairs = at % 5 === 0 ? await openSession(...people).catch(() => []) : lines
      for (const { identifier, proxy_identifier } of pairs) {
        await text(identifier, proxy_identifier, `${lane}-${at}`)
        sent++
      }
    }
  })
  const file = join(elsewhere, 'maskline.backup')
  await eventually(async () => sent > 20, 'there is traffic')
  const saved = await runForJson(['backup', file], { MASKLINE_DATA_DIR: folder })
  const duringBackup = sent
  await eventually(async () => sent > duringBackup + 20, 'traffic goes on')
  going = false
  await Promise.all(traffic)
  const live = findRunningServer(folder) ?? ''
  const [after] = await query(live, 'select count(*)::int as n from interactions')
  dev.child.kill('SIGTERM')
  await dev.ended

  const restoredTo = join(elsewhere, 'data')
  const summary = await runForJson(['restore', file], { MASKLINE_DATA_DIR: restoredTo })
  assert.equal(summary.rows, saved.rows)
  for (const name of ['master.key', 'dev-account-sid', 'dev-auth-token']) {
    copyFileSync(join(folder, name), join(restoredTo, name))
  }
  const copy = await startDev(t, restoredTo)
  const database = findRunningServer(restoredTo) ?? ''
  const [{ n }] = await query(database, 'select count(*)::int as n from interactions')
  assert.ok(n > 20 && n < after.n, `${n} of ${after.n} messages are in it`)
  const torn = `
    select i.sid from interactions i left join sessions s on s.service_sid = i.service_sid and s.sid = i.session_sid
      where i.session_sid is not null and s.sid is null
    union all select i.sid from interactions i where i.session_sid is not null and (
      select count(*) from participants p where p.sid in (i.inbound_participant_sid, i.outbound_participant_sid)) <> 2
    union all select c.sid from callbacks c where not exists (select from interactions i where i.sid = c.interaction_sid)`
  assert.deepEqual(await query(database, torn), [])
  await copy.text(alice, numberOf(alice), 'Still there?')
  await copy.heard(bob, 'Still there?')
  await copy.text(bob, numberOf(bob), 'Yes')
  await copy.heard(alice, 'Yes')

  const refused = await runCli(['restore', file], { MASKLINE_DATA_DIR: restoredTo })
  assertRefusedBy(refused, 1, /in use by another maskline/)
})

/** More than what fits in memory within the limit below: 120,000 rows of 1.4 kB, 170 MB. */
const ROWS = 120_000
const PEAK_LIMIT_MB = 260

async function makeLargeDatabase(t: Cleaning): Promise<string> {
  const url = await createDatabase(t)
  await query(url, "insert into data_keys (id, purpose, wrapped) values (1, 'seal', '')")
  await query(
    url,
    `insert into events (sid, account_sid, error_code, level, message)
     select 'NO' || md5(n::text), 'AC', 80613, 'error',
       repeat(md5(n::text), 40) from generate_series(1, $1) n`,
    [ROWS],
  )
  return url
}

/** Runs a command and gives the most memory it ever had, in MB, and how long it took. */
async function runMeasured(t: Cleaning, args: string[], env: Record<string, string>) {
  const began = performance.now()
  const cli = startCli(t, args, env)
  let peak = 0
  const timer = setInterval(() => {
    const status = readIfThere(`/proc/${cli.child.pid}/status`) ?? ''
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
  }, 20)
  const ended = await cli.ended
  clearInterval(timer)
  assert.equal(ended.code, 0, ended.stderr)
  return { peak, seconds: (performance.now() - began) / 1000 }
}

test('rows stream: 120,000 of them need no more memory than a few, and an interrupted restore leaves none', async (t) => {
  const url = await makeLargeDatabase(t)
  const folder = dataFolder(t)
  const file = join(folder, 'large.backup')
  await saveOnTerminal(url, join(folder, 'terminal.backup'))
  const saving = await runMeasured(t, ['backup', file], { DATABASE_URL: url })
  t.diagnostic(
    `saved in ${saving.seconds.toFixed(1)} s, ${saving.peak.toFixed(0)} MB at most, ${statSync(file).size} bytes`,
  )
  assert.ok(saving.peak > 50 && saving.peak < PEAK_LIMIT_MB, `${saving.peak} MB`)

  const target = await createEmptyDatabase(t)
  await interruptRestore(t, file, target)
  assert.equal(await countAllRows(target), 0)

  const loading = await runMeasured(t, ['restore', file], { DATABASE_URL: target })
  t.diagnostic(`loaded in ${loading.seconds.toFixed(1)} s, ${loading.peak.toFixed(0)} MB at most`)
  assert.ok(loading.peak > 50 && loading.peak < PEAK_LIMIT_MB, `${loading.peak} MB`)
  // A backup is on record where it was made, and a restore where it went.
  const [{ audit_pending: there, ...restored }, { audit_pending: here, ...saved }] = [
    await digestTables(target),
    await digestTables(url),
  ]
  assert.ok(there && here)
  assert.deepEqual(restored, saved)
})

/** Cuts the connection to the database when half of the file has been given. */
async function interruptRestore(t: Cleaning, file: string, database: string) {
  const through = new URL(database)
  const line = await startCuttableLine(t, through)
  through.port = String(line.port)
  const [program = '', ...args] = commandLine(['restore', '-'])
  const child = spawn(program, args, {
    env: cleanEnv({ DATABASE_URL: through.href }),
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.on('error', () => undefined)
  const bytes = readFileSync(file)
  child.stdin.write(bytes.subarray(0, bytes.length / 2))
  await eventually(
    async () => {
      const copies = await query(
        database,
        'select tuples_processed::int as rows from pg_stat_progress_copy where datname = current_database()',
      )
      return copies.some(({ rows }) => rows > ROWS / 10)
    },
    'rows are being loaded',
    30_000,
  )
  line.cut()
  const [code] = await once(child, 'exit')
  assert.equal(code, 1, stderr)
  assert.match(stderr, /^The database takes no more rows, and keeps none of them: .+\.\n$/)
}

/** On a terminal it is said how far it is; `runCli`, which is none, is told nothing in the other tests. */
async function saveOnTerminal(url: string, file: string) {
  const line = commandLine(['backup', file]).join(' ')
  const args = ['-qec', line, '/dev/null']
  const terminal = spawn('script', args, { env: cleanEnv({ DATABASE_URL: url }), stdio: ['ignore', 'pipe', 'inherit'] })
  let shown = ''
  terminal.stdout.on('data', (chunk) => {
    shown += chunk
  })
  const [code] = await once(terminal, 'close')
  assert.equal(code, 0, shown)
  assert.match(shown, /… saving events: [\d,]+ rows?, [\d.]+ MB/)
  assert.match(shown, /Saved 120,00\d rows/)
}
