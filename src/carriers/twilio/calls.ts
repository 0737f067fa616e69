import { type Announcement, type CallReport, CarrierError } from '../../core/carrier.ts'
import { rejoinTwiml } from '../../twiml/rejoin.ts'
import { parseCallStatus, parseSeconds } from '../../twiml/requests.ts'
import { accountPath, type Connection, type Fields, find, get, post, records, text } from './api.ts'

/**
 * https://www.twilio.com/docs/voice/api/call-resource. What became of a caller's own leg is what became of the latest one
 * that was dialled for it, when there is one: of its SID we may never have heard.
 */
export async function findCall(connection: Connection, carrier_call_id: string): Promise<CallReport | undefined> {
  const call = await find(connection, accountPath(connection, 'Calls', carrier_call_id))
  if (!call) return undefined
  const dialled = text(call, 'direction') === 'inbound' ? await findDialled(connection, carrier_call_id) : undefined
  return parseCall(dialled ?? call, dialled ? text(dialled, 'sid') : carrier_call_id)
}

async function findDialled(connection: Connection, parent: string): Promise<Fields | undefined> {
  const page = await get(connection, accountPath(connection, 'Calls'), [['ParentCallSid', parent]])
  const dateOf = (call: Fields) => Date.parse(text(call, 'date_created')) || 0
  return records(page, 'calls').sort((one, other) => dateOf(other) - dateOf(one))[0]
}

function parseCall(call: Fields, carrier_call_id: string): CallReport {
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
