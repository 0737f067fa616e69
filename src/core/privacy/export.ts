import type { Interaction, Participant } from '../../db/schema.ts'
import { audit } from '../audit.ts'
import { interactionData, openMediaSource, openSentBody } from '../interactions.ts'
import { openParticipant } from '../participants.ts'
import type { Store } from '../store.ts'
import {
  allOf,
  blockedRows,
  isTo,
  listInteractions,
  listParticipants,
  listReceivedOutside,
  listSentOutside,
  releasedPairs,
} from './find.ts'
import { type Subject, subjectDetails } from './subject.ts'

/**
 * All there is of a person, as JSON that is written while it is read. Of partners there is what they wrote to the person,
 * and nothing else: a participant's SID tells nobody's number.
 */
type Section = (store: Store, subject: Subject, scope: Scope) => AsyncGenerator<object>
type Role = 'sender' | 'recipient'
/** What is met on the way, and asked for further on. */
type Scope = { sids: Set<string> }

export const EXPORT_SECTIONS = [
  'participants',
  'sessions',
  'interactions',
  'outside_sessions',
  'released_pairs',
  'blocked_numbers',
  'events',
  'audit',
] as const

const SECTIONS: Record<(typeof EXPORT_SECTIONS)[number], Section> = {
  participants: exportParticipants,
  sessions: exportSessions,
  interactions: exportInteractions,
  outside_sessions: exportOutside,
  released_pairs: exportPairs,
  blocked_numbers: exportBlocks,
  events: exportEvents,
  audit: exportAudit,
}

/** In chunks. */
export async function* exportPerson(store: Store, subject: Subject): AsyncGenerator<string> {
  const { account_sid } = subject
  const about = { account_sid, resource_sid: account_sid }
  await audit(store, { action: 'privacy.export', ...about, details: subjectDetails(subject) })
  const head = { identifiers: subject.identifiers, account_sid, date_created: new Date() }
  yield JSON.stringify(head).slice(0, -1)
  const scope: Scope = { sids: new Set([account_sid]) }
  for (const name of EXPORT_SECTIONS) {
    let separator = `,\n"${name}":[`
    for await (const item of SECTIONS[name](store, subject, scope)) {
      yield `${separator}\n${JSON.stringify(item)}`
      separator = ','
    }
    yield separator === ',' ? ']' : `${separator}]`
  }
  yield '}\n'
}

async function* exportParticipants(store: Store, subject: Subject, { sids }: Scope) {
  for await (const row of allOf((after) => listParticipants(store, subject, after))) {
    sids.add(row.sid)
    yield shown(openParticipant(store, row))
  }
}

async function* exportSessions(store: Store, subject: Subject, { sids }: Scope) {
  for await (const row of allOf((after) => listParticipants(store, subject, after))) {
    const session = await sessionOf(store, row)
    if (!session || sids.has(session.sid)) continue
    sids.add(session.sid)
    yield shown(session)
  }
}

