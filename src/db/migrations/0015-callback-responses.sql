-- How a customer's application answered a callback: the first KB, which may hold anything, and of what type it said that is.
alter table callback_attempts
  add column response_sealed bytea,
  add column response_type text;
