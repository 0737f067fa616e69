import { lastMinute } from '../calls/last-minute.ts'
import { callSettings } from '../core/call-settings.ts'
import { recordCallReport, watchAgain } from '../core/calls.ts'
import { type CallReport, type Carrier, CarrierError, LAST_MINUTE_S } from '../core/carrier.ts'
import { moveLeg } from '../core/outbound.ts'
import { WATCH_CALL_S } from '../core/relay.ts'
import { serviceOf } from '../core/services.ts'
import type { ClaimedInteraction } from '../db/statements/claim-interactions.ts'
import type { JobContext } from './context.ts'

/** How often a call that talks is looked after. */
const WATCH_TALK_S = 900

/**
 * Looks after a call: announces its last minute, and finds out what became of one whose end nobody told us. A carrier that
 * cannot be asked is asked again later.
 */
export async function lookAfterCall(context: JobContext, call: ClaimedInteraction): Promise<void> {
  const { store, carriers } = context
  const carrier = (await carriers.find(call.carrier_sid))?.carrier
  try {
    if (carrier && call.stage === 'announce') return await announce(context, carrier, call)
    const report = carrier && (await findOut(carrier, call))
    if (report?.status === 'initiated') return await watchAgain(store, call, 'send', WATCH_TALK_S)
    const isOfLeg = call.outbound_carrier_id || report?.carrier_call_id !== call.inbound_resource_sid
    const ids = { sid: call.carrier_sid, account_sid: call.account_sid }
    if (report && isOfLeg && (await recordCallReport(store, ids, call, report))) return
    // The caller hung up before there was a leg, or nobody knows of it any more.
    const status = call.outbound_carrier_id ? 'failed' : 'canceled'
    const unknown = { carrier_call_id: undefined, duration_s: undefined, error_code: undefined }
    await moveLeg(store, call, { type: 'voice', status, ...unknown })
  } catch (error) {
    if (!(error instanceof CarrierError)) throw error
    await watchAgain(store, call, 'send', WATCH_CALL_S)
  }
}

/** Without a leg that we have heard of, what became of the caller, or of a leg that was made all the same. */
const findOut = async (carrier: Carrier, call: ClaimedInteraction): Promise<CallReport | undefined> => {
  const id = call.outbound_carrier_id ?? call.inbound_resource_sid
  return id ? await carrier.findCall(id) : undefined
}

async function announce({ store }: JobContext, carrier: Carrier, call: ClaimedInteraction) {
  const { inbound_resource_sid: inbound_id, outbound_carrier_id: outbound_id } = call
  const service = await serviceOf(store, call)
  const settings = service && callSettings(store, service)
  if (!settings?.last_minute_announcement || !inbound_id || !outbound_id) {
    return await watchAgain(store, call, 'send', LAST_MINUTE_S)
  }
  // First the mark: the carrier asks where the caller is to go before it has answered us.
  await watchAgain(store, call, 'rejoin', LAST_MINUTE_S * 2)
  try {
    await carrier.announce({ inbound_id, outbound_id }, lastMinute(store, call, settings))
  } catch (error) {
    if (!(error instanceof CarrierError) || error.outcome !== 'unknown') throw error
    // It may have parted them all the same, and then the caller has still to be sent after the partner.
    await watchAgain(store, call, 'rejoin', LAST_MINUTE_S)
  }
}
