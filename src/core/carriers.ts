import type { CarrierRow } from '../db/schema.ts'
import { audit } from './audit.ts'
import type { Carrier } from './carrier.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/** Makes the adapter of a kind from its credentials. Throws an `Error` saying what is missing or wrong in them. */
export type CarrierFactory = (credentials: Record<string, string>, row: { sid: string; account_sid: string }) => Carrier

export type Carriers = {
  kinds: string[]
  /** The adapter of a stored carrier; undefined when there is none, or this server does not run its kind. */
  find(sid: string): Promise<{ carrier: Carrier; account_sid: string } | undefined>
  list(account_sid: string): Promise<{ sid: string; carrier: Carrier }[]>
}

/** Opens carriers as they are needed and keeps them: their credentials never change, a change is a new carrier. */
export function createCarriers(store: Store, factories: Record<string, CarrierFactory>): Carriers {
  const opened = new Map<string, { carrier: Carrier; account_sid: string }>()

  const open = (row: CarrierRow) => {
    const known = opened.get(row.sid)
    if (known) return known
    const factory = factories[row.kind]
    if (!factory) return undefined
    const credentials = JSON.parse(store.keys.open(`${row.sid}/credentials`, row.credentials_sealed))
    const entry = { carrier: factory(credentials, row), account_sid: row.account_sid }
    opened.set(row.sid, entry)
    return entry
  }

  return {
    kinds: Object.keys(factories),
    async find(sid) {
      const known = opened.get(sid)
      if (known) return known
      const row = await store.db.selectFrom('carriers').selectAll().where('sid', '=', sid).executeTakeFirst()
      return row && open(row)
    },
    async list(account_sid) {
      const rows = await listCarriers(store, account_sid)
      return rows.flatMap((row) => {
        const entry = open(row)
        return entry ? [{ sid: row.sid, carrier: entry.carrier }] : []
      })
    },
  }
}

export const listCarriers = (store: Store, account_sid: string) =>
  store.db.selectFrom('carriers').selectAll().where('account_sid', '=', account_sid).orderBy('sid').execute()

export async function addCarrier(
  store: Store,
  params: { account_sid: string; kind: string; friendly_name: string; credentials: Record<string, string> },
): Promise<CarrierRow> {
  const { credentials, ...rest } = params
  const sid = newSid('MC')
  const credentials_sealed = store.keys.seal(`${sid}/credentials`, JSON.stringify(credentials))
  return await inTransaction(store, async (trx) => {
    const { account_sid, kind } = rest
    await audit(trx, { action: 'carrier.create', account_sid, resource_sid: sid, details: { kind } })
    return await trx.db
      .insertInto('carriers')
      .values({ ...rest, sid, credentials_sealed })
      .returningAll()
      .executeTakeFirstOrThrow()
  })
}
