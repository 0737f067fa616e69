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
  const oldest = isWhole ? '' : (passed?.at(-1)?.sid.slice(2) ?? '')
  const happened = withTold(events.rows ?? [], told.event)?.filter(
    (row) => row.session_sid === sid && row.sid.slice(2) > oldest,
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
