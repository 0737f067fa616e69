import { CALL_STATUSES, MESSAGE_STATUSES } from '../carrier.ts'
import type { Check } from './check.ts'

/** That rows agree with each other: live pairs, accounts (I6), words of the catalogues, rows that nobody owns. */

const list = (words: readonly string[]) => words.map((word) => `'${word}'`).join(', ')

const RESTORE = 'Restore what is missing from a backup, or delete the rows that were left.'
const ACCOUNT = 'Find out who wrote these rows; correct their account_sid to that of their service.'

export const ROW_CHECKS: Check[] = [
  {
    id: 'live-in-closed-session',
    level: 'fault',
    means: 'A closed session holds no pair.',
    advice: 'Set date_released of these participants: their pairs are blocked for others.',
    find: { of: 'participants', where: "p.date_released is null and s.status = 'closed'" },
  },
  {
    id: 'released-in-live-session',
    level: 'fault',
    means: 'Who is in a live session and was not removed has a pair.',
    advice: 'Close these sessions and open new ones: messages of these participants find no session.',
    find: {
      of: 'participants',
      where: "p.date_released is not null and p.date_deleted is null and s.status in ('open', 'in-progress')",
    },
  },
  {
    id: 'removed-not-released',
    level: 'fault',
    means: 'A removed participant holds no pair.',
    advice: 'Set date_released of these participants: messages of people who were removed are still relayed.',
    find: {
      of: 'participants',
      where: "p.date_deleted is not null and p.date_released is null and s.status <> 'closed'",
    },
  },
  {
    id: 'number-not-in-pool',
    level: 'fault',
    means: "A live participant's proxy number is in the pool of the service (I6).",
    advice: 'Add these numbers to their pools again, or close the sessions.',
    find: { of: 'participants', where: 'p.date_released is null and n.service_sid is distinct from p.service_sid' },
  },
  {
    id: 'number-of-another-name',
    level: 'fault',
    means: 'proxy_identifier and proxy_identifier_sid name the same number.',
    advice: 'Close the sessions of these participants and open new ones.',
    find: { of: 'participants', where: "n.phone_number <> split_part(p.proxy_identifier, ':', -1)" },
  },
  {
    id: 'participant-without-session',
    level: 'fault',
    means: 'Every participant belongs to a session that is there.',
    advice: RESTORE,
    find: { of: 'participants', where: 's.sid is null' },
  },
  {
    id: 'session-without-service',
    level: 'fault',
    means: 'Every session belongs to a service that is there.',
    advice: RESTORE,
    find: { of: 'sessions', where: 'v.sid is null' },
  },
  {
    id: 'interaction-without-owner',
    level: 'fault',
    means: 'Every interaction belongs to a session or, outside of any, to a service that is there.',
    advice: RESTORE,
    // A message that came while its service was deleted is deleted by the workers.
    find: {
      of: 'interactions',
      where: `i.session_sid is not null and s.sid is null
           or i.session_sid is null and v.sid is null and not (i.stage = 'out-of-session' and i.due_at is not null)`,
    },
  },
  {
    id: 'media-without-interaction',
    level: 'fault',
    means: 'Every attachment belongs to an interaction that is there.',
    advice: 'Delete these rows of media: they hold what somebody wrote to a person.',
    find: {
      rows: `select m.interaction_sid as sid from media m where not exists (
               select from interactions i where i.service_sid = m.service_sid and i.sid = m.interaction_sid)`,
    },
  },
  {
    id: 'callback-without-interaction',
    level: 'fault',
    means: 'Every status callback tells of an interaction that is there.',
    advice: 'Delete these rows of callbacks.',
    find: {
      rows: `select c.sid from callbacks c where not exists (
               select from interactions i where i.service_sid = c.service_sid and i.sid = c.interaction_sid)`,
    },
  },
  {
    id: 'recording-without-interaction',
    level: 'fault',
    means: 'A recording whose interaction is gone is due to be deleted at its carrier.',
    advice: 'Set delete_at of these recordings to now: the sweeper has them deleted.',
    find: {
      rows: `select r.sid from recordings r where r.delete_at is null and not exists (
               select from interactions i where i.service_sid = r.service_sid and i.sid = r.interaction_sid
                 and i.outcome <> 'deleted')`,
    },
  },
  {
    id: 'attempts-without-service',
    level: 'warning',
    means: 'Attempts at callbacks belong to services that are there, but for those made while theirs was deleted.',
    advice: 'They hold nothing personal and go with the retention period.',
    find: {
      rows: `select a.service_sid as sid from (select distinct service_sid from callback_attempts) a
             where not exists (select from services v where v.sid = a.service_sid)`,
    },
  },
  {
    id: 'account-of-number',
    level: 'fault',
    means: 'A number, its carrier and its service belong to one account (I6).',
    advice: 'Take these numbers out of service: they are sent from with the credentials of another account.',
    find: { of: 'phone_numbers', where: 'c.account_sid <> n.account_sid or v.account_sid <> n.account_sid' },
  },
  {
    id: 'account-of-session',
    level: 'fault',
    means: 'A session has the account of its service (I6).',
    advice: ACCOUNT,
    find: { of: 'sessions', where: 's.account_sid <> v.account_sid' },
  },
  {
    id: 'account-of-participant',
    level: 'fault',
    means: 'A participant has the account of the service (I6).',
    advice: ACCOUNT,
    find: { of: 'participants', where: 'p.account_sid <> v.account_sid' },
  },
  {
    id: 'account-of-interaction',
    level: 'fault',
    means: 'An interaction has the account of its service (I6).',
    advice: ACCOUNT,
    find: { of: 'interactions', where: 'i.account_sid <> v.account_sid' },
  },
  {
    id: 'account-of-callback',
    level: 'fault',
    means: 'A status callback has the account of its service, whose token signs it (I6).',
    advice: ACCOUNT,
    find: { of: 'callbacks', where: 'c.account_sid <> v.account_sid' },
  },
  {
    id: 'session-words',
    level: 'fault',
    means: "A session's status, mode and closed_reason are of the catalogue, and only a closed one has ended.",
    advice: 'Set a status that the API knows: routing takes an unknown one for closed.',
    find: {
      of: 'sessions',
      where: `s.status not in ('open', 'in-progress', 'closed')
           or s.mode not in ('voice-and-message', 'voice-only', 'message-only')
           or s.closed_reason not in ('api', 'ttl', 'date-expiry')
           or (s.status = 'closed') <> (s.date_ended is not null)
           or (s.status = 'closed') <> (s.closed_reason is not null)`,
    },
  },
  {
    id: 'interaction-words',
    level: 'fault',
    means: "An interaction's type, origin, outcome, stage and statuses are of the catalogue.",
    advice: 'Correct these rows: no report of a carrier moves a leg whose status is unknown.',
    find: {
      of: 'interactions',
      where: `i.type not in ('message', 'voice') or i.origin not in ('inbound', 'api', 'twiml')
           or i.outcome not in (${list(['relayed', 'sent', 'blocked', 'out-of-session', 'no-partner', 'opt-out'])},
                                'mode-mismatch', 'deleted')
           or i.stage not in ('out-of-session', 'intercept', 'send', 'announce', 'rejoin')
           or i.stage in ('announce', 'rejoin') and i.type <> 'voice'
           or i.type = 'message' and (i.inbound_resource_status <> 'delivered'
                or i.outbound_resource_status not in (${list(MESSAGE_STATUSES)}))
           or i.type = 'voice' and (i.inbound_resource_status not in ('in-progress', ${list(CALL_STATUSES)})
                or i.outbound_resource_status not in (${list(CALL_STATUSES)}))`,
    },
  },
  {
    id: 'other-words',
    level: 'fault',
    means: 'Accounts, services, attachments and recordings have words of the catalogue only.',
    advice: 'Correct these rows: the program does not know what to do with an unknown word.',
    find: {
      rows: `select sid from accounts where status not in ('active', 'suspended')
             union all select sid from services
               where geo_match_level not in ('country', 'area-code', 'extended-area-code', 'overlay', 'radius')
                  or number_selection_behavior not in ('prefer-sticky', 'avoid-sticky')
                  or cool_down_mode not in ('best-effort', 'strict')
                  or intercept_failure not in ('proceed', 'block')
                  or not array_remove(array[content_guard_own_number, content_guard_other_numbers, content_guard_links,
                                            content_guard_email_addresses, content_guard_payment_words], null)
                         <@ array['flag', 'redact', 'block']
             union all select interaction_sid from media where state not in ('pending', 'hosted', 'public', 'lost')
             union all select sid from recordings where kind not in ('call', 'voicemail')`,
    },
  },
  {
    id: 'session-expiry',
    level: 'fault',
    means: 'expires_at is what date_expiry and ttl make of it, for routing judges by it alone (I4).',
    advice: 'Restore the generated column expires_at and its function session_expiry from the migrations.',
    find: {
      of: 'sessions',
      where: `s.expires_at is distinct from coalesce(s.date_expiry,
                case when s.ttl > 0 then s.ttl_since + make_interval(secs => s.ttl) end)`,
    },
  },
]
