import { type ReactNode, useMemo } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { Interaction } from '../../api/bodies.ts'
import { useFeed, withTold } from '../../api/feed.ts'
import { withQuery } from '../../api/http.ts'
import { useServices } from '../../api/service.ts'
import { useList } from '../../api/use.ts'
import { SelectField } from '../../kit/field.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty } from '../../kit/states.tsx'
import { ListTable } from '../../kit/table.tsx'
import { LiveMark } from '../../kit/verdict.tsx'
import { INTERACTION_COLUMNS } from './interaction-columns.tsx'
import s from './traffic.module.css'

const OUTCOMES = {
  relayed: 'went to the partner',
  sent: 'ordered by your application',
  'out-of-session': 'no session had the pair',
  'no-partner': 'the session had no partner',
  blocked: 'blocked',
  'opt-out': 'opt-out word',
  'mode-mismatch': 'not allowed in the session',
  deleted: 'record deleted',
}
const TYPES = { message: 'messages', call: 'calls' }
const SINCE = { 1: 'the last hour', 24: 'the last day', 168: 'the last 7 days' }

type Filter = { service: string; outcome: string; type: string; since: string }

/** Every message and call of the account, newest first, with what became of it. */
export function Traffic() {
  const [search, setSearch] = useSearchParams()
  const at = (name: keyof Filter) => search.get(name) ?? ''
  const filter: Filter = { service: at('service'), outcome: at('outcome'), type: at('type'), since: at('since') }
  const choose = (name: keyof Filter, value: string) =>
    setSearch(
      Object.entries({ ...filter, [name]: value }).filter(([, chosen]) => chosen !== ''),
      { replace: true },
    )
  return (
    <Page title="Traffic">
      <TrafficList filter={filter}>
        <Filters filter={filter} choose={choose} />
      </TrafficList>
    </Page>
  )
}

function Filters({ filter, choose }: { filter: Filter; choose: (name: keyof Filter, value: string) => void }) {
  const services = useServices()
  const names = Object.fromEntries((services.rows ?? []).map(({ sid, unique_name }) => [sid, unique_name]))
  const select = (name: keyof Filter, label: string, any: string, options: Record<string, string>) => (
    <SelectField label={label} value={filter[name]} onChange={(event) => choose(name, event.target.value)}>
      <option value="">{any}</option>
      {Object.entries(options).map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </SelectField>
  )
  return (
    <search className={s.filters}>
      {select('service', 'Service', 'all services', names)}
      {select('type', 'What', 'messages and calls', TYPES)}
      {select('outcome', 'Decision', 'any', OUTCOMES)}
      {select('since', 'When', 'any time', SINCE)}
    </search>
  )
}

function TrafficList({ filter: { service, outcome, type, since }, children }: { filter: Filter; children: ReactNode }) {
  const from = useMemo(() => since && new Date(Date.now() - Number(since) * 3_600_000).toISOString(), [since])
  const path = withQuery('/maskline/v1/Interactions', {
    PageSize: 50,
    ServiceSid: service || undefined,
    Outcome: outcome || undefined,
    Type: type || undefined,
    Since: from || undefined,
  })
  const list = useList<Interaction>(path)
  const { told, state } = useFeed(service ? { ServiceSid: service } : {}, list.reload)
  const fits = (row: Interaction) =>
    (!service || row.service_sid === service) && (!outcome || row.outcome === outcome) && (!type || row.type === type)
  const rows = withTold(list.rows, told.interaction, { fits, isWhole: !list.more })
  const isFiltered = Boolean(service || outcome || type || since)
  return (
    <>
      <div className={s.bar}>
        {children}
        <LiveMark state={state} />
      </div>
      <ListTable
        label="Messages and calls"
        list={{ ...list, rows }}
        columns={INTERACTION_COLUMNS}
        empty={
          <Empty title={isFiltered ? 'Nothing fits.' : 'No message and no call yet.'}>
            {isFiltered ? (
              <Link href="/traffic">Show all traffic</Link>
            ) : (
              'As soon as somebody texts or calls a proxy number, it stands here, whether or not it found a session.'
            )}
          </Empty>
        }
      />
    </>
  )
}
