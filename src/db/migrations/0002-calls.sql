-- Masked calls. Null settings are off, or the deployment's own: how long the partner's phone rings, how long a call may
-- last, what is said to whom. A text that is an http(s) URL is played, any other is said in `speech_language`.
alter table services
  add column ring_timeout_s integer,
  add column max_duration_s integer,
  add column last_minute_announcement text,
  add column greeting text,
  add column whisper text,
  add column recording boolean not null default false,
  add column recording_announcement text,
  add column voicemail text,
  add column voicemail_max_length_s integer,
  add column speech_language text;

-- A call's row is due when somebody should look after it: to announce its last minute, or to ask the carrier how it ended
-- when nobody told us.
alter table interactions
  add column duration_s integer,
  -- Both people were told so when it began: what is recorded later was announced too.
  add column is_recorded boolean not null default false,
  add column answered_at timestamptz;

-- What was recorded lies at the carrier; here stands where. `delete_at`: the interaction is gone, and the carrier is to be
-- asked to delete its copy; such a row is not shown any more.
create table recordings (
  service_sid text not null,
  sid text not null,
  account_sid text not null,
  interaction_sid text not null,
  kind text not null,
  carrier_sid text not null,
  carrier_recording_id text not null,
  source_url_sealed bytea not null,
  duration_s integer not null,
  delete_at timestamptz,
  attempts smallint not null default 0,
  date_created timestamptz not null default now(),
  primary key (service_sid, sid)
);
create unique index recordings_carrier_id on recordings (service_sid, carrier_sid, carrier_recording_id);
create index recordings_interaction on recordings (service_sid, interaction_sid, sid);
create index recordings_to_delete on recordings (delete_at) where delete_at is not null;
