import { useEffect } from 'react'
import type { Callback, Interaction, LogEvent, Participant } from '../../api/bodies.ts'
import { type Told, withTold } from '../../api/feed.ts'
import { useNewest } from '../../api/newest.ts'
import { useMay } from '../../api/session.tsx'
import { useList } from '../../api/use.ts'

export type Entry = { sid: string; date: string } & (
  | { kind: 'interaction'; thing: Interaction }
  | { kind: 'callback'; thing: Callback }
  | { kind: 'event'; thing: LogEvent }
)

export type NoteEntry = Exclude<Entry, { kind: 'interaction' }>
/** Notes that follow each other, of which there are so many that they would push apart what people said. */
export type Run = { kind: 'run'; sid: string; date: string; notes: NoteEntry[] }

/** On which side somebody stands: as they are shown above the timeline. */
export type Side = 'left' | 'right' | 'middle'

export const SIZE = 100

/** All that is on record of a session, newest first. SIDs are in the order of time behind their prefix. */
export function useTimeline({ service_sid, sid }: { service_sid: string; sid: string }, told: Told) {
  const query = `ServiceSid=${service_sid}&SessionSid=${sid}&PageSize=${SIZE}`
  const may = { callbacks: useMay('callbacks:read'), events: useMay('events:read') }
  const interactions = useList<Interaction>(`/maskline/v1/Interactions?${query}`)
  const callbacks = useNewest<Callback>(may.callbacks ? `/maskline/v1/Callbacks?${query}` : undefined, 'CB')
  const events = useNewest<LogEvent>(may.events ? `/maskline/v1/Events?${query}` : undefined, 'NO')
  const isWhole = !interactions.more
  const passed = withTold(interactions.rows, told.interaction, {
    fits: ({ session_sid }) => session_sid === sid,
    isWhole,
  })
  const shown = new Set(passed?.map((row) => row.sid))
  const calledBack = withTold(callbacks.rows ?? [], told.callback)?.filter((row) => shown.has(row.interaction_sid))
  const oldest = passed && (isWhole ? '' : (passed.at(-1)?.sid.slice(2) ?? ''))
  useReaching(callbacks, oldest)
  useReaching(events, oldest)
  const happened = withTold(events.rows ?? [], told.event)?.filter(
    (row) => row.session_sid === sid && row.sid.slice(2) > (oldest ?? ''),
  )
  const entries =
    passed &&
    [
      ...passed.map((thing): Entry => ({ kind: 'interaction', sid: thing.sid, date: thing.date_created, thing })),
      ...(calledBack ?? []).map(
        (thing): Entry => ({ kind: 'callback', sid: thing.sid, date: thing.date_created, thing }),
      ),
      ...(happened ?? []).map((thing): Entry => ({ kind: 'event', sid: thing.sid, date: thing.date_created, thing })),
    ].sort((one, other) => (one.sid.slice(2) < other.sid.slice(2) ? 1 : -1))
  const lists = [interactions, callbacks, events]
  return {
    entries,
    newest: passed?.[0],
    error: interactions.error,
    isLoading: interactions.isLoading,
    more: interactions.more && (() => lists.map((list) => list.more?.())),
    reload: () => lists.map((list) => list.reload()),
  }
}

/** Reads on until the list goes back as far as what it stands beside. */
function useReaching(list: ReturnType<typeof useNewest<{ sid: string }>>, oldest: string | undefined): void {
  const { rows, isLoading, error, more } = list
  const last = rows?.at(-1)?.sid.slice(2) ?? ''
  const isShort = oldest !== undefined && last > oldest && !isLoading && !error
  // biome-ignore lint/correctness/useExhaustiveDependencies: a page more each time the last one has come
  useEffect(() => {
    if (isShort) more?.()
  }, [isShort, last])
}

const MOST_APART = 3

/** The same with long runs of notes as one. */
export function gathered(entries: Entry[]): (Entry | Run)[] {
  const all: (Entry | Run)[] = []
  let notes: NoteEntry[] = []
  const end = () => {
    const [first] = notes
    if (first && notes.length > MOST_APART) all.push({ kind: 'run', sid: first.sid, date: first.date, notes })
    else all.push(...notes)
    notes = []
  }
  for (const entry of entries) {
    if (entry.kind !== 'interaction') notes.push(entry)
    else {
      end()
      all.push(entry)
    }
  }
  end()
  return all
}

/** By who sent it or whom it was for; the customer's own messages stand in the middle. */
export function sideOf(
  { sender_participant_sid, recipient_participant_sid, origin }: Interaction,
  people: Participant[],
) {
  const place = (sid: string | null) => people.findIndex((person) => person.sid === sid)
  const [from, to] = [place(sender_participant_sid), place(recipient_participant_sid)]
  if (origin !== 'inbound') return 'middle'
  if (from >= 0) return from === 0 ? 'left' : 'right'
  if (to >= 0) return to === 0 ? 'right' : 'left'
  return 'middle'
}
