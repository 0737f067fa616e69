-- Callbacks to an application that keeps failing wait without being tried, until it answers again; and those that failed
-- can be listed and told again.

-- Where a callback goes: scheme, host and port (`endpointOf` in core/callback-health.ts reads the same).
create function callback_endpoint(url text) returns text
  language sql immutable
  as $$ select lower(regexp_replace(url, '^([a-z]+://)([^/?#]*@)?([^/?#]*).*$', '\1\3', 'i')) $$;

alter table callbacks
  -- It was due, and is not tried while its endpoint is out of order.
  add column is_put_off boolean not null default false,
  add column date_replayed timestamptz;
create index callbacks_put_off on callbacks (account_sid, callback_endpoint(url), due_at) where is_put_off;
create index callbacks_account on callbacks (account_sid, sid);
create index callbacks_failed on callbacks (account_sid, sid) where due_at is null and date_delivered is null;
create index callbacks_failed_at on callbacks (account_sid, callback_endpoint(url), sid)
  where due_at is null and date_delivered is null;
create index callbacks_pending on callbacks (account_sid, sid) where due_at is not null;

-- Of one attempt, the requests that were made at once, as the fragment of the address asks for.
alter table callback_attempts add column tries smallint not null default 1;

-- The endpoints that failed last. One that answers has no row.
create table callback_endpoints (
  account_sid text not null,
  endpoint text not null,
  -- In a row, and since when.
  failures integer not null,
  failing_since timestamptz not null,
  -- Since when nothing but probes is sent there, how many of these failed, and when the next one may be made.
  date_opened timestamptz,
  probes integer not null default 0,
  probe_at timestamptz,
  date_updated timestamptz not null,
  primary key (account_sid, endpoint)
);