const sessionOf = ({ db }: Store, { service_sid, session_sid }: Participant) =>
  db
    .selectFrom('sessions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('sid', '=', session_sid)
    .executeTakeFirst()

async function* exportInteractions(store: Store, subject: Subject) {
  for await (const participant of allOf((after) => listParticipants(store, subject, after))) {
    for await (const row of allOf((after) => listInteractions(store, participant, after))) {
      const role = row.inbound_participant_sid === participant.sid ? 'sender' : 'recipient'
      yield await exportInteraction(store, row, { role })
    }
  }
}

async function* exportOutside(store: Store, subject: Subject) {
  for await (const row of allOf((after) => listSentOutside(store, subject, after))) {
    const sender = row.sender_sealed && store.keys.open(`${row.sid}/sender`, row.sender_sealed)
    yield await exportInteraction(store, row, { role: 'sender', sender, events: await eventsOfInteraction(store, row) })
  }
  for await (const row of allOf((after) => listReceivedOutside(store, subject, after))) {
    if (!isTo(store, subject, row)) continue
    const recipient = row.recipient_sealed && store.keys.open(`${row.sid}/recipient`, row.recipient_sealed)
    const events = await eventsOfInteraction(store, row)
    yield await exportInteraction(store, row, { role: 'recipient', recipient, events })
  }
}

/** With all that hangs on it; the sound of a recording lies at the carrier, and is fetched by the recording's SID. */
async function exportInteraction(
  store: Store,
  row: Interaction,
  more: { role: Role } & Record<string, unknown>,
): Promise<object> {
  const hanging = <Table extends 'media' | 'recordings' | 'callbacks' | 'callback_attempts'>(table: Table) =>
    store.db
      .selectFrom(table as 'media')
      .selectAll()
      .where('service_sid', '=', row.service_sid)
      .where('interaction_sid', '=', row.sid)
      .execute()
  const [media, recordings, callbacks, callback_attempts] = [
    (await hanging('media')).map((item) => {
      const place = `${row.sid}/media/${item.position}/bytes`
      const base64 = item.bytes_sealed && store.keys.openBytes(place, item.bytes_sealed).toString('base64')
      const source_url = more.role === 'recipient' && item.state === 'lost' ? null : openMediaSource(store, item)
      return { ...shown(item), source_url, base64 }
    }),
    (await hanging('recordings')).map(shown),
    (await hanging('callbacks')).map(shown),
    (await hanging('callback_attempts')).map(shown),
  ]
  return { ...shown(row), ...more, ...textsFor(store, row, more.role), media, recordings, callbacks, callback_attempts }
}

/** Of a text that the content guard changed or stopped, the sender has what they typed, and the recipient what got to them. */
function textsFor(store: Store, row: Interaction, role: Role): { data: unknown; sent_data?: object } {
  const data: unknown = JSON.parse(interactionData(store, row))
  if (role === 'recipient' && Object.values(row.content_found ?? {}).includes('block')) return { data: {} }
  if (!row.sent_data_sealed) return { data }
  const sent_data = { body: openSentBody(store, row) }
  return role === 'recipient' ? { data: sent_data } : { data, sent_data }
}

async function* exportPairs(store: Store, subject: Subject) {
  for (const pair of await releasedPairs(store, subject, 'identifier').execute()) yield shown(pair)
}

async function* exportBlocks(store: Store, subject: Subject, { sids }: Scope) {
  for (const block of await blockedRows(store, subject).execute()) {
    sids.add(block.sid)
    yield shown(block)
  }
}

const eventsOfInteraction = async ({ db }: Store, { service_sid, sid }: Interaction) => {
  const events = db.selectFrom('events').selectAll().where('service_sid', '=', service_sid)
  return (await events.where('interaction_sid', '=', sid).execute()).map(shown)
}

/** Of the sessions they were in; those of other messages stand beside these. */
async function* exportEvents(store: Store, subject: Subject) {
  for await (const { service_sid, session_sid } of allOf((after) => listParticipants(store, subject, after))) {
    const events = store.db.selectFrom('events').selectAll().where('service_sid', '=', service_sid)
    yield* (await events.where('session_sid', '=', session_sid).execute()).map(shown)
  }
}

/** What was done to them and their sessions. */
async function* exportAudit({ db }: Store, { account_sid, digest }: Subject, { sids }: Scope) {
  for (const sid of sids) {
    const rows = await db
      .selectFrom('audit_log')
      .selectAll()
      .where('account_sid', '=', account_sid)
      .where('resource_sid', '=', sid)
      .orderBy('sid')
      .execute()
    // Of what was done to the account itself, what was done about them.
    for (const row of rows) if (sid !== account_sid || row.details.subject === digest) yield shown(row)
  }
}

/** A row without what is sealed, a key or a digest. */
const shown = (row: object): object =>
  Object.fromEntries(Object.entries(row).filter(([name, value]) => !Buffer.isBuffer(value) && name !== 'token'))
