import type { Guard } from '../callbacks/guard.ts'
import { statusParameters } from '../callbacks/parameters.ts'
import { type Answer, isAccepted, post, presentAttempt, reasonOf } from '../callbacks/post.ts'
import { authTokenOf } from '../core/accounts.ts'
import {
  claimCallbacks,
  findInteractionOf,
  recordAttempt,
  recordCallbackOutcome,
  retryAfter,
} from '../core/callbacks.ts'
import { errorMessage } from '../core/errors.ts'
import { recordEvent } from '../core/events.ts'
import { mediaUrls, openInteraction } from '../core/interactions.ts'
import type { Store } from '../core/store.ts'
import type { Callback } from '../db/schema.ts'
import type { JobContext } from './context.ts'
import { startWorker, type Worker } from './worker.ts'

const CONCURRENCY = 50
const TIMEOUT_MS = 15_000

export const startCallbackWorker = (context: Pick<JobContext, 'store' | 'guard' | 'log'>): Worker =>
  startWorker<Callback>({
    name: 'callbacks',
    concurrency: CONCURRENCY,
    claim: (limit) => claimCallbacks(context.store, limit),
    work: (callback) => sendCallback(context.store, context.guard, callback),
    log: context.log,
  })

async function sendCallback(store: Store, guard: Guard, callback: Callback): Promise<void> {
  const interaction = await findInteractionOf(store, callback)
  if (!interaction) return await recordCallbackOutcome(store, callback, 'given-up')
  const opened = { data: openInteraction(store, interaction).data, media_urls: await mediaUrls(store, interaction) }
  const answer = await post(
    {
      url: callback.url,
      params: statusParameters(interaction, callback, opened),
      auth_token: await authTokenOf(store, callback.account_sid),
      idempotency_token: callback.sid,
      timeout_ms: TIMEOUT_MS,
      reads: 'status',
    },
    guard,
  )
  const attempt = { kind: 'status', callback_sid: callback.sid, attempt: callback.attempts } as const
  await recordAttempt(store, interaction, { ...attempt, ...presentAttempt(callback.url, answer) })
  if (isAccepted(answer)) return await recordCallbackOutcome(store, callback, 'delivered')
  await recordFailure(store, callback, answer, interaction.session_sid)
}

/** A server that fails or cannot be reached may recover; one that refuses us has said its word. */
const mayRecover = (answer: Answer) =>
  answer.outcome === 'failed' || answer.status_code >= 500 || answer.status_code === 408 || answer.status_code === 429

async function recordFailure(store: Store, callback: Callback, answer: Answer, session_sid: string | null) {
  const retry_s = mayRecover(answer) ? retryAfter(callback.attempts, Math.random) : undefined
  await recordCallbackOutcome(store, callback, retry_s === undefined ? 'given-up' : { retry_s })
  if (callback.attempts > 1) return
  const { account_sid, service_sid, interaction_sid } = callback
  const where = { account_sid, service_sid, session_sid, interaction_sid }
  const message = `${errorMessage(80908, { url: callback.url })} ${reasonOf(answer)}`
  await recordEvent(store, { ...where, error_code: 80908, message })
}
