import type { TSchema } from 'typebox'
import type { Changes } from '../core/changes.ts'
import type { Scope, Scopes } from '../core/scopes.ts'
import type { Store } from '../core/store.ts'
import { maskFor } from './api/mask.ts'
import { ParticipantBody, presentParticipant } from './api/participants.ts'
import { presentSession } from './api/session-body.ts'
import { SessionBody } from './api/sessions.ts'
import { CallbackBody, presentCallback } from './callbacks.ts'
import { EventBody, presentEvent } from './event-body.ts'
import { presentRecord, RecordBody } from './interactions.ts'

/** What the stream tells: of each kind who may hear of it, and its body, which is that of the API. */
type Kind<Row> = { scope: Scope; body: TSchema; present: (row: Row) => object }
type Kinds = { [Name in keyof Changes]: Kind<Changes[Name][number]> }

const kindsOf = ({ rules }: Store): Kinds => ({
  session: { scope: 'sessions:read', body: SessionBody, present: presentSession(`${rules.public_url}/v1`) },
  participant: { scope: 'sessions:read', body: ParticipantBody, present: presentParticipant(`${rules.public_url}/v1`) },
  interaction: {
    scope: 'interactions:read',
    body: RecordBody,
    present: presentRecord(`${rules.public_url}/maskline/v1`),
  },
  callback: {
    scope: 'callbacks:read',
    body: CallbackBody,
    present: presentCallback(`${rules.public_url}/maskline/v1`),
  },
  event: { scope: 'events:read', body: EventBody, present: presentEvent },
})

/** Written for whoever may do this, once for all who see it in the same way; empty for whom it is not. */
export type Item = (scopes: Scopes) => string

/** Makes what changed fit to be sent. */
export function createItems(store: Store): (changes: Changes) => Item[] {
  const writers = Object.entries(kindsOf(store)).map(([name, kind]) => {
    const write = writerOf(name, kind as Kind<unknown>)
    return (changes: Changes) => changes[name as keyof Changes].map(write)
  })
  return (changes) => writers.flatMap((write) => write(changes))
}

function writerOf(name: string, { scope, body, present }: Kind<unknown>) {
  const mask = maskFor(body)
  const frame = (shown: unknown) => `event: ${name}\ndata: ${JSON.stringify(shown)}\n\n`
  return (row: unknown): Item => {
    const shown = present(row)
    const full = once(() => frame(shown))
    const masked = once(() => frame(mask(shown)))
    return (scopes) => {
      if (!scopes.has(scope)) return ''
      return scopes.has('pii') ? full() : masked()
    }
  }
}

function once(make: () => string): () => string {
  let made: string | undefined
  return () => {
    made ??= make()
    return made
  }
}
