import { randomBytes } from 'node:crypto'
import { createKeyring } from '../../src/core/seal.ts'
import { ago, crowd, type Damage, interaction } from './damage.ts'

/** To work that is due, sealed values, pools and the schema. */

const WORK: Damage[] = [
  {
    finds: ['work-waits'],
    how: 'nobody claims a message',
    do: interaction(`stage = 'send', due_at = ${ago('10 minutes')}`),
  },
  {
    finds: ['work-waits'],
    how: 'nobody claims callbacks',
    do: () => `update callbacks set due_at = ${ago('10 minutes')} where date_delivered is null`,
  },
  {
    finds: ['work-exhausted'],
    how: 'a message is tried for ever',
    do: interaction("stage = 'send', due_at = now() + interval '1 minute', attempts = 100"),
  },
  { finds: ['stage-without-due'], how: 'a message waits for nothing', do: interaction("stage = 'send'") },
  { finds: ['due-without-stage'], how: 'a message is due for nothing', do: interaction('due_at = now()') },
  {
    finds: ['delivered-still-due'],
    how: 'a callback is told again and again',
    do: () => 'update callbacks set date_delivered = now(), due_at = now()',
  },
  {
    finds: ['session-overdue'],
    how: 'nobody sweeps',
    do: ({ life: { quiet } }) =>
      `update sessions set ttl = 60, ttl_since = ${ago('1 hour')} where sid = '${quiet.session.sid}'`,
  },
  {
    finds: ['media-overdue'],
    how: 'nobody forgets attachments',
    do: () => `update media set state = 'hosted', bytes_sealed = '\\x00', expires_at = ${ago('2 hours')}`,
  },
  {
    finds: ['number-not-restored'],
    how: 'nobody gives a number back',
    do: ({ life: { service } }) =>
      `update phone_numbers set restore_at = ${ago('2 hours')} where service_sid = '${service.sid}'`,
  },
  {
    finds: ['recording-overdue'],
    how: 'nobody deletes recordings',
    do: () => `update recordings set delete_at = ${ago('2 days')}`,
  },
  {
    finds: ['pair-not-forgotten'],
    how: 'nobody forgets who met whom',
    do: () => `update released_pairs set kept_until = ${ago('2 days')}`,
  },
]

const SEALED: Damage[] = [
  {
    finds: ['sealed-accounts'],
    how: 'an account has the token of another',
    do: ({ life: { others } }) =>
      `update accounts a set auth_token_sealed = o.auth_token_sealed from accounts o where o.sid = '${others.account.sid}'
       and a.sid <> o.sid`,
  },
  {
    finds: ['sealed-carriers'],
    how: 'credentials are cut short',
    do: ({ life: { others } }) =>
      `update carriers set credentials_sealed = substr(credentials_sealed, 1, 20) where sid = '${others.account.carrier_sid}'`,
  },
  {
    finds: ['sealed-participants'],
    how: 'a number is copied from another row',
    do: ({ life: { quiet } }) =>
      `update participants set identifier_sealed = (select identifier_sealed from participants where sid = '${quiet.bob.sid}')
       where sid = '${quiet.alice.sid}'`,
  },
  {
    finds: ['sealed-participants'],
    how: 'a number is sealed with another key',
    do: async ({ pool, life: { quiet } }) => {
      const purposes = ['seal', 'index', 'digest'] as const
      const foreign = createKeyring(purposes.map((purpose, at) => ({ id: at + 1, purpose, key: randomBytes(32) })))
      const sealed = foreign.seal(`${quiet.alice.sid}/identifier`, quiet.alice.identifier)
      await pool.query('update participants set identifier_sealed = $1 where sid = $2', [sealed, quiet.alice.sid])
    },
  },
  {
    finds: ['blind-index'],
    how: 'a blind index is of somebody else',
    do: ({ life: { quiet } }) =>
      `update participants set identifier_hash = decode(repeat('ab', 32), 'hex') where sid = '${quiet.alice.sid}'`,
  },
  {
    finds: ['sealed-interactions'],
    how: 'a text is copied from another message',
    do: ({ life: { message, second } }) =>
      `update interactions set data_sealed = (select data_sealed from interactions where sid = '${second}')
       where sid = '${message}'`,
  },
  {
    finds: ['sealed-interactions'],
    how: 'the blind index of a stranger is of somebody else',
    do: ({ life: { stranger } }) => `update interactions set sender_hash = '\\xabab' where sid = '${stranger}'`,
  },
  {
    finds: ['sealed-blocked-numbers'],
    how: 'somebody else is blocked than was said',
    do: () => `update blocked_numbers set identifier_hash = decode(repeat('ab', 32), 'hex')`,
  },
  {
    finds: ['sealed-users'],
    how: 'the secret of a code is of another user',
    do: () => `insert into users (sid, name, role, totp_sealed) values ('US1', 'somebody', 'viewer', '\\x0101')`,
  },
  {
    finds: ['sealed-addresses'],
    how: 'the address of a recording is broken',
    do: () => `update recordings set source_url_sealed = '\\x0101'`,
  },
]

