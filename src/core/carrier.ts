/**
 * What the core needs of a carrier, declared here by its consumer. An adapter lives in `carriers/`, speaks its carrier's
 * wire format and nothing else: it never touches the database, and it decides nothing about who hears from whom.
 */
export interface Carrier {
  readonly kind: string

  /** Whether a webhook really comes from this carrier. Looks at the raw request; a replay of a genuine one is genuine. */
  verify(request: WebhookRequest): boolean

  /** Throws `BadWebhook` when the request is genuine but not a message. */
  parseMessage(request: WebhookRequest): InboundMessage

  /** Throws `BadWebhook` when the request is genuine but not a status report. */
  parseStatus(request: WebhookRequest): StatusReport

  /** What this carrier wants to hear once a webhook is stored. */
  readonly acknowledgement: { contentType: string; body: string }

  /**
   * Hands one message to the carrier. Resolves when the carrier has taken it; throws `CarrierError` otherwise, whose
   * `outcome` says whether it may be sent again. Has a time limit of its own.
   */
  sendMessage(message: OutboundMessage): Promise<SentMessage>

  /**
   * Whether a message whose sending ended in an unknown outcome reached the carrier after all. `known` are carrier ids
   * that belong to other messages. Throws `CarrierError` when the carrier cannot say.
   */
  findSentMessage(
    message: OutboundMessage,
    since: Date,
    known: (id: string) => Promise<boolean>,
  ): Promise<SentMessage | undefined>

  /** Throws `BadWebhook` when the request is genuine but not a call. What answers it is TwiML. */
  parseCall(request: WebhookRequest): InboundCall

  /** Reads what became of a call's outbound leg: the leg's own status callback, or the end of the dial. */
  parseCallReport(request: WebhookRequest): CallReport

  /** Reads that a recording is there. Undefined when it is not, yet or ever. */
  parseRecording(request: WebhookRequest): FinishedRecording | undefined

  /** What became of an outbound leg nobody told us the end of; undefined when the carrier does not know it. */
  findCall(carrier_call_id: string): Promise<CallReport | undefined>

  /** Says something to both people of a running call. It may part them for that, when
   * `rejoin` of `twiml/` brings them together again. */
  announce(call: { inbound_id: string; outbound_id: string }, announcement: Announcement): Promise<void>

  /** Fetches a recording; throws `CarrierError` when it cannot be had or is larger than `maxBytes`. */
  fetchRecording(recording: RecordingPlace, maxBytes: number): Promise<{ content_type: string; bytes: Buffer }>

  /** Deletes the carrier's copy. One that is gone already counts as deleted. */
  deleteRecording(recording: RecordingPlace): Promise<void>

  /** Looks a number up in the carrier's account, by its SID there or by the number itself. */
  findNumber(query: { sid?: string; phone_number?: string }): Promise<CarrierNumber | undefined>

  /** Points a number's messages and calls at us. Doing it twice is harmless. */
  attachNumber(
    number: { carrier_number_sid: string },
    webhooks: { message_url: string; call_url: string },
  ): Promise<void>

  /** Puts back the webhooks a number had before `attachNumber`, as `findNumber` reported them. */
  restoreNumber(number: { carrier_number_sid: string }, previous: NumberWebhooks): Promise<void>

  /**
   * Fetches one inbound attachment with the carrier's credentials. `'public'` means that the URL can be passed on as it
   * is. Throws `CarrierError` when it cannot be had or is larger than `maxBytes`.
   */
  fetchMedia(url: string, maxBytes: number): Promise<{ content_type: string; bytes: Buffer } | 'public'>

  /** Resolves when the credentials work; throws `CarrierError` saying what is wrong. */
  check(): Promise<void>
}

