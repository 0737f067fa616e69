import { askOutOfSession, type OutOfSessionDecision } from '../callbacks/out-of-session.ts'
import { outOfSessionParameters } from '../callbacks/parameters.ts'
import { authTokenOf } from '../core/accounts.ts'
import { autoCreateSession } from '../core/auto-create.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { ProxyError } from '../core/errors.ts'
import { recordEvent } from '../core/events.ts'
import { listMedia, mediaUrls, openBody } from '../core/interactions.ts'
import { hostMedia } from '../core/media.ts'
import {
  deleteOutOfSession,
  findHistory,
  finishOutOfSession,
  recordUnanswered,
  recordUnmatched,
  replyOutOfSession,
} from '../core/out-of-session.ts'
import { serviceOf } from '../core/services.ts'
import type { ClaimedInteraction } from '../db/statements/claim-interactions.ts'
import type { JobContext } from './context.ts'

const TIMEOUT_MS = 15_000

/** Asks the customer's application what to do with a message that belongs to no session, and does it. */
export async function handleOutOfSession(context: JobContext, claimed: ClaimedInteraction): Promise<void> {
  const { store } = context
  const service = await serviceOf(store, claimed)
  if (!service) return await deleteOutOfSession(store, claimed)

  const history = await findHistory(store, claimed)
  if (claimed.attempts === 1) await recordUnmatched(store, claimed, history)
  const { account_sid, service_sid, sid: interaction_sid } = claimed
  const about = { account_sid, service_sid, interaction_sid, session_sid: history?.session.sid }

  const decision = await ask(context, claimed, service.out_of_session_callback_url, history)
  if (decision.decision === 'nothing') {
    await recordUnanswered(store, claimed, history, { url: service.out_of_session_callback_url, ...decision })
    return await finishOutOfSession(store, claimed)
  }
  try {
    if (decision.decision === 'messages') {
      for (const { error_code, reason } of decision.warnings) {
        await recordEvent(store, { ...about, error_code, message: reason })
      }
      await replyOutOfSession(store, claimed, decision.messages)
    } else await autoCreateSession(store, service, claimed, decision.session)
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error
    await recordEvent(store, { ...about, error_code: error.code, message: error.message })
    await finishOutOfSession(store, claimed)
  }
}

async function ask(
  context: JobContext,
  claimed: ClaimedInteraction,
  url: string | null,
  history: Awaited<ReturnType<typeof findHistory>>,
): Promise<OutOfSessionDecision> {
  const { store, carriers, guard } = context
  const from = store.keys.open(`${claimed.sid}/sender`, claimed.sender_sealed ?? Buffer.alloc(0))
  const to = claimed.dialled_number ?? ''
  const carrier = (await carriers.find(claimed.carrier_sid))?.carrier
  if (carrier && url) await hostMedia(store, carrier, claimed)
  const urls = await mediaUrls(store, claimed)
  const types = claimed.num_media === 0 ? [] : (await listMedia(store, claimed)).filter((item) => item.state !== 'lost')
  const params = outOfSessionParameters(
    {
      account_sid: claimed.account_sid,
      resource_sid: claimed.inbound_resource_sid ?? '',
      from,
      to,
      body: openBody(store, claimed),
      media: urls.map((url, at) => ({ url, content_type: types[at]?.content_type ?? null })),
      num_segments: claimed.num_segments,
      geography: claimed.geography,
    },
    history,
  )
  const auth_token = await authTokenOf(store, claimed.account_sid)
  const idempotency_token = `${claimed.sid}-out-of-session`
  const question = { url, params, auth_token, idempotency_token, timeout_ms: TIMEOUT_MS, to, from }
  const { attempts, ...decision } = await askOutOfSession(question, guard)
  for (const attempt of attempts) {
    await recordAttempt(store, claimed, { kind: 'out-of-session', attempt: claimed.attempts, ...attempt })
  }
  return decision
}
