-- How long a person is not given a number again by which they reached somebody else, and whether that is an order or a
-- preference. Null is the default of the program (core/cool-down.ts).
alter table services
  add column cool_down_s integer,
  add column cool_down_mode text;

-- What one person has been released from, in whichever service, the latest first: nobody else's history is read for it.
create index participants_released on participants (identifier_hash, date_released) where date_released is not null;

-- What is remembered of a pair whose session or service was deleted, until no cool-down asks for it any more: two keyed
-- hashes and a number of ours. partner_hash is null for somebody who met nobody there, or more than one.
create table released_pairs (
  service_sid text not null,
  -- The participant's.
  sid text not null,
  identifier_hash bytea not null,
  partner_hash bytea,
  proxy_identifier text not null,
  date_released timestamptz not null,
  kept_until timestamptz not null,
  primary key (service_sid, sid)
);
create index released_pairs_person on released_pairs (identifier_hash, date_released);
create index released_pairs_age on released_pairs (kept_until);
