import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { createAccount, findAccount, listAccounts } from '../core/accounts.ts'
import { createApiKey, listApiKeys, revokeApiKey } from '../core/api-keys.ts'
import { addCarrier, createCarriers, listCarriers, updateCarrier } from '../core/carriers.ts'
import { isScope, SCOPE_NAMES, SCOPES, type Scope, scopesOf } from '../core/scopes.ts'
import type { Store } from '../core/store.ts'
import type { KeyType } from '../db/schema.ts'
import { toolCarriers } from '../serve.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

export const allFactories = toolCarriers()

export const JSON_OPTION = ['--json', 'print JSON'] as const
export const ACCOUNT_OPTION = ['--account <sid>', 'the account'] as const

export function migrateCommand(program: Command): void {
  program
    .command('migrate')
    .description('bring the database to the form this version needs; starting a server does it too')
    .action(() => withStore(async () => console.log('The database is up to date.'), { database: 'new' }))
}

export function accountCommands(program: Command): Command {
  const accounts = program.command('accounts').description('the accounts of this server')
  accounts
    .command('create <name>')
    .description('make an account; with the SID and token it has at Twilio, its clients change nothing but the host')
    .option('--sid <sid>', 'the account SID to keep; otherwise one is made')
    .option('--auth-token <token>', 'the auth token to keep, or @path for a file; it signs callbacks; else one is made')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  maskline accounts create acme\n  maskline accounts create acme --sid AC… --auth-token @token.txt',
    )
    .action((friendly_name: string, { sid, authToken, json }: { sid?: string; authToken?: string; json?: boolean }) =>
      withStore(async (store) => {
        const made = await createAccount(store, {
          friendly_name,
          sid,
          auth_token: authToken && secretText(authToken),
        }).catch(asUsage)
        // A token that was given is known; it need not be on a screen.
        const row = { sid: made.account.sid, name: friendly_name }
        print([authToken ? row : { ...row, auth_token: made.auth_token }], { json })
      }),
    )
  accounts
    .command('list')
    .description('show every account')
    .option(...JSON_OPTION)
    .action((options: { json?: boolean }) =>
      withStore(async (store) => {
        const rows = await listAccounts(store)
        print(
          rows.map((row) => ({ sid: row.sid, name: row.friendly_name, status: row.status, ...presentUse(row) })),
          options,
        )
      }),
    )
  return accounts
}

/** To the minute: uses within one are not written down. */
const presentUse = (row: { date_last_used: Date | null; address: string | null }) => ({
  last_used: row.date_last_used && `${row.date_last_used.toISOString().slice(0, 16)}Z`,
  from: row.address,
})

const KEY_HELP = `
Scopes:
${Object.entries(SCOPES)
  .map(([scope, meaning]) => `  ${scope.padEnd(19)} ${meaning}`)
  .join('\n')}

Examples:
  maskline keys create dispatcher --account AC…
  maskline keys create helpdesk --account AC… --scope sessions:read interactions:read reveal`

type KeyOptions = { account: string; json?: boolean; scope?: string[]; main?: boolean }

function parseKind({ scope, main }: Pick<KeyOptions, 'scope' | 'main'>): { type: KeyType; scopes?: Scope[] } {
  if (!scope) return { type: main ? 'main' : 'standard' }
  const scopes = scope.filter(isScope)
  if (main) throw new UsageError('Give --scope or --main, not both.')
  if (scopes.length < scope.length) throw new UsageError(`Give as --scope some of ${SCOPE_NAMES.join(', ')}.`)
  return { type: 'restricted', scopes }
}

export function keyCommands(program: Command): Command {
  const keys = program
    .command('keys')
    .description('API keys, each a SID and a secret that stand for an account, and the keys of the server')
  keys
    .command('create <name>')
    .description('make a key; its secret is shown once')
    .requiredOption(...ACCOUNT_OPTION)
    .option(...JSON_OPTION)
    .option('--scope <scope...>', 'what it may do, and nothing else; otherwise it may do all but manage the account')
    .option('--main', 'it may do all that the auth token may')
    .addHelpText('after', KEY_HELP)
    .action((friendly_name: string, { account, json, ...kind }: KeyOptions) =>
      withStore(async (store) => {
        await requireAccount(store, account)
        const { key, secret } = await createApiKey(store, { account_sid: account, friendly_name, ...parseKind(kind) })
        print([{ sid: key.sid, name: friendly_name, type: key.type, secret }], { json })
        if (!json) console.error('The secret is shown this once.')
      }),
    )
  keys
    .command('list')
    .description("show an account's keys, revoked ones too")
    .requiredOption(...ACCOUNT_OPTION)
    .option(...JSON_OPTION)
    .action(({ account, json }: { account: string; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, account)
        const rows = await listApiKeys(store, account)
        const state = (revoked: Date | null) => (revoked ? `revoked ${revoked.toISOString()}` : 'active')
        print(
          rows.map((row) => ({
            sid: row.sid,
            name: row.friendly_name,
            type: row.type,
            scopes: row.type === 'restricted' ? [...scopesOf(row)].join(' ') : '',
            state: state(row.date_revoked),
            ...presentUse(row),
          })),
          { json },
        )
      }),
    )
  keys
    .command('revoke <sid>')
    .description('refuse a key from now on; servers notice within seconds')
    .action((sid: string) =>
      withStore(async (store) => {
        if (!(await revokeApiKey(store, sid)))
          throw new UsageError(`There is no active key ${sid}; see: maskline keys list`)
        console.log(`${sid} is revoked.`)
      }),
    )
  return keys
}

