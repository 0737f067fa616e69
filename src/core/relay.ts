import { randomBytes } from 'node:crypto'
import { type RelayParams, type RelayRow, relayEventStatement } from '../db/statements/relay-event.ts'
import type { InboundCall, InboundMessage } from './carrier.ts'
import type { Directory, DirectoryEntry } from './directory.ts'
import { recordEvent } from './events.ts'
import { digestOf, isFlood, noteMessage, type Sending } from './flood.ts'
import { bareType } from './media.ts'
import { newSid } from './sid.ts'
import type { Store } from './store.ts'

/**
 * An inbound message or call in; what becomes of it out. The decision and everything that follows from it is one statement and
 * one commit (`db/statements/relay-event.ts`); sending, asking and telling come later, from the row it wrote.
 */
export type Relay =
  | {
      outcome: 'relayed' | 'out-of-session' | 'no-partner' | 'opt-out' | 'mode-mismatch' | 'blocked'
      service_sid: string
      interaction_sid: string
    }
  | { outcome: 'duplicate'; service_sid: string }
  | { outcome: 'unknown-number' }

/**
 * Whole messages that carriers take as opting out. They are not forwarded; START, YES, HELP and the like are.
 * https://www.twilio.com/docs/proxy/opt-out-keywords
 */
const OPT_OUT = new Set([
  'STOP',
  'UNSUBSCRIBE',
  'END',
  'CANCEL',
  'QUIT',
  'STOPALL',
  'ARRETT',
  'ARRET',
  'ARRETE',
  'UNSTOP',
])

export const isOptOut = (body: string) => OPT_OUT.has(body.trim().toUpperCase())

/** Takes a message that `carrier` brought. When this resolves it is on disk; when it throws nothing happened. */
export async function relayMessage(
  store: Store,
  directory: Directory,
  carrier: CarrierIds,
  message: InboundMessage,
): Promise<Relay> {
  const interaction_sid = newSid('KI')
  return await relay(store, directory, carrier, {
    ...eventParams(store, interaction_sid, message),
    type: 'message',
    digest: message.media.length > 0 ? 0 : digestOf(message.body),
    watch_s: 0,
    resource_sid: message.resource_sid ?? newSid(message.media.length > 0 ? 'MM' : 'SM'),
    data_sealed: store.keys.seal(`${interaction_sid}/data`, message.body),
    num_media: message.media.length,
    num_segments: message.num_segments,
    is_opt_out: isOptOut(message.body),
    media: message.media.map(({ url, content_type }, position) => ({
      // Attachments are fetched later; their addresses are kept sealed, each under a token nobody can guess.
      token: randomBytes(16).toString('hex'),
      source_url_sealed: store.keys.seal(`${interaction_sid}/media/${position}`, url),
      content_type: bareType(content_type),
    })),
  })
}

/** How soon somebody looks after a call, and how often again while it lasts. */
export const WATCH_CALL_S = 120

/** Takes a call, as `relayMessage` a message. Answering it is for whoever took it (`calls/answer.ts`). */
export async function relayCall(
  store: Store,
  directory: Directory,
  carrier: CarrierIds,
  call: InboundCall,
): Promise<Relay> {
  return await relay(store, directory, carrier, {
    ...eventParams(store, newSid('KI'), call),
    type: 'voice',
    digest: 0,
    watch_s: WATCH_CALL_S,
    resource_sid: call.resource_sid ?? newSid('CA'),
    data_sealed: null,
    num_media: 0,
    num_segments: 1,
    is_opt_out: false,
    media: [],
  })
}

type CarrierIds = { sid: string; account_sid: string }
type Event = Omit<RelayParams, 'service_sid' | 'carrier_sid' | 'is_flood'> & Pick<Sending, 'digest'>

