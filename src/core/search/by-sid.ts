import { sql } from 'kysely'
import { isSid, type SidPrefix } from '../sid.ts'
import type { Store } from '../store.ts'

/** Where something is that somebody has the SID of. */
export type Place = {
  kind: (typeof PLACE_KINDS)[number]
  sid: string
  service_sid: string | null
  session_sid: string | null
  participant_sid?: string | null
  interaction_sid?: string | null
}

export const PLACE_KINDS = [
  ...(['service', 'session', 'participant', 'interaction', 'phone-number', 'short-code'] as const),
  ...(['callback', 'event', 'recording', 'message', 'call'] as const),
] as const

type Row = Omit<Place, 'kind'>

/** By prefix: how it is found among all that services of the account have. */
const FINDERS: Partial<
  Record<SidPrefix, { kind: Place['kind']; find: (store: Store, account_sid: string, sid: string) => Promise<Row[]> }>
> = {
  KS: { kind: 'service', find: (store, account_sid, sid) => inServices(store, account_sid, sid, SERVICE) },
  KC: { kind: 'session', find: (store, account_sid, sid) => inServices(store, account_sid, sid, SESSION) },
  KP: { kind: 'participant', find: (store, account_sid, sid) => inServices(store, account_sid, sid, PARTICIPANT) },
  KI: { kind: 'interaction', find: (store, account_sid, sid) => inServices(store, account_sid, sid, INTERACTION) },
  RE: { kind: 'recording', find: (store, account_sid, sid) => inServices(store, account_sid, sid, RECORDING) },
  PN: { kind: 'phone-number', find: findNumber },
  SC: { kind: 'short-code', find: findNumber },
  CB: { kind: 'callback', find: (store, account_sid, sid) => ofAccount(store, account_sid, sid, 'callbacks') },
  NO: { kind: 'event', find: (store, account_sid, sid) => ofAccount(store, account_sid, sid, 'events') },
  SM: { kind: 'message', find: findAtCarrier },
  MM: { kind: 'message', find: findAtCarrier },
  CA: { kind: 'call', find: findAtCarrier },
}

/** Whether this is a SID at all, of whatever kind; as rows have it. */
export function parseSid(text: string): { prefix: SidPrefix; sid: string } | undefined {
  const sid = text.slice(0, 2).toUpperCase() + text.slice(2).toLowerCase()
  const prefix = sid.slice(0, 2) as SidPrefix
  return isSid(prefix, sid) && /^[A-Z]{2}/.test(sid) ? { prefix, sid } : undefined
}

/** Undefined when there is no such thing in the account, or none of its kind can be looked for. */
export async function findPlace(
  store: Store,
  account_sid: string,
  { prefix, sid }: { prefix: SidPrefix; sid: string },
): Promise<Place | undefined> {
  const finder = FINDERS[prefix]
  const [row] = finder ? await finder.find(store, account_sid, sid) : []
  return finder && row && { ...row, kind: finder.kind }
}

export const isFindable = (prefix: SidPrefix) => prefix in FINDERS

const SERVICE = sql`select null::text as session_sid where v.sid = `
const SESSION = sql`select x.sid as session_sid from sessions x where x.service_sid = v.sid and x.sid = `
const PARTICIPANT = sql`select x.session_sid, x.sid as participant_sid from participants x
  where x.service_sid = v.sid and x.sid = `
const INTERACTION = sql`select x.session_sid, x.sid as interaction_sid from interactions x
  where x.service_sid = v.sid and x.sid = `
const RECORDING = sql`select i.session_sid, i.sid as interaction_sid from recordings x
  join interactions i on i.service_sid = x.service_sid and i.sid = x.interaction_sid
  where x.service_sid = v.sid and x.delete_at is null and x.sid = `

/** A table whose key begins with the service is asked once for each that the account has. */
async function inServices(store: Store, account_sid: string, sid: string, look: typeof SERVICE): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select ${sid} as sid, v.sid as service_sid, found.*
    from services v, lateral (${look} ${sid}) found where v.account_sid = ${account_sid} limit 1`.execute(store.db)
  return rows
}

const ofAccount = async (store: Store, account_sid: string, sid: string, table: 'callbacks' | 'events') =>
  (
    await sql<Row>`
    select x.sid, nullif(x.service_sid, '') as service_sid, i.session_sid, x.interaction_sid
    from ${sql.table(table)} x left join interactions i on i.service_sid = x.service_sid and i.sid = x.interaction_sid
    where x.account_sid = ${account_sid} and x.sid = ${sid}`.execute(store.db)
  ).rows

async function findNumber({ db }: Store, account_sid: string, sid: string): Promise<Row[]> {
  const numbers = db.selectFrom('phone_numbers').select(['sid', 'service_sid']).where('account_sid', '=', account_sid)
  return (await numbers.where('sid', '=', sid).execute()).map((row) => ({ ...row, session_sid: null }))
}

/** By the carrier's own id, on either side. A SID that we gave instead of one is in no index. */
async function findAtCarrier(store: Store, account_sid: string, sid: string): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select ${sid} as sid, found.* from services v join carriers c using (account_sid), lateral (
      select i.service_sid, i.session_sid, i.sid as interaction_sid from interactions i
      where i.service_sid = v.sid and i.carrier_sid = c.sid and i.event_id = ${sid}
      union all
      select i.service_sid, i.session_sid, i.sid from interactions i
      where i.service_sid = v.sid and i.outbound_carrier_sid = c.sid and i.outbound_carrier_id = ${sid}
    ) found
    where account_sid = ${account_sid} limit 1`.execute(store.db)
  return rows
}
