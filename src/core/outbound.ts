import { sql } from 'kysely'
import type { Interaction, Session } from '../db/schema.ts'
import { moveLegStatement } from '../db/statements/move-leg.ts'
import {
  CALL_STATUSES,
  type CallReport,
  type CallStatus,
  MESSAGE_STATUSES,
  type MessageStatus,
  type StatusReport,
} from './carrier.ts'
import { CATALOGUE, type ErrorCode } from './errors.ts'
import { recordEvent } from './events.ts'
import { isSid, newSid } from './sid.ts'
import type { Store } from './store.ts'
import { logged } from './trace/leg-log.ts'

/**
 * Carriers repeat reports and deliver them out of order, so a leg only ever moves to a higher rank, the place in
 * MESSAGE_STATUSES or CALL_STATUSES: any order of any set of reports ends at the same status.
 */
const RANKS = { message: MESSAGE_STATUSES, voice: CALL_STATUSES } as const

export const supersededBy = (type: 'message' | 'voice', status: MessageStatus | CallStatus): string[] => {
  const rank: readonly string[] = RANKS[type]
  return rank.slice(0, rank.indexOf(status))
}

export type LegChange =
  | {
      status: MessageStatus
      carrier_message_id?: string
      resource_sid?: string | undefined
      error_code?: number | undefined
    }
  | (Omit<CallReport, 'answered'> & { type: 'voice' })

/**
 * Records what became of an interaction's outbound leg: where it stands now. Undefined when it is no leg of the carrier that
 * tells of it, which is not to be taken from an interaction's row: its `carrier_sid` is the one that brought the message.
 */
export async function moveLeg(
  store: Store,
  leg: { service_sid: string; sid: string; told_by?: string },
  change: LegChange,
): Promise<{ advances: boolean; status: string } | undefined> {
  const { status, error_code } = change
  const isCall = 'type' in change
  const id = isCall ? change.carrier_call_id : change.carrier_message_id
  const moved = await moveLegStatement(store.pool, {
    service_sid: leg.service_sid,
    sid: leg.sid,
    carrier_sid: leg.told_by ?? null,
    status,
    superseded: supersededBy(isCall ? 'voice' : 'message', status),
    carrier_leg_id: id ?? null,
    resource_sid: id ? (isCall ? callSid(id) : messageSid(change.resource_sid, id)) : null,
    error_code: error_code ?? null,
    callback_sid: newSid('CB'),
    ends: !isCall || status !== 'initiated',
    duration_s: (isCall && status === 'completed' ? change.duration_s : undefined) ?? null,
  })
  if (moved?.advances && error_code && error_code in CATALOGUE) {
    const { account_sid, session_sid } = moved
    const where = { account_sid, service_sid: leg.service_sid, session_sid, interaction_sid: leg.sid }
    await recordEvent(store, { ...where, error_code: error_code as ErrorCode })
  }
  return moved
}

const callSid = (id: string) => (isSid('CA', id) ? id : newSid('CA'))

/** The vendor's SID where the carrier's id is one; other carriers' messages get one of ours. */
const messageSid = (resource_sid: string | undefined, id: string) =>
  resource_sid ?? (isSid('SM', id) || isSid('MM', id) ? id : newSid('SM'))

/** Whether the database refused a carrier's id because another leg has it. */
export const isTakenByAnother = (error: unknown) =>
  (error as { constraint?: string }).constraint === 'interactions_carrier_id'

/** A carrier's report about a message we sent. False when we know of no such message: the carrier need not try again. */
export async function recordReport(
  store: Store,
  carrier_sid: string,
  leg: { service_sid: string; sid: string },
  report: StatusReport,
): Promise<boolean> {
  try {
    return (await moveLeg(store, { ...leg, told_by: carrier_sid }, report)) !== undefined
  } catch (error) {
    if (isTakenByAnother(error)) return false
    throw error
  }
}

/**
 * Cancels what is queued in a session and has not begun to leave: the session closed, or a participant was removed. Runs
 * in the transaction that does so and holds the session's row. A call that rings or talks has left.
 */
export async function cancelQueuedMessages(trx: Store, session: Session, participant_sid?: string): Promise<void> {
  let query = trx.db
    .updateTable('interactions')
    .set({
      outbound_resource_status: 'canceled',
      inbound_resource_status: sql`case when type = 'voice' then 'canceled' else inbound_resource_status end`,
      leg_log: logged('canceled'),
      stage: null,
      due_at: null,
      date_updated: sql`now()`,
    })
    .where('service_sid', '=', session.service_sid)
    .where('session_sid', '=', session.sid)
    .where('due_at', 'is not', null)
    .where('send_started_at', 'is', null)
  if (participant_sid) {
    query = query.where((is) =>
      is.or([
        is('inbound_participant_sid', '=', participant_sid),
        is('outbound_participant_sid', '=', participant_sid),
      ]),
    )
  }
  for (const interaction of await query.returningAll().execute()) await tellCanceled(trx, interaction)
}

async function tellCanceled(trx: Store, interaction: Interaction) {
  const service = await trx.db
    .selectFrom('services')
    .select('callback_url')
    .where('sid', '=', interaction.service_sid)
    .executeTakeFirst()
  if (!service?.callback_url) return
  await trx.db
    .insertInto('callbacks')
    .values({
      service_sid: interaction.service_sid,
      sid: newSid('CB'),
      account_sid: interaction.account_sid,
      interaction_sid: interaction.sid,
      url: service.callback_url,
      inbound_resource_status: interaction.inbound_resource_status,
      outbound_resource_status: interaction.outbound_resource_status,
      interaction_date_updated: interaction.date_updated,
      due_at: sql`now()`,
    })
    .execute()
}
