-- Whether an interaction passes when the intercept callback fails. Null is the default of the program (core/services.ts).
alter table services add column intercept_failure text;
