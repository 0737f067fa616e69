import type { Account, CarrierRow } from '../db/schema.ts'
import { audit } from './audit.ts'
import type { Carrier } from './carrier.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/** Makes the adapter of a kind from its credentials. Throws an `Error` saying what is missing or wrong in them. */
export type CarrierFactory = (credentials: Record<string, string>, row: { sid: string; account_sid: string }) => Carrier

type Found = { carrier: Carrier; account_sid: string; account_status: Account['status'] }

export type Carriers = {
  kinds: string[]
  /** The adapter of a stored carrier; undefined when there is none, or this server does not run its kind. */
  find(sid: string): Promise<Found | undefined>
  list(account_sid: string): Promise<{ sid: string; carrier: Carrier }[]>
}

/** Changed credentials, and a suspended account, are noticed everywhere within this time. */
const FRESH_MS = 5_000

/** Opens carriers as they are needed and keeps them, with their connections, as long as their credentials are the same. */
export function createCarriers(
  store: Store,
  factories: Record<string, CarrierFactory>,
  now: () => number = Date.now,
): Carriers {
  const opened = new Map<string, Found & { sealed: Buffer; until: number }>()
  const reading = new Map<string, Promise<Found | undefined>>()

  const open = (row: Awaited<ReturnType<typeof readCarriers>>[number]) => {
    const factory = factories[row.kind]
    if (!factory) return undefined
    const { account_sid, account_status, credentials_sealed: sealed } = row
    const known = opened.get(row.sid)
    const carrier = known?.sealed.equals(sealed) ? known.carrier : factory(openCredentials(store, row), row)
    const entry = { carrier, account_sid, account_status, sealed, until: now() + FRESH_MS }
    opened.set(row.sid, entry)
    return entry
  }
  const read = async (sid: string) => {
    const [row] = await readCarriers(store, 'sid', sid)
    return row && open(row)
  }

  return {
    kinds: Object.keys(factories),
    async find(sid) {
      const known = opened.get(sid)
      if (known && known.until > now()) return known
      // However many ask at this moment, it is read once.
      const shared = reading.get(sid) ?? read(sid).finally(() => reading.delete(sid))
      reading.set(sid, shared)
      return await shared
    },
    async list(account_sid) {
      const rows = await readCarriers(store, 'account_sid', account_sid)
      return rows.flatMap((row) => {
        const entry = open(row)
        return entry ? [{ sid: row.sid, carrier: entry.carrier }] : []
      })
    },
  }
}

const readCarriers = (store: Store, column: 'sid' | 'account_sid', sid: string) =>
  store.db
    .selectFrom('carriers as c')
    .innerJoin('accounts as a', 'a.sid', 'c.account_sid')
    .selectAll('c')
    .select('a.status as account_status')
    .where(`c.${column}`, '=', sid)
    .orderBy('c.sid')
    .execute()

const credentialsPlace = (sid: string) => `${sid}/credentials`

const openCredentials = (store: Store, { sid, credentials_sealed }: CarrierRow): Record<string, string> =>
  JSON.parse(store.keys.open(credentialsPlace(sid), credentials_sealed))

const sealCredentials = (store: Store, sid: string, credentials: Record<string, string>) =>
  store.keys.seal(credentialsPlace(sid), JSON.stringify(credentials))

export const listCarriers = (store: Store, account_sid: string) =>
  store.db.selectFrom('carriers').selectAll().where('account_sid', '=', account_sid).orderBy('sid').execute()

export async function addCarrier(
  store: Store,
  params: { account_sid: string; kind: string; friendly_name: string; credentials: Record<string, string> },
): Promise<CarrierRow> {
  const { credentials, ...rest } = params
  const sid = newSid('MC')
  const credentials_sealed = sealCredentials(store, sid, credentials)
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

/** Changes some of a carrier's credentials; an empty one goes. `check` throws when the rest does not do. False if there is no such carrier. */
export async function updateCarrier(
  store: Store,
  sid: string,
  changes: Record<string, string>,
  check: (kind: string, credentials: Record<string, string>) => void,
): Promise<boolean> {
  return await inTransaction(store, async (inside) => {
    const row = await inside.db.selectFrom('carriers').selectAll().where('sid', '=', sid).forUpdate().executeTakeFirst()
    if (!row) return false
    const merged = Object.entries({ ...openCredentials(store, row), ...changes }).filter(([, value]) => value !== '')
    const credentials = Object.fromEntries(merged)
    check(row.kind, credentials)
    await inside.db
      .updateTable('carriers')
      .set({ credentials_sealed: sealCredentials(store, sid, credentials) })
      .where('sid', '=', sid)
      .execute()
    const details = { credentials: Object.keys(changes).sort().join(', ') }
    await audit(inside, { action: 'carrier.update', account_sid: row.account_sid, resource_sid: sid, details })
    return true
  })
}
