import { type Check, found, type Look } from './check.ts'

/** The ground everything stands on: settings, clock, migrations, keys, and the constraints that hold the promise. */

const MAX_SKEW_MS = 2_000
const CLOCK_READINGS = 3

/** The unique indexes, as PostgreSQL spells them. */
export const UNIQUE_INDEXES: Record<string, string> = {
  participants_pair: 'participants (service_sid, proxy_identifier, identifier_hash) WHERE (date_released IS NULL)',
  participants_once: 'participants (service_sid, session_sid, identifier_hash)',
  participants_pkey: 'participants (service_sid, sid)',
  sessions_unique_name: 'sessions (service_sid, unique_name) WHERE (unique_name IS NOT NULL)',
  sessions_pkey: 'sessions (service_sid, sid)',
  interactions_event: 'interactions (service_sid, carrier_sid, event_id) WHERE (event_id IS NOT NULL)',
  interactions_carrier_id:
    'interactions (service_sid, outbound_carrier_sid, outbound_carrier_id) WHERE (outbound_carrier_id IS NOT NULL)',
  interactions_pkey: 'interactions (service_sid, sid)',
  phone_numbers_phone_number_key: 'phone_numbers (phone_number)',
  phone_numbers_pkey: 'phone_numbers (sid)',
  services_unique_name: 'services (account_sid, unique_name)',
  services_pkey: 'services (sid)',
  accounts_pkey: 'accounts (sid)',
  api_keys_pkey: 'api_keys (sid)',
  carriers_pkey: 'carriers (sid)',
  media_pkey: 'media (service_sid, interaction_sid, "position")',
  recordings_pkey: 'recordings (service_sid, sid)',
  recordings_carrier_id: 'recordings (service_sid, carrier_sid, carrier_recording_id)',
  callbacks_pkey: 'callbacks (service_sid, sid)',
  blocked_numbers_identifier: 'blocked_numbers (service_sid, identifier_hash)',
  blocked_numbers_pkey: 'blocked_numbers (service_sid, sid)',
  callback_endpoints_pkey: 'callback_endpoints (account_sid, endpoint)',
  callback_attempts_pkey: 'callback_attempts (service_sid, sid)',
  events_pkey: 'events (service_sid, sid)',
  released_pairs_pkey: 'released_pairs (service_sid, sid)',
  idempotency_keys_pkey: 'idempotency_keys (account_sid, key)',
  request_counts_pkey: 'request_counts (key, server)',
  audit_entries_pkey: 'audit_entries ("position")',
  audit_ends_pkey: 'audit_ends (place)',
  key_uses_pkey: 'key_uses (sid)',
  legal_holds_pkey: 'legal_holds (account_sid, identifier_hash)',
  users_pkey: 'users (sid)',
  users_name: 'users (lower(name))',
  user_sessions_pkey: 'user_sessions (token_digest)',
  sign_in_links_pkey: 'sign_in_links (token_digest)',
  data_keys_pkey: 'data_keys (id)',
  data_keys_single: "data_keys (purpose) WHERE (purpose <> 'seal'::text)",
}

/** Columns of the indexes that no primary key makes `not null`: two nulls are never the same to an index. */
const NOT_NULL = [
  ['participants', 'session_sid'],
  ['participants', 'proxy_identifier'],
  ['participants', 'identifier_hash'],
  ['interactions', 'carrier_sid'],
  ['phone_numbers', 'phone_number'],
  ['services', 'account_sid'],
  ['services', 'unique_name'],
] as const

const FOREIGN_KEYS = [
  ['api_keys', 'account_sid'],
  ['legal_holds', 'account_sid'],
  ['users', 'account_sid'],
  ['user_sessions', 'user_sid'],
  ['user_sessions', 'account_sid'],
  ['sign_in_links', 'user_sid'],
  ['carriers', 'account_sid'],
  ['services', 'account_sid'],
  ['phone_numbers', 'account_sid'],
  ['phone_numbers', 'carrier_sid'],
  ['phone_numbers', 'service_sid'],
] as const

