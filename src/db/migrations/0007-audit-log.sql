-- Who did what, when and from where. Rows are written with what they tell of, in one commit, and chained a moment later
-- (core/audit.ts): nobody who changes something waits for a chain.
create table audit_log (
  sid text primary key,
  account_sid text,
  actor text not null,
  actor_sid text,
  -- Where the request came from; for the command line, who was logged in.
  origin text,
  request_sid text,
  action text not null,
  service_sid text,
  resource_sid text,
  details jsonb not null default '{}',
  date_created timestamptz not null default now(),
  -- Null until it is chained.
  position bigint,
  seal bytea
);
create unique index audit_log_position on audit_log (position) where position is not null;
create index audit_log_unchained on audit_log (sid) where position is null;
create index audit_log_account on audit_log (account_sid, sid);
