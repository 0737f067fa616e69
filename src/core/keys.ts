import { randomBytes } from 'node:crypto'
import { type Kysely, type Selectable, sql } from 'kysely'
import type { DataKeyTable, Schema } from '../db/schema.ts'
import { audit } from './audit.ts'
import { createKeyring, type DataKey, type Keyring, masterKeyId, SealError, unwrapKey, wrapKey } from './seal.ts'
import { inTransaction, type Store } from './store.ts'

/** `now` is the database's clock. */
export type DataKeyRow = Selectable<DataKeyTable> & { now: Date }

const PURPOSES = ['seal', 'index', 'digest'] as const

/** A new sealing key is used after so long: by then every server that runs knows it (`jobs/watch-keys.ts`). */
export const ACTIVE_AFTER_S = 30
/** And so long after that nobody needs it handed over any more. */
const HANDED_OVER_S = 600
/** The key id of a sealed value is a byte. */
const MAX_KEYS = 255

/** The master key does not open this database's keys. Nothing can be read or routed without them. */
export class WrongMasterKey extends Error {
  constructor(rows: DataKeyRow[], given: Buffer[]) {
    const [{ master_key_id, date_wrapped, date_created } = {}] = rows as [DataKeyRow?]
    const wasMoved = master_key_id && date_wrapped && date_created && date_wrapped > date_created
    const ours = given.map(masterKeyId).join(' and ')
    const which = wasMoved
      ? `The database was moved to master key ${master_key_id} on ${date_wrapped.toISOString()}; this is ${ours}. Give that one`
      : `${master_key_id ? `That is master key ${master_key_id}; this is ${ours}. ` : ''}Give the key this database was first started with`
    super(
      `The master key does not open the keys in this database. ${which} (MASKLINE_MASTER_KEY or ` +
        'MASKLINE_MASTER_KEY_FILE); there is no other way to read what is sealed.',
    )
  }
}

/** The key ring of this database; on its first start the data keys are made. Throws `WrongMasterKey`. */
export async function openKeyring(db: Kysely<Schema>, masterKeys: [Buffer, ...Buffer[]]): Promise<Keyring> {
  const rows = await db.transaction().execute(async (trx) => {
    // Several servers may start at once on an empty database; the keys are made once.
    await lockKeys(trx)
    const found = await readDataKeys(trx)
    const master_key_id = masterKeyId(masterKeys[0])
    if (found.length === 0) {
      const made = PURPOSES.map((purpose, at) => ({
        ...{ id: at + 1, purpose, master_key_id },
        wrapped: wrapKey(masterKeys[0], purpose, randomBytes(32)),
      }))
      await trx.insertInto('data_keys').values(made).execute()
      return await readDataKeys(trx)
    }
    // Keys of a version that did not name the master key yet.
    const opening = masterKeys.find((key) => opensAll(key, found))
    if (opening && found.some((row) => row.master_key_id === null))
      await trx
        .updateTable('data_keys')
        .set({ master_key_id: masterKeyId(opening) })
        .execute()
    return found
  })
  return openDataKeys(rows, masterKeys)
}

export const readDataKeys = (db: Kysely<Schema>): Promise<DataKeyRow[]> =>
  db.selectFrom('data_keys').selectAll().select(sql<Date>`now()`.as('now')).orderBy('id').execute()

/** The key ring of these rows, by whichever of the master keys opens all of them. Throws `WrongMasterKey`. */
export function openDataKeys(rows: DataKeyRow[], masterKeys: Buffer[]): Keyring {
  const opening = masterKeys.find((key) => opensAll(key, rows))
  if (!opening) throw new WrongMasterKey(rows, masterKeys)
  return createKeyring(
    rows.map((row) => ({ id: row.id, purpose: row.purpose as DataKey['purpose'], key: unwrap(opening, row) })),
    sealingKey(rows),
  )
}

const unwrap = (masterKey: Buffer, row: DataKeyRow) => unwrapKey(masterKey, row.purpose, row.wrapped)

function opensAll(masterKey: Buffer, rows: DataKeyRow[]): boolean {
  try {
    for (const row of rows) unwrap(masterKey, row)
    return true
  } catch (error) {
    if (error instanceof SealError) return false
    throw error
  }
}

