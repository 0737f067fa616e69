import { type RawBuilder, sql } from 'kysely'
import type { Event, Interaction, Outcome } from '../../db/schema.ts'
import { callSettings } from '../call-settings.ts'
import { type OpenedInteraction, openInteraction } from '../interactions.ts'
import { mostOf, type Page, type PageRequest, toPage } from '../page.ts'
import { openParticipant } from '../participants.ts'
import { serviceOf } from '../services.ts'
import { sidAt } from '../sid.ts'
import type { Store } from '../store.ts'
import { type Facts, type Verdict, verdictOf } from './verdict.ts'

/** An interaction with who sent it and what became of it, also one that came to no session. */
export type InteractionRecord = OpenedInteraction & {
  /** The number of whoever sent it; null for what the customer sent. */
  sender: string | null
  verdict: Verdict
}

export type RecordFilter = {
  service_sid?: string | undefined
  session_sid?: string | undefined
  outcome?: Outcome | undefined
  type?: 'message' | 'voice' | undefined
  since?: Date | undefined
  until?: Date | undefined
}

/** So many are looked at for a page; one that is not full by then says where to go on. */
const MOST_LOOKED = 1_000

/** How far the clocks of the servers, which are in the SIDs, may be from that of the database. */
const CLOCKS_APART_MS = 300_000

/**
 * The interactions of an account, newest first. No index has them for a whole account, or by outcome: each service's are
 * read in the order of its own, and what does not fit is left out of what was read.
 */
export async function listRecords(
  store: Store,
  account_sid: string,
  filter: RecordFilter,
  page: PageRequest,
): Promise<Page<InteractionRecord>> {
  const { from } = page
  const isBackwards = 'before' in from
  const direction = isBackwards ? sql`asc` : sql`desc`
  const conditions = conditionsOf(filter)
  const skip = 'skip' in from ? from.skip : 0
  const most = conditions.length > 0 ? MOST_LOOKED : mostOf(page) + skip
  const { rows } = await sql<Interaction & { looked_to: string; looked: number }>`
    with looked as materialized (
      select i.service_sid, i.sid from services v, lateral (
        select service_sid, sid from interactions
        where service_sid = v.sid ${rangeOf(filter, from)} order by sid ${direction} limit ${most}) i
      where v.account_sid = ${account_sid} ${filter.service_sid ? sql`and v.sid = ${filter.service_sid}` : sql``}
      order by i.sid ${direction} limit ${most}
    ),
    edge as (select ${isBackwards ? sql`max` : sql`min`}(sid) as looked_to, count(*)::int as looked from looked)
    select f.*, edge.* from edge left join lateral (
      select i.* from looked l, lateral (
        select * from interactions where service_sid = l.service_sid and sid = l.sid offset 0) i
      where ${conditions.length > 0 ? sql.join(conditions, sql` and `) : sql`true`}
      order by i.sid ${direction} limit ${mostOf(page)} offset ${skip}) f on true`.execute(store.db)
  const found = rows.filter(({ sid }) => sid !== null)
  const shown = toPage(found, page)
  const records = { ...shown, rows: await describe(store, shown.rows) }
  const [{ looked_to, looked } = { looked_to: '', looked: 0 }] = rows
  // Not full, though there may be more behind what was looked at.
  if (conditions.length === 0 || looked < most || found.length > page.size) return records
  return { ...records, looked_to, ...(isBackwards ? { has_previous: true } : { has_next: true }) }
}

/** What an index can be asked for: a session, and SIDs, which begin with the time. */
function rangeOf({ session_sid, since, until }: RecordFilter, from: PageRequest['from']): RawBuilder<unknown> {
  const range = [sql``]
  if (session_sid) range.push(sql`session_sid = ${session_sid}`)
  if (since) range.push(sql`sid >= ${sidAt('KI', since.getTime() - CLOCKS_APART_MS)}`)
  if (until) range.push(sql`sid < ${sidAt('KI', until.getTime() + CLOCKS_APART_MS)}`)
  if ('after' in from) range.push(sql`sid < ${from.after}`)
  if ('before' in from) range.push(sql`sid > ${from.before}`)
  return sql.join(range, sql` and `)
}

function conditionsOf({ outcome, type, since, until }: RecordFilter): RawBuilder<boolean>[] {
  const conditions: RawBuilder<boolean>[] = []
  if (outcome) conditions.push(sql`i.outcome = ${outcome}`)
  if (type) conditions.push(sql`i.type = ${type}`)
  if (since) conditions.push(sql`i.date_created >= ${since}`)
  if (until) conditions.push(sql`i.date_created < ${until}`)
  return conditions
}

