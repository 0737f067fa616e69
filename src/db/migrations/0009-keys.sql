-- Master keys have an id, so that the database can say which one opens it. There may be several keys that seal: the newest
-- active one does, and the others open what they sealed.
alter table data_keys
  add master_key_id text,
  add date_wrapped timestamptz not null default now(),
  add active_from timestamptz not null default now(),
  -- A new key sealed with the one before, so that servers that run can take it over; removed soon after.
  add handed_over bytea,
  drop constraint data_keys_purpose_key;
update data_keys set date_wrapped = date_created, active_from = date_created;
create unique index data_keys_single on data_keys (purpose) where purpose <> 'seal';

-- The other auth token of an account while tokens are being changed.
alter table accounts
  add secondary_auth_token_sealed bytea,
  add secondary_auth_token_digest bytea;
