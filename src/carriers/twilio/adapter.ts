import assert from 'node:assert/strict'
import type { Dispatcher } from 'undici'
import { type Carrier, CarrierError } from '../../core/carrier.ts'
import { isSid } from '../../core/sid.ts'
import { accountPath, type Connection, get, newDispatcher, text } from './api.ts'
import { announce, findCall } from './calls.ts'
import { download } from './download.ts'
import { findSentMessage, sendMessage } from './messages.ts'
import { attachNumber, findNumber, restoreNumber } from './numbers.ts'
import { deleteRecording, fetchRecording } from './recordings.ts'
import { parseCall, parseCallReport, parseMessage, parseRecording, parseStatus, verify } from './webhooks.ts'

export type TwilioOptions = {
  account_sid: string
  auth_token: string
  /** The other token while tokens are being changed: a webhook signed with either one is genuine. */
  secondary_auth_token?: string | undefined
  base_url?: string | undefined
  /** For one request as a whole, from looking up the name to the last byte of the answer. */
  timeout_ms?: number | undefined
  dispatcher?: Dispatcher | undefined
  /** For files at other addresses than the API's: the server's reaches nothing private. */
  elsewhere?: Dispatcher | undefined
}

export function twilioCarrier(options: TwilioOptions): Carrier {
  const { account_sid, auth_token, secondary_auth_token, timeout_ms = 15_000 } = options
  const { dispatcher = newDispatcher(timeout_ms), elsewhere = dispatcher } = options
  assert(auth_token !== '', 'an empty auth token would let anyone sign')
  const connection: Connection = {
    account_sid,
    auth_token,
    base_url: new URL(options.base_url ?? 'https://api.twilio.com').href.replace(/\/+$/, ''),
    timeout_ms,
    dispatcher,
    elsewhere,
  }
  const tokens = secondary_auth_token ? [auth_token, secondary_auth_token] : [auth_token]

  return {
    kind: 'twilio',
    acknowledgement: { contentType: 'text/xml', body: '<Response/>' },
    verify: (request) => verify(request, tokens),
    parseMessage,
    parseStatus,
    sendMessage: (message) => sendMessage(connection, message),
    findSentMessage: (message, since, known) => findSentMessage(connection, message, since, known),
    parseCall,
    parseCallReport,
    parseRecording,
    findCall: (carrier_call_id) => findCall(connection, carrier_call_id),
    announce: ({ outbound_id }, announcement) => announce(connection, outbound_id, announcement),
    fetchRecording: (recording, maxBytes) => fetchRecording(connection, recording, maxBytes),
    deleteRecording: (recording) => deleteRecording(connection, recording),
    findNumber: (query) => findNumber(connection, query),
    attachNumber: (number, webhooks) => attachNumber(connection, number.carrier_number_sid, webhooks),
    restoreNumber: (number, previous) => restoreNumber(connection, number.carrier_number_sid, previous),
    fetchMedia: (url, maxBytes) => download(connection, { what: 'attachment', address: url, maxBytes }),
    check: () => check(connection),
  }
}

/** What `maskline carriers add` stores. Throws an `Error` that says what is missing. */
export function twilioCredentials(credentials: Record<string, string>): TwilioOptions {
  const { account_sid, auth_token, secondary_auth_token, base_url } = credentials
  if (!account_sid || !isSid('AC', account_sid))
    throw new Error('account_sid must be an account SID: AC and 32 hex digits')
  if (!auth_token) throw new Error('auth_token is missing')
  if (base_url && !URL.canParse(base_url)) throw new Error('base_url must be a URL, as in https://api.twilio.com')
  return { account_sid, auth_token, secondary_auth_token, base_url }
}

async function check(connection: Connection): Promise<void> {
  const status = text(await get(connection, accountPath(connection)), 'status')
  if (status !== 'active')
    throw new CarrierError('refused', `the Twilio account is not active but ${status || 'unknown'}`)
}
