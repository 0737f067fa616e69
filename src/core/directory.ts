import type { Store } from './store.ts'

/** Where a proxy number leads: one service of one account, through one carrier. */
export type DirectoryEntry = { service_sid: string; account_sid: string; carrier_sid: string; phone_number_sid: string }

/**
 * number → service, in memory, since every inbound event needs it first. An entry may be out of date when another server
 * moved the number; whoever finds it wrong asks again with `fresh`. Numbers in no pool are not kept.
 */
export type Directory = { find(phone_number: string, how?: 'cached' | 'fresh'): Promise<DirectoryEntry | undefined> }

const CACHED_NUMBERS = 100_000

export function createDirectory(store: Store): Directory {
  const entries = new Map<string, DirectoryEntry>()
  return {
    async find(phone_number, how = 'cached') {
      const known = how === 'cached' ? entries.get(phone_number) : undefined
      if (known) return known
      const row = await store.db
        .selectFrom('phone_numbers')
        .select(['service_sid', 'account_sid', 'carrier_sid', 'sid as phone_number_sid'])
        .where('phone_number', '=', phone_number)
        .where('service_sid', 'is not', null)
        .executeTakeFirst()
      if (entries.size >= CACHED_NUMBERS) entries.clear()
      if (!row) entries.delete(phone_number)
      else entries.set(phone_number, row as DirectoryEntry)
      return entries.get(phone_number)
    },
  }
}
