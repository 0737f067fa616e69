import { randomBytes } from 'node:crypto'
import { relayMessageStatement } from '../db/statements/relay-message.ts'
import type { InboundMessage } from './carrier.ts'
import type { Directory, DirectoryEntry } from './directory.ts'
import { recordEvent } from './events.ts'
import { newSid } from './sid.ts'
import type { Store } from './store.ts'

/**
 * An inbound message in; what becomes of it out. The decision and everything that follows from it is one statement and
 * one commit (`db/statements/relay-message.ts`); sending, asking and telling come later, from the row it wrote.
 */
export type Relay =
  | { outcome: 'relayed'; interaction_sid: string }
  | { outcome: 'out-of-session' | 'no-partner'; interaction_sid: string }
  | { outcome: 'opt-out' | 'mode-mismatch' }
  | { outcome: 'duplicate' }
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

/** Takes a message that `carrier_sid` brought. When this resolves it is on disk; when it throws nothing happened. */
export async function relayMessage(
  store: Store,
  directory: Directory,
  carrier: { sid: string; account_sid: string },
  message: InboundMessage,
): Promise<Relay> {
  const number = message.to.slice(message.to.indexOf(':') + 1)
  const cached = await findNumber(directory, carrier, number, 'cached')
  const first = cached && (await relayIn(store, cached, carrier, message))
  if (first) return first
  // Not there: another server may have moved the number meanwhile.
  const fresh = await findNumber(directory, carrier, number, 'fresh')
  const second = fresh && (await relayIn(store, fresh, carrier, message))
  if (second) return second
  await recordEvent(store, { error_code: 80905, account_sid: carrier.account_sid })
  return unknown
}

const unknown = { outcome: 'unknown-number' } as const

/** A carrier speaks for its own numbers only: no other may bring messages for them. */
async function findNumber(directory: Directory, carrier: { sid: string }, number: string, how: 'cached' | 'fresh') {
  const entry = await directory.find(number, how)
  return entry?.carrier_sid === carrier.sid ? entry : undefined
}

async function relayIn(
  store: Store,
  entry: DirectoryEntry,
  carrier: { sid: string; account_sid: string },
  message: InboundMessage,
): Promise<Relay | undefined> {
  const interaction_sid = newSid('KI')
  const row = await relayMessageStatement(store.pool, {
    service_sid: entry.service_sid,
    proxy_identifier: message.to,
    identifier_hash: store.keys.blindIndex(message.from),
    carrier_sid: carrier.sid,
    event_id: message.event_id,
    interaction_sid,
    resource_sid: message.resource_sid ?? newSid(message.media.length > 0 ? 'MM' : 'SM'),
    data_sealed: store.keys.seal(`${interaction_sid}/data`, message.body),
    num_media: message.media.length,
    num_segments: message.num_segments,
    is_opt_out: isOptOut(message.body),
    sender_sealed: store.keys.seal(`${interaction_sid}/sender`, message.from),
    geography: message.geography,
    media: message.media.map(({ url, content_type }, position) => ({
      // Attachments are fetched later; their addresses are kept sealed, each under a token nobody can guess.
      token: randomBytes(16).toString('hex'),
      source_url_sealed: store.keys.seal(`${interaction_sid}/media/${position}`, url),
      content_type,
    })),
  })
  if (!row) return undefined
  if (!row.is_new) return { outcome: 'duplicate' }
  await recordOddOutcome(store, entry.service_sid, interaction_sid, row)
  return { outcome: row.outcome, interaction_sid } as Relay
}

const EVENT_OF = { 'opt-out': 80901, 'mode-mismatch': 80910, 'no-partner': 80614 } as const

async function recordOddOutcome(
  store: Store,
  service_sid: string,
  interaction_sid: string,
  row: { outcome: string; account_sid: string; session_sid: string | null; sender_sid: string | null },
) {
  const { account_sid, session_sid, sender_sid: participant_sid } = row
  const error_code = EVENT_OF[row.outcome as keyof typeof EVENT_OF]
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
