import assert from 'node:assert/strict'
import type { Service, Session, SessionMode } from '../db/schema.ts'
import { createSessionStatement } from '../db/statements/create-sessions.ts'
import { SERVER } from './audit.ts'
import { coolDownOf, type History, readHistories } from './cool-down.ts'
import { parseIdentifier } from './e164.ts'
import { ProxyError } from './errors.ts'
import { readPool } from './number-pools.ts'
import { rankNumbers } from './number-selection.ts'
import { numberRequest } from './pairs.ts'
import { type NewParticipant, participantRow } from './participants.ts'
import { countPairs } from './pool-groups.ts'
import type { RequestedStatus } from './session-state.ts'
import { newSid } from './sid.ts'
import { isRetryable, type Store } from './store.ts'

/**
 * Most sessions are plain: two people who are given the best numbers of a service that prefers what has cooled down. Such
 * a session takes two round trips, what is known of both people and the rows, and shares both with others that are
 * created at the same moment. Nothing is refused here. Whatever is not plain, or does not go smoothly, leaves nothing
 * behind and is done step by step in a transaction (`createSession`), which knows every rule and says what is wrong.
 */
export type NewSession = {
  unique_name?: string | undefined
  date_expiry?: Date | undefined
  ttl?: number | undefined
  mode?: SessionMode | undefined
  status?: RequestedStatus | undefined
  participants?: NewParticipant[] | undefined
}

/** A new session as it is asked for, before it begins. */
export const sessionRow = (service: Service, params: NewSession) => ({
  service_sid: service.sid,
  sid: newSid('KC'),
  account_sid: service.account_sid,
  unique_name: params.unique_name ?? null,
  status: params.status === 'in-progress' ? ('in-progress' as const) : ('open' as const),
  mode: params.mode ?? 'voice-and-message',
  ttl: params.ttl ?? service.default_ttl,
  date_expiry: params.date_expiry ?? null,
})

/** Undefined when this has to go the careful way. */
export async function createPlainly(store: Store, service: Service, params: NewSession): Promise<Session | undefined> {
  const { status = 'open', participants = [] } = params
  const isPlain = status !== 'closed' && coolDownOf(service).cool_down_mode === 'best-effort'
  if (!isPlain || store.db.isTransaction || participants.some(isNamed)) return undefined
  try {
    const session = sessionRow(service, params)
    const people = await giveNumbers(store, service, session, participants)
    return people && (await createSessionStatement(store.pool, { ...session, people, by: store.actor ?? SERVER }))
  } catch (error) {
    if (error instanceof ProxyError || isTaken(error) || isRetryable(error)) return undefined
    throw error
  }
}

const isNamed = ({ proxy_identifier, proxy_identifier_sid }: NewParticipant) =>
  Boolean(proxy_identifier || proxy_identifier_sid)

/** Somebody else was given the pair first. */
const isTaken = (error: unknown) => (error as { code?: unknown }).code === '23505'

async function giveNumbers(
  store: Store,
  service: Service,
  session: { sid: string; mode: SessionMode },
  participants: NewParticipant[],
) {
  if (participants.length === 0) return []
  const people = participants.map(({ identifier, friendly_name }) => {
    const person = parseIdentifier(identifier, store.rules.number_validation)
    const identifier_hash = store.keys.blindIndex(person.identifier)
    return { person, friendly_name, identifier: person.identifier, identifier_hash }
  })
  const [one, other] = people
  const isTwice = one && other?.identifier_hash.equals(one.identifier_hash)
  if (isTwice || people.some(({ person }) => person.channel)) return undefined

  const meetings = people.map((each) => ({ ...each, partner_hash: (each === one ? other : one)?.identifier_hash }))
  const histories = await readHistories(store, service, meetings)
  if (histories.some(({ is_own, outlived }) => is_own || outlived)) return undefined

  const pool = await readPool(store, service.sid)
  let partner: { proxy_identifier: string } | undefined
  return people.map(({ person, ...params }, at) => {
    const seeker = { person, history: histories[at] as History, partner }
    const [number] = rankNumbers(numberRequest(store, service, session.mode, seeker, pool))
    assert(number, 'a ranking is never empty')
    countPairs(pool, number.phone_number, 1)
    partner = { proxy_identifier: number.phone_number }
    return { ...participantRow(store, service, session, params), ...partner, proxy_identifier_sid: number.sid }
  })
}