const eventParams = (store: Store, interaction_sid: string, event: InboundMessage | InboundCall) => ({
  interaction_sid,
  event_id: event.event_id,
  proxy_identifier: event.to,
  identifier_hash: store.keys.blindIndex(event.from),
  sender_sealed: store.keys.seal(`${interaction_sid}/sender`, event.from),
  geography: event.geography,
})

async function relay(store: Store, directory: Directory, carrier: CarrierIds, event: Event): Promise<Relay> {
  const number = event.proxy_identifier.slice(event.proxy_identifier.indexOf(':') + 1)
  const cached = await findNumber(directory, carrier, number, 'cached')
  const first = cached && (await relayIn(store, cached, carrier, event))
  if (first) return first
  // Not there: another server may have moved the number meanwhile.
  const fresh = await findNumber(directory, carrier, number, 'fresh')
  const second = fresh && (await relayIn(store, fresh, carrier, event))
  if (second) return second
  await recordEvent(store, { error_code: 80905, account_sid: carrier.account_sid })
  return { outcome: 'unknown-number' }
}

/** A carrier speaks for its own numbers only: no other may bring messages for them. */
async function findNumber(directory: Directory, carrier: { sid: string }, number: string, how: 'cached' | 'fresh') {
  const entry = await directory.find(number, how)
  return entry?.carrier_sid === carrier.sid ? entry : undefined
}

async function relayIn(
  store: Store,
  { service_sid }: DirectoryEntry,
  carrier: CarrierIds,
  event: Event,
): Promise<Relay | undefined> {
  const { digest, ...params } = event
  const sending = { sender: event.identifier_hash, to: event.proxy_identifier, digest }
  const is_flood = event.type === 'message' && isFlood(store, sending)
  const row = await relayEventStatement(store.pool, { ...params, is_flood, service_sid, carrier_sid: carrier.sid })
  if (!row) return undefined
  if (!row.is_new) return { outcome: 'duplicate', service_sid }
  const flood = event.type === 'message' ? noteMessage(store, sending, { ...row, is_flood }) : undefined
  if (row.outcome !== 'blocked') await recordOddOutcome(store, service_sid, event, row)
  else if (row.is_unwelcome || flood === 'first') await recordNotPassed(store, service_sid, event, row)
  return { outcome: row.outcome, service_sid, interaction_sid: event.interaction_sid } as Relay
}

/** By its event an interaction tells later which of the two it was (core/trace/verdict.ts). */
export const NOT_PASSED = {
  blocked: 'A call or message came from a number that is blocked in this service, and was not passed on.',
  flood: 'So much came from one person to one proxy number that no more of it is passed on for now.',
}

/** A flood is on record once, not once for each message of it. */
async function recordNotPassed(store: Store, service_sid: string, { interaction_sid }: Event, row: RelayRow) {
  const { account_sid, session_sid, sender_sid: participant_sid, is_unwelcome } = row
  const message = NOT_PASSED[is_unwelcome ? 'blocked' : 'flood']
  const where = { account_sid, service_sid, session_sid, participant_sid, interaction_sid }
  await recordEvent(store, { ...where, error_code: 80909, message })
}

const EVENT_OF = {
  message: { 'opt-out': 80901, 'mode-mismatch': 80910, 'no-partner': 80614 },
  voice: { 'opt-out': undefined, 'mode-mismatch': 80911, 'no-partner': 80614 },
} as const

async function recordOddOutcome(
  store: Store,
  service_sid: string,
  { type, interaction_sid }: Event,
  row: { outcome: string; account_sid: string; session_sid: string | null; sender_sid: string | null },
) {
  const { account_sid, session_sid, sender_sid: participant_sid } = row
  const error_code = EVENT_OF[type][row.outcome as keyof (typeof EVENT_OF)['message']]
  if (!error_code) return
  const values = { session: session_sid ?? '', participant: participant_sid ?? '' }
  await recordEvent(store, {
    error_code,
    account_sid,
    service_sid,
    session_sid,
    participant_sid,
    interaction_sid,
    values,
  })
}
