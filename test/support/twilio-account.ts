import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { type AccountNumber, longCode, shortCode, updateSetting, VendorError, vendorSid } from './twilio-numbers.ts'
import { accountRecordings } from './twilio-recordings.ts'

/** What a Twilio account holds, and what its REST API does with it, in the vendor's own field names and rules. */
export type TwilioAccount = ReturnType<typeof twilioAccount>

export type AccountMessage = {
  sid: string
  from: string
  to: string
  body: string
  media_urls: string[]
  direction: 'inbound' | 'outbound-api'
  status: string
  error_code: number | null
  status_callback: string | undefined
  date_created: Date
  date_sent: Date | null
}

type Params = [name: string, value: string][]
type Media = { content_type: string; bytes: Buffer; location?: string }

/** RFC 2822, in GMT and whole seconds. */
const vendorDate = (date: Date) => date.toUTCString().replace('GMT', '+0000')

export function twilioAccount(options: { account_sid?: string; auth_token?: string }) {
  const account_sid = options.account_sid ?? vendorSid('AC')
  const messages: AccountMessage[] = []
  const numbers: AccountNumber[] = []
  const media = new Map<string, Media>()
  const sentEvents = new EventEmitter()
  let returned = 0

  const account = {
    account_sid,
    auth_token: options.auth_token ?? randomBytes(16).toString('hex'),
    status: 'active',
    now: () => new Date(),
    messages,
    numbers,

    present: () => ({ sid: account_sid, friendly_name: 'Test', status: account.status, type: 'Full' }),

    createMessage(form: Params) {
      const message = newMessage(account.now(), form)
      assertSendable(message, numbers)
      messages.push(message)
      sentEvents.emit('sent')
      return presentMessage(account_sid, message)
    },

    listMessages: (query: Params) => listMessages(account_sid, messages, query),

    async nextSent(): Promise<AccountMessage> {
      for (;;) {
        const message = messages.filter(({ direction }) => direction === 'outbound-api')[returned]
        if (message) {
          returned++
          return message
        }
        await once(sentEvents, 'sent')
      }
    },

    addNumber(number: { phone_number: string } & Record<string, unknown>): AccountNumber {
      const added = { ...(number.phone_number.startsWith('+') ? longCode : shortCode)(number.phone_number), ...number }
      numbers.push(added)
      return added
    },

    getNumber(sid: string): AccountNumber {
      const number = numbers.find((each) => each.sid === sid)
      return assertFound(number, sid)
    },

    listNumbers: (query: Params) => listNumbers(numbers, query),

    updateNumber(sid: string, form: Params): AccountNumber {
      const number = account.getNumber(sid)
      for (const [name, value] of form) updateSetting(number, name, value)
      return number
    },

    addMedia(added: Media, origin: string): string {
      const sid = vendorSid('ME')
      media.set(sid, added)
      return `${origin}/2010-04-01/Accounts/${account_sid}/Messages/${vendorSid('MM')}/Media/${sid}`
    },

    getMedia: (sid: string): Media => assertFound(media.get(sid), sid),

    ...accountRecordings(media),
  }
  return account
}

function newMessage(now: Date, form: Params): AccountMessage {
  const params = new Map(form)
  const media_urls = form.filter(([name]) => name === 'MediaUrl').map(([, value]) => value)
  return {
    sid: vendorSid(media_urls.length > 0 ? 'MM' : 'SM'),
    from: params.get('From') ?? '',
    to: params.get('To') ?? '',
    body: params.get('Body') ?? '',
    media_urls,
    direction: 'outbound-api',
    status: 'queued',
    error_code: null,
    status_callback: params.get('StatusCallback'),
    date_created: now,
    date_sent: null,
  }
}

