-- What became of the outbound leg, and when: `sent@1893456000000 undelivered@1893456003000:30005 `, a word, the millisecond and
-- the carrier's code where there was one. It is written by the statements that change the row anyway, and no index has it.
alter table interactions add column leg_log text not null default '';
