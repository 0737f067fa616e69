import { useState } from 'react'
import { Link } from 'wouter'
import type { LogEvent, Service } from '../../api/bodies.ts'
import { useFeed, withTold } from '../../api/feed.ts'
import { withQuery } from '../../api/http.ts'
import { useNewest } from '../../api/newest.ts'
import { useServices } from '../../api/service.ts'
import { Badge } from '../../kit/button.tsx'
import { SelectField, TextField } from '../../kit/field.tsx'
import { Filters } from '../../kit/filters.tsx'
import { Page } from '../../kit/page.tsx'
import { Empty } from '../../kit/states.tsx'
import { type Column, ListTable } from '../../kit/table.tsx'
import { Time } from '../../kit/text.tsx'
import { LiveMark } from '../../kit/verdict.tsx'
import s from './events.module.css'

type Filter = { ServiceSid?: string; ErrorCode?: string }

/** The event log: what went wrong, or was stopped, after a request had been answered. */
export function Events() {
  const [service, setService] = useState('')
  const [code, setCode] = useState('')
  const services = useServices()
  const filter: Filter = {
    ...(service && { ServiceSid: service }),
    // Codes have five digits; what is half typed is not asked for.
    ...(/^\d{5}$/.test(code) && { ErrorCode: code }),
  }
  return (
    <Page title="Events">
      <Filters label="Which events">
        <SelectField label="Service" value={service} onChange={(event) => setService(event.target.value)}>
          <option value="">All services</option>
          {services.rows?.map(({ sid, unique_name }) => (
            <option key={sid} value={sid}>
              {unique_name}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Code"
          value={code}
          inputMode="numeric"
          placeholder="80902"
          maxLength={5}
          onChange={(event) => setCode(event.target.value)}
        />
      </Filters>
      <EventList key={JSON.stringify(filter)} filter={filter} services={services.rows ?? []} />
    </Page>
  )
}

function EventList({ filter, services }: { filter: Filter; services: Service[] }) {
  const { ServiceSid, ErrorCode } = filter
  const read = useNewest<LogEvent>(withQuery('/maskline/v1/Events', filter), 'NO')
  const { told, state } = useFeed(ServiceSid ? { ServiceSid } : {}, read.reload)
  const fits = ({ error_code }: LogEvent) => !ErrorCode || String(error_code) === ErrorCode
  const rows = withTold(read.rows, told.event, { fits, isWhole: !read.more })
  const nameOf = new Map(services.map(({ sid, unique_name }) => [sid, unique_name]))
  return (
    <>
      <p className={s.live}>
        <LiveMark state={state} />
        <span role="status">{heard(told.event.size)}</span>
      </p>
      <ListTable
        label="Events"
        list={{ ...read, rows }}
        columns={columnsFor(nameOf)}
        empty={
          <Empty title="No event">
            What goes wrong, or is stopped, will stand here: with its reason, and the session it happened in.
          </Empty>
        }
      />
    </>
  )
}

const heard = (count: number) => (count === 0 ? 'New events come by themselves.' : `${count} new since you came.`)

const columnsFor = (nameOf: Map<string, string>): Column<LogEvent>[] => [
  { title: 'When', cell: ({ date_created }) => <Time date={date_created} /> },
  {
    title: 'Code',
    cell: ({ error_code, log_level, more_info }) => (
      <span className={s.code}>
        <Badge tone={log_level === 'error' ? 'bad' : 'warn'}>{log_level}</Badge>{' '}
        <a href={more_info} target="_blank" rel="noreferrer" title={`What ${error_code} means`}>
          {error_code}
        </a>
      </span>
    ),
  },
  { title: 'What happened', cell: ({ message }) => <div className={s.message}>{message}</div> },
  { title: 'Where', cell: (event) => <Where event={event} nameOf={nameOf} /> },
]

function Where({ event, nameOf }: { event: LogEvent; nameOf: Map<string, string> }) {
  const { service_sid, session_sid, interaction_sid } = event
  return (
    <span className={s.where}>
      {service_sid && <Link href={`/services/${service_sid}`}>{nameOf.get(service_sid) ?? 'Service'}</Link>}
      {service_sid && session_sid && <Link href={`/sessions/${service_sid}/${session_sid}`}>Session</Link>}
      {interaction_sid && <Link href={`/traffic/${interaction_sid}`}>Why</Link>}
    </span>
  )
}
