import { askAboutCall } from '../callbacks/out-of-session.ts'
import { outOfSessionCallParameters } from '../callbacks/parameters.ts'
import { authTokenOf } from '../core/accounts.ts'
import { autoCreateSession, joinSession } from '../core/auto-create.ts'
import { recordAttempt } from '../core/callbacks.ts'
import { findCallInteraction } from '../core/calls.ts'
import type { InboundCall } from '../core/carrier.ts'
import { ProxyError } from '../core/errors.ts'
import { findHistory, recordUnanswered, recordUnmatched } from '../core/out-of-session.ts'
import { serviceOf } from '../core/services.ts'
import type { Interaction, Service } from '../db/schema.ts'
import { recordCallEvent } from './addresses.ts'
import type { CallCarrier, CallContext } from './context.ts'
import { handOn } from './hand-on.ts'
import { apologise, reject } from './markup.ts'

/** What the customer's application gets to answer, of the fifteen seconds that a carrier waits for everything. */
const TIMEOUT_MS = 8_000

/** The TwiML for a caller whom no session knows, or the row of a call that has one now. */
export async function answerOutOfSession(
  context: CallContext,
  carrier: CallCarrier,
  call: InboundCall,
  row: Interaction,
): Promise<string | { relayed: Interaction }> {
  const { store } = context
  const service = await serviceOf(store, row)
  if (!service) return reject('rejected')
  // The same arrival again, and the customer may have made the session meanwhile.
  if (await joinSession(store, service, row)) return await relayed(context, row)

  const history = await findHistory(store, row)
  await recordUnmatched(store, row, history)
  const decision = await ask(context, call, row, service, history)
  if (decision.decision === 'nothing') {
    const url = service.out_of_session_callback_url
    await recordUnanswered(store, row, history, { url, ...decision })
    return decision.error_code === 80905 ? reject('rejected') : apologise()
  }
  if (decision.decision === 'twiml') return await handOn(context, carrier, row, decision)
  try {
    await autoCreateSession(store, service, row, decision.session)
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error
    await recordCallEvent(store, row, { error_code: error.code, message: error.message })
    return error.code === 80911 ? reject('rejected') : apologise()
  }
  return await relayed(context, row)
}

async function relayed({ store }: CallContext, row: Interaction) {
  const now = await findCallInteraction(store, row)
  return now?.outcome === 'relayed' ? { relayed: now } : apologise()
}

async function ask(
  { store, guard }: CallContext,
  call: InboundCall,
  row: Interaction,
  service: Service,
  history: Awaited<ReturnType<typeof findHistory>>,
) {
  const { from, to, geography, details } = call
  const { account_sid, inbound_resource_sid, sid } = row
  const resource_sid = inbound_resource_sid ?? ''
  const question = {
    url: service.out_of_session_callback_url,
    params: outOfSessionCallParameters({ account_sid, resource_sid, from, to, geography, details }, history),
    auth_token: await authTokenOf(store, account_sid),
    idempotency_token: `${sid}-out-of-session`,
    timeout_ms: TIMEOUT_MS,
    to,
    from,
  }
  const { attempts, ...decision } = await askAboutCall(question, guard)
  for (const attempt of attempts) await recordAttempt(store, row, { kind: 'out-of-session', attempt: 1, ...attempt })
  return decision
}