/** Whatever is known of an account's interaction, by its SID alone. */
export async function findRecord(
  store: Store,
  account_sid: string,
  sid: string,
): Promise<InteractionRecord | undefined> {
  const row = await store.db
    .selectFrom('services')
    .innerJoin('interactions', 'interactions.service_sid', 'services.sid')
    .selectAll('interactions')
    .where('services.account_sid', '=', account_sid)
    .where('interactions.sid', '=', sid)
    .executeTakeFirst()
  return row && (await describe(store, [row]))[0]
}

/** Rows with what they are told by, some at a time. */
export async function describe(store: Store, rows: Interaction[]): Promise<InteractionRecord[]> {
  const senders = await readSenders(store, rows)
  const facts = await readFacts(store, rows)
  return rows.map((row) => ({
    ...openInteraction(store, row),
    sender: senders.get(row.inbound_participant_sid ?? '') ?? openSender(store, row),
    verdict: verdictOf(row, facts(row)),
  }))
}

const openSender = ({ keys }: Store, { sid, sender_sealed }: Interaction) =>
  sender_sealed && keys.open(`${sid}/sender`, sender_sealed)

const distinct = (values: (string | null)[]) => [...new Set(values.filter((value) => value !== null))]
const servicesOf = (rows: Interaction[]) => distinct(rows.map(({ service_sid }) => service_sid))

async function readSenders(store: Store, rows: Interaction[]): Promise<Map<string, string>> {
  const sids = distinct(rows.map(({ inbound_participant_sid }) => inbound_participant_sid))
  if (sids.length === 0) return new Map()
  const found = await store.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', 'in', servicesOf(rows))
    .where('sid', 'in', sids)
    .execute()
  // Who was erased has no number any more.
  const known = found.filter(({ date_erased }) => date_erased === null)
  return new Map(known.map((row) => [row.sid, openParticipant(store, row).identifier]))
}

const TOLD_BY_EVENTS: ReadonlySet<Outcome> = new Set<Outcome>(['blocked', 'out-of-session', 'no-partner'])

async function readFacts(store: Store, rows: Interaction[]): Promise<(row: Interaction) => Facts> {
  const now = new Date()
  const events = await readEvents(
    store,
    rows.filter(({ outcome }) => TOLD_BY_EVENTS.has(outcome)),
  )
  const canceled = rows.filter(({ outbound_resource_status }) => outbound_resource_status === 'canceled')
  const { reasons, parted } = await readEnds(store, canceled)
  const limits = new Map<string, number>()
  for (const row of rows.filter(({ type }) => type === 'voice')) {
    const service = limits.has(row.service_sid) ? undefined : await serviceOf(store, row)
    if (service) limits.set(service.sid, callSettings(store, service).max_duration_s)
  }
  return (row) => ({
    now,
    events: events.filter(({ interaction_sid }) => interaction_sid === row.sid),
    closed_reason: reasons.get(row.session_sid ?? '') ?? null,
    is_parted: [row.inbound_participant_sid, row.outbound_participant_sid].some((sid) => {
      const date_deleted = parted.get(sid ?? '')
      return date_deleted !== undefined && date_deleted <= row.date_updated
    }),
    max_duration_s: limits.get(row.service_sid) ?? null,
  })
}

/** Of all of them together, oldest first. */
export async function readEvents({ db }: Store, rows: Interaction[]): Promise<Event[]> {
  if (rows.length === 0) return []
  const sids = rows.map(({ sid }) => sid)
  const events = db.selectFrom('events').selectAll().where('service_sid', 'in', servicesOf(rows))
  return await events.where('interaction_sid', 'in', sids).orderBy('sid').limit(MOST_LOOKED).execute()
}

/** How the sessions of what was canceled ended, and who in them was removed. */
async function readEnds({ db }: Store, rows: Interaction[]) {
  const sids = distinct(rows.map(({ session_sid }) => session_sid))
  const people = distinct(rows.flatMap((row) => [row.inbound_participant_sid, row.outbound_participant_sid]))
  if (sids.length === 0 || people.length === 0)
    return { reasons: new Map<string, null>(), parted: new Map<string, Date>() }
  const services = servicesOf(rows)
  const sessions = await db
    .selectFrom('sessions')
    .select(['sid', 'closed_reason', sql<boolean>`coalesce(expires_at <= now(), false)`.as('has_run_out')])
    .where('service_sid', 'in', services)
    .where('sid', 'in', sids)
    .execute()
  const removed = await db
    .selectFrom('participants')
    .select(['sid', 'date_deleted'])
    .where('service_sid', 'in', services)
    .where('sid', 'in', people)
    .execute()
  return {
    // One that ran out need not have been closed yet.
    reasons: new Map(
      sessions.map((row) => [row.sid, row.closed_reason ?? (row.has_run_out ? ('ttl' as const) : null)]),
    ),
    parted: new Map(removed.flatMap(({ sid, date_deleted }) => (date_deleted ? [[sid, date_deleted] as const] : []))),
  }
}
