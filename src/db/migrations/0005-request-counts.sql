-- What each server has let through lately of what is asked often, for the others on this database (core/rate-limit.ts). It is
-- worth nothing after a few seconds, so it is not logged: no write here waits for the disk, and no backup has it.
create unlogged table request_counts (
  key text not null,
  server text not null,
  -- In slots of time, the latest first, which had begun so long before.
  counts integer[] not null,
  slot_age_ms float8 not null,
  date_told timestamptz not null,
  primary key (key, server)
);
