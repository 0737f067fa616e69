import { sql } from 'kysely'
import type { Interaction } from '../db/schema.ts'
import { IS_LIVE } from '../db/statements/live-session.ts'
import { callSettings } from './call-settings.ts'
import { type CallReport, LAST_MINUTE_S } from './carrier.ts'
import { recordEvent } from './events.ts'
import { isTakenByAnother, moveLeg } from './outbound.ts'
import { serviceOf } from './services.ts'
import type { Store } from './store.ts'

/** A call's interaction, found by what its webhooks name. */
export type Leg = { service_sid: string; sid: string }

export const findCallInteraction = (store: Store, { service_sid, sid }: Leg): Promise<Interaction | undefined> =>
  store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('sid', '=', sid)
    .where('type', '=', 'voice')
    .executeTakeFirst()

/** What an earlier arrival of the same event became. */
export const findByEvent = (store: Store, service_sid: string, carrier_sid: string, event_id: string) =>
  store.db
    .selectFrom('interactions')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('carrier_sid', '=', carrier_sid)
    .where('event_id', '=', event_id)
    .executeTakeFirst()

/**
 * Whom a relayed call rings, and what is shown there: read from the partner's row alone, and only while the session is live
 * and both are in it. `carrier_sid` has the number that is shown.
 */
export async function findCallee(
  store: Store,
  call: Interaction,
): Promise<{ identifier: string; proxy_identifier: string; carrier_sid: string } | undefined> {
  const callee = await store.db
    .selectFrom('participants as p')
    .innerJoin('phone_numbers as n', 'n.phone_number', 'p.proxy_identifier')
    .innerJoin('sessions as s', (join) =>
      join.onRef('s.service_sid', '=', 'p.service_sid').onRef('s.sid', '=', 'p.session_sid'),
    )
    .select(['p.sid', 'p.identifier_sealed', 'p.proxy_identifier', 'n.carrier_sid'])
    .where('p.service_sid', '=', call.service_sid)
    .where('p.sid', '=', call.outbound_participant_sid)
    .where('p.date_released', 'is', null)
    .where('n.service_sid', '=', call.service_sid)
    .where(sql<boolean>`${sql.raw(IS_LIVE)}`)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('participants as q')
          .select('q.sid')
          .where('q.service_sid', '=', call.service_sid)
          .where('q.sid', '=', call.inbound_participant_sid)
          .where('q.date_released', 'is', null),
      ),
    )
    .executeTakeFirst()
  if (!callee) return undefined
  const { sid, identifier_sealed, proxy_identifier, carrier_sid } = callee
  return { identifier: store.keys.open(`${sid}/identifier`, identifier_sealed), proxy_identifier, carrier_sid }
}

/**
 * What became of a call's outbound leg. False when it is no leg of this carrier. A report that contradicts the end we know
 * changes nothing and is on record as 80906; a repeat is silent.
 */
export async function recordCallReport(
  store: Store,
  carrier: { sid: string; account_sid: string },
  leg: Leg,
  report: CallReport,
): Promise<boolean> {
  const { answered, ...change } = report
  const moved = await moveLeg(store, { ...leg, told_by: carrier.sid }, { ...change, type: 'voice' }).catch((error) => {
    if (isTakenByAnother(error)) return undefined
    throw error
  })
  if (!moved) return false
  if (answered && report.status === 'initiated') await recordAnswered(store, leg)
  if (!moved.advances && report.status !== 'initiated' && moved.status !== report.status) {
    const { service_sid, sid: interaction_sid } = leg
    await recordEvent(store, { error_code: 80906, account_sid: carrier.account_sid, service_sid, interaction_sid })
  }
  return true
}

/** The talk has begun: its last minute is due to be announced, where the service wants that. */
async function recordAnswered(store: Store, leg: Leg) {
  const service = await serviceOf(store, leg)
  if (!service) return
  const { last_minute_announcement, max_duration_s } = callSettings(store, service)
  const wait_s = max_duration_s - LAST_MINUTE_S
  await store.db
    .updateTable('interactions')
    .set({
      answered_at: sql`now()`,
      ...(last_minute_announcement
        ? { stage: 'announce' as const, due_at: sql<Date>`now() + make_interval(secs => ${wait_s})` }
        : {}),
    })
    .where('service_sid', '=', leg.service_sid)
    .where('sid', '=', leg.sid)
    .where('stage', '=', 'send')
    .where('answered_at', 'is', null)
    .execute()
}

/** The call is recorded, and both are told so. */
export async function recordRecorded(store: Store, leg: Leg): Promise<void> {
  await store.db
    .updateTable('interactions')
    .set({ is_recorded: true })
    .where('service_sid', '=', leg.service_sid)
    .where('sid', '=', leg.sid)
    .execute()
}

/** Somebody looks after the call again in a while. */
export async function watchAgain(store: Store, leg: Leg, stage: 'send' | 'rejoin', wait_s: number): Promise<void> {
  await store.db
    .updateTable('interactions')
    .set({ stage, due_at: sql<Date>`now() + make_interval(secs => ${wait_s})` })
    .where('service_sid', '=', leg.service_sid)
    .where('sid', '=', leg.sid)
    .where('due_at', 'is not', null)
    .execute()
}
