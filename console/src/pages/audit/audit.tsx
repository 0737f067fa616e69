import { type FormEvent, useState } from 'react'
import { type Params, withQuery } from '../../api/http.ts'
import { useNewest } from '../../api/newest.ts'
import type { AuditEntry } from '../../api/set-up-bodies.ts'
import { Badge, Button } from '../../kit/button.tsx'
import { TextField } from '../../kit/field.tsx'
import { Filters } from '../../kit/filters.tsx'
import { textIn } from '../../kit/form-dialog.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Sid, Time } from '../../kit/text.tsx'
import s from './audit.module.css'

/** Who did what, when, and from where. */
export function Audit() {
  const [filter, setFilter] = useState<Params>({})
  const list = useNewest<AuditEntry>(withQuery('/maskline/v1/AuditLog', filter), 'AU')
  return (
    <Page title="Audit log">
      <p className={s.note}>
        Every change is on record, in the same commit. Entries are chained to each other:{' '}
        <code>maskline audit verify</code> on the server tells whether anybody changed, added or removed one.
      </p>
      <AuditFilters onChange={setFilter} />
      <ListTable
        label="Audit log"
        list={list}
        columns={COLUMNS}
        empty={<Empty title="Nothing on record">Nobody has done anything that these filters let through.</Empty>}
      />
    </Page>
  )
}

const ACTIONS = [
  'account.create account.retention account.suspend account.resume api-key.create api-key.update api-key.revoke',
  'blocked-number.create blocked-number.delete callback.replay interaction.delete interaction.reveal message.send',
  'participant.add participant.remove participant.reveal person.search phone-number.add phone-number.remove',
  'phone-number.reserve phone-number.release privacy.erase privacy.export recording.delete recording.fetch',
  'service.create service.update service.delete session.create session.update session.close session.reopen',
  'session.delete sign-in.refuse',
].flatMap((line) => line.split(' '))

function AuditFilters({ onChange }: { onChange: (filter: Params) => void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const given = Object.fromEntries(
      ['Action', 'ResourceSid', 'ActorSid'].map((name) => [name, textIn(form, name) || undefined]),
    )
    onChange({ ...given, StartDate: dayFrom(textIn(form, 'From'), 0), EndDate: dayFrom(textIn(form, 'To'), 1) })
  }
  return (
    <form className={s.form} onSubmit={submit} onReset={() => onChange({})}>
      <Filters label="Which entries">
        <TextField label="Action" name="Action" list="audit-actions" placeholder="session.close" spellCheck={false} />
        <TextField label="Done to (SID)" name="ResourceSid" maxLength={34} spellCheck={false} />
        <TextField label="Done by (SID)" name="ActorSid" maxLength={34} spellCheck={false} />
        <TextField label="From" name="From" type="date" />
        <TextField label="To" name="To" type="date" />
        <div className={s.buttons}>
          <Button type="submit">Filter</Button>
          <Button type="reset" look="quiet">
            Clear
          </Button>
        </div>
      </Filters>
      <datalist id="audit-actions">
        {ACTIONS.map((action) => (
          <option key={action} value={action} />
        ))}
      </datalist>
    </form>
  )
}

/** Midnight where the user is, of that day or of one after it. */
function dayFrom(day: string, after: number): string | undefined {
  const date = new Date(`${day}T00:00`)
  if (Number.isNaN(date.getTime())) return undefined
  date.setDate(date.getDate() + after)
  return date.toISOString()
}

const COLUMNS: Column<AuditEntry>[] = [
  { title: 'When', cell: ({ date_created }) => <Time date={date_created} as="date" /> },
  { title: 'What', cell: ({ action }) => <code className={s.action}>{action}</code> },
  { title: 'Done to', cell: ({ resource_sid }) => (resource_sid ? <Sid sid={resource_sid} /> : '—'), wide: true },
  { title: 'Who', cell: (entry) => <Who entry={entry} /> },
  { title: 'From', cell: ({ source_ip_address }) => source_ip_address ?? '—', wide: true },
  { title: 'Details', cell: (entry) => <Details entry={entry} />, wide: true },
]

const WHO: Record<string, string> = {
  account: 'auth token',
  'api-key': 'API key',
  user: 'user',
  operator: 'command line',
  server: 'by itself',
  unknown: 'refused',
}

const Who = ({ entry: { actor, actor_sid, actor_name } }: { entry: AuditEntry }) => (
  <span className={s.who}>
    <Badge tone={actor === 'unknown' ? 'bad' : 'dim'}>{WHO[actor] ?? actor}</Badge>
    {actor_name ?? (actor_sid && actor !== 'account' && <Sid sid={actor_sid} />)}
  </span>
)

function Details({ entry }: { entry: AuditEntry }) {
  const { details, service_sid, request_sid, sid } = entry
  const facts = Object.entries({ ...details, service: service_sid, request: request_sid, entry: sid })
  return (
    <details className={s.details}>
      <summary>{summaryOf(details)}</summary>
      <dl>
        {facts.map(([name, value]) =>
          value === null || value === '' ? null : (
            <div key={name} className={s.form}>
              <dt>{name}</dt>
              <dd>{String(value)}</dd>
            </div>
          ),
        )}
      </dl>
    </details>
  )
}

const summaryOf = (details: Record<string, unknown>) =>
  Object.entries(details)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ') || 'more'
