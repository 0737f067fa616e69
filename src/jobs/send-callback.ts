import type { Guard } from '../callbacks/guard.ts'
import { statusParameters } from '../callbacks/parameters.ts'
import { type Answer, isAccepted, post, presentAttempt, reasonOf } from '../callbacks/post.ts'
import { createTokenOpener } from '../core/accounts.ts'
import { createCallbackHealth } from '../core/callback-health.ts'
import {
  claimCallbacks,
  giveUpCallback,
  hostOf,
  openInteractionOf,
  recordCallback,
  retryAfter,
} from '../core/callbacks.ts'
import { errorMessage } from '../core/errors.ts'
import { recordEvent } from '../core/events.ts'
import type { Store } from '../core/store.ts'
import type { ClaimedCallback } from '../db/statements/claim-callbacks.ts'
import { startCallbackHealth } from './callback-health.ts'
import type { JobContext } from './context.ts'
import { startWorker, type Worker } from './worker.ts'

const CONCURRENCY = 200
const MOST_OF_A_HOST = 100
const TIMEOUT_MS = 15_000

export function startCallbackWorker({ store, guard, log }: Pick<JobContext, 'store' | 'guard' | 'log'>): Worker {
  const open = createTokenOpener(store)
  const health = createCallbackHealth()
  const send = async (callback: ClaimedCallback, kind: 'callback' | 'probe') => {
    if (callback.is_put_off) return
    const auth_token = open(callback.account_sid, callback.auth_token_sealed)
    const outcome = await sendCallback(store, guard, callback, auth_token)
    if (outcome) health.note(callback, outcome === 'failed' && kind === 'probe' ? 'probe-failed' : outcome)
  }
  const worker = startWorker<ClaimedCallback>({
    name: 'callbacks',
    concurrency: CONCURRENCY,
    isPatient: true,
    queues: { of: ({ url }) => hostOf(url), most: MOST_OF_A_HOST },
    claim: (limit, busy_hosts) => claimCallbacks(store, { limit, busy_hosts, some_wait: health.someWait() }),
    work: (callback) => send(callback, 'callback'),
    log,
  })
  const looking = startCallbackHealth({ store, health, probe: (callback) => send(callback, 'probe'), log })
  return {
    wake: worker.wake,
    stop: async () => void (await Promise.all([worker.stop(), looking.stop()])),
  }
}

/** Whether the endpoint is in order, as far as this tells: undefined when there was nothing to send. */
async function sendCallback(store: Store, guard: Guard, callback: ClaimedCallback, auth_token: string) {
  const interaction = await openInteractionOf(store, callback)
  if (!interaction) return void (await giveUpCallback(store, callback))
  const { url } = callback
  const params = statusParameters(interaction, callback, interaction)
  const request = { url, params, auth_token, idempotency_token: callback.sid, timeout_ms: TIMEOUT_MS }
  const answer = await post({ ...request, reads: 'status' }, guard)
  if (isAccepted(answer)) await recordCallback(store, callback, presentAttempt(url, answer), 'delivered')
  else await recordFailure(store, callback, answer)
  return mayRecover(answer) ? 'failed' : 'answered'
}

/** A server that fails or cannot be reached may recover; one that refuses us has said its word. */
const mayRecover = (answer: Answer) =>
  answer.outcome === 'failed' || answer.status_code >= 500 || answer.status_code === 408 || answer.status_code === 429

async function recordFailure(store: Store, callback: ClaimedCallback, answer: Answer): Promise<void> {
  const { account_sid, service_sid, session_sid, interaction_sid, url, attempts } = callback
  const retry_s = mayRecover(answer) ? retryAfter(attempts, Math.random) : undefined
  const outcome = retry_s === undefined ? 'given-up' : { retry_s }
  await recordCallback(store, callback, presentAttempt(url, answer), outcome)
  if (attempts > 1) return
  const where = { account_sid, service_sid, session_sid, interaction_sid }
  const message = `${errorMessage(80908, { url })} ${reasonOf(answer)}`
  await recordEvent(store, { ...where, error_code: 80908, message })
}
