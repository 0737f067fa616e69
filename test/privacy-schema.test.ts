import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rows, serverForFile } from './support/proxy-api.ts'

const getServer = serverForFile()

/**
 * Every column there is, and what an export and an erasure make of its table. A new column fails until somebody has decided
 * whether it can hold something of a person: then the one has to have it (`core/privacy/export.ts`), and the other to take it
 * (`core/privacy/erase.ts`).
 */
const DECIDED: Record<string, { because: string; columns: string }> = {
  participants: {
    because: 'exported as participants; erased: identifier, blind index and name',
    columns: `service_sid sid session_sid account_sid identifier_sealed identifier_hash friendly_name proxy_identifier
      proxy_identifier_sid date_deleted date_released date_created date_updated date_erased`,
  },
  sessions: {
    because: 'exported as sessions; erased: a name that is the number',
    columns: `service_sid sid account_sid unique_name status mode ttl ttl_since date_expiry expires_at date_started
      date_ended date_last_interaction closed_reason date_created date_updated`,
  },
  interactions: {
    because:
      'exported as interactions and outside_sessions; erased: bodies in a session, with what the content guard made and found of them, whole rows outside of any',
    columns: `service_sid sid account_sid session_sid type origin outcome data_sealed num_media num_segments carrier_sid
      event_id dialled_number sender_sealed sender_hash recipient_sealed recipient_hash geography inbound_participant_sid
      inbound_resource_sid inbound_resource_status outbound_participant_sid outbound_resource_sid
      outbound_resource_status outbound_carrier_id outbound_number outbound_carrier_sid error_code stage due_at attempts
      send_started_at date_created date_updated duration_s is_recorded answered_at is_brief
      content_found sent_data_sealed leg_log`,
  },
  media: {
    because: 'exported with its interaction; erased whole',
    columns: `service_sid interaction_sid position token state source_url_sealed content_type bytes_sealed expires_at`,
  },
  recordings: {
    because: 'exported with its interaction; erased here and at the carrier',
    columns: `service_sid sid account_sid interaction_sid kind carrier_sid carrier_recording_id source_url_sealed duration_s
      delete_at attempts date_created`,
  },
  callbacks: {
    because: 'exported with its interaction; tells of its statuses, and nothing of people',
    columns: `service_sid sid account_sid interaction_sid url inbound_resource_status outbound_resource_status
      interaction_date_updated due_at attempts is_put_off date_replayed date_delivered date_created`,
  },
  callback_attempts: {
    because:
      'exported with its interaction, but for what the application answered, which is its own and may name others; erased: that',
    columns: `service_sid sid account_sid interaction_sid callback_sid kind url attempt tries status_code error
      duration_ms response_sealed response_type date_created`,
  },
  events: {
    because: 'exported as events, and with messages outside of sessions; erased: a number that is masked',
    columns: `service_sid sid account_sid error_code level message session_sid participant_sid interaction_sid date_created`,
  },
  released_pairs: {
    because: 'exported as released_pairs; erased whole, and from those of partners',
    columns: `service_sid sid identifier_hash partner_hash proxy_identifier date_released kept_until`,
  },
  blocked_numbers: {
    because: 'exported as blocked_numbers; erased whole',
    columns: `service_sid sid account_sid identifier_sealed identifier_hash date_created`,
  },
  audit_log: {
    because: 'exported as audit; of people it has SIDs and keyed digests, and remains; origin is of whoever did it',
    columns: `sid account_sid actor actor_sid origin request_sid action service_sid resource_sid details date_created
      position seal`,
  },
  audit_pending: {
    because: 'audit_log shows it',
    columns: `sid account_sid actor actor_sid origin request_sid action service_sid resource_sid details date_created`,
  },
  audit_entries: {
    because: 'audit_log shows it',
    columns: `sid account_sid actor actor_sid origin request_sid action service_sid resource_sid details date_created
      position seal`,
  },
  audit_ends: { because: 'digests', columns: `place position seal proof` },
  idempotency_keys: {
    because: 'not exported, since what it repeats is; erased where an answer names the person, and gone after a day',
    columns: `account_sid key request_digest body_sealed date_created`,
  },
  legal_holds: {
    because: 'not exported: whoever is under hold need not be told; nobody under hold is erased',
    columns: `account_sid identifier_hash date_created`,
  },
  accounts: {
    because: 'of the customer',
    columns: `sid friendly_name auth_token_sealed auth_token_digest secondary_auth_token_sealed
      secondary_auth_token_digest status date_created date_updated retention_days body_retention_days`,
  },
  api_keys: {
    because: 'of the customer',
    columns: `sid account_sid friendly_name type scopes secret_digest date_created date_updated date_revoked`,
  },
  carriers: {
    because: 'of the customer',
    columns: `sid account_sid kind friendly_name credentials_sealed date_created`,
  },
  users: {
    because: 'of those who use the console: their name, and what they sign in by; `maskline users remove` deletes them',
    columns: `sid account_sid name role password_hash totp_sealed totp_step is_disabled date_created date_updated`,
  },
  user_sessions: {
    because: 'of those who use the console; gone when they end, after hours',
    columns: `token_digest user_sid account_sid is_by_link origin date_created date_last_used date_expiry`,
  },
  sign_in_links: { because: 'digests, for a day', columns: `token_digest user_sid date_expiry date_used` },
  key_uses: {
    because:
      'of the customer: the address is of whoever signed in with a token or key or to the console, and only the last one is kept',
    columns: `sid date_last_used address`,
  },
  callback_endpoints: {
    because: 'of the application: scheme, host and port of an address, and how it answers',
    columns: `account_sid endpoint failures failing_since date_opened probes probe_at date_updated`,
  },
  services: {
    because: 'of the customer: what it wants done, in words of its own',
    columns: `sid account_sid unique_name default_ttl callback_url geo_match_level number_selection_behavior
      intercept_callback_url out_of_session_callback_url chat_instance_sid opt_out_words date_created date_updated
      ring_timeout_s max_duration_s last_minute_announcement greeting whisper recording recording_announcement voicemail
      voicemail_max_length_s speech_language cool_down_s cool_down_mode intercept_failure bodies_purged_to
      content_guard_own_number content_guard_other_numbers content_guard_email_addresses content_guard_links
      content_guard_payment_words content_guard_notice allowed_domains payment_words allow_vcards flood_limit repeat_limit
      is_guarded`,
  },
  phone_numbers: {
    because: 'proxy numbers are nobody’s',
    columns: `sid account_sid carrier_sid carrier_number_sid phone_number friendly_name iso_country capabilities
      previous_webhooks restore_at service_sid is_reserved date_created date_updated`,
  },
  data_keys: {
    because: 'keys',
    columns: `id purpose wrapped master_key_id date_wrapped active_from handed_over date_created`,
  },
  schema_migrations: { because: 'of the program', columns: `version name sha256 date_applied` },
  request_counts: { because: 'counts of requests', columns: `key server counts slot_age_ms date_told` },
}

test('of every column somebody has decided what exports and erasures make of it', async () => {
  const server = await getServer()
  const read = async () => {
    const found = await rows(
      server,
      `select table_name as name, string_agg(column_name, ' ' order by column_name) as columns
       from information_schema.columns where table_schema = 'public' group by 1`,
    )
    return Object.fromEntries(found.map(({ name, columns }) => [name, columns.split(' ').sort()]))
  }
  const decided = Object.entries(DECIDED).map(([name, { columns }]) => [name, columns.trim().split(/\s+/).sort()])
  assert.deepEqual(await read(), Object.fromEntries(decided))
  await rows(server, 'alter table sessions add column nickname text')
  assert.notDeepEqual(await read(), Object.fromEntries(decided), 'control: a new column is noticed')
})
