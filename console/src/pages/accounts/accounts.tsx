import { useState } from 'react'
import { post } from '../../api/http.ts'
import { type Session, startOver, useMay, useSession } from '../../api/session.tsx'
import type { Account } from '../../api/set-up-bodies.ts'
import { useAction, useList } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Page } from '../../kit/page.tsx'
import { ShownOnce } from '../../kit/shown-once.tsx'
import { Empty, ErrorNote } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { AccountName, SuspendOrResume } from './account-dialogs.tsx'
import s from './accounts.module.css'

type Asked =
  | { what: 'create' }
  | { what: 'rename' | 'status'; account: Account }
  | { what: 'token'; account: Account; token: string }

/** Each has its own services, numbers, sessions and keys, and sees nothing of the others. */
export function Accounts() {
  const list = useList<Account>('/maskline/v1/Accounts')
  const { account: current } = useSession()
  const may = useMay('accounts')
  const [asked, setAsked] = useState<Asked>()
  const { busy, error, run } = useAction(switchTo)
  const close = () => setAsked(undefined)
  const done = ({ auth_token, ...account }: Account & { auth_token?: string }) => {
    list.reload()
    setAsked(auth_token ? { what: 'token', account, token: auth_token } : undefined)
  }
  const create = may && (
    <Button look="main" icon="plus" onClick={() => setAsked({ what: 'create' })}>
      New account
    </Button>
  )
  const doing = { current: current.sid, may, busy, ask: setAsked, go: run }
  return (
    <Page title="Accounts" actions={create}>
      <ErrorNote error={error} />
      <ListTable label="Accounts" list={list} columns={columnsFor(doing)} empty={<Empty title="No account yet" />} />
      {asked?.what === 'create' && <AccountName onDone={done} onClose={close} />}
      {asked?.what === 'rename' && <AccountName account={asked.account} onDone={done} onClose={close} />}
      {asked?.what === 'status' && <SuspendOrResume account={asked.account} onDone={done} onClose={close} />}
      {asked?.what === 'token' && (
        <ShownOnce
          title={`${asked.account.friendly_name} is ready`}
          values={[
            ['Account SID (user name)', asked.account.sid],
            ['Auth token (password)', asked.token],
          ]}
          onClose={close}
        >
          Copy the auth token now. It may do everything in this account, signs its callbacks, and is not shown again.
        </ShownOnce>
      )}
    </Page>
  )
}

const switchTo = async (AccountSid: string) =>
  startOver(await post<Session>('/console/session/account', { AccountSid }))

type Doing = {
  current: string
  may: boolean
  busy: boolean
  ask: (asked: Asked) => void
  go: (sid: string) => unknown
}

const columnsFor = (doing: Doing): Column<Account>[] => [
  {
    title: 'Name',
    cell: ({ sid, friendly_name }) => (
      <span className={s.name}>
        {friendly_name || <span className={s.dim}>unnamed</span>}
        {sid === doing.current && <Badge tone="info">you are here</Badge>}
      </span>
    ),
  },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} />, wide: true },
  {
    title: 'Status',
    cell: ({ status }) => <Badge tone={status === 'active' ? 'good' : 'warn'}>{status}</Badge>,
  },
  {
    title: 'Token last used',
    cell: ({ date_last_used }) =>
      date_last_used ? <Time date={date_last_used} /> : <span className={s.dim}>never</span>,
    wide: true,
  },
  { title: 'Created', cell: ({ date_created }) => <Time date={date_created} />, wide: true },
  { title: 'Actions', align: 'end', cell: (account) => <Deeds account={account} doing={doing} /> },
]

function Deeds({ account, doing: { current, may, busy, ask, go } }: { account: Account; doing: Doing }) {
  const { sid, friendly_name, status } = account
  return (
    <span className={s.deeds}>
      {sid !== current && (
        <Button busy={busy} aria-label={`Switch to ${friendly_name || sid}`} onClick={() => go(sid)}>
          Switch
        </Button>
      )}
      {may && (
        <Button look="quiet" aria-label={`Rename ${friendly_name}`} onClick={() => ask({ what: 'rename', account })}>
          Rename
        </Button>
      )}
      {may && (
        <Button
          look="quiet"
          aria-label={`${status === 'active' ? 'Suspend' : 'Resume'} ${friendly_name}`}
          onClick={() => ask({ what: 'status', account })}
        >
          {status === 'active' ? 'Suspend' : 'Resume'}
        </Button>
      )}
    </span>
  )
}
