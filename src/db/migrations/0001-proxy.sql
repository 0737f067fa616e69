-- The whole of Proxy: accounts, the number directory, services, sessions, participants, interactions, callbacks, events.
-- A person's number and a message's text stand here only sealed (`…_sealed`) or as a keyed blind index (`…_hash`).
-- Where a service owns a row its key begins with service_sid: the service is the shard.

create table data_keys (
  id smallint primary key,
  purpose text not null unique,
  wrapped bytea not null,
  date_created timestamptz not null default now()
);

create table accounts (
  sid text primary key,
  friendly_name text not null,
  auth_token_sealed bytea not null,
  auth_token_digest bytea not null,
  status text not null default 'active',
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now()
);

create table api_keys (
  sid text primary key,
  account_sid text not null references accounts,
  friendly_name text not null,
  secret_digest bytea not null,
  date_created timestamptz not null default now(),
  date_revoked timestamptz
);
create index api_keys_account on api_keys (account_sid, sid);

create table carriers (
  sid text primary key,
  account_sid text not null references accounts,
  kind text not null,
  friendly_name text not null,
  credentials_sealed bytea not null,
  date_created timestamptz not null default now()
);
create index carriers_account on carriers (account_sid, sid);

create table services (
  sid text primary key,
  account_sid text not null references accounts,
  unique_name text not null,
  default_ttl integer not null,
  callback_url text,
  geo_match_level text not null,
  number_selection_behavior text not null,
  intercept_callback_url text,
  out_of_session_callback_url text,
  chat_instance_sid text,
  opt_out_words boolean not null default true,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now()
);
create unique index services_unique_name on services (account_sid, unique_name);
create index services_account on services (account_sid, sid);

-- The inventory, the pools and the directory number → service in one: a number is in at most one pool because it is one row.
-- date_created and date_updated are those of the pool membership, as the API shows them.
create table phone_numbers (
  sid text primary key,
  account_sid text not null references accounts,
  carrier_sid text not null references carriers,
  carrier_number_sid text not null,
  phone_number text not null unique,
  friendly_name text not null,
  iso_country text,
  capabilities jsonb not null,
  -- The webhooks the number had before it pointed at us, and when they are to be put back.
  previous_webhooks jsonb,
  restore_at timestamptz,
  service_sid text references services,
  is_reserved boolean not null default false,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now()
);
create index phone_numbers_service on phone_numbers (service_sid, sid);
create index phone_numbers_account on phone_numbers (account_sid, sid);
create index phone_numbers_to_restore on phone_numbers (restore_at) where restore_at is not null;

-- When a session ends by itself. Immutable in fact (a number of seconds is added, never a calendar unit), which the
-- generated column below needs it to be in name too.
create function session_expiry(date_expiry timestamptz, ttl integer, ttl_since timestamptz) returns timestamptz
  language sql immutable
  as $$ select coalesce(date_expiry, case when ttl > 0 then ttl_since + make_interval(secs => ttl) end) $$;

create table sessions (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  unique_name text,
  status text not null,
  mode text not null,
  ttl integer not null,
  ttl_since timestamptz not null default now(),
  date_expiry timestamptz,
  expires_at timestamptz generated always as (session_expiry(date_expiry, ttl, ttl_since)) stored,
  date_started timestamptz,
  date_ended timestamptz,
  date_last_interaction timestamptz,
  closed_reason text,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now(),
  primary key (service_sid, sid)
);
create unique index sessions_unique_name on sessions (service_sid, unique_name) where unique_name is not null;
create index sessions_to_expire on sessions (expires_at) where status in ('open', 'in-progress') and expires_at is not null;
create index sessions_to_purge on sessions (date_ended) where status = 'closed';

-- date_released frees the pair (the session ended, or the participant was removed); date_deleted is the removal.
create table participants (
  service_sid text not null,
  sid text not null,
  session_sid text not null,
  account_sid text not null,
  identifier_sealed bytea not null,
  identifier_hash bytea not null,
  friendly_name text,
  proxy_identifier text not null,
  proxy_identifier_sid text not null,
  date_deleted timestamptz,
  date_released timestamptz,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now(),
  primary key (service_sid, sid)
);
-- The promise: a (proxy number, person) pair leads to one participant.
create unique index participants_pair on participants (service_sid, proxy_identifier, identifier_hash) where date_released is null;
create unique index participants_once on participants (service_sid, session_sid, identifier_hash);
create index participants_session on participants (service_sid, session_sid, sid);
create index participants_identifier on participants (service_sid, identifier_hash, proxy_identifier, date_created);

