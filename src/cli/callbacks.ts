import { type Command, Option } from 'commander'
import { listEndpoints } from '../core/callback-health.ts'
import {
  CALLBACK_STATUSES,
  type CallbackFilter,
  type CallbackStatus,
  findCallback,
  listAttempts,
  listCallbacks,
  replayCallback,
  replayCallbacks,
  statusOf,
} from '../core/callback-records.ts'
import type { Store } from '../core/store.ts'
import { ACCOUNT_OPTION, JSON_OPTION, requireAccount } from './admin.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

type Options = {
  account: string
  status?: CallbackStatus
  service?: string
  endpoint?: string
  since?: string
  until?: string
  limit?: string
  json?: boolean
}

const MOST_SHOWN = 1000

export function callbackCommands(program: Command): void {
  const callbacks = program.command('callbacks').description('what applications were told of interactions')
  showCommands(callbacks)
  replayCommand(callbacks)
  callbacks
    .command('endpoints')
    .description('show where callbacks go, and whether they arrive')
    .requiredOption(...ACCOUNT_OPTION)
    .option(...JSON_OPTION)
    .action((options: Options) =>
      withAccount(options, async (store) => {
        const rows = await listEndpoints(store, options.account)
        print(
          rows.map(({ endpoint, state, failures, date_opened, probe_at }) => ({
            ...{ endpoint, health: state, failures, waits_since: date_opened?.toISOString() ?? null },
            next_probe: probe_at?.toISOString() ?? null,
          })),
          options,
        )
      }),
    )
}

function showCommands(callbacks: Command): void {
  filtered(callbacks.command('list').description('show status callbacks, oldest first'))
    .option('--limit <n>', `how many to show, at most ${MOST_SHOWN}`, '50')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExample:\n  maskline callbacks list --account AC… --status failed --since 2030-01-31T12:00:00Z',
    )
    .action((options: Options) =>
      withAccount(options, async (store) => {
        const size = Math.min(Number(options.limit) || 50, MOST_SHOWN)
        const { rows } = await listCallbacks(store, options.account, filterOf(options), { size, from: { skip: 0 } })
        print(
          rows.map((row) => ({
            ...{ sid: row.sid, status: statusOf(row), attempts: row.attempts, url: row.url },
            ...{ created: row.date_created.toISOString(), next_attempt: row.due_at?.toISOString() ?? null },
          })),
          options,
        )
      }),
    )

  callbacks
    .command('attempts <sid>')
    .description('show how it went each time that one was told')
    .requiredOption(...ACCOUNT_OPTION)
    .option(...JSON_OPTION)
    .action((sid: string, options: Options) =>
      withAccount(options, async (store) => {
        const callback = await getCallback(store, options, sid)
        const { rows } = await listAttempts(store, callback, { size: MOST_SHOWN, from: { skip: 0 } })
        print(
          rows.map(({ date_created, attempt, tries, status_code, duration_ms, error }) => ({
            ...{ ended: date_created.toISOString(), attempt, tries, status: status_code, duration_ms, error },
          })),
          options,
        )
      }),
    )
}

function replayCommand(callbacks: Command): void {
  filtered(callbacks.command('replay [sid]').description('tell one again, or all that fit: those that failed'))
    .addHelpText(
      'after',
      '\nExamples:\n  maskline callbacks replay CB… --account AC…\n  maskline callbacks replay --account AC… --endpoint https://app.example',
    )
    .action((sid: string | undefined, options: Options) =>
      withAccount(options, async (store) => {
        if (sid === undefined) {
          const filter = { status: 'failed' as const, ...filterOf(options) }
          const count = await replayCallbacks(store, options.account, filter)
          return console.log(`${count} callbacks are told again.`)
        }
        const { due_at } = await replayCallback(store, await getCallback(store, options, sid))
        console.log(`${sid} is told again${due_at && due_at > new Date() ? ' by itself: it is under way' : ''}.`)
      }),
    )
}

const filtered = (command: Command): Command =>
  command
    .requiredOption(...ACCOUNT_OPTION)
    .addOption(new Option('--status <status>', 'only those of this status').choices(CALLBACK_STATUSES))
    .option('--service <sid>', 'only those of this service')
    .option(
      '--endpoint <origin>',
      'only those to this scheme, host and port, as in https://app.example; of those that failed',
    )
    .option('--since <time>', 'only those made at this time or later')
    .option('--until <time>', 'only those made before this time')

const withAccount = (options: Options, work: (store: Store) => Promise<void>) =>
  withStore(async (store) => {
    await requireAccount(store, options.account)
    await work(store)
  })

function filterOf({ status, service, endpoint, since, until }: Options): CallbackFilter {
  if (endpoint && status && status !== 'failed') throw new UsageError('Give --endpoint with --status failed only.')
  const given = {
    status: endpoint ? ('failed' as const) : status,
    service_sid: service,
    endpoint,
    since: since && parseTime(since),
    until: until && parseTime(until),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as CallbackFilter
}

function parseTime(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new UsageError(`"${text}" is not a time: write it as 2030-01-31T12:00:00Z`)
  return date
}

async function getCallback(store: Store, { account }: Options, sid: string) {
  const callback = await findCallback(store, account, sid)
  if (!callback) throw new UsageError(`The account has no callback ${sid}; see: maskline callbacks list`)
  return callback
}
