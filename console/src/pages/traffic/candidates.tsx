import { Link } from 'wouter'
import type { Candidate, Interaction } from '../../api/bodies.ts'
import { Badge } from '../../kit/button.tsx'
import { type Column, Table } from '../../kit/table.tsx'
import { Sid, shortSid } from '../../kit/text.tsx'

type Row = Candidate & { sid: string; service_sid: string }

const COLUMNS: Column<Row>[] = [
  {
    title: 'Session',
    cell: ({ service_sid, session_sid, session_unique_name }) => (
      <Link href={`/sessions/${service_sid}/${session_sid}`}>{session_unique_name ?? shortSid(session_sid)}</Link>
    ),
  },
  { title: 'Then', cell: ({ live }) => <Badge tone={live ? 'good' : 'dim'}>{live ? 'live' : 'not live'}</Badge> },
  { title: 'Why', cell: ({ text }) => text },
  { title: 'Participant', cell: ({ participant_sid }) => <Sid sid={participant_sid} />, wide: true },
]

/** Everybody by whom it could have been taken: who has or had this sender's number on this proxy number. */
export function Candidates({ candidates, of: { service_sid } }: { candidates: Candidate[]; of: Interaction }) {
  if (candidates.length === 0) return null
  const rows = candidates.map((candidate) => ({ ...candidate, sid: candidate.participant_sid, service_sid }))
  return <Table label="Who had this pair of numbers" rows={rows} columns={COLUMNS} />
}
