import type { Guard } from './guard.ts'
import { type Answer, type CallbackParams, post } from './post.ts'

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
