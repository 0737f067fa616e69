-- What is purged by age is found by age, so that looking for it costs nothing when there is none.
create index callback_attempts_age on callback_attempts (date_created);
create index events_age on events (date_created);
create index interactions_deleted on interactions (date_created) where outcome = 'deleted';

-- The events of one code, however rare it is among an account's.
create index events_code on events (account_sid, error_code, sid);

-- The unique index on a session's people finds them as well, and they are too few for their order to matter.
drop index participants_session;
