import type pg from 'pg'
import type { Session } from '../schema.ts'
import { keepTimestamp, typesWith } from '../timestamps.ts'
import { inBatches } from './batch.ts'

/**
 * Sessions as they are shown: without what only the server needs, and with dates as PostgreSQL wrote them wherever they have
 * only to be cut to be shown, since to read and write a date takes longer than all else about it.
 */
export type ShownSession = {
  [Column in Exclude<keyof Session, 'ttl_since' | 'expires_at'>]: Session[Column] extends Date | null
    ? Session[Column] | string
    : Session[Column]
}

const COLUMNS = `service_sid, sid, account_sid, unique_name, status, mode, ttl, date_expiry, date_started, date_ended,
  date_last_interaction, closed_reason, date_created, date_updated`

const types = typesWith(keepTimestamp)

/** The service that a path names, and the account that asks, which has to be its owner. */
export type SessionScope = { account_sid: string; service_sid: string }

type Found = ShownSession & { is_expired: boolean | null }

/** By SID, and whether it has run out by now: those asked for at the same moment in one round trip. */
export const findSessionStatement: (
  pool: pg.Pool,
  params: SessionScope & { sid: string },
) => Promise<Found | undefined> = inBatches({
  keyOf: ({ account_sid, service_sid }) => `${account_sid} ${service_sid}`,
  lanes: 2,
  most: 64,
  async run(client, calls) {
    const text = `select ${COLUMNS}, expires_at <= now() as is_expired from sessions
      where service_sid = $1 and account_sid = $2 and sid = any((select $3::text[])::text[])`
    const [{ service_sid, account_sid }] = calls
    const sids = [...new Set(calls.map(({ sid }) => sid))]
    const { rows } = await client.query<Found>({
      name: 'find-session',
      text,
      values: [service_sid, account_sid, sids],
      types,
    })
    const found = new Map(rows.map((row) => [row.sid, row]))
    return calls.map(({ sid }) => found.get(sid))
  },
})

export type SessionRange = { most: number; from: { after: string } | { before: string } | { skip: number } }

/**
 * Up to `most` sessions by SID, downwards before one and else upwards; none when the service is not the account's. How many is
 * part of the text: a plan for any number would be one for many. What is skipped is, too, and is not worth keeping a plan.
 */
export async function listSessionsStatement(
  pool: pg.Pool,
  { account_sid, service_sid }: SessionScope,
  { most, from }: SessionRange,
): Promise<ShownSession[]> {
  const [place, compare, order] =
    'before' in from ? [from.before, '<', 'desc'] : ['after' in from ? from.after : '', '>', 'asc']
  const skip = 'skip' in from ? from.skip : 0
  const text = `select ${COLUMNS} from sessions
    where service_sid = $1 and sid ${compare} $3
      and exists (select from services where sid = $1 and account_sid = $2)
    order by sid ${order} limit ${most} offset ${skip}`
  const name = skip === 0 ? { name: `list-sessions-${order}-${most}` } : {}
  const { rows } = await pool.query<ShownSession>({ ...name, text, values: [service_sid, account_sid, place], types })
  return rows
}
