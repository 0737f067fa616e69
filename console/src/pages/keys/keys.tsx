import { useState } from 'react'
import { remove } from '../../api/http.ts'
import type { ApiKey } from '../../api/set-up-bodies.ts'
import { useAction, useList } from '../../api/use.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { Confirm } from '../../kit/dialog.tsx'
import { Page } from '../../kit/page.tsx'
import { ShownOnce } from '../../kit/shown-once.tsx'
import { Empty } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import { KeyDialog } from './key-dialog.tsx'
import s from './keys.module.css'
import { TYPES } from './scopes.ts'

type Asked =
  | { what: 'create' }
  | { what: 'change' | 'revoke'; key: ApiKey }
  | { what: 'secret'; key: ApiKey; secret: string }

export function Keys() {
  const list = useList<ApiKey>('/maskline/v1/Keys')
  const [asked, setAsked] = useState<Asked>()
  const close = () => setAsked(undefined)
  const create = (
    <Button look="main" icon="plus" onClick={() => setAsked({ what: 'create' })}>
      New API key
    </Button>
  )
  return (
    <Page title="API keys" actions={create}>
      <ListTable
        label="API keys"
        list={list}
        columns={columnsFor(setAsked)}
        empty={
          <Empty title="No API key yet">
            A key stands for the account in requests, and may do as much as you say. Each application should have its
            own.
          </Empty>
        }
      />
      {(asked?.what === 'create' || asked?.what === 'change') && (
        <KeyDialog
          {...(asked.what === 'change' && { apiKey: asked.key })}
          onDone={({ secret, ...key }) => {
            list.reload()
            setAsked(secret ? { what: 'secret', key, secret } : undefined)
          }}
          onClose={close}
        />
      )}
      {asked?.what === 'secret' && (
        <ShownOnce
          title={`${asked.key.friendly_name} is ready`}
          values={[
            ['SID (user name)', asked.key.sid],
            ['Secret (password)', asked.secret],
          ]}
          onClose={close}
        >
          Copy the secret now. It is kept nowhere and cannot be shown again.
        </ShownOnce>
      )}
      {asked?.what === 'revoke' && <Revoke apiKey={asked.key} reload={list.reload} onClose={close} />}
    </Page>
  )
}

function Revoke({ apiKey, reload, onClose }: { apiKey: ApiKey; reload: () => unknown; onClose: () => void }) {
  const { busy, error, run } = useAction(remove)
  const confirm = async () => {
    if (!(await run(`/maskline/v1/Keys/${apiKey.sid}`))) return
    reload()
    onClose()
  }
  return (
    <Confirm
      title={`Revoke ${apiKey.friendly_name}?`}
      verb="Revoke"
      danger
      busy={busy}
      error={error}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>Whatever uses this key is refused within five seconds, on every server. It cannot be brought back.</p>
    </Confirm>
  )
}

const columnsFor = (ask: (asked: Asked) => void): Column<ApiKey>[] => [
  { title: 'Name', cell: ({ friendly_name }) => friendly_name || <span className={s.dim}>unnamed</span> },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} />, wide: true },
  { title: 'May do', cell: (key) => <MayDo apiKey={key} /> },
  { title: 'Last used', cell: ({ date_last_used }) => <LastUsed date={date_last_used} />, wide: true },
  { title: 'Created', cell: ({ date_created }) => <Time date={date_created} />, wide: true },
  {
    title: 'Actions',
    align: 'end',
    cell: (key) => (
      <span className={s.deeds}>
        <Button aria-label={`Change ${key.friendly_name}`} onClick={() => ask({ what: 'change', key })}>
          Change
        </Button>
        <Button aria-label={`Revoke ${key.friendly_name}`} onClick={() => ask({ what: 'revoke', key })}>
          Revoke
        </Button>
      </span>
    ),
  },
]

const LastUsed = ({ date }: { date: string | null }) =>
  date ? <Time date={date} /> : <span className={s.dim}>never</span>

function MayDo({ apiKey: { type, scopes } }: { apiKey: ApiKey }) {
  const { label, hint } = TYPES.find(({ value }) => value === type) ?? { label: type, hint: '' }
  if (type !== 'restricted') {
    return (
      <span title={hint}>
        <Badge tone={type === 'main' ? 'warn' : 'info'}>{label}</Badge>
      </span>
    )
  }
  return (
    <details>
      <summary>
        <Badge>{label}</Badge> {scopes.length} {scopes.length === 1 ? 'scope' : 'scopes'}
      </summary>
      <ul className={s.list}>
        {scopes.map((scope) => (
          <li key={scope}>
            <code>{scope}</code>
          </li>
        ))}
      </ul>
    </details>
  )
}
