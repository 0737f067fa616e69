import { callSettings } from '../core/call-settings.ts'
import { findCallInteraction, type Leg, recordCallReport } from '../core/calls.ts'
import type { CallReport, CallStatus, FinishedRecording } from '../core/carrier.ts'
import { recordEvent } from '../core/events.ts'
import { recordRecording } from '../core/recordings.ts'
import { serviceOf } from '../core/services.ts'
import type { Store } from '../core/store.ts'
import type { Interaction, Service } from '../db/schema.ts'
import { rejoinTwiml } from '../twiml/rejoin.ts'
import { addressesOf } from './addresses.ts'
import type { CallCarrier, CallContext } from './context.ts'
import { lastMinute } from './last-minute.ts'
import { hangUp, nothing, reject, voicemail, whisper } from './markup.ts'

/** What the carrier asks and tells while a call of ours goes on. */

/** The leg to the partner has a new status. What it is about may be unknown by now: the carrier need not say it again. */
export async function legReported(context: CallContext, carrier: CallCarrier, leg: Leg, report: CallReport) {
  if (await recordCallReport(context.store, carrier, leg, report)) context.wake('callbacks')
  else await recordUnknown(context, carrier)
  return nothing()
}

/** The dial is over; the caller is still there, perhaps. */
export async function dialled(context: CallContext, carrier: CallCarrier, leg: Leg, report: CallReport) {
  const { store } = context
  const found = await findOurs(store, carrier, leg)
  if (!found) return await unknownLeg(context, carrier)
  const { row, service } = found
  const settings = callSettings(store, service)
  // The partner is gone only for the announcement, and waits where the caller is sent now.
  if (row.stage === 'rejoin') return rejoinTwiml(lastMinute(store, row, settings))
  if (!(await recordCallReport(store, carrier, leg, report))) return await unknownLeg(context, carrier)
  context.wake('callbacks')
  return settings.voicemail && leavesMessage(report.status)
    ? voicemail(settings, addressesOf(store, row))
    : farewell(report.status)
}

const leavesMessage = (status: CallStatus) => status === 'busy' || status === 'no-answer' || status === 'failed'

const farewell = (status: CallStatus) => (status === 'busy' ? reject('busy') : hangUp())

/**
 * The partner has picked up: what is said before the two are brought together. Whether the call is recorded was settled
 * when it was dialled; the setting may be another by now.
 */
export async function greetPartner(
  { store }: CallContext,
  carrier: CallCarrier,
  leg: Leg,
  recording: 'recorded' | 'unrecorded',
) {
  const found = await findOurs(store, carrier, leg)
  return found ? whisper({ ...callSettings(store, found.service), recording: recording === 'recorded' }) : hangUp()
}

/** A recording is at the carrier. */
export async function recorded(
  context: CallContext,
  carrier: CallCarrier,
  leg: Leg,
  kind: 'call' | 'voicemail',
  recording: FinishedRecording | undefined,
) {
  const isKnown =
    !recording || (await recordRecording(context.store, { ...leg, carrier_sid: carrier.sid }, kind, recording))
  if (!isKnown) await recordUnknown(context, carrier)
  return nothing()
}

async function unknownLeg(context: CallContext, carrier: CallCarrier) {
  await recordUnknown(context, carrier)
  return hangUp()
}

const recordUnknown = ({ store }: CallContext, { account_sid }: CallCarrier) =>
  recordEvent(store, { error_code: 80907, account_sid })

/** A carrier speaks for its own calls only. */
async function findOurs(
  store: Store,
  carrier: CallCarrier,
  leg: Leg,
): Promise<{ row: Interaction; service: Service } | undefined> {
  const row = await findCallInteraction(store, leg)
  if (row?.carrier_sid !== carrier.sid) return undefined
  const service = await serviceOf(store, leg)
  return service && { row, service }
}

/** The row of a call whose customer's document wants something. */
export async function findGuided(store: Store, carrier: CallCarrier, leg: Leg): Promise<Interaction | undefined> {
  const row = await findCallInteraction(store, leg)
  return row?.carrier_sid === carrier.sid && row.outcome !== 'deleted' ? row : undefined
}
