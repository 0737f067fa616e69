import type { ColumnType, Generated, Selectable } from 'kysely'
import type { UserSchema } from './user-schema.ts'

/**
 * The row types: columns, rows and REST bodies share one spelling. Timestamps are `Date`s; `…_sealed` columns are opened
 * only with the key ring (`core/seal.ts`).
 */
export type Schema = {
  data_keys: DataKeyTable
  accounts: AccountTable
  api_keys: ApiKeyTable
  carriers: CarrierTable
  services: ServiceTable
  phone_numbers: PhoneNumberTable
  sessions: SessionTable
  participants: ParticipantTable
  interactions: InteractionTable
  media: MediaTable
  recordings: RecordingTable
  callbacks: CallbackTable
  callback_attempts: CallbackAttemptTable
  callback_endpoints: CallbackEndpointTable
  events: EventTable
  released_pairs: ReleasedPairTable
  audit_pending: DeedTable
  audit_entries: AuditTable
  /** A view of both. */
  audit_log: AuditView
  audit_ends: { place: 'start' | 'head'; position: string; seal: Buffer; proof: Buffer }
  key_uses: { sid: string; date_last_used: Date; address: string }
  legal_holds: { account_sid: string; identifier_hash: Buffer; date_created: Generated<Date> }
  blocked_numbers: BlockedNumberTable
  idempotency_keys: {
    account_sid: string
    key: string
    request_digest: Buffer
    body_sealed: Buffer | null
    date_created: Generated<Date>
  }
} & UserSchema

export type Account = Selectable<AccountTable>
export type ApiKey = Selectable<ApiKeyTable>
export type CarrierRow = Selectable<CarrierTable>
export type Service = Selectable<ServiceTable>
export type PhoneNumber = Selectable<PhoneNumberTable>
export type Session = Selectable<SessionTable>
export type Participant = Selectable<ParticipantTable>
export type Interaction = Selectable<InteractionTable>
export type Media = Selectable<MediaTable>
export type Recording = Selectable<RecordingTable>
export type Callback = Selectable<CallbackTable>
export type CallbackAttemptRow = Selectable<CallbackAttemptTable>
export type CallbackEndpoint = Selectable<CallbackEndpointTable>
export type Event = Selectable<EventTable>
export type AuditRow = Selectable<AuditView>
export type BlockedNumber = Selectable<BlockedNumberTable>

export type GeoMatchLevel = 'country' | 'area-code' | 'extended-area-code' | 'overlay' | 'radius'
export type NumberSelectionBehavior = 'prefer-sticky' | 'avoid-sticky'
export type CoolDownMode = 'best-effort' | 'strict'

/** What an API key may do (core/scopes.ts). */
export type KeyType = 'main' | 'standard' | 'restricted'

/** What becomes of an interaction about which the intercept callback gave no answer. */
export type InterceptFailure = 'proceed' | 'block'

/** What is done about contact details in a text; a kind that is off has none. */
export type ContentAction = 'flag' | 'redact' | 'block'
export type ContentKind = 'own_number' | 'other_numbers' | 'email_addresses' | 'links' | 'payment_words'

export type SessionStatus = 'open' | 'in-progress' | 'closed'
export type SessionMode = 'voice-and-message' | 'voice-only' | 'message-only'
export type ClosedReason = 'api' | 'ttl' | 'date-expiry'

/** Where an interaction came from: a carrier's webhook, a MessageInteraction, or a customer's TwiML. */
export type Origin = 'inbound' | 'api' | 'twiml'

/** What was decided. Only `relayed`, `sent` and `blocked` rows belong to a session, and `blocked` ones only if their sender is
 * in one; of a `deleted` one it is only known that its event came. */
export type Outcome =
  | 'relayed'
  | 'sent'
  | 'blocked'
  | 'out-of-session'
  | 'no-partner'
  | 'opt-out'
  | 'mode-mismatch'
  | 'deleted'

/** What is still to be done for an interaction whose `due_at` is set. */
export type Stage = 'out-of-session' | 'intercept' | 'send' | 'announce' | 'rejoin'

