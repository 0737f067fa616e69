import { useState } from 'react'
import { Link } from 'wouter'
import { useSession } from '../../api/session.tsx'
import type { Account, User } from '../../api/set-up-bodies.ts'
import { useList } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Page } from '../../kit/page.tsx'
import { ShownOnce } from '../../kit/shown-once.tsx'
import { Empty } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Time } from '../../kit/text.tsx'
import { ROLES } from './roles.ts'
import { UserDialog } from './user-dialog.tsx'
import { DeleteUser, NewUser } from './user-dialogs.tsx'
import s from './users.module.css'

type Asked = { what: 'create' } | { what: 'change' | 'delete'; user: User } | { what: 'link'; user: User; link: string }

/** Who may sign in to the console, and as what. */
export function Users() {
  const list = useList<User>('/maskline/v1/Users')
  const { user: me } = useSession()
  const accounts = useList<Account>('/maskline/v1/Accounts?PageSize=100')
  const [asked, setAsked] = useState<Asked>()
  const close = () => setAsked(undefined)
  const done = (user: User & { link?: string }) => {
    list.reload()
    setAsked(user.link ? { what: 'link', user, link: user.link } : undefined)
  }
  const create = (
    <Button look="main" icon="plus" onClick={() => setAsked({ what: 'create' })}>
      New user
    </Button>
  )
  return (
    <Page title="Users" actions={create}>
      <ListTable
        label="Users"
        list={list}
        columns={columnsFor(me.sid, accounts.rows ?? [], (user) => setAsked({ what: 'change', user }))}
        empty={<Empty title="No user yet">Users sign in to this console. Applications use API keys.</Empty>}
      />
      {asked?.what === 'create' && <NewUser accounts={accounts.rows ?? []} onDone={done} onClose={close} />}
      {asked?.what === 'change' && (
        <UserDialog
          user={asked.user}
          onDone={done}
          onDelete={() => setAsked({ what: 'delete', user: asked.user })}
          onClose={close}
        />
      )}
      {asked?.what === 'delete' && (
        <DeleteUser
          user={asked.user}
          onDone={() => {
            list.reload()
            close()
          }}
          onClose={close}
        />
      )}
      {asked?.what === 'link' && (
        <ShownOnce title={`A link for ${asked.user.name}`} values={[['Link', asked.link]]} onClose={close}>
          Whoever has this link signs in as {asked.user.name}, once, and chooses a password. It is not shown again: give
          it to nobody else, by a way you trust.
        </ShownOnce>
      )}
    </Page>
  )
}

function columnsFor(me: string, accounts: Account[], change: (user: User) => void): Column<User>[] {
  const nameOf = new Map(accounts.map(({ sid, friendly_name }) => [sid, friendly_name || sid]))
  return [
    {
      title: 'Name',
      cell: ({ sid, name, is_disabled }) => (
        <span className={s.name}>
          {name} {sid === me && <Badge tone="info">you</Badge>}
          {is_disabled && <Badge tone="warn">disabled</Badge>}
        </span>
      ),
    },
    { title: 'Role', cell: ({ role }) => ROLES.find(({ value }) => value === role)?.label ?? role },
    {
      title: 'Account',
      cell: ({ account_sid }) => (account_sid ? (nameOf.get(account_sid) ?? account_sid) : 'All accounts'),
      wide: true,
    },
    { title: 'Signs in with', cell: signsInWith, wide: true },
    {
      title: 'Last here',
      cell: ({ date_last_used }) =>
        date_last_used ? <Time date={date_last_used} /> : <span className={s.dim}>never</span>,
      wide: true,
    },
    {
      title: 'Actions',
      align: 'end',
      cell: (user) =>
        user.sid === me ? (
          <Link href="/profile">Profile</Link>
        ) : (
          <Button aria-label={`Change ${user.name}`} onClick={() => change(user)}>
            Change
          </Button>
        ),
    },
  ]
}

function signsInWith({ has_password, has_totp }: User) {
  if (!has_password) return <span className={s.dim}>a link only</span>
  return has_totp ? 'password and code' : 'password'
}
