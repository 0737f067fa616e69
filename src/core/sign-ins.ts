import { sql } from 'kysely'
import { audit } from './audit.ts'
import { isSid } from './sid.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * Who came in and who was refused, gathered in memory and written down now and then (`jobs/sign-ins.ts`), so that no request
 * waits for it: of credentials when they were last used and from where, at most once a minute; of refusals one entry a
 * minute for each name and address, with how many they were.
 */
export type SignIns = {
  used(sid: string, address: string): void
  refused(name: string, address: string): void
  /** `all` also what a minute has not passed for since the last time. */
  write(store: Store, which: 'due' | 'all'): Promise<void>
}

const MINUTE_MS = 60_000
const MOST_USED = 10_000
/** Names and addresses beyond these are counted together. */
const MOST_REFUSED = 1_000

/** `count` is how many there were since it was last written, in ms. */
type Entry = { name: string; address: string; at: number; count: number; written: number }

export function createSignIns(now: () => number = Date.now): SignIns {
  const uses = new Map<string, Entry>()
  const refusals = new Map<string, Entry>()
  return {
    used(sid, address) {
      if (uses.size < MOST_USED || uses.has(sid)) note(uses, sid, { name: sid, address, at: now() })
    },
    refused(given, from) {
      // What is no SID may be a number or a password that somebody typed in the wrong place.
      const name = isSid('AC', given) || isSid('SK', given) ? given : ''
      const isRoom = refusals.size < MOST_REFUSED || refusals.has(`${name} ${from}`)
      const who = isRoom ? { name, address: from } : { name: '', address: '' }
      note(refusals, `${who.name} ${who.address}`, { ...who, at: now() })
    },
    async write(store, which) {
      const before = which === 'all' ? Number.POSITIVE_INFINITY : now() - MINUTE_MS
      await writeUses(store, take(uses, before, now()))
      const due = take(refusals, before, now())
      try {
        for (; due[0]; due.shift()) await recordRefusal(store, due[0])
      } finally {
        // What could not be written is counted with what comes.
        for (const { name, address, count } of due) {
          const known = refusals.get(`${name} ${address}`)
          if (known) Object.assign(known, { count: known.count + count, written: 0 })
        }
      }
    },
  }
}

function note(entries: Map<string, Entry>, key: string, who: Pick<Entry, 'name' | 'address' | 'at'>) {
  const known = entries.get(key)
  if (known) Object.assign(known, who, { count: known.count + 1 })
  else entries.set(key, { ...who, count: 1, written: 0 })
}

/** What there is to write of those that were last written before; who had nothing for as long is forgotten. */
function take(entries: Map<string, Entry>, before: number, at: number): Entry[] {
  const taken: Entry[] = []
  for (const [key, entry] of entries) {
    if (entry.written > before) continue
    if (entry.count === 0) entries.delete(key)
    else {
      taken.push({ ...entry })
      Object.assign(entry, { count: 0, written: at })
    }
  }
  return taken
}

async function writeUses(store: Store, uses: Entry[]): Promise<void> {
  if (uses.length === 0) return
  // Of several servers each knows of its own minute only.
  await sql`
    insert into key_uses (sid, date_last_used, address)
    select * from unnest(${uses.map(({ name }) => name)}::text[], ${uses.map(({ at }) => new Date(at))}::timestamptz[],
                         ${uses.map(({ address }) => address)}::text[])
    on conflict (sid) do update set date_last_used = excluded.date_last_used, address = excluded.address
    where key_uses.date_last_used < excluded.date_last_used - interval '1 minute'`.execute(store.db)
}

async function recordRefusal(store: Store, { name, address, count }: Entry): Promise<void> {
  await inTransaction({ ...store, actor: { kind: 'unknown', origin: address || undefined } }, async (trx) => {
    const { account_sid } = (await findOwner(trx, name)) ?? {}
    await audit(trx, { action: 'sign-in.refuse', account_sid, resource_sid: name || undefined, details: { count } })
  })
}

async function findOwner({ db }: Store, name: string): Promise<{ account_sid: string } | undefined> {
  if (!name.startsWith('SK')) {
    return await db.selectFrom('accounts').select('sid as account_sid').where('sid', '=', name).executeTakeFirst()
  }
  return await db.selectFrom('api_keys').select('account_sid').where('sid', '=', name).executeTakeFirst()
}
