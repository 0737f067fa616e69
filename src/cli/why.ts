import type { Command } from 'commander'
import { findAccount, listAccounts } from '../core/accounts.ts'
import { logNumber } from '../core/e164.ts'
import { search } from '../core/search/search.ts'
import { isSid } from '../core/sid.ts'
import type { Store } from '../core/store.ts'
import type { InteractionRecord } from '../core/trace/records.ts'
import { findTrace, type Trace } from '../core/trace/trace.ts'
import { JSON_OPTION } from './admin.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

type Options = { account?: string; json?: boolean }

export function whyCommand(program: Command): void {
  program
    .command('why <what>')
    .description('say what became of a message or call; of a number, a name or a session, of the newest ones')
    .option('--account <sid>', 'look in this account only')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExamples:\n  maskline why KI…\n  maskline why "(202) 555-0101" --account AC…')
    .action((what: string, options: Options) => withStore((store) => why(store, what, options)))
}

async function why(store: Store, what: string, { account, json }: Options) {
  if (account !== undefined && !(await findAccount(store, account))) {
    throw new UsageError(`There is no account ${account}; see: maskline accounts list`)
  }
  const accounts = account === undefined ? (await listAccounts(store)).map(({ sid }) => sid) : [account]
  for (const sid of accounts) {
    const trace = isSid('KI', what) ? await findTrace(store, sid, what) : undefined
    if (trace) return json ? console.log(JSON.stringify(presentTrace(trace), null, 2)) : printTrace(trace)
    const { interactions } = await search(store, sid, what)
    if (interactions.length > 0) return print(interactions.map(presentLine), { json })
  }
  throw new UsageError('No message or call was found for that.')
}

const at = (date: Date) => `${date.toISOString().slice(0, 19)}Z`

/** Nobody's number is shown whole: `privacy export` is for that. */
const presentLine = ({ sid, type, date_created, sender, verdict }: InteractionRecord) => ({
  ...{ at: at(date_created), interaction: sid, type: type === 'voice' ? 'call' : type },
  ...{ from: sender && logNumber(sender), state: verdict.state, why: verdict.text },
})

const presentTrace = ({ record, candidates, steps }: Trace) => ({
  ...{ interaction: record.sid, account: record.account_sid, service: record.service_sid, session: record.session_sid },
  ...{ from: record.sender && logNumber(record.sender), to: record.dialled_number, verdict: record.verdict },
  candidates,
  steps,
})

function printTrace({ record, candidates, steps }: Trace) {
  console.log(`${record.verdict.state}: ${record.verdict.text}\n`)
  print(
    steps.map((step) => ({
      ...{ at: step.at.toISOString().slice(0, 23), who: step.actor, what: step.kind, how: step.result },
      ...{ ms: step.duration_ms, text: step.text },
    })),
    {},
  )
  if (candidates.length === 0) return
  console.log('\nWho has or had this number with this sender:')
  print(
    candidates.map(({ session_sid, live, text }) => ({ session: session_sid, live: live ? 'yes' : 'no', text })),
    {},
  )
}
