-- What a service wants done about contact details in texts, per kind: flag, redact or block; null is off (core/content-guard.ts).
-- Null limits are those of the deployment (core/flood.ts).
alter table services
  add column content_guard_own_number text,
  add column content_guard_other_numbers text,
  add column content_guard_email_addresses text,
  add column content_guard_links text,
  add column content_guard_payment_words text,
  add column content_guard_notice text,
  add column allowed_domains text[],
  add column payment_words text[],
  add column allow_vcards boolean not null default false,
  add column flood_limit integer,
  add column repeat_limit integer,
  add column is_guarded boolean generated always as (
    coalesce(content_guard_own_number, content_guard_other_numbers, content_guard_email_addresses, content_guard_links,
             content_guard_payment_words) is not null) stored;

-- What the guard found and did, by kind, and the text that left where it is not the one that was typed.
alter table interactions
  add column content_found jsonb,
  add column sent_data_sealed bytea;

-- Who may neither text nor call into a service.
create table blocked_numbers (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  identifier_sealed bytea not null,
  identifier_hash bytea not null,
  date_created timestamptz not null default now(),
  primary key (service_sid, sid)
);
create unique index blocked_numbers_identifier on blocked_numbers (service_sid, identifier_hash);
