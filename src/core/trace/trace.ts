import type { Store } from '../store.ts'
import { type Candidate, readCandidates } from './candidates.ts'
import { findRecord, type InteractionRecord, readEvents } from './records.ts'
import { type Step, stepsOf, type Told } from './steps.ts'

/** Why an interaction reached whom it reached, or nobody: whoever could have been meant, and all that happened. */
export type Trace = { record: InteractionRecord; candidates: Candidate[]; steps: Step[]; callbacks: Told[] }

/** Of callbacks and of requests to the application, more than one interaction makes. */
const MOST = 500

export async function findTrace(store: Store, account_sid: string, sid: string): Promise<Trace | undefined> {
  const record = await findRecord(store, account_sid, sid)
  if (!record) return undefined
  const { service_sid } = record
  const candidates = await readCandidates(store, record)
  const events = await readEvents(store, [record])
  const callbacks = await store.db
    .selectFrom('callbacks')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('interaction_sid', '=', sid)
    .limit(MOST)
    .execute()
  const attempts = await store.db
    .selectFrom('callback_attempts')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('interaction_sid', '=', sid)
    .orderBy('sid')
    .limit(MOST)
    .execute()
  const told = callbacks
    .sort((one, other) => (one.sid < other.sid ? -1 : 1))
    .map((callback) => ({ ...callback, attempts_made: attempts.filter((made) => made.callback_sid === callback.sid) }))
  return {
    record,
    candidates,
    steps: stepsOf(record, { candidates, events, attempts, callbacks: told }),
    callbacks: told,
  }
}
