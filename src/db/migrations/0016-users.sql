-- Who signs in to the console, what by, and the sessions that follow from it.
create table users (
  sid text primary key,
  -- Null works for all accounts, one at a time.
  account_sid text references accounts,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'admin')),
  -- Argon2id with its parameters. Without one a link is the only way in.
  password_hash text,
  totp_sealed bytea,
  -- The last step whose code was taken, since each counts once.
  totp_step bigint,
  is_disabled boolean not null default false,
  date_created timestamptz not null default now(),
  date_updated timestamptz not null default now()
);
create unique index users_name on users (lower(name));
create index users_account on users (account_sid, sid);

create table user_sessions (
  token_digest bytea primary key,
  user_sid text not null references users on delete cascade,
  -- The account that is worked for at the moment.
  account_sid text not null references accounts,
  -- Who came by a link may set a password without the one before.
  is_by_link boolean not null,
  origin text not null,
  date_created timestamptz not null default now(),
  date_last_used timestamptz not null default now(),
  date_expiry timestamptz not null
);
create index user_sessions_user on user_sessions (user_sid);
create index user_sessions_expiry on user_sessions (date_expiry);

create table sign_in_links (
  token_digest bytea primary key,
  user_sid text not null references users on delete cascade,
  date_expiry timestamptz not null,
  date_used timestamptz
);
create index sign_in_links_user on sign_in_links (user_sid);
create index sign_in_links_expiry on sign_in_links (date_expiry);
