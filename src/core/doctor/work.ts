import type { Check } from './check.ts'

/** Work that is due (interactions, callbacks) and tidying (sessions, numbers, attachments, recordings). */

/** A claim moves `due_at` past its lease, so what stays due for longer than this is claimed by nobody. */
const CLAIMED_WITHIN = '5 minutes'
const TIDIED_WITHIN = '1 hour'
/** The sweeper deletes recordings twenty at a time. */
const DELETED_WITHIN = '1 day'

/**
 * More attempts than the workers ever make, which give up after 20 at an interaction (`jobs/interactions.ts`), 11 at a callback
 * (`core/callbacks.ts`) and 36 at a recording; a few more, since a crash in the middle counts as one.
 */
const MOST = { interaction: 25, callback: 15, recording: 40 }

const NO_SERVER = 'Start a server (`maskline serve`) on this database, and read its log if one runs.'

export const WORK_CHECKS: Check[] = [
  {
    id: 'work-waits',
    level: 'warning',
    means: `What is due is claimed within ${CLAIMED_WITHIN}.`,
    advice: NO_SERVER,
    find: {
      rows: `select sid from interactions where due_at < now() - interval '${CLAIMED_WITHIN}'
             union all select sid from callbacks where due_at < now() - interval '${CLAIMED_WITHIN}'`,
    },
  },
  {
    id: 'work-exhausted',
    level: 'fault',
    means: 'What was tried as often as it may be is not due any more.',
    advice: 'Read the log of the servers: giving up fails. Clear stage, due_at or delete_at of these rows.',
    // A call that lasts is looked after again and again.
    find: {
      rows: `select sid from interactions where due_at is not null and type = 'message' and attempts > ${MOST.interaction}
             union all select sid from callbacks where due_at is not null and attempts > ${MOST.callback}
             union all select sid from recordings where delete_at is not null and attempts > ${MOST.recording}`,
    },
  },
  {
    id: 'stage-without-due',
    level: 'fault',
    means: 'An interaction with something to do is due, unless it is a call outside of any session.',
    advice: 'Set due_at of these interactions to now, or clear stage: nobody will ever work on them.',
    // The caller is answered while waiting, and a repeat of the call is answered from this row.
    find: {
      of: 'interactions',
      where: `i.stage is not null and i.due_at is null
              and not (i.type = 'voice' and i.stage = 'out-of-session' and i.outcome in ('out-of-session', 'no-partner'))`,
    },
  },
  {
    id: 'due-without-stage',
    level: 'fault',
    means: 'An interaction that is due says what is to be done.',
    advice: 'Clear due_at of these interactions.',
    find: { of: 'interactions', where: 'i.due_at is not null and i.stage is null' },
  },
  {
    id: 'delivered-still-due',
    level: 'fault',
    means: 'A status callback that was delivered is not due any more.',
    advice: 'Clear due_at of these callbacks: they are told again and again.',
    find: { of: 'callbacks', where: 'c.date_delivered is not null and c.due_at is not null' },
  },
  {
    id: 'session-overdue',
    level: 'warning',
    means: `A session that has run out is closed within ${CLAIMED_WITHIN}; routing ignores it at once.`,
    advice: NO_SERVER,
    find: {
      of: 'sessions',
      where: `s.status in ('open', 'in-progress') and s.expires_at < now() - interval '${CLAIMED_WITHIN}'`,
    },
  },
  {
    id: 'media-overdue',
    level: 'fault',
    means: `The bytes of an attachment go within ${TIDIED_WITHIN} after its address has expired.`,
    advice: NO_SERVER,
    find: {
      rows: `select interaction_sid as sid from media
             where expires_at < now() - interval '${TIDIED_WITHIN}' and bytes_sealed is not null`,
    },
  },
  {
    id: 'number-not-restored',
    level: 'fault',
    means: `A number that left its pool has its former webhooks back within ${TIDIED_WITHIN}.`,
    advice: NO_SERVER,
    find: { of: 'phone_numbers', where: `n.restore_at < now() - interval '${TIDIED_WITHIN}'` },
  },
  {
    id: 'recording-overdue',
    level: 'fault',
    means: `The carrier is asked to delete a recording within ${DELETED_WITHIN} after that is due.`,
    advice: NO_SERVER,
    find: { rows: `select sid from recordings where delete_at < now() - interval '${DELETED_WITHIN}'` },
  },
  {
    id: 'pair-not-forgotten',
    level: 'fault',
    means: `Who met whom is forgotten within ${DELETED_WITHIN} after no cool-down asks for it.`,
    advice: NO_SERVER,
    find: { rows: `select sid from released_pairs where kept_until < now() - interval '${DELETED_WITHIN}'` },
  },
  {
    id: 'callbacks-fail',
    level: 'warning',
    means: 'Of the last five requests to an address of the customer, not all failed.',
    advice: "Ask the service's owner to look at that application; see the table callback_attempts for the reasons.",
    // By primary key from the newest back: the table has a row for every request ever made.
    find: {
      rows: `
select v.sid || ' ' || late.kind as sid from services v cross join lateral (
  select kind from (
    select kind, url, date_created, row_number() over (partition by kind, url order by sid desc) as nth,
      status_code is null or status_code >= 500 or kind = 'status' and status_code not between 200 and 299 as failed
    from (select * from callback_attempts where service_sid = v.sid order by sid desc limit 200) newest
  ) numbered
  where nth <= 5
  group by kind, url
  having count(*) = 5 and bool_and(failed) and max(date_created) > now() - interval '1 day'
) late`,
    },
  },
]
