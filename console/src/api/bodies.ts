// What the API answers, as far as pages read it. Dates are ISO 8601; what is personal comes masked.

export type Service = {
  sid: string
  account_sid: string
  unique_name: string
  default_ttl: number
  callback_url: string | null
  intercept_callback_url: string | null
  out_of_session_callback_url: string | null
  geo_match_level: string
  number_selection_behavior: string
  date_created: string
  date_updated: string
}

export type SessionStatus = 'open' | 'in-progress' | 'closed' | 'failed' | 'unknown'

export type ProxySession = {
  sid: string
  service_sid: string
  account_sid: string
  unique_name: string | null
  status: SessionStatus
  mode: string
  ttl: number
  closed_reason: string | null
  date_created: string
  date_updated: string
  date_started: string | null
  date_ended: string | null
  date_last_interaction: string | null
  date_expiry: string | null
}

export type Participant = {
  sid: string
  session_sid: string
  service_sid: string
  identifier: string
  friendly_name: string | null
  proxy_identifier: string
  proxy_identifier_sid: string
  date_created: string
  date_updated: string
  date_deleted: string | null
}

export type Verdict = {
  state: 'delivered' | 'under-way' | 'failed' | 'stopped' | 'nobody' | 'unknown'
  code: string
  text: string
}

export type Interaction = {
  sid: string
  account_sid: string
  service_sid: string
  session_sid: string | null
  type: 'message' | 'call'
  origin: 'inbound' | 'api' | 'twiml'
  outcome: string
  sender: string | null
  sender_participant_sid: string | null
  dialled_number: string | null
  recipient_participant_sid: string | null
  outbound_number: string | null
  data: string
  num_media: number
  inbound_resource_sid: string | null
  inbound_resource_status: string | null
  outbound_resource_sid: string | null
  outbound_resource_status: string | null
  error_code: number | null
  duration_s: number | null
  attempts: number
  date_next_attempt: string | null
  verdict: Verdict
  date_created: string
  date_updated: string
}

export type Candidate = {
  participant_sid: string
  session_sid: string
  session_unique_name: string | null
  proxy_identifier: string
  live: boolean
  reason: string
  text: string
}

export type Step = {
  at: string
  kind: string
  actor: 'sender' | 'maskline' | 'application' | 'carrier' | 'recipient'
  text: string
  duration_ms: number | null
  result: 'ok' | 'waiting' | 'failed' | 'stopped' | 'info'
  details: Record<string, string | number | null>
}

export type Trace = {
  interaction: Interaction
  candidates: Candidate[]
  steps: Step[]
  callbacks: (Callback & { attempts_made: Attempt[] })[]
  verdict: Verdict
}

export type Found = {
  query_kind: 'sid' | 'unique-name' | 'proxy-number' | 'person' | 'nothing'
  sessions: (ProxySession & {
    participants: { sid: string; identifier: string; proxy_identifier: string }[]
    match: string | null
  })[]
  interactions: Interaction[]
  numbers: { sid: string; service_sid: string | null; phone_number: string }[]
  found: { kind: string; sid: string; service_sid: string | null; session_sid: string | null } | null
  /** Why there is nothing, where that can be said. */
  note?: string | null
}

export type Callback = {
  sid: string
  service_sid: string
  interaction_sid: string
  callback_url: string
  status: string
  waits_for_endpoint: boolean
  attempts: number
  inbound_resource_status: string | null
  outbound_resource_status: string | null
  date_created: string
  date_next_attempt: string | null
  date_delivered: string | null
  date_replayed: string | null
}

export type Attempt = {
  sid: string
  callback_sid: string | null
  callback_url: string
  attempt: number
  tries: number
  status_code: number | null
  error: string | null
  duration_ms: number
  response?: string | null
  response_type?: string | null
  date_created: string
}

export type Endpoint = {
  endpoint: string
  health: 'healthy' | 'failing' | 'waiting'
  failures: number
  failing_since: string | null
  date_opened: string | null
  date_next_probe: string | null
}

export type LogEvent = {
  sid: string
  service_sid: string | null
  session_sid: string | null
  participant_sid: string | null
  interaction_sid: string | null
  error_code: number
  log_level: 'error' | 'warning'
  message: string
  more_info: string
  date_created: string
}

export type PoolNumber = {
  sid: string
  phone_number: string
  iso_country: string | null
  area_code: string | null
  kind: 'PN' | 'SC'
  capabilities: { sms: boolean; mms: boolean; voice: boolean }
  is_reserved: boolean
  live_sessions: number
  cooling_people: number
  sent_24h: number
  failed_24h: number
  state: 'free' | 'used' | 'reserved' | 'draining' | 'failing'
  date_created: string
}

export type PoolBody = { numbers: PoolNumber[]; sampled: boolean; date_read: string }

/** What a service's pool can still take under one rule. */
export type CapacityUnder = {
  default_ttl: number
  cool_down_s: number
  groups: {
    iso_country: string | null
    area_code: string | null
    numbers: number
    reserved: number
    live_pairs: number
    cooling_pairs: number
    busiest_held: number
    sessions_left: number
  }[]
  sessions_left: number
  busiest_held: number
  peak_held: number
  date_peak: string | null
  history: { at: string; held: number }[]
}

/** `date_whole` is since when all pairs are counted, where `sampled` says that not all are. */
export type Capacity = { now: CapacityUnder; what_if: CapacityUnder; sampled: boolean; date_whole: string | null }

/** What reserving, draining or removing a number would do. */
export type Effect = {
  live_sessions: number
  live_participants: number
  queued_interactions: number
  cooling_people: number
  last_of_country: boolean
  can_remove_quietly: boolean
  texts: string[]
}

export type CallbackRequest = { url: string; method: string; parameters: { name: string; value: string }[] }
