import type { Leg } from '../core/calls.ts'
import { recordEvent } from '../core/events.ts'
import type { Store } from '../core/store.ts'
import type { Interaction } from '../db/schema.ts'

/** Our address for one purpose of a call: `dialled`, `leg`, `recording?kind=call`, … */
export const addressesOf = (store: Store, row: Leg & { carrier_sid: string }) => (purpose: string) =>
  `${store.rules.public_url}/webhooks/${row.carrier_sid}/calls/${row.service_sid}/${row.sid}/${purpose}`

/** The record of something that happened to a call. */
export const recordCallEvent = (
  store: Store,
  { account_sid, service_sid, session_sid, sid }: Interaction,
  event: Pick<Parameters<typeof recordEvent>[1], 'error_code' | 'values' | 'message'>,
) => recordEvent(store, { account_sid, service_sid, session_sid, interaction_sid: sid, ...event })
