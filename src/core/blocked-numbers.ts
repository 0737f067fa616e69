import type { BlockedNumber, Service } from '../db/schema.ts'
import { audit } from './audit.ts'
import { logNumber, parseIdentifier } from './e164.ts'
import { type Page, type PageRequest, readPage } from './page.ts'
import { holdService } from './services.ts'
import { newSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * Who may neither text nor call into a service. They are looked for by the statement that takes a message or a call in, so a
 * change holds at once and on every server (`db/statements/relay-event.ts`). They are still called and written to.
 */
export type ListedNumber = Pick<BlockedNumber, 'sid' | 'account_sid' | 'service_sid' | 'date_created'> & {
  /** As logs show it. */
  masked: string
}

const blockedIn = (store: Store, service_sid: string) =>
  store.db.selectFrom('blocked_numbers').selectAll().where('service_sid', '=', service_sid)

/** Blocked twice, it is one. Throws 80404 for what is no number. */
export async function blockNumber(store: Store, service: Service, text: string): Promise<ListedNumber> {
  const { identifier } = parseIdentifier(text, store.rules.number_validation)
  return await inTransaction(store, async (trx) => {
    await holdService(trx, service)
    const sid = newSid('BN')
    const identifier_hash = trx.keys.blindIndex(identifier)
    const added = await trx.db
      .insertInto('blocked_numbers')
      .values({
        service_sid: service.sid,
        sid,
        account_sid: service.account_sid,
        identifier_sealed: trx.keys.seal(`${sid}/identifier`, identifier),
        identifier_hash,
      })
      .onConflict((same) => same.columns(['service_sid', 'identifier_hash']).doNothing())
      .returningAll()
      .executeTakeFirst()
    if (added) {
      const { account_sid, service_sid } = added
      await audit(trx, { action: 'blocked-number.create', account_sid, service_sid, resource_sid: sid })
      return maskedNumber(trx, added)
    }
    const known = blockedIn(trx, service.sid).where('identifier_hash', '=', identifier_hash)
    return maskedNumber(trx, await known.executeTakeFirstOrThrow())
  })
}

export async function listBlockedNumbers(
  store: Store,
  service: Service,
  page: PageRequest,
): Promise<Page<ListedNumber>> {
  const found = await readPage(blockedIn(store, service.sid), 'sid', page)
  return { ...found, rows: found.rows.map((row) => maskedNumber(store, row)) }
}

export async function findBlockedNumber(
  store: Store,
  service: Service,
  sid: string,
): Promise<ListedNumber | undefined> {
  const row = await blockedIn(store, service.sid).where('sid', '=', sid).executeTakeFirst()
  return row && maskedNumber(store, row)
}

/** False when it was not there. */
export async function unblockNumber(store: Store, service: Service, sid: string): Promise<boolean> {
  return await inTransaction(store, async (trx) => {
    const { numDeletedRows } = await trx.db
      .deleteFrom('blocked_numbers')
      .where('service_sid', '=', service.sid)
      .where('sid', '=', sid)
      .executeTakeFirst()
    if (numDeletedRows === 0n) return false
    const { account_sid, sid: service_sid } = service
    await audit(trx, { action: 'blocked-number.delete', account_sid, service_sid, resource_sid: sid })
    return true
  })
}

function maskedNumber(store: Store, { identifier_sealed, identifier_hash: _, ...row }: BlockedNumber): ListedNumber {
  return { ...row, masked: logNumber(store.keys.open(`${row.sid}/identifier`, identifier_sealed)) }
}
