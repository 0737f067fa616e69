import { Link } from 'wouter'
import type { Interaction } from '../../api/bodies.ts'
import { Icon } from '../../kit/icon.tsx'
import type { Column } from '../../kit/table.tsx'
import { Time } from '../../kit/text.tsx'
import { VerdictBadge } from '../../kit/verdict.tsx'
import s from './traffic.module.css'

/** From whom to whom, by the numbers that each of them sees. */
export const FromTo = ({ of }: { of: Interaction }) => (
  <span className={s.route}>
    <Icon name={of.type === 'message' ? 'send' : 'call'} />
    <span>{of.sender ?? (of.origin === 'inbound' ? 'Somebody' : 'Your application')}</span>
    <Icon name="right" />
    <span>{of.dialled_number ?? of.outbound_number ?? '—'}</span>
  </span>
)

export const INTERACTION_COLUMNS: Column<Interaction>[] = [
  {
    title: 'When',
    cell: ({ sid, date_created }) => (
      <Link className={s.when} href={`/traffic/${sid}`}>
        <Time date={date_created} />
      </Link>
    ),
  },
  { title: 'From and to', cell: (row) => <FromTo of={row} /> },
  {
    title: 'Result',
    cell: (row) => (
      <div className={s.verdict}>
        <VerdictBadge of={row} /> <span className={s.why}>{row.verdict.text}</span>
      </div>
    ),
  },
  {
    title: 'Session',
    cell: ({ service_sid, session_sid }) =>
      session_sid ? <Link href={`/sessions/${service_sid}/${session_sid}`}>Session</Link> : <span>none</span>,
    wide: true,
  },
]
