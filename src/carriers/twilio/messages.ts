import { CarrierError, type MessageStatus, type OutboundMessage, type SentMessage } from '../../core/carrier.ts'
import { isSid } from '../../core/sid.ts'
import { accountPath, type Connection, type Fields, get, post, records, text } from './api.ts'

const STATUSES = new Map<string, MessageStatus>([
  ['accepted', 'accepted'],
  ['scheduled', 'scheduled'],
  ['queued', 'queued'],
  ['sending', 'sending'],
  ['sent', 'sent'],
  ['delivered', 'delivered'],
  ['read', 'delivered'],
  ['partially_delivered', 'delivery-unknown'],
  ['undelivered', 'undelivered'],
  ['failed', 'failed'],
  ['canceled', 'canceled'],
])

const LIST_PAGE_SIZE = 200
const MAX_LIST_PAGES = 5

/** The clocks may differ, and Twilio's dates are in whole seconds. Too much costs little: `known` sorts it out. */
const CLOCK_SKEW_MS = 120_000

/** What Twilio puts in front of every text a trial account sends. */
const TRIAL_PREFIX = 'Sent from your Twilio trial account - '

export const messageStatus = (status: string) => STATUSES.get(status)

export const resourceSid = (sid: string) => (isSid('SM', sid) || isSid('MM', sid) ? sid : undefined)

export async function sendMessage(connection: Connection, message: OutboundMessage): Promise<SentMessage> {
  const sent = await post(connection, accountPath(connection, 'Messages'), [
    ['To', message.to],
    ['From', message.from],
    ...(message.body === '' ? [] : [['Body', message.body] as [string, string]]),
    ...message.media_urls.map((url): [string, string] => ['MediaUrl', url]),
    ['StatusCallback', message.status_url],
  ])
  if (text(sent, 'sid') === '') throw new CarrierError('unknown', 'Twilio took the message but gave no SID for it')
  return parseSentMessage(sent)
}

/**
 * Asks by sender and receiver alone. The list can also be narrowed by the date of sending, but a message still queued
 * has none, and overlooking it would send it twice.
 */
export async function findSentMessage(
  connection: Connection,
  message: OutboundMessage,
  since: Date,
  known: (id: string) => Promise<boolean>,
): Promise<SentMessage | undefined> {
  const earliest = since.getTime() - CLOCK_SKEW_MS
  let path: string | undefined
  for (let page = 0; page < MAX_LIST_PAGES; page++) {
    const list: Fields = await readPage(connection, message, path)
    const messages = records(list, 'messages')
    const recent = messages.filter((candidate) => Date.parse(text(candidate, 'date_created')) >= earliest)
    for (const candidate of recent) {
      if (isSame(candidate, message) && !(await known(text(candidate, 'sid')))) return parseSentMessage(candidate)
    }

    path = nextPath(connection, list)
    // The newest come first, so a page without a recent one ends the search.
    if (!path || recent.length === 0) return undefined
  }
  throw new CarrierError(
    'unknown',
    `Twilio lists more than ${MAX_LIST_PAGES} pages of messages between these two numbers`,
  )
}

/** A failure to look is no news about the message itself, so its outcome stays unknown, whatever the answer was. */
async function readPage(connection: Connection, message: OutboundMessage, path: string | undefined): Promise<Fields> {
  try {
    if (path) return await get(connection, path)
    return await get(connection, accountPath(connection, 'Messages'), [
      ['To', message.to],
      ['From', message.from],
      ['PageSize', String(LIST_PAGE_SIZE)],
    ])
  } catch (error) {
    if (!(error instanceof CarrierError)) throw error
    const { code, retry_after_s } = error
    throw new CarrierError('unknown', `${error.message}, when asked for the messages it sent`, {
      code,
      retry_after_s,
      cause: error,
    })
  }
}

function nextPath(connection: Connection, list: Fields): string | undefined {
  const next = text(list, 'next_page_uri')
  if (next === '') return undefined
  const base = new URL(connection.base_url)
  const prefix = base.pathname === '/' ? '' : base.pathname
  // The credentials go with the request, so the next page must be on the same host.
  if (!next.startsWith(`${prefix}/`) || next.startsWith('//')) {
    throw new CarrierError('unknown', 'Twilio gave an address outside its API for the next page of messages')
  }
  return next.slice(prefix.length)
}

function isSame(candidate: Fields, message: OutboundMessage): boolean {
  // Between two numbers of one account every message is listed twice: as sent and as received.
  if (!text(candidate, 'direction').startsWith('outbound')) return false
  const body = comparable(text(candidate, 'body'))
  if (body !== comparable(message.body) && body !== comparable(TRIAL_PREFIX + message.body)) return false

  const media = Number(text(candidate, 'num_media'))
  const isEarly = ['accepted', 'scheduled', 'queued', 'sending'].includes(text(candidate, 'status'))
  // Attachments are fetched after the message is taken, and may not be counted before that.
  return media === message.media_urls.length || (media === 0 && isEarly)
}

const comparable = (body: string) => body.replaceAll('\r\n', '\n').trim()

function parseSentMessage(sent: Fields): SentMessage {
  const sid = text(sent, 'sid')
  return {
    carrier_message_id: sid,
    resource_sid: resourceSid(sid),
    status: messageStatus(text(sent, 'status')) ?? 'accepted',
  }
}
