import { intercept } from '../callbacks/intercept.ts'
import { callSettings } from '../core/call-settings.ts'
import { findByEvent, findCallee, findCallInteraction, recordRecorded } from '../core/calls.ts'
import type { InboundCall } from '../core/carrier.ts'
import { moveLeg } from '../core/outbound.ts'
import { relayCall, WATCH_CALL_S } from '../core/relay.ts'
import { serviceOf } from '../core/services.ts'
import type { Interaction } from '../db/schema.ts'
import { beginSend } from '../db/statements/begin-send.ts'
import { addressesOf } from './addresses.ts'
import type { CallCarrier, CallContext } from './context.ts'
import { connect, hangUp, reject } from './markup.ts'
import { answerOutOfSession } from './out-of-session.ts'

/**
 * A call comes in; the TwiML that answers it comes out. The caller waits, so everything happens now: the look-up and the
 * interaction in one statement, the intercept, the customer's answer for a stranger. A repeat of the same arrival is
 * answered from the row that the first one wrote.
 */
export async function answerCall(context: CallContext, carrier: CallCarrier, call: InboundCall): Promise<string> {
  const taken = await relayCall(context.store, context.directory, carrier, call)
  if (taken.outcome === 'unknown-number') return reject('rejected')
  if (taken.outcome !== 'duplicate') {
    const row = await findCallInteraction(context.store, { ...taken, sid: taken.interaction_sid })
    return row ? await answerAs(context, carrier, call, row) : hangUp()
  }
  const row = await findByEvent(context.store, taken.service_sid, carrier.sid, call.event_id)
  if (row && hasLeft(row)) {
    // Its leg has begun, so this is no repeat: somebody sent the call to us anew, and that is another interaction.
    return await answerCall(context, carrier, { ...call, event_id: `${call.event_id}/${row.sid}` })
  }
  return row ? await answerAs(context, carrier, call, row) : hangUp()
}

const hasLeft = ({ outcome, outbound_carrier_id }: Interaction) => outcome === 'relayed' && outbound_carrier_id !== null

async function answerAs(
  context: CallContext,
  carrier: CallCarrier,
  call: InboundCall,
  row: Interaction,
): Promise<string> {
  // One that ended without a leg was ended by us, and a repeat hears the same.
  if (row.outcome === 'relayed') return row.outbound_resource_status ? hangUp() : await putThrough(context, row)
  if (row.outcome !== 'out-of-session' && row.outcome !== 'no-partner') return reject('rejected')
  const answer = await answerOutOfSession(context, carrier, call, row)
  if (typeof answer === 'string') return answer
  // A session was made for this call, or found: it is relayed as if the session had been there.
  return await putThrough(context, answer.relayed)
}

/** The caller waits no longer than this for the customer's opinion. */
const MAX_INTERCEPT_MS = 5_000

async function putThrough(context: CallContext, row: Interaction): Promise<string> {
  const { store } = context
  if (row.stage === 'intercept') {
    const timeout_ms = Math.min(context.intercept_timeout_ms, MAX_INTERCEPT_MS)
    if ((await intercept(context, row, timeout_ms)) === 'blocked') return reject('rejected')
    if (!(await beginSend(store.pool, { ...row, lease_s: WATCH_CALL_S }))) {
      // A repeat of this arrival may have begun or blocked it meanwhile; else the session ended while the customer was asked.
      const now = await findCallInteraction(store, row)
      if (now?.outcome === 'blocked') return reject('rejected')
      if (now?.stage !== 'send') return await cancel(context, row)
    }
  }
  const callee = await findCallee(store, row)
  const service = callee && (await serviceOf(store, row))
  if (!service) return await cancel(context, row)
  if (callee.carrier_sid !== row.carrier_sid) return await refuse(context, row)
  const settings = callSettings(store, service)
  if (settings.recording) await recordRecorded(store, row)
  return connect(callee, settings, addressesOf(store, row))
}

async function cancel({ store, wake }: CallContext, row: Interaction) {
  await moveLeg(store, row, { type: 'voice', ...noLeg, status: 'canceled' })
  wake('callbacks')
  return hangUp()
}

/** The partner's number is another carrier's: this one could only show the caller's own, so it does not dial at all. */
async function refuse({ store, wake }: CallContext, row: Interaction) {
  await moveLeg(store, row, { type: 'voice', ...noLeg, status: 'failed', error_code: 80613 })
  wake('callbacks')
  return hangUp()
}

const noLeg = { carrier_call_id: undefined, duration_s: undefined, error_code: undefined }
