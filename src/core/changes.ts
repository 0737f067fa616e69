import { sql } from 'kysely'
import type { Callback, Event, Interaction, Session } from '../db/schema.ts'
import {
  type ChangedRow,
  type ChangeKind,
  findChangedParticipants,
  findChanges,
  MOST_CHANGES,
  readMoment,
} from '../db/statements/find-changes.ts'
import { type OpenedParticipant, openParticipant } from './participants.ts'
import type { Store } from './store.ts'
import { describe, type InteractionRecord } from './trace/records.ts'

/**
 * What has changed since a moment, read from the rows themselves, so that it is the same on every server and after every
 * restart, and nobody who changes something has to tell. What was deleted leaves nothing to be found.
 */
export type ChangeScope = {
  account_sid: string
  service_sid?: string | undefined
  /** Only with its service. */
  session_sid?: string | undefined
}

/** A moment: the time on the database's clock, and what of all transactions was visible. */
export type Moment = { at: number; snapshot: string }

export type Changes = {
  session: Session[]
  participant: OpenedParticipant[]
  interaction: InteractionRecord[]
  callback: Callback[]
  event: Event[]
}

/** With `lost` there may have been more than is found, and all has to be read anew. */
export type ChangesSince = { now: Moment } & ({ outcome: 'found'; changes: Changes } | { outcome: 'lost' })

const DAY_MS = 86_400_000
const SHORT_MS = 60_000
/** Nobody who was away for longer is told what happened meanwhile. */
const MOST_AWAY_MS = 300_000

export async function currentMoment(store: Store): Promise<Moment> {
  const { at, snapshot } = await readMoment(store.pool)
  return { at: at.getTime(), snapshot }
}

export const writeMoment = ({ at, snapshot }: Moment) => `${at}-${snapshot}`

/** Undefined for what is none of ours. */
export function parseMoment(text: string): Moment | undefined {
  const [, at, snapshot] = /^(\d{13})-(\d{1,18}:\d{1,18}:(?:\d{1,18}(?:,\d{1,18})*)?)$/.exec(text) ?? []
  const [least, next, running] = snapshot?.split(':') ?? []
  if (!at || !snapshot || Number(least) < 1 || Number(least) > Number(next)) return undefined
  const ids = running ? running.split(',').map(Number) : []
  const isInOrder = ids.every((id, n) => id >= Number(least) && id < Number(next) && id > (ids[n - 1] ?? 0))
  return isInOrder ? { at: Number(at), snapshot } : undefined
}

/**
 * What changed since `since`, among what is young. With `long_since`, the moment of the last call that had one, also what
 * changed since then among what is older.
 */
export async function readChanges(
  store: Store,
  scope: ChangeScope,
  { since, long_since }: { since: Moment; long_since?: Moment | undefined },
): Promise<ChangesSince> {
  const short_floor = floorAt(Date.now() - SHORT_MS)
  const found = await findChanges(store.pool, {
    ...scope,
    since: since.snapshot,
    long_since: (long_since ?? since).snapshot,
    floor: long_since ? floorAt(Date.now() - DAY_MS) : short_floor,
    short_floor,
    attempts_since: new Date(since.at - SHORT_MS),
  })
  const now = { at: found.at.getTime(), snapshot: found.snapshot }
  const isLost = found.is_ahead || found.rows.length > MOST_CHANGES || now.at - since.at > MOST_AWAY_MS
  if (isLost) return { now, outcome: 'lost' }
  return { now, outcome: 'found', changes: await readRows(store, found.rows, since, long_since) }
}

/** What stands behind the prefix of the SIDs of this time. */
const floorAt = (ms: number) => ms.toString(16).padStart(12, '0')

async function readRows(store: Store, found: ChangedRow[], since: Moment, long_since?: Moment): Promise<Changes> {
  const keys = (kind: ChangeKind) => distinct(found.filter((row) => row.kind === kind))
  const sessions = keys('session')
  const [interactions, callback, event, participants] = await Promise.all([
    rowsOf<Interaction>(store, 'interactions', keys('interaction')),
    rowsOf<Callback>(store, 'callbacks', keys('callback')),
    rowsOf<Event>(store, 'events', keys('event')),
    sessions.length > 0 ? findChangedParticipants(store.pool, sessions, (long_since ?? since).snapshot) : [],
  ])
  const told = interactions.filter(({ outcome }) => outcome !== 'deleted')
  // A message moves the session it is in, however old that is.
  const moved = told.flatMap(({ service_sid, session_sid: sid }) => (sid ? [{ service_sid, sid }] : []))
  return {
    session: await rowsOf<Session>(store, 'sessions', distinct([...sessions, ...moved])),
    participant: participants.map((row) => openParticipant(store, row)),
    interaction: await describe(store, told),
    callback,
    event,
  }
}

type Key = { service_sid: string; sid: string }

const distinct = (keys: Key[]): Key[] => [...new Map(keys.map((key) => [key.sid, key])).values()]

async function rowsOf<Row extends object>({ db }: Store, table: string, keys: Key[]): Promise<Row[]> {
  if (keys.length === 0) return []
  const found = sql<Row>`
    select t.* from unnest((select ${keys.map(({ service_sid }) => service_sid)}::text[]), (select ${keys.map(({ sid }) => sid)}::text[]))
      as k (service_sid, sid)
    join ${sql.table(table)} t on t.service_sid = k.service_sid and t.sid = k.sid
    order by t.sid`
  return (await found.execute(db)).rows
}
