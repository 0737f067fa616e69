import { type Announcement, type CallReport, CarrierError } from '../../core/carrier.ts'
import { rejoinTwiml } from '../../twiml/rejoin.ts'
import { parseCallStatus, parseSeconds } from '../../twiml/requests.ts'
import { accountPath, type Connection, find, post, text } from './api.ts'

/** https://www.twilio.com/docs/voice/api/call-resource */
export async function findCall(connection: Connection, carrier_call_id: string): Promise<CallReport | undefined> {
  const call = await find(connection, accountPath(connection, 'Calls', carrier_call_id))
  if (!call) return undefined
  const state = parseCallStatus(text(call, 'status'))
  if (!state) throw new CarrierError('unknown', 'Twilio gave the call a status that is not known')
  return {
    carrier_call_id,
    ...state,
    duration_s: state.status === 'initiated' ? undefined : parseSeconds(text(call, 'duration')),
    error_code: undefined,
  }
}

/**
 * Nothing can be said into a running call, so the partner's leg is taken out of it, hears the announcement and waits in
 * a room. That ends the caller's `<Dial>`, whose action is answered with the same markup.
 */
export async function announce(connection: Connection, outbound_id: string, announcement: Announcement): Promise<void> {
  await post(connection, accountPath(connection, 'Calls', outbound_id), [['Twiml', rejoinTwiml(announcement)]])
}
