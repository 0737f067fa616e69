import type { CallbackAttemptRow } from '../db/schema.ts'
import {
  type ClaimedCallback,
  claimCallbacks as claimDue,
  claimProbe as claimOne,
} from '../db/statements/claim-callbacks.ts'
import { recordCallbackStatement } from '../db/statements/record-callback.ts'
import type { Endpoint } from './callback-health.ts'
import { interactionData, mediaUrls } from './interactions.ts'
import { newSid } from './sid.ts'
import type { Store } from './store.ts'

/**
 * Status callbacks: informational, at least once, tried again with growing pauses for about a day. The row is the promise;
 * it remembers the moment it tells about, and everything else is read from the interaction when it is sent.
 */
const RETRY_S = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800] as const

/** The pause after an attempt, with up to a fifth more or less; undefined when it was the last. */
export function retryAfter(attempt: number, random: () => number): number | undefined {
  const pause = RETRY_S[attempt - 1]
  return pause && pause * (0.8 + 0.4 * random())
}

/** Longer than one attempt may take. */
export const LEASE_S = 18

/** What waits for an endpoint is looked at this often, and made due at once when it answers; or else given up one day. */
const PUT_OFF_S = 900
const PATIENCE_S = 3 * 86_400

/**
 * Takes callbacks that are due. A host in `busy_hosts` has as much under way as it may: what is for it waits, so that one
 * that is slow does not hold up the others.
 */
export const claimCallbacks = (store: Store, params: { limit: number; busy_hosts: string[]; some_wait: boolean }) =>
  claimDue(store.pool, { ...params, lease_s: LEASE_S, put_off_s: PUT_OFF_S, patience_s: PATIENCE_S })

/** One that waits for an endpoint, unless another server has one under way. */
export const claimProbe = (store: Store, endpoint: Endpoint) => claimOne(store.pool, { ...endpoint, lease_s: LEASE_S })

/** As `claimCallbacks` reads it from an address. */
export const hostOf = (url: string) => url.split('/')[2] ?? ''

/** What a claimed callback tells of its interaction; undefined when that is gone, so that there is nothing left to tell. */
export async function openInteractionOf(store: Store, callback: ClaimedCallback) {
  const { type } = callback
  if (!type) return undefined
  const interaction = { ...callback, type, sid: callback.interaction_sid }
  return { ...interaction, data: interactionData(store, interaction), media_urls: await mediaUrls(store, interaction) }
}

export type CallbackOutcome = 'delivered' | 'given-up' | { retry_s: number }

/** An attempt at a callback, and what follows from it. */
export async function recordCallback(
  store: Store,
  callback: ClaimedCallback,
  answer: Omit<Attempt, 'kind' | 'url' | 'attempt'>,
  outcome: CallbackOutcome,
): Promise<void> {
  const { service_sid, account_sid, interaction_sid, url, attempts, type, data_sealed } = callback
  // Of a text that is gone by now no answer is kept that may repeat it.
  const is_brief = callback.is_brief || (type === 'message' && data_sealed === null)
  const { status_code, error, duration_ms, tries } = answer
  await recordCallbackStatement(store.pool, {
    ...{ service_sid, account_sid, interaction_sid, url, callback_sid: callback.sid, attempt: attempts },
    ...{ status_code, error, duration_ms, tries, ...sealResponse(store, { ...answer, is_brief }) },
    is_delivered: outcome === 'delivered',
    retry_s: typeof outcome === 'object' ? outcome.retry_s : null,
  })
}

/** Without an attempt, of which there is then none on record. */
export async function giveUpCallback(store: Store, callback: ClaimedCallback): Promise<void> {
  await store.db
    .updateTable('callbacks')
    .set({ due_at: null })
    .where('service_sid', '=', callback.service_sid)
    .where('sid', '=', callback.sid)
    .execute()
}

export type Attempt = {
  kind: 'intercept' | 'out-of-session'
  url: string
  attempt: number
  status_code: number | null
  error: string | null
  duration_ms: number
  /** Requests that were made at once. */
  tries: number
  /** How the answer begins, which may hold anything, and its media type. */
  response: string | null
  response_type: string | null
}

/** Under the SID of a new attempt. */
function sealResponse({ keys }: Store, answer: Pick<Attempt, 'response' | 'response_type'> & { is_brief: boolean }) {
  const sid = newSid('CB')
  const response = answer.is_brief ? null : answer.response
  const response_sealed = response === null ? null : keys.seal(`${sid}/response`, response)
  return { sid, response_sealed, response_type: answer.response_type }
}

export const openResponse = ({ keys }: Store, { sid, response_sealed }: CallbackAttemptRow): string | null =>
  response_sealed && keys.open(`${sid}/response`, response_sealed)

/** Every request to a customer's application is on record; those of callbacks by `recordCallback`. */
export async function recordAttempt(
  store: Store,
  about: { service_sid: string; account_sid: string; sid: string; is_brief: boolean },
  { response, response_type, ...attempt }: Attempt,
): Promise<void> {
  await store.db
    .insertInto('callback_attempts')
    .values({
      service_sid: about.service_sid,
      ...sealResponse(store, { response, response_type, is_brief: about.is_brief }),
      account_sid: about.account_sid,
      interaction_sid: about.sid,
      ...attempt,
    })
    .execute()
}
