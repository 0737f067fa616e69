-- How long an account keeps what it has of people, what may not be deleted meanwhile, and what finds all of one person.
alter table accounts
  -- Days that closed sessions are kept; null is the deployment's number, 0 for ever.
  add column retention_days integer,
  -- Days that texts, attachments and recordings are kept; null as long as their session, 0 as long as delivery needs them.
  add column body_retention_days integer;
create index accounts_bodies on accounts (sid) where body_retention_days is not null;

-- Nothing of these is deleted. An empty hash stands for all of the account, any other for a person.
create table legal_holds (
  account_sid text not null references accounts,
  identifier_hash bytea not null default '',
  date_created timestamptz not null default now(),
  primary key (account_sid, identifier_hash)
);

-- Up to here the bodies of a service have been looked at: the SID of an interaction.
alter table services add column bodies_purged_to text not null default '';

alter table interactions
  -- Its body goes as soon as delivery does not need it any more. The index holds just those that are to go.
  add column is_brief boolean not null default false,
  -- Of whoever is texted without being a participant; rows of before have none.
  add column recipient_hash bytea;
create index interactions_brief on interactions (date_created) where is_brief and due_at is null and data_sealed is not null
  and (num_media = 0 or outbound_resource_status is null
       or outbound_resource_status in ('canceled', 'failed', 'undelivered', 'delivered'));

alter table participants add column date_erased timestamptz;

-- What finds a person: everything outside of sessions, what partners are remembered by, and the events of sessions.
create index interactions_sender on interactions (service_sid, sender_hash) where sender_hash is not null;
create index interactions_recipient on interactions (service_sid, recipient_hash) where recipient_sealed is not null;
create index released_pairs_partner on released_pairs (partner_hash) where partner_hash is not null;
create index events_session on events (service_sid, session_sid) where session_sid is not null;
create index events_interaction on events (service_sid, interaction_sid) where interaction_sid is not null;

-- What is purged is purged per account.
drop index sessions_to_purge, interactions_outside, callbacks_finished, callback_attempts_age, events_age;
create index sessions_to_purge on sessions (account_sid, date_ended) where status = 'closed';
create index interactions_outside on interactions (account_sid, date_created) where session_sid is null;
create index callbacks_finished on callbacks (account_sid, date_created) where due_at is null;
create index callback_attempts_age on callback_attempts (account_sid, date_created);
create index events_age on events (account_sid, date_created);