type Stamps = { date_created: Generated<Date>; date_updated: Generated<Date> }

export type DataKeyTable = {
  id: number
  purpose: string
  wrapped: Buffer
  /** Of the master key that wraps it; null before it was first opened by a version that names it. */
  master_key_id: string | null
  date_wrapped: Generated<Date>
  active_from: Generated<Date>
  handed_over: Buffer | null
  date_created: Generated<Date>
}

type AccountTable = Stamps & {
  sid: string
  friendly_name: string
  auth_token_sealed: Buffer
  auth_token_digest: Buffer
  secondary_auth_token_sealed: Buffer | null
  secondary_auth_token_digest: Buffer | null
  status: Generated<'active' | 'suspended'>
  retention_days: number | null
  body_retention_days: number | null
}

type ApiKeyTable = Stamps & {
  sid: string
  account_sid: string
  friendly_name: string
  secret_digest: Buffer
  type: Generated<KeyType>
  /** Of a restricted key. */
  scopes: Generated<string[]>
  date_revoked: Date | null
}

type CarrierTable = {
  sid: string
  account_sid: string
  kind: string
  friendly_name: string
  credentials_sealed: Buffer
  date_created: Generated<Date>
}

type ServiceTable = Stamps & {
  sid: string
  account_sid: string
  unique_name: string
  default_ttl: number
  callback_url: string | null
  geo_match_level: GeoMatchLevel
  number_selection_behavior: NumberSelectionBehavior
  intercept_callback_url: string | null
  out_of_session_callback_url: string | null
  chat_instance_sid: string | null
  opt_out_words: Generated<boolean>
  ring_timeout_s: number | null
  max_duration_s: number | null
  last_minute_announcement: string | null
  greeting: string | null
  whisper: string | null
  recording: Generated<boolean>
  recording_announcement: string | null
  voicemail: string | null
  voicemail_max_length_s: number | null
  speech_language: string | null
  cool_down_s: number | null
  cool_down_mode: CoolDownMode | null
  intercept_failure: InterceptFailure | null
  bodies_purged_to: Generated<string>
  content_guard_own_number: ContentAction | null
  content_guard_other_numbers: ContentAction | null
  content_guard_email_addresses: ContentAction | null
  content_guard_links: ContentAction | null
  content_guard_payment_words: ContentAction | null
  content_guard_notice: string | null
  allowed_domains: string[] | null
  payment_words: string[] | null
  allow_vcards: Generated<boolean>
  flood_limit: number | null
  repeat_limit: number | null
  is_guarded: Generated<boolean>
}

type PhoneNumberTable = Stamps & {
  sid: string
  account_sid: string
  carrier_sid: string
  carrier_number_sid: string
  phone_number: string
  friendly_name: string
  iso_country: string | null
  capabilities: { voice: boolean; sms: boolean; mms: boolean; fax: boolean }
  previous_webhooks: Record<string, string> | null
  restore_at: Date | null
  service_sid: string | null
  is_reserved: Generated<boolean>
}

type SessionTable = Stamps & {
  service_sid: string
  sid: string
  account_sid: string
  unique_name: string | null
  status: SessionStatus
  mode: SessionMode
  ttl: number
  ttl_since: Generated<Date>
  date_expiry: Date | null
  expires_at: Generated<Date | null>
  date_started: Date | null
  date_ended: Date | null
  date_last_interaction: Date | null
  closed_reason: ClosedReason | null
}

type ParticipantTable = Stamps & {
  service_sid: string
  sid: string
  session_sid: string
  account_sid: string
  identifier_sealed: Buffer
  identifier_hash: Buffer
  friendly_name: string | null
  proxy_identifier: string
  proxy_identifier_sid: string
  date_deleted: Date | null
  date_released: Date | null
  date_erased: Date | null
}

type ReleasedPairTable = {
  service_sid: string
  sid: string
  identifier_hash: Buffer
  partner_hash: Buffer | null
  proxy_identifier: string
  date_released: Date
  kept_until: Date
}

