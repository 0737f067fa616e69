import { sql } from 'kysely'
import type { Interaction, Participant } from '../../db/schema.ts'
import type { ShownSession } from '../../db/statements/read-sessions.ts'
import { audit } from '../audit.ts'
import { withoutChannel } from '../e164.ts'
import { type OpenedParticipant, openParticipant } from '../participants.ts'
import { type Subject, subjectDetails } from '../privacy/subject.ts'
import { findSession } from '../sessions.ts'
import type { Store } from '../store.ts'
import { describe, findRecord, type InteractionRecord, listRecords } from '../trace/records.ts'
import { findPlace, isFindable, type Place, parseSid } from './by-sid.ts'
import { countryOf, numbersIn, subjectsOf } from './query.ts'

/** Whatever somebody has in hand, a SID, a name, a number of ours or of a person, leads to where it stands. */
export const QUERY_KINDS = ['sid', 'unique-name', 'proxy-number', 'person', 'nothing'] as const

export type FoundNumber = { sid: string; service_sid: string | null; phone_number: string }
/** `match` is the participant that was looked for. */
export type FoundSession = { session: ShownSession; participants: OpenedParticipant[]; match: string | null }

export type Found = {
  query_kind: (typeof QUERY_KINDS)[number]
  sessions: FoundSession[]
  interactions: InteractionRecord[]
  numbers: FoundNumber[]
  found: Place | null
  /** Why nothing was found, or not all. */
  note: string | null
}

const MOST = 50
/** Of the people who are live on one number, so many are looked at for the newest. */
const MOST_LIVE = 500

const NOTHING: Found = {
  ...{ query_kind: 'nothing', sessions: [], interactions: [], numbers: [], found: null },
  note: 'Nothing in this account has that SID, name or number.',
}

/** Looking for a person is on record, whether or not somebody is found. */
export async function search(store: Store, account_sid: string, text: string): Promise<Found> {
  const query = text.trim()
  const sid = parseSid(query)
  if (sid) return await searchSid(store, account_sid, sid)
  const byName = async () => await searchName(store, account_sid, query)
  const isMessenger = /^messenger:/i.test(query)
  const numbers = isMessenger ? [query] : numbersIn(query, await countryOf(store, account_sid))
  if (numbers.length === 0) return (await byName()) ?? NOTHING
  const ours = await searchNumber(store, account_sid, numbers.map(withoutChannel))
  return ours ?? (await searchPerson(store, account_sid, numbers)) ?? (await byName()) ?? NOTHING
}

async function searchSid(
  store: Store,
  account_sid: string,
  asked: NonNullable<ReturnType<typeof parseSid>>,
): Promise<Found> {
  const place = await findPlace(store, account_sid, asked)
  if (!place) return { ...NOTHING, note: noteOn(asked.prefix) }
  const { kind, service_sid, session_sid, participant_sid = null, interaction_sid } = place
  if (kind === 'phone-number' || kind === 'short-code') {
    const numbers = store.db.selectFrom('phone_numbers').select(['sid', 'service_sid', 'phone_number'])
    const row = await numbers.where('sid', '=', place.sid).executeTakeFirstOrThrow()
    return { ...(await onNumber(store, account_sid, [row])), query_kind: 'sid', found: place }
  }
  const one = interaction_sid && (await findRecord(store, account_sid, interaction_sid))
  const isOfSession = !interaction_sid && service_sid && kind !== 'event'
  const filter = { service_sid: service_sid ?? undefined, session_sid: session_sid ?? undefined }
  return {
    query_kind: 'sid',
    sessions: await openSessions(store, account_sid, [{ service_sid, session_sid, sid: participant_sid }]),
    interactions: one ? [one] : isOfSession ? await newest(store, account_sid, filter) : [],
    numbers: [],
    found: place,
    note: null,
  }
}

function noteOn(prefix: Parameters<typeof isFindable>[0]): string {
  if (!isFindable(prefix)) return `SIDs that begin with ${prefix} cannot be looked for here.`
  if (prefix === 'SM' || prefix === 'MM' || prefix === 'CA') {
    return 'No carrier gave that SID. One that was made here, for a carrier without SIDs, is found by its session only.'
  }
  return NOTHING.note ?? ''
}

const newest = async (store: Store, account_sid: string, filter: Parameters<typeof listRecords>[2]) =>
  (await listRecords(store, account_sid, filter, { size: MOST, from: { skip: 0 } })).rows

async function searchName(store: Store, account_sid: string, name: string): Promise<Found | undefined> {
  const services = store.db.selectFrom('services').where('services.account_sid', '=', account_sid)
  const named = await services
    .innerJoin('sessions', 'sessions.service_sid', 'services.sid')
    .select(['sessions.service_sid', 'sessions.sid'])
    .where('sessions.unique_name', '=', name)
    .orderBy('sessions.sid', 'desc')
    .limit(MOST)
    .execute()
  const [only] = named
  if (only) {
    const one = named.length === 1 ? { service_sid: only.service_sid, session_sid: only.sid } : undefined
    const places = named.map(({ service_sid, sid }) => ({ service_sid, session_sid: sid, sid: null }))
    return {
      ...{ ...NOTHING, query_kind: 'unique-name', note: null },
      sessions: await openSessions(store, account_sid, places),
      interactions: one ? await newest(store, account_sid, one) : [],
      found: one ? { kind: 'session', sid: one.session_sid, ...one } : null,
    }
  }
  const service = await services.select('sid').where('unique_name', '=', name).executeTakeFirst()
  if (!service) return undefined
  const place: Place = { kind: 'service', sid: service.sid, service_sid: service.sid, session_sid: null }
  const interactions = await newest(store, account_sid, { service_sid: service.sid })
  return { ...NOTHING, query_kind: 'unique-name', interactions, found: place, note: null }
}

