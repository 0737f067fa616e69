import { sql } from 'kysely'
import type { Event } from '../db/schema.ts'
import { CATALOGUE, type ErrorCode, errorMessage } from './errors.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { newSid } from './sid.ts'
import type { Store } from './store.ts'

/** What happened outside an API call and somebody should know: the vendor's debugger. Holds no personal data. */
export type NewEvent = {
  error_code: ErrorCode
  account_sid: string
  service_sid?: string | undefined
  session_sid?: string | null | undefined
  participant_sid?: string | null | undefined
  interaction_sid?: string | null | undefined
  /** What the catalogue's message asks for. */
  values?: Record<string, string | number>
  /** The message of a refusal that was made already. */
  message?: string
}

export async function recordEvent(store: Store, event: NewEvent): Promise<void> {
  await store.db
    .insertInto('events')
    .values({
      sid: newSid('NO'),
      account_sid: event.account_sid,
      service_sid: event.service_sid ?? '',
      error_code: event.error_code,
      level: CATALOGUE[event.error_code].level,
      message: event.message ?? errorMessage(event.error_code, event.values),
      session_sid: event.session_sid ?? null,
      participant_sid: event.participant_sid ?? null,
      interaction_sid: event.interaction_sid ?? null,
    })
    .execute()
}

/** A session only with its service. */
export type EventFilter = {
  error_code?: number | undefined
  service_sid?: string | undefined
  session_sid?: string | undefined
}

export async function listEvents(
  store: Store,
  account_sid: string,
  filter: EventFilter,
  page: PageRequest,
): Promise<Page<Event>> {
  let query = store.db.selectFrom('events').selectAll().where('account_sid', '=', account_sid)
  if (filter.error_code) query = query.where('error_code', '=', filter.error_code)
  if (filter.service_sid) query = query.where('service_sid', '=', filter.service_sid)
  if (filter.session_sid) {
    // Looked up first, and the list then read by SIDs: a session has few of all that an account has.
    const { service_sid, session_sid } = filter
    query = query.where(
      sql<boolean>`sid = any (array(
        select sid from events where service_sid = ${service_sid} and session_sid = ${session_sid}))`,
    )
  }
  return await readPage(query, 'sid', page)
}
