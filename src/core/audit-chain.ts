import assert from 'node:assert/strict'
import { type RawBuilder, sql } from 'kysely'
import { audit, SERVER } from './audit.ts'
import type { Keyring } from './seal.ts'
import { type Db, inTransaction, type Store } from './store.ts'

/**
 * The audit log is a chain: each entry's seal is a keyed digest of the seal before it, its position and all that it says, so
 * that whoever can write to the database, but has not the keys, cannot change, add, remove or reorder entries unseen. Deeds
 * become entries in the order in which they are found, since what begins earlier may commit later. Two ends stand beside the
 * entries: the last one, and the last one that was purged.
 */
export type End = { position: number; seal: Buffer }

export const NO_SEAL = Buffer.alloc(32)

/** What an entry says, as a text that the database makes the same of the same values wherever they stand. */
export const CONTENT = `jsonb_build_array(sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid,
  resource_sid, details, (extract(epoch from date_created) * 1000000)::bigint)::text`

export const sealOf = (keys: Keyring, previous: Buffer, position: number, content: string) =>
  keys.chain(previous, `${position} ${content}`)

/** Nobody could tell an end that was moved back from a true one, if it were not for its proof. */
export const proofOf = (keys: Keyring, place: 'start' | 'head', { position, seal }: End) =>
  keys.chain(seal, `${place} ${position}`)

/** In one transaction. */
const BATCH = 2_000

/** Makes entries of the deeds that are there; does nothing while somebody else is at it. Returns how many. */
export async function chainDeeds(store: Store): Promise<number> {
  let many = 0
  // Where the last batch was taken from there is nothing left but what a vacuum has to look at.
  for (let after = '(0,0)'; ; ) {
    const some = await inTransaction(store, (trx) => chainSome(trx, after))
    many += some.length
    if (some.length < BATCH) return many
    after = some.at(-1) ?? after
  }
}

/** Gives the places of the deeds it took. */
async function chainSome(trx: Store, after: string): Promise<string[]> {
  if (!(await isMyTurn(trx))) return []
  const found = await sql<{ at: string; sid: string; content: string }>`
    select ctid::text as at, sid, ${sql.raw(CONTENT)} as content
    from audit_pending where ctid > ${after}::tid limit ${BATCH}`.execute(trx.db)
  const deeds = found.rows.toSorted((one, other) => (one.sid < other.sid ? -1 : 1))
  if (deeds.length === 0) return []
  let { position, seal } = await findTail(trx)
  const links = deeds.map(({ at, content }) => {
    position += 1
    seal = sealOf(trx.keys, seal, position, content)
    return { at, position, seal }
  })
  const moved = await sql`
    with link as (select * from unnest(${links.map(({ at }) => at)}::text[]::tid[],
        ${links.map((link) => link.position)}::bigint[], ${links.map((link) => link.seal)}::bytea[]) as l (at, position, seal)),
    deed as (delete from audit_pending where ctid = any(array(select at from link)) returning ctid as at, audit_pending.*)
    insert into audit_entries (position, seal, sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid,
                               resource_sid, details, date_created)
    select l.position, l.seal, d.sid, d.account_sid, d.actor, d.actor_sid, d.origin, d.request_sid, d.action, d.service_sid,
           d.resource_sid, d.details, d.date_created
    from deed d join link l on l.at = d.at`.execute(trx.db)
  // Nobody else takes them away; if somebody did, a gap would be our own.
  assert.equal(moved.numAffectedRows, BigInt(deeds.length))
  await moveEnd(trx, 'head', { position, seal })
  return found.rows.map(({ at }) => at)
}

const isMyTurn = async ({ db }: Store) =>
  (
    await sql<{
      is_mine: boolean
    }>`select pg_try_advisory_xact_lock(hashtext('maskline audit log')) as is_mine`.execute(db)
  ).rows[0]?.is_mine ?? false

/**
 * What the next entry follows. Where the head is not what we left there, as after somebody cut the log and moved it back, a
 * position is left out: that gap stays to be seen, and the chain goes on.
 */
async function findTail(trx: Store): Promise<End> {
  const { head } = await readEnds(trx.db)
  const last = await trx.db
    .selectFrom('audit_entries')
    .select('position')
    .orderBy('position', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!head && !last) return { position: 0, seal: NO_SEAL }
  const position = Math.max(head?.position ?? 0, Number(last?.position ?? 0))
  const isTrue = head && proofOf(trx.keys, 'head', head).equals(head.proof)
  return { position: isTrue ? position : position + 1, seal: head?.seal ?? NO_SEAL }
}

export type Ends = { start?: End & { proof: Buffer }; head?: End & { proof: Buffer } }

export async function readEnds(db: Db): Promise<Ends> {
  const rows = await db.selectFrom('audit_ends').selectAll().execute()
  return Object.fromEntries(rows.map(({ place, position, ...end }) => [place, { ...end, position: Number(position) }]))
}

/** The end of the chain, to be kept elsewhere: without it nobody knows of entries that were cut off. */
export async function findHead(store: Store): Promise<End> {
  return (await readEnds(store.db)).head ?? { position: 0, seal: NO_SEAL }
}

async function moveEnd(trx: Store, place: 'start' | 'head', end: End): Promise<void> {
  const changes = { position: String(end.position), seal: end.seal, proof: proofOf(trx.keys, place, end) }
  await trx.db
    .insertInto('audit_ends')
    .values({ place, ...changes })
    .onConflict((known) => known.column('place').doUpdateSet(changes))
    .execute()
}

/** Deletes entries from the first on that are older than this, up to some thousand; what follows can still be verified. */
export async function purgeAuditLog(store: Store, days: number): Promise<number> {
  if (days === 0) return 0
  return await inTransaction({ ...store, actor: SERVER }, async (trx) => {
    if (!(await isMyTurn(trx))) return 0
    const old: RawBuilder<boolean> = sql<boolean>`date_created < now() - make_interval(days => ${days})`
    const first = await trx.db
      .selectFrom('audit_entries')
      .select(['position', 'seal', old.as('is_old')])
      .orderBy('position')
      .limit(BATCH)
      .execute()
    const kept = first.findIndex(({ is_old }) => !is_old)
    const gone = kept < 0 ? first : first.slice(0, kept)
    const last = gone.at(-1)
    if (!last) return 0
    await trx.db.deleteFrom('audit_entries').where('position', '<=', last.position).execute()
    await moveEnd(trx, 'start', { position: Number(last.position), seal: last.seal })
    await audit(trx, { action: 'audit-log.purge', details: { entries: gone.length, through: Number(last.position) } })
    return gone.length
  })
}
