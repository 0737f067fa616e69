import { useEffect, useRef, useState } from 'react'
import { withQuery } from './http.ts'

export type Kind = 'interaction' | 'callback' | 'event' | 'session' | 'participant'
export type Scope = { ServiceSid?: string; SessionSid?: string }
export type StreamState = 'connecting' | 'live' | 'broken'

/** After a refusal. */
const AGAIN_MS = 5_000

const KINDS: Kind[] = ['interaction', 'callback', 'event', 'session', 'participant']

/**
 * Tells what happens, as it happens. `onThing` is given the whole of a thing that is new or changed, perhaps twice; `onReset`
 * is called when the page has to read anew. The browser connects again by itself and names the last message it had.
 */
export function useStream(
  scope: Scope | undefined,
  onThing: (kind: Kind, thing: { sid: string; date_updated?: string }) => void,
  onReset: () => void,
): StreamState {
  const [state, setState] = useState<StreamState>('connecting')
  const handlers = useRef({ onThing, onReset })
  handlers.current = { onThing, onReset }
  const path = scope && withQuery('/maskline/v1/Stream', scope)
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    if (!path) return
    const source = new EventSource(path)
    let again: ReturnType<typeof setTimeout> | undefined
    source.onopen = () => {
      setState('live')
      // Of what happened before a new stream nothing is told.
      if (attempt > 0) handlers.current.onReset()
    }
    source.onerror = () => {
      const isOver = source.readyState === EventSource.CLOSED
      setState(isOver ? 'broken' : 'connecting')
      // The browser gives up when it is refused, as while a server starts again.
      if (isOver) again = setTimeout(() => setAttempt(attempt + 1), AGAIN_MS)
    }
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => handlers.current.onThing(kind, JSON.parse(message.data)))
    }
    source.addEventListener('reset', () => handlers.current.onReset())
    return () => {
      clearTimeout(again)
      source.close()
    }
  }, [path, attempt])
  return state
}
