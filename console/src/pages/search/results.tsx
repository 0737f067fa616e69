import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Found } from '../../api/bodies.ts'
import { type Column, Table } from '../../kit/table.tsx'
import { Sid, shortSid, Time } from '../../kit/text.tsx'
import { StatusBadge } from '../../kit/verdict.tsx'
import { INTERACTION_COLUMNS } from '../traffic/interaction-columns.tsx'
import s from './search.module.css'

const KINDS: Record<Found['query_kind'], string> = {
  sid: 'That is a SID.',
  'unique-name': 'That is the name of a session.',
  'proxy-number': 'That is a proxy number.',
  person: 'That is the number of a person. That you looked for it is on record.',
  nothing: 'Nothing was found.',
}

/** The server gives no more than so many of each. */
const MOST = 50

export function Results({ found: { query_kind, sessions, interactions, numbers, note } }: { found: Found }) {
  return (
    <>
      <p role="status">
        {KINDS[query_kind]} {note}
      </p>
      <Part title="Messages and calls" count={interactions.length} none="No message and no call.">
        <Table label="Messages and calls" rows={interactions} columns={INTERACTION_COLUMNS} />
      </Part>
      <Part title="Sessions" count={sessions.length} none="No session.">
        <Table label="Sessions" rows={sessions} columns={SESSION_COLUMNS} />
      </Part>
      {numbers.length > 0 && (
        <Part title="Proxy numbers" count={numbers.length} none="">
          <Table label="Proxy numbers" rows={numbers} columns={NUMBER_COLUMNS} />
        </Part>
      )}
    </>
  )
}

function Part({ title, count, none, children }: { title: string; count: number; none: string; children: ReactNode }) {
  return (
    <section className={s.part}>
      <h2>
        {title} <span className={s.dim}>{count >= MOST ? `the newest ${count}` : count || ''}</span>
      </h2>
      {count === 0 ? <p className={s.dim}>{none}</p> : children}
    </section>
  )
}

type FoundSession = Found['sessions'][number]

const SESSION_COLUMNS: Column<FoundSession>[] = [
  {
    title: 'Session',
    cell: ({ sid, service_sid, unique_name }) => (
      <Link className={s.name} href={`/sessions/${service_sid}/${sid}`}>
        {unique_name ?? shortSid(sid)}
      </Link>
    ),
  },
  { title: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
  { title: 'People', cell: (session) => <People session={session} /> },
  { title: 'Last interaction', cell: ({ date_last_interaction: date }) => <Time date={date} />, wide: true },
  { title: 'Created', cell: ({ date_created }) => <Time date={date_created} />, wide: true },
]

/** Each with the number that they text and call; who was looked for first. */
function People({ session: { participants, match } }: { session: FoundSession }) {
  const sorted = [...participants].sort((one, other) => Number(other.sid === match) - Number(one.sid === match))
  return (
    <ul className={s.people}>
      {sorted.map(({ sid, identifier, proxy_identifier }) => (
        <li key={sid}>
          {sid === match ? <mark>{identifier}</mark> : identifier}
          <span className={s.dim}> by {proxy_identifier}</span>
        </li>
      ))}
    </ul>
  )
}

const NUMBER_COLUMNS: Column<Found['numbers'][number]>[] = [
  {
    title: 'Number',
    cell: ({ sid, service_sid, phone_number }) =>
      service_sid ? (
        <Link className={s.name} href={`/numbers?service=${service_sid}&number=${sid}`}>
          {phone_number}
        </Link>
      ) : (
        phone_number
      ),
  },
  {
    title: 'Pool',
    cell: ({ service_sid }) => (service_sid ? <Link href={`/services/${service_sid}`}>Open its service</Link> : 'none'),
  },
  { title: 'SID', cell: ({ sid }) => <Sid sid={sid} /> },
]
