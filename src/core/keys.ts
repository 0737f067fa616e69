import { randomBytes } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Schema } from '../db/schema.ts'
import { createKeyring, type DataKey, type Keyring, SealError, unwrapKey, wrapKey } from './seal.ts'

const PURPOSES = ['seal', 'index', 'digest'] as const

/** The master key does not open this database's keys. Nothing can be read or routed without them. */
export class WrongMasterKey extends Error {
  constructor() {
    super(
      'The master key does not open the keys in this database. Give the key this database was first started with ' +
        '(MASKLINE_MASTER_KEY or MASKLINE_MASTER_KEY_FILE); there is no other way to read what is sealed.',
    )
  }
}

/** The key ring of this database; on its first start the data keys are made. Throws `WrongMasterKey`. */
export async function openKeyring(db: Kysely<Schema>, masterKey: Buffer): Promise<Keyring> {
  const rows = await db.transaction().execute(async (trx) => {
    // Several servers may start at once on an empty database; the keys are made once.
    await sql`select pg_advisory_xact_lock(hashtext('maskline data keys'))`.execute(trx)
    const found = await trx.selectFrom('data_keys').selectAll().orderBy('id').execute()
    if (found.length > 0) return found
    const made = PURPOSES.map((purpose, at) => ({
      id: at + 1,
      purpose,
      wrapped: wrapKey(masterKey, purpose, randomBytes(32)),
    }))
    return await trx.insertInto('data_keys').values(made).returningAll().execute()
  })
  try {
    return createKeyring(
      rows.map((row) => ({
        id: row.id,
        purpose: row.purpose as DataKey['purpose'],
        key: unwrapKey(masterKey, row.purpose, row.wrapped),
      })),
    )
  } catch (error) {
    if (error instanceof SealError) throw new WrongMasterKey()
    throw error
  }
}
