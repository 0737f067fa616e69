import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { listAccounts } from '../core/accounts.ts'
import { keptDays, setKeptDays } from '../core/kept-days.ts'
import { isAccountHeld, refuseHeldSubject, setLegalHold } from '../core/legal-hold.ts'
import { countPerson, erasePerson } from '../core/privacy/erase.ts'
import { exportPerson } from '../core/privacy/export.ts'
import { subjectOf } from '../core/privacy/subject.ts'
import { inTransaction, type Store } from '../core/store.ts'
import { JSON_OPTION, requireAccount } from './admin.ts'
import { print, UsageError, write } from './output.ts'
import { withStore } from './with-store.ts'

export function privacyCommands(program: Command): void {
  const accounts = program.commands.find((command) => command.name() === 'accounts')
  if (accounts) retentionCommand(accounts)
  if (accounts) holdCommand(accounts)
  const privacy = program.command('privacy').description('all there is of one person')
  privacy
    .command('export <number>')
    .description('print all there is of a person as JSON: a document for each account')
    .option('--account <sid>', 'of this account only')
    .addHelpText('after', '\nExample:\n  maskline privacy export +12025550101 > person.json')
    .action((number: string, { account }: { account?: string }) =>
      withStore((store) => runExport(store, number, account)),
    )
  privacy
    .command('erase <number>')
    .description('erase a person: their sessions are closed, and what they wrote and were written goes')
    .option('--account <sid>', 'from this account only')
    .option('--dry-run', 'only count what there is')
    .option('--yes', 'do not ask')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  maskline privacy erase +12025550101 --dry-run\n  maskline privacy erase +12025550101 --yes',
    )
    .action((number: string, options: EraseOptions) => withStore((store) => runErase(store, number, options)))
}

function retentionCommand(accounts: Command) {
  accounts
    .command('retention <sid>')
    .description('show or change how long an account keeps closed sessions and what was said in them')
    .option(
      '--sessions <days>',
      'days for closed sessions; 0 for ever, "default" as long as MASKLINE_RETENTION_DAYS says',
    )
    .option(
      '--bodies <days>',
      'days for texts, attachments and recordings; 0 while delivery needs them, "sessions" as long as those',
    )
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline accounts retention AC… --sessions 30 --bodies 0')
    .action((sid: string, { sessions, bodies, json }: { sessions?: string; bodies?: string; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, sid)
        const changes = {
          retention_days: parseDays('--sessions', sessions, 'default'),
          body_retention_days: parseDays('--bodies', bodies, 'sessions'),
        }
        const account = await setKeptDays(store, sid, changes)
        if (!account) return
        const [kept, held] = [account.body_retention_days, await isAccountHeld(store, sid)]
        print(
          [{ sid, sessions: keptDays(store, account), bodies: kept ?? 'sessions', legal_hold: held ? 'on' : 'off' }],
          { json },
        )
      }),
    )
}

function parseDays(name: string, text: string | undefined, none: string): number | null | undefined {
  if (text === undefined) return undefined
  if (text === none) return null
  if (/^\d{1,5}$/.test(text) && Number(text) <= 36_500) return Number(text)
  throw new UsageError(`Give ${name} a whole number of days, or "${none}".`)
}

function holdCommand(accounts: Command) {
  accounts
    .command('hold <sid> <on|off>')
    .description(
      'put an account under legal hold, or lift that: nothing of it is deleted meanwhile, by the API or by age',
    )
    .option('--number <number>', 'only what there is of one person')
    .addHelpText(
      'after',
      '\nExamples:\n  maskline accounts hold AC… on\n  maskline accounts hold AC… off --number +12025550101',
    )
    .action((sid: string, hold: string, { number }: { number?: string }) =>
      withStore(async (store) => {
        if (hold !== 'on' && hold !== 'off') throw new UsageError('Give on or off.')
        await requireAccount(store, sid)
        const whose = number === undefined ? 'everybody' : subjectOf(store, sid, number)
        await inTransaction(store, (trx) => setLegalHold(trx, sid, whose, hold))
        console.log(`The legal hold is ${hold}.`)
      }),
    )
}

async function subjectsOf(store: Store, number: string, account: string | undefined) {
  if (account !== undefined) await requireAccount(store, account)
  const accounts = account === undefined ? (await listAccounts(store)).map(({ sid }) => sid) : [account]
  return accounts.map((sid) => subjectOf(store, sid, number))
}

async function runExport(store: Store, number: string, account: string | undefined) {
  for (const subject of await subjectsOf(store, number, account)) {
    for await (const chunk of exportPerson(store, subject)) {
      await write(chunk)
    }
  }
}

type EraseOptions = { account?: string; dryRun?: boolean; yes?: boolean; json?: boolean }

async function runErase(store: Store, number: string, { account, dryRun, yes, json }: EraseOptions) {
  const subjects = await subjectsOf(store, number, account)
  // All of them or none, as far as that can be known before.
  for (const subject of subjects) await refuseHeldSubject(store, subject)
  if (!dryRun && !yes && !(await isConfirmed()))
    throw new UsageError('Nothing was erased. Give --yes to be asked nothing.')
  const rows = []
  for (const subject of subjects) {
    const counts = await (dryRun ? countPerson : erasePerson)(store, subject)
    rows.push({ account: subject.account_sid, ...counts })
  }
  print(rows, { json })
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question('This cannot be undone. Type "erase" to go on: ')
  terminal.close()
  return answer.trim() === 'erase'
}