export const DATABASE_CHECKS: Check[] = [
  {
    id: 'migrations',
    level: 'warning',
    means: 'The database has the form this version needs.',
    advice: 'Run `maskline migrate`, or start a server of this version.',
    find: { read: async ({ migrations }) => ({ migrations: found(migrations.pending) }) },
  },
  {
    id: 'migration-history',
    level: 'fault',
    means: 'The migrations of the database are those of this program.',
    advice: 'Run the version of maskline that migrated this database, or a newer one.',
    find: {
      read: async ({ migrations: { problem } }) => ({
        'migration-history': problem ? { count: 1, examples: [], note: problem } : found([]),
      }),
    },
  },
  {
    id: 'durability',
    level: 'fault',
    means: 'What was committed is on disk: fsync, synchronous_commit and full_page_writes are on.',
    advice: 'Turn them on in postgresql.conf: a power cut would lose messages that a carrier was told we have.',
    find: {
      rows: `select name || ' = off' as sid from unnest(array['fsync', 'full_page_writes', 'synchronous_commit']) as name
             where current_setting(name) = 'off' order by name`,
    },
  },
  {
    id: 'clock',
    level: 'warning',
    means: "This machine's clock is within two seconds of the database's, by which sessions end.",
    advice: 'Let both machines keep their clocks by NTP.',
    find: { read: readClock },
  },
  {
    id: 'data-keys',
    level: 'fault',
    means: 'The master key opens the data keys.',
    advice:
      'Give the master key that opens this database: `maskline keys status` says which. Nothing can be read without.',
    find: { read: async ({ keys }) => ({ 'data-keys': found(keys ? [] : ['data_keys']) }) },
  },
  {
    id: 'unique-indexes',
    level: 'fault',
    means: 'The unique indexes that hold the promise are there, valid, and as the migrations made them (I1, I6, I8).',
    advice: 'Make these indexes again as src/db/migrations does, after removing what contradicts them.',
    find: { read: readIndexes },
  },
  {
    id: 'constraints',
    level: 'fault',
    means: 'Columns of those indexes are not null, and foreign keys are there and valid.',
    advice: 'Restore these constraints as src/db/migrations has them.',
    find: { read: readConstraints },
  },
]

async function readClock({ query, now }: Look) {
  let best = { skew_ms: 0, round_trip_ms: Number.POSITIVE_INFINITY }
  for (let reading = 0; reading < CLOCK_READINGS; reading++) {
    const before = now()
    const [row] = await query<{ ms: number }>('select extract(epoch from clock_timestamp())::float8 * 1000 as ms')
    const after = now()
    const round_trip_ms = after - before
    if (round_trip_ms < best.round_trip_ms) best = { round_trip_ms, skew_ms: (row?.ms ?? 0) - (before + after) / 2 }
  }
  // What half the way there and back may hide is not held against the clock.
  const isOff = Math.abs(best.skew_ms) - best.round_trip_ms / 2 > MAX_SKEW_MS
  const note = `The database is ${(Math.abs(best.skew_ms) / 1000).toFixed(1)} s ${best.skew_ms > 0 ? 'ahead' : 'behind'}.`
  return { clock: isOff ? { count: 1, examples: [], note } : found([]) }
}

async function readIndexes({ query }: Look) {
  const rows = await query<{ name: string; is_good: boolean; definition: string }>(
    `select name, x.indisunique and x.indisvalid and x.indisready and x.indislive as is_good,
            regexp_replace(pg_get_indexdef(x.indexrelid),
              '^CREATE UNIQUE INDEX \\S+ ON (?:ONLY )?(?:\\S+\\.)?(\\S+) USING btree ', '\\1 ') as definition
     from unnest($1::text[]) as name join pg_index x on x.indexrelid = to_regclass(name)`,
    [Object.keys(UNIQUE_INDEXES)],
  )
  const known = new Map(rows.map((row) => [row.name, row]))
  const offenders = Object.entries(UNIQUE_INDEXES).flatMap(([name, definition]) => {
    const index = known.get(name)
    if (!index) return [`${name} is missing`]
    if (!index.is_good) return [`${name} is not valid`]
    return index.definition === definition ? [] : [`${name} has another definition`]
  })
  return { 'unique-indexes': found(offenders) }
}

async function readConstraints({ query }: Look) {
  const columns = await query<{ name: string }>(
    `select t || '.' || c as name from unnest($1::text[], $2::text[]) as wanted(t, c)
     where not exists (select from pg_attribute where attrelid = to_regclass(t) and attname = c and attnotnull)
     union all select 'sessions.expires_at' where not exists (
       select from pg_attribute where attrelid = to_regclass('sessions') and attname = 'expires_at' and attgenerated = 's')`,
    [NOT_NULL.map(([table]) => table), NOT_NULL.map(([, column]) => column)],
  )
  const keys = await query<{ name: string }>(
    `select t || '.' || c as name from unnest($1::text[], $2::text[]) as wanted(t, c)
     where not exists (
       select from pg_constraint f join pg_attribute a on a.attrelid = f.conrelid and f.conkey = array[a.attnum]
       where f.conrelid = to_regclass(t) and a.attname = c and f.contype = 'f' and f.convalidated)`,
    [FOREIGN_KEYS.map(([table]) => table), FOREIGN_KEYS.map(([, column]) => column)],
  )
  return { constraints: found([...columns, ...keys].map((row) => row.name)) }
}
