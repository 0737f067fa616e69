import Type, { type TSchema } from 'typebox'
import type { Changes } from '../core/changes.ts'
import type { Scope, Scopes } from '../core/scopes.ts'
import type { Store } from '../core/store.ts'
import { maskFor } from './api/mask.ts'
import { ParticipantBody, presentParticipant } from './api/participants.ts'
import { DateTime, Nullable, Plain, presentDate, SidOf } from './api/present.ts'
import { presentSession } from './api/session-body.ts'
import { SessionBody } from './api/sessions.ts'
import { CallbackBody, presentCallback } from './callbacks.ts'
import { EventBody, presentEvent } from './event-body.ts'

/** What the stream tells: of each kind who may hear of it, and its body, which is that of the API. */
type Kind<Row> = { scope: Scope; body: TSchema; present: (row: Row) => object }
type Kinds = { [Name in keyof Changes]: Kind<Changes[Name][number]> }

const InteractionRecord = Type.Object({
  sid: SidOf('KI'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  session_sid: Nullable(SidOf('KC')),
  type: Plain,
  origin: Plain,
  outcome: Plain,
  sender_participant_sid: Nullable(SidOf('KP')),
  dialled_number: Nullable(Plain),
  recipient_participant_sid: Nullable(SidOf('KP')),
  outbound_number: Nullable(Plain),
  data: Type.String({ 'x-pii': 'data' }),
  num_media: Type.Integer(),
  inbound_resource_sid: Nullable(Plain),
  inbound_resource_status: Nullable(Plain),
  outbound_resource_sid: Nullable(Plain),
  outbound_resource_status: Nullable(Plain),
  error_code: Nullable(Type.Integer()),
  duration_s: Nullable(Type.Integer()),
  attempts: Type.Integer(),
  date_next_attempt: Nullable(DateTime),
  date_created: DateTime,
  date_updated: DateTime,
})

const presentRecord = (row: Changes['interaction'][number]) => ({
  sid: row.sid,
  account_sid: row.account_sid,
  service_sid: row.service_sid,
  session_sid: row.session_sid,
  type: row.type === 'voice' ? 'call' : 'message',
  origin: row.origin,
  outcome: row.outcome,
  sender_participant_sid: row.inbound_participant_sid,
  dialled_number: row.dialled_number,
  recipient_participant_sid: row.outbound_participant_sid,
  outbound_number: row.outbound_number,
  data: row.data,
  num_media: row.num_media,
  inbound_resource_sid: row.inbound_resource_sid,
  inbound_resource_status: row.inbound_resource_status,
  outbound_resource_sid: row.outbound_resource_sid,
  outbound_resource_status: row.outbound_resource_status,
  error_code: row.error_code,
  duration_s: row.duration_s,
  attempts: row.attempts,
  date_next_attempt: presentDate(row.due_at),
  date_created: presentDate(row.date_created),
  date_updated: presentDate(row.date_updated),
})

const kindsOf = ({ rules }: Store): Kinds => ({
  session: { scope: 'sessions:read', body: SessionBody, present: presentSession(`${rules.public_url}/v1`) },
  participant: { scope: 'sessions:read', body: ParticipantBody, present: presentParticipant(`${rules.public_url}/v1`) },
  interaction: { scope: 'interactions:read', body: InteractionRecord, present: presentRecord },
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