const AUDIT: Damage[] = [
  {
    finds: ['audit-chain'],
    how: 'an entry of the audit log was edited',
    do: () => "update audit_entries set actor_sid = null, actor = 'server' where position = 5",
  },
  {
    finds: ['audit-chain'],
    how: 'an entry of the audit log was deleted',
    do: () => 'delete from audit_entries where position = 5',
  },
  {
    finds: ['audit-chain'],
    how: 'two entries of the audit log were swapped',
    do: () => `update audit_entries a set (sid, action, resource_sid) = (b.sid, b.action, b.resource_sid)
      from audit_entries b where (a.position, b.position) in ((5, 7), (7, 5))`,
  },
  {
    finds: ['audit-chain'],
    how: 'an entry was added to the audit log',
    do: () => `insert into audit_entries (position, seal, sid, actor, action, details, date_created)
      select max(position) + 1, sha256('x'), 'AU1', 'server', 'nothing.done', '{}', now() from audit_entries`,
  },
  {
    finds: ['audit-chain'],
    how: 'the last entries of the audit log were cut off',
    do: () => 'delete from audit_entries where position > 5',
  },
  {
    finds: ['audit-waits'],
    how: 'nobody seals what was done',
    do: () => `insert into audit_pending (sid, actor, action, date_created)
      values ('AU1', 'server', 'nothing.done', ${ago('5 minutes')})`,
  },
]

const REST: Damage[] = [
  {
    finds: ['unique-indexes'],
    how: 'an index is not valid',
    do: () => "update pg_index set indisvalid = false where indexrelid = 'interactions_event'::regclass",
  },
  {
    finds: ['unique-indexes'],
    how: 'an index has another definition',
    do: () => `drop index participants_pair; create unique index participants_pair
      on participants (service_sid, proxy_identifier, identifier_hash, sid) where date_released is null`,
  },
  {
    finds: ['unique-indexes'],
    how: 'an index is not unique',
    do: () => `drop index participants_pair; create index participants_pair
      on participants (service_sid, proxy_identifier, identifier_hash) where date_released is null`,
  },
  {
    finds: ['unique-indexes'],
    how: 'a number may be there twice',
    do: () => 'alter table phone_numbers drop constraint phone_numbers_phone_number_key',
  },
  {
    finds: ['constraints'],
    how: 'a blind index may be null',
    do: () => 'alter table participants alter column identifier_hash drop not null',
  },
  {
    finds: ['constraints'],
    how: 'a number may name a service that is not there',
    do: () => 'alter table phone_numbers drop constraint phone_numbers_service_sid_fkey',
  },
  {
    finds: ['pool-empty'],
    how: 'a service has no number',
    do: ({
      life: { others },
    }) => `update phone_numbers set service_sid = null where service_sid = '${others.service_sid}';
      delete from participants where service_sid = '${others.service_sid}'`,
  },
  {
    finds: ['pool-nearly-full'],
    how: 'a pool comes near its limit',
    do: ({ life: { service } }) =>
      `insert into phone_numbers (sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name,
         capabilities, service_sid)
       select 'PN' || lpad(nth::text, 32, '0'), account_sid, carrier_sid, nth, '+1202555' || (1000 + nth), '',
         capabilities, service_sid
       from generate_series(1, 425) nth, (select * from phone_numbers where sid = '${service.numbers[0]?.sid}') one`,
  },
  { finds: ['number-crowded'], how: 'everybody is on one number', do: (place) => crowd(place, 101) },
  {
    finds: ['pool-head-room'],
    how: 'all other numbers are reserved',
    do: async (place) => {
      await crowd(place, 88)
      const { service, quiet } = place.life
      return `update phone_numbers set is_reserved = true where service_sid = '${service.sid}'
        and phone_number <> '${quiet.alice.proxy}'`
    },
  },
]

export const DAMAGES_TO_THE_REST: Damage[] = [...WORK, ...SEALED, ...AUDIT, ...REST]