type InteractionTable = Stamps & {
  service_sid: string
  sid: string
  account_sid: string
  session_sid: string | null
  type: 'message' | 'voice'
  origin: Origin
  outcome: Outcome
  data_sealed: Buffer | null
  num_media: Generated<number>
  num_segments: Generated<number>
  carrier_sid: string
  event_id: string | null
  dialled_number: string | null
  sender_sealed: Buffer | null
  sender_hash: Buffer | null
  recipient_sealed: Buffer | null
  geography: Record<string, string> | null
  inbound_participant_sid: string | null
  inbound_resource_sid: string | null
  inbound_resource_status: string | null
  outbound_participant_sid: string | null
  outbound_resource_sid: string | null
  outbound_resource_status: string | null
  outbound_carrier_id: string | null
  outbound_number: string | null
  outbound_carrier_sid: string | null
  error_code: number | null
  stage: Stage | null
  due_at: Date | null
  attempts: Generated<number>
  send_started_at: Date | null
  duration_s: number | null
  is_recorded: Generated<boolean>
  answered_at: Date | null
  is_brief: Generated<boolean>
  recipient_hash: Buffer | null
  content_found: ColumnType<Partial<Record<ContentKind, ContentAction>> | null, string | undefined, string | null>
  sent_data_sealed: Buffer | null
  /** What became of the leg and when (core/trace/leg-log.ts). */
  leg_log: Generated<string>
}

type MediaTable = {
  service_sid: string
  interaction_sid: string
  position: number
  token: string
  state: 'pending' | 'hosted' | 'public' | 'lost'
  source_url_sealed: Buffer
  content_type: string | null
  bytes_sealed: Buffer | null
  expires_at: Date | null
}

type RecordingTable = {
  service_sid: string
  sid: string
  account_sid: string
  interaction_sid: string
  kind: 'call' | 'voicemail'
  carrier_sid: string
  carrier_recording_id: string
  source_url_sealed: Buffer
  duration_s: number
  delete_at: Date | null
  attempts: Generated<number>
  date_created: Generated<Date>
}

type CallbackTable = {
  service_sid: string
  sid: string
  account_sid: string
  interaction_sid: string
  url: string
  inbound_resource_status: string | null
  outbound_resource_status: string | null
  interaction_date_updated: Date
  due_at: Date | null
  attempts: Generated<number>
  date_delivered: Date | null
  date_created: Generated<Date>
  is_put_off: Generated<boolean>
  date_replayed: Date | null
}

type CallbackAttemptTable = {
  service_sid: string
  sid: string
  account_sid: string
  interaction_sid: string
  callback_sid: string | null
  kind: 'status' | 'intercept' | 'out-of-session'
  url: string
  attempt: number
  status_code: number | null
  error: string | null
  duration_ms: number
  tries: Generated<number>
  response_sealed: Buffer | null
  response_type: string | null
  date_created: Generated<Date>
}

type CallbackEndpointTable = {
  account_sid: string
  endpoint: string
  failures: number
  failing_since: Date
  date_opened: Date | null
  probes: Generated<number>
  probe_at: Date | null
  date_updated: Date
}

type EventTable = {
  service_sid: Generated<string>
  sid: string
  account_sid: string
  error_code: number
  level: 'error' | 'warning'
  message: string
  session_sid: string | null
  participant_sid: string | null
  interaction_sid: string | null
  date_created: Generated<Date>
}

type DeedTable = {
  sid: string
  account_sid: string | null
  actor: 'account' | 'api-key' | 'user' | 'operator' | 'server' | 'unknown'
  actor_sid: string | null
  origin: string | null
  request_sid: string | null
  action: string
  service_sid: string | null
  resource_sid: string | null
  details: ColumnType<Record<string, string | number | boolean | null>, string, never>
  date_created: Generated<Date>
}

type AuditTable = DeedTable & { position: string; seal: Buffer }
type AuditView = DeedTable & { position: string | null; seal: Buffer | null }

type BlockedNumberTable = {
  service_sid: string
  sid: string
  account_sid: string
  identifier_sealed: Buffer
  identifier_hash: Buffer
  date_created: Generated<Date>
}
