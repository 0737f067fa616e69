import { hostname } from 'node:os'
import { newSid } from './sid.ts'
import type { Actor, Store } from './store.ts'

/** What was done. `action` is the resource and what became of it, such as `session.close`; details hold no personal data. */
export type Deed = {
  action: string
  account_sid?: string | undefined
  service_sid?: string | undefined
  resource_sid?: string | undefined
  details?: Record<string, string | number | boolean | null>
}

/** What happens by itself, whoever's request comes across it. */
export const SERVER: Actor = { kind: 'server', origin: hostname() }

/** The store as somebody uses it: what is written down with it names them. */
export const actingAs = (store: Store, actor: Actor): Store => ({ ...store, actor })

/** Puts a deed on record, within the transaction of `store` if it is in one, by whoever the store acts for. */
export async function audit(
  store: Pick<Store, 'db' | 'actor'>,
  { action, details = {}, ...deed }: Deed,
): Promise<void> {
  const { kind, sid, origin, request_sid } = store.actor ?? SERVER
  await store.db
    .insertInto('audit_pending')
    .values({
      sid: newSid('AU'),
      account_sid: deed.account_sid ?? null,
      actor: kind,
      actor_sid: sid ?? null,
      origin: origin ?? null,
      request_sid: request_sid ?? null,
      action,
      service_sid: deed.service_sid ?? null,
      resource_sid: deed.resource_sid ?? null,
      details: JSON.stringify(details),
    })
    .execute()
}

/** For the details of a change: the names of what was given, and never what. */
export const namesOf = (changes: object): string =>
  Object.entries(changes)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name)
    .sort()
    .join(' ')
