import type pg from 'pg'
import type { Participant } from '../schema.ts'

/**
 * What was written since a moment, of an account, one of its services, or one session. The moment is a snapshot of
 * PostgreSQL's: a row is new to whoever saw all that was visible in it if the transaction that wrote the row is not,
 * however late that one committed and whatever the clocks say. So nothing is missed among the rows that are looked at, and
 * who writes does nothing for it.
 *
 * Looked at are the newest five hundred of each service: those of the last minute at every look (`$4`), and those of the last
 * day (`$3`) now and then, for what came since the last such look (`$5`). Besides, a callback is found by its attempts and by
 * being due, and a session by what is on record of deeds, however old they are.
 */
export const MOST_CHANGES = 500
const MOST_PENDING = 100
const MOST_OF_SESSION = 200

/** A row names its transaction by the lower half of a number, whose upper half is that of now or the one before. */
const writtenAfter = (moment: 'since' | 'long_since', row: string) =>
  `not pg_visible_in_snapshot((here.top - ((here.top - ${row}.version::text::bigint) & 4294967295))::text::xid8, here.${moment})`

const isNew = (row: string, prefix: string) =>
  `(${writtenAfter('since', row)} or ${row}.sid <= '${prefix}' || $4 and ${writtenAfter('long_since', row)})`

const newest = (table: string, prefix: string, owner: string) => `
    select *, xmin as version from ${table} where ${owner} and sid > '${prefix}' || $3 order by sid desc limit ${MOST_CHANGES + 1}`

const part = (kind: string, from: string, where: string, sid = 'r.sid') => `
  select '${kind}' as kind, r.service_sid, ${sid} as sid from ${from}, here where ${where}`

/** `$1` is the account, `$6` from when on attempts are looked at, `$7` the service. */
function wide(scope: 'account' | 'service'): string[] {
  const ofService = scope === 'service'
  const services = `services s where s.account_sid = $1${ofService ? ' and s.sid = $7' : ''}`
  const ofOne = ofService ? 'service_sid = $7 and account_sid = $1' : 'account_sid = $1'
  const only = ofService ? ' and r.service_sid = $7' : ''
  const ofEach = (kind: string, table: string, prefix: string) =>
    part(
      kind,
      `(select s.sid from ${services}) s, lateral (${newest(table, prefix, 'service_sid = s.sid')}) r`,
      isNew('r', prefix),
    )
  const deeds = (table: string) =>
    part(
      'session',
      `(${newest(table, 'AU', 'account_sid = $1')}) r`,
      `(r.action like 'session.%' or r.action like 'participant.%') and ${isNew('r', 'AU')}${only}`,
      `case when r.resource_sid like 'KC%' then r.resource_sid else r.details->>'session_sid' end`,
    )
  const pending = `(select *, xmin as version from callbacks where account_sid = $1 and due_at is not null
    order by sid desc limit ${MOST_PENDING}) r`
  const attempts = `(select *, xmin as version from callback_attempts where account_sid = $1 and date_created > $6
    order by date_created desc limit ${MOST_CHANGES + 1}) r`
  return [
    ofEach('interaction', 'interactions', 'KI'),
    ofEach('session', 'sessions', 'KC'),
    deeds('audit_pending'),
    deeds('audit_entries'),
    part('callback', `(${newest('callbacks', 'CB', ofOne)}) r`, isNew('r', 'CB')),
    part('callback', pending, writtenAfter('since', 'r') + only),
    part('callback', attempts, `r.callback_sid is not null and ${writtenAfter('since', 'r')}${only}`, 'r.callback_sid'),
    part('event', `(${newest('events', 'NO', ofOne)}) r`, isNew('r', 'NO')),
  ]
}