async function searchNumber(store: Store, account_sid: string, texts: string[]): Promise<Found | undefined> {
  const numbers = await store.db
    .selectFrom('phone_numbers')
    .select(['sid', 'service_sid', 'phone_number'])
    .where('phone_number', 'in', texts)
    .where('account_sid', '=', account_sid)
    .execute()
  return numbers.length > 0 ? await onNumber(store, account_sid, numbers) : undefined
}

/** Who is live on numbers of ours. What went over them is in no index. */
async function onNumber(store: Store, account_sid: string, numbers: FoundNumber[]): Promise<Found> {
  const [number] = numbers
  const { rows } = await sql<{ service_sid: string; session_sid: string }>`
    select service_sid, session_sid from (
      select service_sid, session_sid, sid from participants
      where service_sid = ${number?.service_sid ?? ''} and proxy_identifier = ${number?.phone_number ?? ''}
        and date_released is null limit ${MOST_LIVE}) live
    order by sid desc limit ${MOST}`.execute(store.db)
  const kind = number?.sid.startsWith('SC') ? ('short-code' as const) : ('phone-number' as const)
  return {
    query_kind: 'proxy-number',
    sessions: await openSessions(
      store,
      account_sid,
      rows.map((row) => ({ ...row, sid: null })),
    ),
    interactions: [],
    numbers,
    found: number ? { kind, sid: number.sid, service_sid: number.service_sid, session_sid: null } : null,
    note: 'Sessions that are live on the number; what went over it is found by its session or by a person.',
  }
}

async function searchPerson(store: Store, account_sid: string, numbers: string[]): Promise<Found | undefined> {
  const subjects = subjectsOf(store, account_sid, numbers)
  for (const subject of subjects) {
    await audit(store, { action: 'person.search', account_sid, details: subjectDetails(subject) })
    const places = await placesOf(store, subject)
    const interactions = await describe(store, await interactionsOf(store, subject, places))
    if (places.length === 0 && interactions.length === 0) continue
    const sessions = await openSessions(store, account_sid, places)
    return { ...NOTHING, query_kind: 'person', sessions, interactions, note: null }
  }
  return undefined
}

type Member = Pick<Participant, 'service_sid' | 'session_sid' | 'sid'>

/** Where somebody is or was a participant, the newest first. */
const placesOf = ({ db }: Store, { account_sid, hashes }: Subject): Promise<Member[]> =>
  db
    .selectFrom('services')
    .innerJoin('participants', 'participants.service_sid', 'services.sid')
    .select(['participants.service_sid', 'participants.session_sid', 'participants.sid'])
    .where('services.account_sid', '=', account_sid)
    .where('participants.identifier_hash', 'in', hashes)
    .orderBy('participants.sid', 'desc')
    .limit(MOST)
    .execute()

/** What somebody sent and what was for them, in sessions and out of any, the newest of all that. */
async function interactionsOf(
  { db }: Store,
  { account_sid, hashes }: Subject,
  places: Member[],
): Promise<Interaction[]> {
  const outside = db
    .selectFrom('services')
    .innerJoin('interactions', 'interactions.service_sid', 'services.sid')
    .selectAll('interactions')
    .where('services.account_sid', '=', account_sid)
    .orderBy('interactions.sid', 'desc')
    .limit(MOST)
  const sent = await outside.where('interactions.sender_hash', 'in', hashes).execute()
  const received = await outside
    .where('interactions.recipient_hash', 'in', hashes)
    .where('interactions.recipient_sealed', 'is not', null)
    .execute()
  const column = (name: keyof Member) => places.map((place) => place[name])
  const { rows } = await sql<Interaction>`
    select i.* from unnest(${column('service_sid')}::text[], ${column('session_sid')}::text[], ${column('sid')}::text[])
      as p (service_sid, session_sid, sid), lateral (
      select * from interactions where service_sid = p.service_sid and session_sid = p.session_sid
        and (inbound_participant_sid = p.sid or outbound_participant_sid = p.sid)
      order by sid desc limit ${MOST}) i
    order by i.sid desc limit ${MOST}`.execute(db)
  return [...sent, ...received, ...rows].sort((one, other) => (one.sid > other.sid ? -1 : 1)).slice(0, MOST)
}

type Wanted = { service_sid: string | null; session_sid: string | null; sid: string | null }

/** Sessions with everybody who is or was in them, each once; of what has run out, as closed. */
async function openSessions(store: Store, account_sid: string, wanted: Wanted[]): Promise<FoundSession[]> {
  const distinct = new Map(wanted.flatMap((one) => (one.session_sid ? [[one.session_sid, one] as const] : [])))
  const found = await Promise.all(
    [...distinct.values()].map(async ({ service_sid, session_sid, sid }) => {
      const scope = { account_sid, service_sid: service_sid ?? '' }
      const session = session_sid ? await findSession(store, scope, session_sid) : undefined
      return session ? [{ session, match: sid }] : []
    }),
  )
  const sessions = found.flat()
  if (sessions.length === 0) return []
  const people = await store.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', 'in', [...new Set(sessions.map(({ session }) => session.service_sid))])
    .where(
      'session_sid',
      'in',
      sessions.map(({ session }) => session.sid),
    )
    .orderBy('sid')
    .execute()
  return sessions.map(({ session, match }) => ({
    session,
    match,
    participants: people.filter((row) => row.session_sid === session.sid).map((row) => openParticipant(store, row)),
  }))
}