/** A webhook as it came in. `url` is its public address, built from configuration and the request's path and query. */
export type WebhookRequest = {
  method: string
  url: string
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

export type InboundMessage = {
  /** The carrier's own id for the event; a repeat carries the same one. */
  event_id: string
  /** The vendor-shaped SID (`SM…`/`MM…`) when the carrier has one; else we mint it. */
  resource_sid: string | undefined
  from: string
  to: string
  body: string
  media: { url: string; content_type: string | undefined }[]
  num_segments: number
  /** The sender's and receiver's whereabouts as the carrier reports them (FromCity, ToState, …), passed to callbacks. */
  geography: Record<string, string>
}

export type OutboundMessage = {
  /** Our interaction; also the idempotency key where the carrier takes one. */
  reference: string
  from: string
  to: string
  body: string
  media_urls: string[]
  /** Where the carrier reports what became of it. */
  status_url: string
}

export type SentMessage = {
  carrier_message_id: string
  /** The vendor-shaped SID when the carrier's id is one; else we mint it. */
  resource_sid: string | undefined
  status: MessageStatus
}

export type StatusReport = { carrier_message_id: string; status: MessageStatus; error_code: number | undefined }

export type InboundCall = {
  /** The carrier's id for this arrival: a repeat carries the same one, a call that is sent to us anew another. */
  event_id: string
  /** The vendor-shaped SID (`CA…`) when the carrier has one; else we mint it. */
  resource_sid: string | undefined
  /** As the carrier says it, which for a withheld number is no number. */
  from: string
  to: string
  geography: Record<string, string>
  /** What else the carrier says of the call at this moment (CallStatus, Digits, …), passed to the out-of-session callback. */
  details: Record<string, string>
}

/** In the order of their rank: whatever the order of the reports, a leg ends at the last of these. */
export const CALL_STATUSES = ['initiated', 'no-answer', 'canceled', 'failed', 'busy', 'completed'] as const
export type CallStatus = (typeof CALL_STATUSES)[number]

/** `answered` is true from the first moment of talk on; a leg that rings or talks is `initiated`. */
export type CallReport = {
  /** Undefined when no leg came into being. */
  carrier_call_id: string | undefined
  status: CallStatus
  answered: boolean
  /** Seconds of talk, once it is over. */
  duration_s: number | undefined
  error_code: number | undefined
}

export type FinishedRecording = RecordingPlace & { duration_s: number }
export type RecordingPlace = { carrier_recording_id: string; url: string }

/** So long before its end a call's end is announced. */
export const LAST_MINUTE_S = 60

export type Announcement = {
  /** Said in `language`, or played when it is an http(s) URL. */
  text: string
  language: string
  /** A name nobody else uses, for a carrier that brings two people together by one. */
  room: string
  seconds_left: number
  /** Where to tell of a recording of what follows, when the call is recorded and its recording ends with the announcement. */
  recording_url: string | undefined
}

export type Capabilities = { voice: boolean; sms: boolean; mms: boolean; fax: boolean }

export type CarrierNumber = {
  /** The carrier's own id for the number. When it is a `PN…`/`SC…` SID it becomes ours. */
  carrier_number_sid: string | undefined
  phone_number: string
  friendly_name: string
  /** Null when the carrier and the number do not tell. */
  iso_country: string | null
  capabilities: Capabilities
  webhooks: NumberWebhooks
}

/** The carrier's own settings of a number, kept as they were found: only the adapter that wrote them reads them. */
export type NumberWebhooks = Record<string, string>

export const MESSAGE_STATUSES = [
  'accepted',
  'scheduled',
  'queued',
  'sending',
  'sent',
  'delivery-unknown',
  'canceled',
  'failed',
  'undelivered',
  'delivered',
] as const
export type MessageStatus = (typeof MESSAGE_STATUSES)[number]

/** A genuine webhook that we cannot read. The carrier hears 400: sending it again would not help. */
export class BadWebhook extends Error {}

/** The largest error code that can be stored; no carrier has one near it. */
export const MAX_ERROR_CODE = 2 ** 31 - 1

/**
 * Why a carrier did not do what we asked.
 * - `refused`: it will never take this one; `code` is the vendor-numbered reason (21610 opted out, 21614 not mobile, …).
 * - `not-sent`: it certainly did not take it this time (throttled, unreachable): try again later.
 * - `unknown`: it may have taken it (time-out, broken answer): find out before sending again.
 */
export class CarrierError extends Error {
  readonly outcome: 'refused' | 'not-sent' | 'unknown'
  readonly code: number | undefined
  readonly retry_after_s: number | undefined

  constructor(
    outcome: 'refused' | 'not-sent' | 'unknown',
    message: string,
    options: { code?: number; retry_after_s?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.outcome = outcome
    this.code = options.code
    this.retry_after_s = options.retry_after_s
  }
}
