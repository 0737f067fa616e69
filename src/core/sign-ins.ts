import { sql } from 'kysely'
import type { Caller } from './accounts.ts'
import { audit, type Deed, SERVER } from './audit.ts'
import { isSid } from './sid.ts'
import { type Actor, inTransaction, type Store } from './store.ts'

/**
 * Who came in, and who or what was refused, gathered in memory and written down now and then (`jobs/sign-ins.ts`), so that
 * no request waits for it: of credentials when they were last used and from where, at most once a minute; of refusals one
 * entry a minute for each that are alike, with how many they were.
 */
export type SignIns = {
  used(sid: string, address: string): void
  /** For want of good credentials. */
  refused(name: string, address: string): void
  /** For want of a scope; `path` is the method and the template of the path. */
  forbidden(caller: Pick<Caller, 'account_sid' | 'kind' | 'sid'>, address: string, asked: Asked): void
  /** An address that no callback may reach, by the kind of it. */
  guarded(kind: string): void
  /** `all` also what a minute has not passed for since the last time. */
  write(store: Store, which: 'due' | 'all'): Promise<void>
}

type Asked = { path: string; scope: string }
type Refusal = { actor: Actor; deed: Deed }
/** `count` is how many there were since it was last written, in ms. */
type Counted<What> = { what: What; at: number; count: number; written: number }
type Use = { sid: string; address: string }

const MINUTE_MS = 60_000
const NAMED = ['AC', 'SK', 'US'] as const
const MOST_USED = 10_000
/** Those beyond are counted together, by what was done. */
const MOST_REFUSED = 1_000

const UNKNOWN: Actor = { kind: 'unknown' }

export function createSignIns(now: () => number = Date.now): SignIns {
  const uses = new Map<string, Counted<Use>>()
  const refusals = new Map<string, Counted<Refusal>>()
  const refuse = (key: string, what: Refusal) => {
    const { action } = what.deed
    const name = `${action} ${key}`
    if (refusals.size < MOST_REFUSED || refusals.has(name)) note(refusals, name, what, now())
    else note(refusals, action, { actor: UNKNOWN, deed: { action } }, now())
  }
  return {
    used(sid, address) {
      if (uses.size < MOST_USED || uses.has(sid)) note(uses, sid, { sid, address }, now())
    },
    refused(given, origin) {
      // What is no SID may be a number or a password that somebody typed in the wrong place.
      const name = NAMED.some((prefix) => isSid(prefix, given)) ? given : undefined
      const deed = { action: 'sign-in.refuse', resource_sid: name }
      refuse(`${name} ${origin}`, { actor: { kind: 'unknown', origin }, deed })
    },
    forbidden({ account_sid, kind, sid }, origin, { path, scope }) {
      const deed = { action: 'access.refuse', account_sid, details: { path, scope } }
      refuse(`${sid} ${origin} ${path} ${scope}`, { actor: { kind, sid, origin }, deed })
    },
    guarded(kind) {
      refuse(kind, { actor: SERVER, deed: { action: 'address.refuse', details: { kind } } })
    },
    async write(store, which) {
      const before = which === 'all' ? Number.POSITIVE_INFINITY : now() - MINUTE_MS
      await writeUses(store, [...take(uses, before, now()).values()])
      const due = take(refusals, before, now())
      try {
        for (const [key, refusal] of due) {
          await recordRefusal(store, refusal)
          due.delete(key)
        }
      } finally {
        // What could not be written is counted with what comes.
        for (const [key, { count }] of due) {
          const known = refusals.get(key)
          if (known) Object.assign(known, { count: known.count + count, written: 0 })
        }
      }
    },
  }
}

function note<What>(entries: Map<string, Counted<What>>, key: string, what: What, at: number) {
  const known = entries.get(key)
  if (known) Object.assign(known, { what, at, count: known.count + 1 })
  else entries.set(key, { what, at, count: 1, written: 0 })
}

/** What there is to write of those that were last written before; who had nothing for as long is forgotten. */
function take<What>(entries: Map<string, Counted<What>>, before: number, at: number): Map<string, Counted<What>> {
  const taken = new Map<string, Counted<What>>()
  for (const [key, entry] of entries) {
    if (entry.written > before) continue
    if (entry.count === 0) entries.delete(key)
    else {
      taken.set(key, { ...entry })
      Object.assign(entry, { count: 0, written: at })
    }
  }
  return taken
}

async function writeUses(store: Store, uses: Counted<Use>[]): Promise<void> {
  if (uses.length === 0) return
  // Of several servers each knows of its own minute only.
  await sql`
    insert into key_uses (sid, date_last_used, address)
    select * from unnest(${uses.map(({ what }) => what.sid)}::text[], ${uses.map(({ at }) => new Date(at))}::timestamptz[],
                         ${uses.map(({ what }) => what.address)}::text[])
    on conflict (sid) do update set date_last_used = excluded.date_last_used, address = excluded.address
    where key_uses.date_last_used < excluded.date_last_used - interval '1 minute'`.execute(store.db)
}

async function recordRefusal(store: Store, { what: { actor, deed }, count }: Counted<Refusal>): Promise<void> {
  await inTransaction({ ...store, actor }, async (trx) => {
    const owner = deed.resource_sid ? await findOwner(trx, deed.resource_sid) : undefined
    const account_sid = owner ? (owner.account_sid ?? undefined) : deed.account_sid
    await audit(trx, { ...deed, account_sid, details: { ...deed.details, count } })
  })
}

async function findOwner({ db }: Store, name: string): Promise<{ account_sid: string | null } | undefined> {
  if (name.startsWith('SK')) {
    return await db.selectFrom('api_keys').select('account_sid').where('sid', '=', name).executeTakeFirst()
  }
  if (name.startsWith('US')) {
    return await db.selectFrom('users').select('account_sid').where('sid', '=', name).executeTakeFirst()
  }
  return await db.selectFrom('accounts').select('sid as account_sid').where('sid', '=', name).executeTakeFirst()
}