/** `$6` is the service, `$7` the session. */
function narrow(): string[] {
  const inSession = 'service_sid = $6 and session_sid = $7 and account_sid = $1'
  const session = `(select *, xmin as version from sessions where service_sid = $6 and sid = $7 and account_sid = $1) r`
  const people = '(select xmin as version from participants where service_sid = $6 and session_sid = $7) p'
  const callbacks = `
    (select sid from interactions where ${inSession} order by sid desc limit ${MOST_OF_SESSION}) i,
    lateral (select *, xmin as version from callbacks where service_sid = $6 and interaction_sid = i.sid
             limit ${MOST_OF_SESSION}) r`
  return [
    part('interaction', `(${newest('interactions', 'KI', inSession)}) r`, isNew('r', 'KI')),
    part(
      'session',
      session,
      `(${writtenAfter('since', 'r')} or exists (select from ${people} where ${writtenAfter('since', 'p')}))`,
    ),
    part('callback', callbacks, writtenAfter('since', 'r')),
    part('event', `(select *, xmin as version from events where ${inSession}) r`, writtenAfter('since', 'r')),
  ]
}

const textOf = (parts: string[]) => `
with here as materialized (
  select now() as at, pg_current_snapshot() as snapshot, $2::pg_snapshot as since, $5::pg_snapshot as long_since,
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint as top
)
select here.at, here.snapshot::text, pg_snapshot_xmax(here.since)::text::bigint > here.top as is_ahead, found.*
from here left join (select * from (${parts.join(' union all')}) every limit ${MOST_CHANGES + 1}) found on true`

const TEXTS = { account: textOf(wide('account')), service: textOf(wide('service')), session: textOf(narrow()) }

export type ChangeKind = 'interaction' | 'session' | 'callback' | 'event'
export type ChangedRow = { kind: ChangeKind; service_sid: string; sid: string }

export type ChangeSearch = {
  account_sid: string
  service_sid?: string | undefined
  /** Only with its service. */
  session_sid?: string | undefined
  since: string
  long_since: string
  /** The least that stands behind the prefix of a SID of that time. */
  floor: string
  short_floor: string
  attempts_since: Date
}

export type FoundChanges = {
  at: Date
  snapshot: string
  /** Whether the moment is one that has not been here yet: it comes from another database. */
  is_ahead: boolean
  /** More than `MOST_CHANGES` when there were more. */
  rows: ChangedRow[]
}

export async function findChanges(pool: pg.Pool, search: ChangeSearch): Promise<FoundChanges> {
  const { account_sid, service_sid, session_sid, since, long_since, floor, short_floor, attempts_since } = search
  const scope = session_sid ? 'session' : service_sid ? 'service' : 'account'
  const values: unknown[] = [account_sid, since, floor, short_floor, long_since]
  if (scope === 'session') values.push(service_sid, session_sid)
  else values.push(attempts_since, ...(service_sid ? [service_sid] : []))
  type Row = Omit<FoundChanges, 'rows'> & { [Column in keyof ChangedRow]: ChangedRow[Column] | null }
  const { rows } = await pool.query<Row>({ name: `find-changes-${scope}`, text: TEXTS[scope], values })
  const [{ at, snapshot, is_ahead }] = rows as [Row]
  const changed = rows.flatMap(({ kind, service_sid, sid }) =>
    kind && service_sid !== null && sid ? [{ kind, service_sid, sid }] : [],
  )
  return { at, snapshot, is_ahead, rows: changed }
}

/** The people of these sessions whose rows were written since. */
export async function findChangedParticipants(
  pool: pg.Pool,
  sessions: { service_sid: string; sid: string }[],
  since: string,
): Promise<Participant[]> {
  const text = `
with here as materialized (
  select $3::pg_snapshot as since, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as top
)
select r.* from unnest((select $1::text[]), (select $2::text[])) as k (service_sid, sid),
  lateral (select *, xmin as version from participants where service_sid = k.service_sid and session_sid = k.sid) r, here
where ${writtenAfter('since', 'r')}`
  const values = [sessions.map(({ service_sid }) => service_sid), sessions.map(({ sid }) => sid), since]
  return (await pool.query<Participant>({ name: 'find-changed-participants', text, values })).rows
}

/** Where one is in time: all that is visible now. */
export async function readMoment(pool: pg.Pool): Promise<{ at: Date; snapshot: string }> {
  const text = 'select now() as at, pg_current_snapshot()::text as snapshot'
  const { rows } = await pool.query<{ at: Date; snapshot: string }>({ name: 'read-moment', text })
  return rows[0] as { at: Date; snapshot: string }
}
