import type { Command } from 'commander'
import { setAccountStatus } from '../core/accounts.ts'
import { createSecondaryToken, deleteSecondaryToken, promoteSecondaryToken } from '../core/auth-tokens.ts'
import { asUsage, JSON_OPTION, requireAccount, secretText } from './admin.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

/** What becomes of an account after it was made: `maskline accounts …`. */
export function accountStateCommands(accounts: Command): void {
  for (const [name, status, what] of [
    ['suspend', 'suspended', "refuse an account's requests, and what people text and call to its numbers"],
    ['resume', 'active', 'let a suspended account work again'],
  ] as const) {
    accounts
      .command(`${name} <sid>`)
      .description(`${what}; servers notice within seconds`)
      .action((sid: string) =>
        withStore(async (store) => {
          await requireAccount(store, sid)
          const changed = await setAccountStatus(store, sid, status)
          console.log(changed ? `${sid} is ${status}.` : `${sid} is ${status} already.`)
        }),
      )
  }
  secondaryTokenCommands(accounts.command('secondary-token').description('change the auth token of an account'))
}

function secondaryTokenCommands(tokens: Command) {
  tokens
    .command('create <sid>')
    .description('make a second auth token; requests are accepted with either, callbacks are signed with the first')
    .option('--auth-token <token>', 'the token to take, or @path for a file; otherwise one is made')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline accounts secondary-token create AC…')
    .action((sid: string, { authToken, json }: { authToken?: string; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, sid)
        const given = authToken && secretText(authToken)
        const auth_token = await createSecondaryToken(store, sid, given || undefined).catch(asUsage)
        print([given ? { sid } : { sid, secondary_auth_token: auth_token }], { json })
        if (!given && !json) console.error('The token is shown this once.')
      }),
    )
  const act = (name: string, what: string, done: string, work: typeof deleteSecondaryToken) =>
    tokens
      .command(`${name} <sid>`)
      .description(what)
      .action((sid: string) =>
        withStore(async (store) => {
          await requireAccount(store, sid)
          if (!(await work(store, sid))) throw new UsageError(`Account ${sid} has no secondary auth token.`)
          console.log(done)
        }),
      )
  const promoted = 'The secondary token is the auth token now; the old one is refused within seconds.'
  act(
    'promote',
    'make it the auth token: it signs callbacks from now on, and the old one ends',
    promoted,
    promoteSecondaryToken,
  )
  act('delete', 'take it away again', 'The secondary token is refused within seconds.', deleteSecondaryToken)
}
