import type { Command } from 'commander'
import { ROLES } from '../core/scopes.ts'
import { createLink } from '../core/sign-in-links.ts'
import type { Store } from '../core/store.ts'
import { createUser, deleteUser, findUser, findUserByName, listUsers, updateUser } from '../core/users.ts'
import type { Role, User } from '../db/user-schema.ts'
import { asUsage, JSON_OPTION, requireAccount } from './admin.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

const ROLE_HELP = `
Roles:
  viewer    sees everything but people's numbers, what they wrote, and the audit log
  operator  the same, changes sessions and numbers, sends, and has people shown one at a time, which is on record
  admin     manages services, keys, users and, if of all accounts, accounts

Examples:
  maskline users add anna --role admin
  maskline users add ben@example.com --role viewer --account AC…`

type Json = { json?: boolean }

/** Who may use the console: `maskline users …`. */
export function userCommands(program: Command): void {
  const users = program.command('users').description('who may use the console')
  users
    .command('add <name>')
    .description('make a user and a link that signs them in once, within a day, to set a password')
    .requiredOption('--role <role>', ROLES.join(', '))
    .option('--account <sid>', 'the account they work for; otherwise all of them')
    .option(...JSON_OPTION)
    .addHelpText('after', ROLE_HELP)
    .action((name: string, { role, account, json }: Json & { role: string; account?: string }) =>
      withStore(async (store) => {
        if (account) await requireAccount(store, account)
        const wanted = { name, role: readRole(role), account_sid: account ?? null }
        const user = await createUser(store, wanted).catch(asUsage)
        await printLink(store, user, { json })
      }),
    )
  users
    .command('list')
    .description('show every user')
    .option(...JSON_OPTION)
    .action((options: Json) => withStore(async (store) => print((await listUsers(store)).map(presentUser), options)))
  users
    .command('link <user>')
    .description('make a new link that signs a user in once, by name or SID; the one before it ends')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline users link anna')
    .action((user: string, options: Json) =>
      withStore(async (store) => printLink(store, await requireUser(store, user), options)),
    )
  users
    .command('remove <user>')
    .description('remove a user, by name or SID; their sessions end within seconds')
    .action((name: string) =>
      withStore(async (store) => {
        const user = await requireUser(store, name)
        await deleteUser(store, user.sid)
        console.log(`${user.name} is removed.`)
      }),
    )
  updateCommand(users)
}

function updateCommand(users: Command): void {
  users
    .command('update <user>')
    .description('change what a user may do, by name or SID; their sessions end within seconds')
    .option('--role <role>', ROLES.join(', '))
    .option('--disable', 'keep them out')
    .option('--enable', 'let them in again')
    .option('--reset-totp', 'ask them for no code any more')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  maskline users update anna --role viewer\n  maskline users update US… --disable',
    )
    .action(
      (name: string, options: Json & { role?: string; disable?: boolean; enable?: boolean; resetTotp?: boolean }) =>
        withStore(async (store) => {
          const { role, disable, enable, resetTotp } = options
          if (disable && enable) throw new UsageError('Give --disable or --enable, not both.')
          const user = await requireUser(store, name)
          await updateUser(store, user.sid, {
            role: role === undefined ? undefined : readRole(role),
            is_disabled: disable || enable ? Boolean(disable) : undefined,
            reset_totp: resetTotp,
          })
          const changed = await findUser(store, user.sid)
          print(changed ? [presentUser(changed)] : [], options)
        }),
    )
}

function readRole(text: string): Role {
  const role = ROLES.find((known) => known === text)
  if (!role) throw new UsageError(`Give as --role one of ${ROLES.join(', ')}.`)
  return role
}

async function requireUser(store: Store, given: string): Promise<User> {
  const user = (await findUser(store, given)) ?? (await findUserByName(store, given))
  if (!user) throw new UsageError(`There is no user ${given}; see: maskline users list`)
  return user
}

async function printLink(store: Store, user: User, { json }: Json): Promise<void> {
  print([{ sid: user.sid, name: user.name, role: user.role, link: await createLink(store, user) }], { json })
  if (!json) console.error('The link signs in once, within a day. Whoever has it is let in.')
}

const presentUser = (user: User & { date_last_used: Date | null }) => ({
  sid: user.sid,
  name: user.name,
  role: user.role,
  account: user.account_sid ?? 'all',
  state: user.is_disabled ? 'disabled' : user.password_hash ? 'active' : 'without password',
  totp: user.totp_sealed ? 'yes' : 'no',
  last_used: user.date_last_used && `${user.date_last_used.toISOString().slice(0, 16)}Z`,
})
