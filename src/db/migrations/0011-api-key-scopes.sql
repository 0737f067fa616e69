-- What an API key may do: a main key everything, a standard one all but to manage the account, a restricted one what `scopes`
-- names. Keys that were there keep what they could do, which no key could do to the account.
alter table api_keys
  add column type text not null default 'standard' check (type in ('main', 'standard', 'restricted')),
  add column scopes text[] not null default '{}',
  add column date_updated timestamptz not null default now();
-- Lists page through the keys that work; the operator's list has the revoked ones too.
create index api_keys_active on api_keys (account_sid, sid) where date_revoked is null;
