-- Who did what, when and from where. A deed is put into audit_pending in the commit that does it; there is no index, so that
-- whoever changes something waits for next to nothing. A moment later it is moved to audit_entries, into its place in the
-- chain of seals (core/audit-chain.ts). Entries are never changed, only added, and purged from the first on.
create table audit_pending (
  sid text not null,
  account_sid text,
  actor text not null,
  actor_sid text,
  -- Where the request came from; for the command line, who was logged in where; for the server itself, its host.
  origin text,
  request_sid text,
  action text not null,
  service_sid text,
  resource_sid text,
  details jsonb not null default '{}',
  date_created timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table audit_entries (
  position bigint primary key,
  seal bytea not null,
  like audit_pending
);
create index audit_entries_account on audit_entries (account_sid, sid);
create index audit_entries_resource on audit_entries (account_sid, resource_sid, sid);
create index audit_entries_action on audit_entries (account_sid, action, sid);
create index audit_entries_actor on audit_entries (account_sid, actor_sid, sid);

-- The last entry, and the last that was purged, each with a proof that only the keys make.
create table audit_ends (
  place text primary key,
  position bigint not null,
  seal bytea not null,
  proof bytea not null
);

create view audit_log as
  select sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid, resource_sid, details, date_created,
         position, seal
  from audit_entries
  union all
  select sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid, resource_sid, details, date_created,
         null::bigint, null::bytea
  from audit_pending;

-- When an account's token or an API key was last used, and from where.
create table key_uses (
  sid text primary key,
  date_last_used timestamptz not null,
  address text not null
);