-- One row per carrier event or API message, whether it found a session or not: session_sid is null for what did not, and
-- such rows are not in the API. The outbound leg still to be made, or the out-of-session callback still to be asked, is
-- the row itself: `stage` says what is due, `due_at` when. Claiming it moves `due_at` past the claim's lease.
create table interactions (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  session_sid text,
  type text not null,
  origin text not null,
  outcome text not null,
  data_sealed bytea,
  num_media smallint not null default 0,
  num_segments smallint not null default 1,
  carrier_sid text not null,
  event_id text,
  dialled_number text,
  -- Who texted, and who is texted when no participant is: sealed.
  sender_sealed bytea,
  sender_hash bytea,
  recipient_sealed bytea,
  geography jsonb,
  inbound_participant_sid text,
  inbound_resource_sid text,
  inbound_resource_status text,
  outbound_participant_sid text,
  outbound_resource_sid text,
  outbound_resource_status text,
  outbound_carrier_id text,
  outbound_number text,
  outbound_carrier_sid text,
  error_code integer,
  stage text,
  due_at timestamptz,
  attempts smallint not null default 0,
  send_started_at timestamptz,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now(),
  primary key (service_sid, sid)
);
create unique index interactions_event on interactions (service_sid, carrier_sid, event_id) where event_id is not null;
create index interactions_session on interactions (service_sid, session_sid, sid) where session_sid is not null;
create index interactions_api on interactions (service_sid, outbound_participant_sid, sid) where origin = 'api';
-- A message at the carrier is the leg of one interaction: two that are looked up at once cannot both be given it.
create unique index interactions_carrier_id on interactions (service_sid, outbound_carrier_sid, outbound_carrier_id)
  where outbound_carrier_id is not null;
create index interactions_outside on interactions (date_created) where session_sid is null;
create index interactions_due on interactions (due_at) where due_at is not null;

-- Attachments. `pending`: still at the carrier, under its credentials; `hosted`: fetched, served under `token` until
-- expires_at; `public`: the address itself can be passed on; `lost`: it could not be had.
create table media (
  service_sid text not null,
  interaction_sid text not null,
  position smallint not null,
  token text not null,
  state text not null,
  source_url_sealed bytea not null,
  content_type text,
  bytes_sealed bytea,
  expires_at timestamptz,
  primary key (service_sid, interaction_sid, position)
);
create index media_token on media (service_sid, token);
create index media_expires on media (expires_at) where expires_at is not null;

create table callbacks (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  interaction_sid text not null,
  url text not null,
  inbound_resource_status text,
  outbound_resource_status text,
  interaction_date_updated timestamptz not null,
  due_at timestamptz,
  attempts smallint not null default 0,
  date_delivered timestamptz,
  date_created timestamptz not null default now(),
  primary key (service_sid, sid)
);
create index callbacks_due on callbacks (due_at) where due_at is not null;
create index callbacks_interaction on callbacks (service_sid, interaction_sid);
create index callbacks_finished on callbacks (date_created) where due_at is null;

-- Every request we made to a customer: status callbacks, intercepts, out-of-session.
create table callback_attempts (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  interaction_sid text not null,
  callback_sid text,
  kind text not null,
  url text not null,
  attempt smallint not null,
  status_code integer,
  error text,
  duration_ms integer not null,
  date_created timestamptz not null default now(),
  primary key (service_sid, sid)
);
create index callback_attempts_interaction on callback_attempts (service_sid, interaction_sid, sid);

-- What the vendor shows in its debugger. service_sid is '' where no service is involved.
create table events (
  service_sid text not null default '',
  sid text not null,
  account_sid text not null,
  error_code integer not null,
  level text not null,
  message text not null,
  session_sid text,
  participant_sid text,
  interaction_sid text,
  date_created timestamptz not null default now(),
  primary key (service_sid, sid)
);
create index events_account on events (account_sid, sid);

create table idempotency_keys (
  account_sid text not null,
  key text not null,
  request_digest bytea not null,
  body_sealed bytea,
  date_created timestamptz not null default now(),
  primary key (account_sid, key)
);
create index idempotency_keys_age on idempotency_keys (date_created);