/** The newest that is active. A database that is not migrated yet has one, and no date. */
const sealingKey = (rows: DataKeyRow[]) =>
  rows.findLast((row) => row.purpose === 'seal' && !(row.active_from > row.now))?.id

export type Rotated = { outcome: 'moved' | 'there already'; master_key_id: string; date_wrapped: Date }

/**
 * Wraps the data keys under another master key, all of them in one commit. Servers that run hold the data keys and notice
 * nothing. Asked again after it was done, it changes nothing and says so, so whoever does not know whether it was may.
 */
export async function rotateMasterKey(store: Store, masterKeys: Buffer[], next: Buffer): Promise<Rotated> {
  return await inTransaction(store, async (inside) => {
    await lockKeys(inside.db)
    const rows = await readDataKeys(inside.db)
    const master_key_id = masterKeyId(next)
    const [first] = rows
    if (first && opensAll(next, rows))
      return { outcome: 'there already', master_key_id, date_wrapped: first.date_wrapped }
    const current = masterKeys.find((key) => opensAll(key, rows))
    if (!current) throw new WrongMasterKey(rows, masterKeys)
    const date_wrapped = first?.now ?? new Date()
    for (const row of rows) {
      await inside.db
        .updateTable('data_keys')
        .set({ wrapped: wrapKey(next, row.purpose, unwrap(current, row)), master_key_id, date_wrapped })
        .where('id', '=', row.id)
        .execute()
    }
    await audit(inside, { action: 'master-key.rotate', details: { from: masterKeyId(current), to: master_key_id } })
    return { outcome: 'moved', master_key_id, date_wrapped }
  })
}

/** Makes another key to seal with, which all servers use from `active_from` on. What older ones sealed stays as it is. */
export async function rotateDataKey(store: Store, masterKeys: Buffer[]): Promise<{ id: number; active_from: Date }> {
  return await inTransaction(store, async (inside) => {
    await lockKeys(inside.db)
    const rows = await readDataKeys(inside.db)
    const current = masterKeys.find((key) => opensAll(key, rows))
    if (!current) throw new WrongMasterKey(rows, masterKeys)
    const [first] = rows
    const id = Math.max(...rows.map((row) => row.id)) + 1
    if (id > MAX_KEYS) throw new Error(`There are ${MAX_KEYS} data keys, and a sealed value cannot name another.`)
    const key = randomBytes(32)
    const active_from = new Date((first?.now ?? new Date()).getTime() + ACTIVE_AFTER_S * 1000)
    await inside.db
      .insertInto('data_keys')
      .values({
        ...{ id, purpose: 'seal', active_from, master_key_id: masterKeyId(current) },
        wrapped: wrapKey(current, 'seal', key),
        handed_over: store.keys.seal(handOverPlace(id), key),
      })
      .execute()
    await audit(inside, { action: 'data-key.rotate', details: { id } })
    return { id, active_from }
  })
}

/**
 * Brings the ring of a server that runs up to date: keys to seal with that were made since. Says which master key wraps them
 * all, and which keys it could not take over.
 */
export async function refreshKeyring({ db, keys }: Store): Promise<{ master_key_id: string | null; missed: number[] }> {
  const rows = await readDataKeys(db)
  const made = rows.filter((row) => row.purpose === 'seal' && !keys.has(row.id))
  const handed = made.flatMap(({ id, handed_over }) =>
    handed_over ? [{ id, purpose: 'seal' as const, key: keys.openBytes(handOverPlace(id), handed_over) }] : [],
  )
  keys.adopt(handed, sealingKey(rows))
  const isOver = (row: DataKeyRow) => row.active_from.getTime() < row.now.getTime() - HANDED_OVER_S * 1000
  if (rows.some((row) => row.handed_over && isOver(row))) {
    await db
      .updateTable('data_keys')
      .set({ handed_over: null })
      .where('active_from', '<', sql<Date>`now() - make_interval(secs => ${HANDED_OVER_S})`)
      .execute()
  }
  return {
    master_key_id: rows[0]?.master_key_id ?? null,
    missed: made.map(({ id }) => id).filter((id) => !keys.has(id)),
  }
}

const handOverPlace = (id: number) => `data_keys/${id}/handed_over`

const lockKeys = (db: Kysely<Schema>) => sql`select pg_advisory_xact_lock(hashtext('maskline data keys'))`.execute(db)
