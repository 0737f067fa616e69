import { type ReactNode, useState } from 'react'
import { Link, useLocation, useSearchParams } from 'wouter'
import type { ProxySession } from '../../api/bodies.ts'
import { useFeed, withTold } from '../../api/feed.ts'
import { useNewest } from '../../api/newest.ts'
import { rememberedService, useRememberedService, useServices } from '../../api/service.ts'
import { useMay } from '../../api/session.tsx'
import { Button } from '../../kit/button.tsx'
import { SelectField } from '../../kit/field.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty, ErrorNote, Loading } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Sid, shortSid, Time } from '../../kit/text.tsx'
import { LiveMark, StatusBadge } from '../../kit/verdict.tsx'
import { NewSession } from './new-session.tsx'
import { expiryOf, MODES } from './session-words.ts'
import s from './sessions.module.css'

const COLUMNS: Column<ProxySession>[] = [
  {
    title: 'Session',
    cell: ({ sid, service_sid, unique_name }) => (
      <Link className={s.name} href={`/sessions/${service_sid}/${sid}`}>
        {unique_name ?? shortSid(sid)}
      </Link>
    ),
  },
  { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
  { title: 'Takes', cell: ({ mode }) => MODES[mode] ?? mode, wide: true },
  { title: 'Last interaction', cell: ({ date_last_interaction: date }) => <Time date={date} /> },
  { title: 'Ends', cell: (session) => <Ends session={session} />, wide: true },
  { title: 'Created', cell: ({ date_created }) => <Time date={date_created} />, wide: true },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} />, wide: true },
]

function Ends({ session }: { session: ProxySession }) {
  if (session.status === 'closed') return <Time date={session.date_ended} />
  const date = expiryOf(session)
  return date ? <Time date={date} /> : 'when it is closed'
}

/** The sessions of a service, newest first. */
export function Sessions() {
  const services = useServices()
  const [search, setSearch] = useSearchParams()
  const wanted = search.get('service') ?? rememberedService()
  const service = services.rows?.find(({ sid }) => sid === wanted) ?? services.rows?.[0]
  const [isCreating, setCreating] = useState(false)
  const [, navigate] = useLocation()
  const mayWrite = useMay('sessions:write')
  useRememberedService(service?.sid)
  return (
    <Page
      title="Sessions"
      actions={
        mayWrite &&
        service && (
          <Button look="main" icon="plus" onClick={() => setCreating(true)}>
            New session
          </Button>
        )
      }
    >
      <ErrorNote error={services.error} retry={services.reload} />
      {!services.rows && !services.error && <Loading />}
      {services.rows?.length === 0 && (
        <Empty title="There is no service yet.">
          Sessions stand in a service, which has the numbers. <Link href="/services">Make a service</Link>
        </Empty>
      )}
      {service && (
        <SessionList service_sid={service.sid}>
          <SelectField
            label="Service"
            value={service.sid}
            onChange={(event) => setSearch({ service: event.target.value }, { replace: true })}
          >
            {services.rows?.map(({ sid, unique_name }) => (
              <option key={sid} value={sid}>
                {unique_name}
              </option>
            ))}
          </SelectField>
        </SessionList>
      )}
      {isCreating && service && (
        <NewSession
          service={service}
          onClose={() => setCreating(false)}
          onCreated={({ sid }) => navigate(`/sessions/${service.sid}/${sid}`)}
        />
      )}
    </Page>
  )
}

function SessionList({ service_sid, children }: { service_sid: string; children: ReactNode }) {
  const list = useNewest<ProxySession>(`/v1/Services/${service_sid}/Sessions?PageSize=50`, 'KC')
  const { told, state } = useFeed({ ServiceSid: service_sid }, list.reload)
  const fits = (session: ProxySession) => session.service_sid === service_sid
  const rows = withTold(list.rows, told.session, { fits, isWhole: !list.more })
  return (
    <>
      <div className={s.bar}>
        {children}
        <LiveMark state={state} />
      </div>
      <ListTable
        label="Sessions"
        list={{ ...list, rows }}
        columns={COLUMNS}
        empty={
          <Empty title="No session yet.">
            A session brings two people together: each texts and calls a proxy number, and reaches the other.
          </Empty>
        }
      />
    </>
  )
}