export function carrierCommands(program: Command): void {
  const carriers = program.command('carriers').description('who moves the messages and calls of an account')
  carriers
    .command('add <kind>')
    .description(`connect an account to a carrier: ${Object.keys(allFactories).join(', ')}`)
    .requiredOption(...ACCOUNT_OPTION)
    .option('--name <name>', 'what to call it')
    .option('--credential <name=value...>', 'as the carrier needs them, @path for a file; kept sealed')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  maskline carriers add simulator --account AC…\n' +
        '  maskline carriers add twilio --account AC… --credential account_sid=AC… auth_token=@token.txt',
    )
    .action((kind: string, options: { account: string; name?: string; credential?: string[]; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, options.account)
        const credentials = parseCredentials(options.credential ?? [])
        checkCredentials(kind, credentials)
        const row = await addCarrier(store, {
          account_sid: options.account,
          kind,
          friendly_name: options.name ?? kind,
          credentials,
        })
        print([{ sid: row.sid, kind, name: row.friendly_name }], options)
      }),
    )
  carriers
    .command('list')
    .description("show an account's carriers")
    .requiredOption(...ACCOUNT_OPTION)
    .option(...JSON_OPTION)
    .action(({ account, json }: { account: string; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, account)
        const rows = await listCarriers(store, account)
        print(
          rows.map((row) => ({ sid: row.sid, kind: row.kind, name: row.friendly_name })),
          { json },
        )
      }),
    )
  carriers
    .command('check <sid>')
    .description("ask the carrier whether an account's credentials work")
    .action((sid: string) =>
      withStore(async (store) => {
        const found = await createCarriers(store, allFactories).find(sid)
        if (!found) throw new UsageError(`There is no carrier ${sid}; see: maskline carriers list`)
        await found.carrier.check()
        console.log(`${sid} works.`)
      }),
    )
  carrierUpdateCommand(carriers)
}

function carrierUpdateCommand(carriers: Command) {
  carriers
    .command('update <sid>')
    .description('change credentials of a carrier; servers notice within seconds')
    .requiredOption('--credential <name=value...>', 'what changes, @path for a file; without a value it goes')
    .addHelpText(
      'after',
      '\nExamples, around a change of the auth token at Twilio:\n' +
        '  maskline carriers update MC… --credential auth_token=@new.txt secondary_auth_token=@old.txt\n' +
        '  maskline carriers update MC… --credential secondary_auth_token=',
    )
    .action((sid: string, { credential }: { credential: string[] }) =>
      withStore(async (store) => {
        const changes = parseCredentials(credential)
        const known = await updateCarrier(store, sid, changes, checkCredentials)
        if (!known) throw new UsageError(`There is no carrier ${sid}; see: maskline carriers list`)
        console.log(`${sid} has ${Object.keys(changes).join(' and ')} changed.`)
      }),
    )
}

export async function requireAccount(store: Store, sid: string) {
  if (!(await findAccount(store, sid))) throw new UsageError(`There is no account ${sid}; see: maskline accounts list`)
}

function parseCredentials(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`Give credentials as name=value, not "${pair.slice(0, 12)}…"`)
      return [pair.slice(0, at), secretText(pair.slice(at + 1))]
    }),
  )
}

/** A secret as it is, or `@path` for what stands in that file: arguments are seen by other users, and shells keep them. */
export function secretText(text: string): string {
  if (!text.startsWith('@')) return text
  try {
    return readFileSync(text.slice(1), 'utf8').trim()
  } catch (error) {
    throw new UsageError(`Cannot read ${text.slice(1)}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Making the adapter once is the check: it says what is missing. */
function checkCredentials(kind: string, credentials: Record<string, string>) {
  const factory = allFactories[kind]
  if (!factory)
    throw new UsageError(`There is no carrier of kind ${kind}. There are: ${Object.keys(allFactories).join(', ')}`)
  try {
    factory(credentials, { sid: '', account_sid: '' })
  } catch (error) {
    asUsage(error)
  }
}

export function asUsage(error: unknown): never {
  throw error instanceof Error ? new UsageError(error.message) : error
}
