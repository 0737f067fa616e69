import { authTokenOf } from '../core/accounts.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { mediaUrls, openInteraction, recordBlocked } from '../core/interactions.ts'
import type { Store } from '../core/store.ts'
import type { Interaction } from '../db/schema.ts'
import type { Guard } from './guard.ts'
import { interceptParameters } from './parameters.ts'
import { type Answer, type CallbackParams, post, presentAttempt } from './post.ts'

export type Intercept = { decision: 'blocked' | 'proceed'; answer: Answer }

/** A person is waiting; the vendor waits no longer for any answer. */
const MAX_TIMEOUT_MS = 15_000

/**
 * Asks the customer whether an interaction may go on. Only a 403 stops it: any other answer, and none at all, lets it
 * pass. Not asked twice.
 */
export async function askIntercept(
  question: { url: string; params: CallbackParams; auth_token: string; idempotency_token: string; timeout_ms: number },
  guard: Guard,
): Promise<Intercept> {
  const timeout_ms = Math.min(question.timeout_ms, MAX_TIMEOUT_MS)
  const answer = await post({ ...question, timeout_ms, reads: 'status' }, guard)
  const isBlocked = answer.outcome === 'answered' && answer.status_code === 403
  return { decision: isBlocked ? 'blocked' : 'proceed', answer }
}

/** The same for an interaction as its service wants it, with the attempt and a block on record. */
export async function intercept(
  context: { store: Store; guard: Guard },
  interaction: Interaction,
  timeout_ms: number,
): Promise<'blocked' | 'proceed'> {
  const { store, guard } = context
  const service = await store.db
    .selectFrom('services')
    .select('intercept_callback_url')
    .where('sid', '=', interaction.service_sid)
    .executeTakeFirst()
  const url = service?.intercept_callback_url
  if (!url) return 'proceed'
  const opened = { data: openInteraction(store, interaction).data, media_urls: await mediaUrls(store, interaction) }
  const question = {
    url,
    params: interceptParameters(interaction, opened),
    auth_token: await authTokenOf(store, interaction.account_sid),
    idempotency_token: `${interaction.sid}-intercept`,
    timeout_ms,
  }
  const { decision, answer } = await askIntercept(question, guard)
  await recordAttempt(store, interaction, { kind: 'intercept', attempt: 1, ...presentAttempt(url, answer) })
  if (decision === 'blocked') await recordBlocked(store, interaction)
  return decision
}