function assertSendable({ from, to, body, media_urls }: AccountMessage, numbers: AccountNumber[]) {
  if (to === '') throw new VendorError(400, 21604, "A 'To' phone number is required.")
  if (from === to) throw new VendorError(400, 21266, `'To' and 'From' number cannot be the same: ${to}`)
  if (body === '' && media_urls.length === 0)
    throw new VendorError(400, 21619, 'A text message body or media urls must be specified.')
  if (body.length > 1600)
    throw new VendorError(400, 21617, 'The concatenated message body exceeds the 1600 character limit')
  if (!numbers.some((each) => each.phone_number === from || each.short_code === from)) {
    throw new VendorError(400, 21606, `The 'From' phone number ${from} is not valid for your account`)
  }
}

function assertFound<T>(found: T | undefined, sid: string): T {
  if (!found) throw new VendorError(404, 20404, `The requested resource ${sid} was not found`)
  return found
}

const presentMessage = (account_sid: string, message: AccountMessage) => ({
  account_sid,
  api_version: '2010-04-01',
  body: message.body,
  date_created: vendorDate(message.date_created),
  date_sent: message.date_sent && vendorDate(message.date_sent),
  date_updated: vendorDate(message.date_created),
  direction: message.direction,
  error_code: message.error_code,
  error_message: null,
  from: message.from,
  messaging_service_sid: null,
  num_media: String(message.media_urls.length),
  num_segments: '1',
  price: null,
  price_unit: null,
  sid: message.sid,
  status: message.status,
  subresource_uris: { media: `/2010-04-01/Accounts/${account_sid}/Messages/${message.sid}/Media.json` },
  to: message.to,
  uri: `/2010-04-01/Accounts/${account_sid}/Messages/${message.sid}.json`,
})

function listMessages(account_sid: string, messages: AccountMessage[], query: Params) {
  const page = pageOf(messages.filter(messageFilter(query)).reverse(), query)
  return {
    ...pageLinks(account_sid, query, page),
    messages: page.rows.map((row) => presentMessage(account_sid, row)),
  }
}

/** The date filters look at `date_sent`, which a queued message does not have. */
function messageFilter(query: Params) {
  const wanted = new Map(query)
  const [from, to, on] = [wanted.get('From'), wanted.get('To'), wanted.get('DateSent')]
  const [after, before] = [wanted.get('DateSent>'), wanted.get('DateSent<')]
  return (message: AccountMessage) => {
    const day = message.date_sent?.toISOString().slice(0, 10)
    if (on !== undefined && day !== on) return false
    if (after !== undefined && (day === undefined || day < after)) return false
    if (before !== undefined && (day === undefined || day > before)) return false
    return (from === undefined || message.from === from) && (to === undefined || message.to === to)
  }
}

/** The filter by number is a partial match, as the vendor's is. */
function listNumbers(numbers: AccountNumber[], query: Params) {
  const wanted = new Map(query).get('PhoneNumber')?.replace('+', '') ?? ''
  const found = numbers.filter((each) => each.sid.startsWith('PN') && String(each.phone_number).includes(wanted))
  return { incoming_phone_numbers: found, page: 0, page_size: 50, next_page_uri: null }
}

type Page = { rows: AccountMessage[]; page: number; page_size: number; next_token: string | undefined }

function pageOf(rows: AccountMessage[], query: Params): Page {
  const params = new Map(query)
  const page_size = Math.min(Number(params.get('PageSize') ?? 50), 1000)
  const token = params.get('PageToken')
  const start = token === undefined ? 0 : rows.findIndex(({ sid }) => token === `PA${sid}`) + 1
  const selected = rows.slice(start, start + page_size)
  const last = selected.at(-1)
  const hasMore = rows.length > start + page_size
  return {
    rows: selected,
    page: Number(params.get('Page') ?? 0),
    page_size,
    next_token: hasMore ? `PA${last?.sid}` : undefined,
  }
}

function pageLinks(account_sid: string, query: Params, { page, page_size, next_token }: Page) {
  const path = `/2010-04-01/Accounts/${account_sid}/Messages.json`
  const kept = query.filter(([name]) => name !== 'Page' && name !== 'PageToken')
  const next = next_token && new URLSearchParams([...kept, ['Page', String(page + 1)], ['PageToken', next_token]])
  return { page, page_size, next_page_uri: next ? `${path}?${next}` : null, uri: path }
}
