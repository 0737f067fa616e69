import { fillWithMany } from './many-rows.ts'
import { rows } from './proxy-api.ts'
import type { TestServer } from './server.ts'

const MANY = { sessions: 20_000, interactions: 50_000 }

/** What there is beside what `fillWithMany` makes for one `$service` of an `$account` with a `$carrier`; `at` counts. */
const MORE: Record<string, { rows: number; insert: string }> = {
  accounts: {
    rows: 5_000,
    insert: `(sid, friendly_name, auth_token_sealed, auth_token_digest) select 'AC' || at, '', '', ''`,
  },
  api_keys: {
    rows: 5_000,
    insert: `(sid, account_sid, friendly_name, secret_digest) select 'SK' || at, 'AC' || at, '', ''`,
  },
  carriers: {
    rows: 5_000,
    insert: `(sid, account_sid, kind, friendly_name, credentials_sealed) select 'CR' || at, 'AC' || at, 'twilio', '', ''`,
  },
  services: {
    rows: 5_000,
    insert: `(sid, account_sid, unique_name, default_ttl, geo_match_level, number_selection_behavior)
      select 'KS' || at, 'AC' || at, at, 0, 'country', 'prefer-sticky'`,
  },
  phone_numbers: {
    rows: 20_000,
    insert: `(sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name, capabilities, service_sid)
      select 'PN' || at, 'AC' || 1 + at % 5000, 'CR' || 1 + at % 5000, at, '+' || 999000000 + at, '', '{}',
        'KS' || 1 + at % 5000`,
  },
  interactions: {
    rows: 10_000,
    insert: `(service_sid, sid, account_sid, carrier_sid, event_id, type, origin, outcome, date_created)
      select $service, 'KI' || at, $account, $carrier, 'SM' || at, 'message', 'inbound', 'out-of-session', now() - at * interval '5 minutes'`,
  },
  media: {
    rows: 20_000,
    insert: `(service_sid, interaction_sid, position, token, state, source_url_sealed, expires_at)
      select $service, 'KI' || at, 0, at, 'hosted', '', case when at % 20 = 0 then now() + at * interval '1 second' end`,
  },
  callbacks: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at, date_created, date_delivered, is_put_off)
      select $service, 'CB' || at, $account, 'KI' || at, 'https://app' || at % 500 || '.example/', now(), case when at % 8 = 0 then now() end,
        now() - at * interval '5 minutes', case when at % 8 > 0 and at % 100 > 5 then now() end, at % 200 = 0`,
  },
  callback_attempts: {
    rows: 40_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, kind, url, attempt, duration_ms, date_created)
      select $service, 'KT' || at, $account, 'KI' || at, 'status', 'https://example.com/status', 1, 20, now() - at * interval '2 minutes'`,
  },
  recordings: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, interaction_sid, kind, carrier_sid, carrier_recording_id, source_url_sealed,
        duration_s) select $service, 'RE' || at, $account, 'KI' || at, 'call', $carrier, at, '', 10`,
  },
  events: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, error_code, level, message, date_created)
      select case when at % 2000 = 0 then $service else 'KS' || at end, 'NO' || at, $account,
        case when at % 500 = 1 then 80905 else 80902 end, 'warning', 'Something happened', now() - at * interval '5 minutes'`,
  },
  idempotency_keys: {
    rows: 20_000,
    insert: `(account_sid, key, request_digest, date_created) select $account, at, '', now() - at * interval '4 seconds'`,
  },
  audit_entries: {
    rows: 40_000,
    insert: `(position, seal, sid, account_sid, actor, actor_sid, action, resource_sid, details, date_created)
      select 1000 + at, '', 'AU' || lpad(to_hex((extract(epoch from now()) * 1000)::bigint - (40000 - at) * 60000::bigint), 12, '0') || at,
        case when at % 2 = 0 then $account else 'AC' || at end, 'api-key', 'SK' || at % 500, 'kind-' || at % 200, 'KC' || at / 3, '{}',
        now() - (40000 - at) * interval '1 minute'`,
  },
  key_uses: { rows: 5_000, insert: `(sid, date_last_used, address) select 'SK' || at, now(), '192.0.2.1'` },
  blocked_numbers: {
    rows: 20_000,
    insert: `(service_sid, sid, account_sid, identifier_sealed, identifier_hash)
      select $service, 'BN' || at, $account, '', sha256(int4send(at))`,
  },
  users: {
    rows: 5_000,
    insert: `(sid, account_sid, name, role) select 'US' || at, case when at % 5 = 0 then $account else 'AC' || at end, 'user ' || at, 'viewer'`,
  },
  user_sessions: {
    rows: 5_000,
    insert: `(token_digest, user_sid, account_sid, is_by_link, origin, date_expiry)
      select sha256(int4send(at)), 'US' || at, $account, false, '', now() + at * interval '10 seconds'`,
  },
  sign_in_links: {
    rows: 5_000,
    insert: `(token_digest, user_sid, date_expiry) select sha256(int4send(at)), 'US' || at, now() + at * interval '10 seconds'`,
  },
  released_pairs: {
    rows: 20_000,
    insert: `(service_sid, sid, identifier_hash, proxy_identifier, date_released, kept_until)
      select $service, 'KP' || at, sha256(int4send(at)), '+' || at, now(), now() + at * interval '1 minute'`,
  },
}

/** Many rows in every table that grows, most of them of one service. */
export async function growTables(server: TestServer) {
  await fillWithMany(server.store, MANY)
  const [{ service, account, carrier }] = await rows(
    server,
    `select s.sid as service, account_sid as account, c.sid as carrier
     from services s join carriers c using (account_sid) where s.unique_name like 'many-%'`,
  )
  for (const [table, { rows: count, insert }] of Object.entries(MORE)) {
    const text = insert
      .replaceAll('$service', `'${service}'`)
      .replaceAll('$account', `'${account}'`)
      .replaceAll('$carrier', `'${carrier}'`)
    await rows(server, `insert into ${table} ${text} from generate_series(1, ${count}) at`)
  }
  await rows(server, 'vacuum analyze')
}
