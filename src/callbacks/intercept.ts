import { authTokenOf } from '../core/accounts.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { errorMessage } from '../core/errors.ts'
import { mediaUrls, openInteraction, recordBlocked } from '../core/interactions.ts'
import { interceptFailureOf, serviceOf } from '../core/services.ts'
import type { Store } from '../core/store.ts'
import type { Interaction, InterceptFailure, Service } from '../db/schema.ts'
import type { Guard } from './guard.ts'
import { interceptParameters } from './parameters.ts'
import { type Answer, type CallbackParams, isAccepted, post, presentAttempt, reasonOf } from './post.ts'

export type Intercept = { decision: 'blocked' | 'proceed'; answer: Answer }

/** A person is waiting; the vendor waits no longer for any answer. */
const MAX_TIMEOUT_MS = 15_000

const BLOCKED = 403

type Question = {
  url: string
  params: CallbackParams
  auth_token: string
  idempotency_token: string
  timeout_ms: number
  failure: InterceptFailure
}

/**
 * Asks the customer whether an interaction may go on. Only a 403 stops it: any other answer, and none at all, lets it
 * pass. Where a failure blocks, only a complete 2xx lets it pass. Asked again only as the fragment of its address says.
 */
export async function askIntercept({ failure, ...question }: Question, guard: Guard): Promise<Intercept> {
  const timeout_ms = Math.min(question.timeout_ms, MAX_TIMEOUT_MS)
  const isLenient = failure === 'proceed'
  const answer = await post(
    { ...question, timeout_ms, reads: isLenient ? 'status' : 'body', final_status: BLOCKED },
    guard,
  )
  const passes = isLenient ? !isRefusal(answer) : isAccepted(answer)
  return { decision: passes ? 'proceed' : 'blocked', answer }
}

const isRefusal = (answer: Answer) => answer.outcome === 'answered' && answer.status_code === BLOCKED

/** The same for an interaction as its service wants it, with the attempt and a block on record. */
export async function intercept(
  context: { store: Store; guard: Guard },
  interaction: Interaction,
  timeout_ms: number,
  known?: Service,
): Promise<'blocked' | 'proceed'> {
  const { store, guard } = context
  const service = known ?? (await serviceOf(store, interaction))
  const url = service?.intercept_callback_url
  if (!url) return 'proceed'
  const opened = { data: openInteraction(store, interaction).data, media_urls: await mediaUrls(store, interaction) }
  const question = {
    url,
    params: interceptParameters(interaction, opened),
    auth_token: await authTokenOf(store, interaction.account_sid),
    idempotency_token: `${interaction.sid}-intercept`,
    timeout_ms,
    failure: interceptFailureOf(service),
  }
  const { decision, answer } = await askIntercept(question, guard)
  await recordAttempt(store, interaction, { kind: 'intercept', attempt: 1, ...presentAttempt(url, answer) })
  if (decision === 'proceed') return decision
  await recordBlocked(store, interaction, isRefusal(answer) ? undefined : failure(url, answer))
  return decision
}

const failure = (url: string, answer: Answer) => ({
  by: 'customer' as const,
  error_code: 11200 as const,
  message: `${errorMessage(11200, { url })} ${reasonOf(answer)} So the interaction was blocked, as InterceptFailure says.`,
})
