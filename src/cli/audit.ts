import type { Command } from 'commander'
import { chainDeeds, type End, findHead } from '../core/audit-chain.ts'
import { listNewest, readWholeLog } from '../core/audit-list.ts'
import { verifyAuditLog } from '../core/audit-verify.ts'
import type { AuditRow } from '../db/schema.ts'
import { JSON_OPTION } from './admin.ts'
import { print, UsageError, write } from './output.ts'
import { withStore } from './with-store.ts'

export function auditCommands(program: Command): void {
  const audit = program.command('audit').description('the audit log: who did what, when and from where')
  audit
    .command('list')
    .description('show the newest entries, the oldest of them first')
    .option('--account <sid>', 'only those of an account')
    .option('--action <action>', 'only deeds of a kind, such as session.close')
    .option('--resource <sid>', 'only what was done to this')
    .option('--actor <sid>', 'only what was done with these credentials: an account SID or that of an API key')
    .option('--since <date>', 'only from then on, as in 2030-01-31 or 2030-01-31T12:00:00Z')
    .option('--until <date>', 'only before then')
    .option('--limit <count>', 'how many', '50')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline audit list --account AC… --action api-key.create --since 2030-01-01')
    .action(list)
  audit
    .command('export')
    .description('write everything to standard output, a JSON object per line')
    .option('--account <sid>', 'only what concerns an account')
    .option('--json', 'the same: it is JSON in any case')
    .action(exportAll)
  audit
    .command('head')
    .description('print where the chain ends: keep it elsewhere, and `verify` finds whether anything was cut off')
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      withStore(async (store) => {
        await chainDeeds(store)
        const { position, seal } = presentEnd(await findHead(store))
        if (options.json) print([{ position, seal }], options)
        else console.log(`${position}:${seal}`)
      }),
    )
  audit
    .command('verify')
    .description('hold every entry against its seal; ends with status 1 when something was changed, added or removed')
    .option('--head <position:seal>', 'what `maskline audit head` printed once: it has to be there still')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline audit verify --head 1200:9f86d0…')
    .action(verify)
}

type ListOptions = Partial<
  Record<'account' | 'action' | 'resource' | 'actor' | 'since' | 'until' | 'limit', string> & { json: boolean }
>

async function list(options: ListOptions) {
  const { account: account_sid, action, resource: resource_sid, actor: actor_sid } = options
  const [since, until] = [parseDate(options.since), parseDate(options.until)]
  const limit = Number(options.limit)
  if (!(limit >= 1 && limit <= 10_000)) throw new UsageError('--limit is a number from 1 to 10000.')
  await withStore(async (store) => {
    const rows = await listNewest(store, { account_sid, action, resource_sid, actor_sid, since, until }, limit)
    if (options.json) console.log(JSON.stringify(rows.map(presentRow), null, 2))
    else print(rows.map(shorten), {})
  })
}

const shorten = (row: AuditRow) => ({
  date: row.date_created.toISOString().slice(0, 19),
  who: row.actor_sid ?? row.actor,
  from: row.origin,
  action: row.action,
  resource: row.resource_sid,
  details: Object.entries(row.details)
    .map(([name, value]) => `${name}=${value}`)
    .join(', '),
})

const presentRow = ({ position, seal, ...row }: AuditRow) => ({
  ...row,
  position: position === null ? null : Number(position),
  seal: seal?.toString('hex') ?? null,
})

async function exportAll({ account }: { account?: string }) {
  await withStore(async (store) => {
    for await (const row of readWholeLog(store)) {
      if (account && row.account_sid !== account) continue
      await write(`${JSON.stringify(presentRow(row))}\n`)
    }
  })
}

async function verify({ head, json }: { head?: string; json?: boolean }) {
  const anchor = head === undefined ? undefined : parseEnd(head)
  await withStore(async (store) => {
    const found = await verifyAuditLog(store, anchor)
    const { entries, start, waiting, problems, is_anchor_purged } = found
    if (problems.length > 0) process.exitCode = 1
    if (json) return console.log(JSON.stringify(found, null, 2))
    for (const { name, problem } of problems) console.log(`✗ ${name}: ${problem}`)
    console.log(
      `${entries} entries from ${start + 1} on: ${problems.length === 0 ? 'as they were sealed' : 'see above'}.`,
    )
    if (waiting > 0) console.log(`${waiting} wait to be sealed: a server does that once a second.`)
    if (is_anchor_purged) console.log('The head that was given is older than what is kept.')
  })
}

const presentEnd = ({ position, seal }: End) => ({ position, seal: seal.toString('hex') })

function parseEnd(text: string): End {
  const [, position, seal] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text.trim()) ?? []
  if (!position || !seal)
    throw new UsageError('--head is what `maskline audit head` prints: a number, a colon, 64 hex digits.')
  return { position: Number(position), seal: Buffer.from(seal, 'hex') }
}

function parseDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(text)
  if (!/^\d{4}-/.test(text) || Number.isNaN(date.getTime()))
    throw new UsageError(`"${text}" is no date as in 2030-01-31.`)
  return date
}
