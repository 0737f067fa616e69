// What the API answers about how things are set up, as far as pages read it.

export type ServiceSettings = Record<string, string | number | boolean | string[] | null>

export type AccountSettings = {
  account_sid: string
  session_retention: number
  body_retention: number | null
  legal_hold: boolean
}

export type BlockedNumber = { sid: string; service_sid: string; phone_number: string; date_created: string }

export type KeyType = 'main' | 'standard' | 'restricted'

export type ApiKey = {
  sid: string
  friendly_name: string
  type: KeyType
  scopes: string[]
  date_created: string
  date_updated: string
  date_last_used: string | null
}

export type Account = {
  sid: string
  friendly_name: string
  status: 'active' | 'suspended'
  date_created: string
  date_last_used: string | null
}

export type User = {
  sid: string
  name: string
  role: 'viewer' | 'operator' | 'admin'
  account_sid: string | null
  has_password: boolean
  has_totp: boolean
  is_disabled: boolean
  date_created: string
  date_last_used: string | null
}

export type AuditEntry = {
  sid: string
  actor: string
  actor_sid: string | null
  actor_name?: string | null
  source_ip_address: string | null
  request_sid: string | null
  action: string
  service_sid: string | null
  resource_sid: string | null
  details: Record<string, unknown>
  date_created: string
}
