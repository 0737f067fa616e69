import type { Check } from './check.ts'

/** The promise: I1, I2, I4, I7 and I8 of docs/architecture.md, over the rows. */

/** A close takes its time from when its transaction began, and a send may still begin until it commits. */
const COMMIT_S = 10

export const PROMISE_CHECKS: Check[] = [
  {
    id: 'pair-twice',
    level: 'fault',
    means: 'A (proxy number, person) pair has at most one live participant in a service (I1).',
    advice: 'Close all but one of the sessions of these participants, then make the index participants_pair again.',
    find: {
      rows: `select min(sid) as sid from participants where date_released is null
             group by service_sid, proxy_identifier, identifier_hash having count(*) > 1`,
    },
  },
  {
    id: 'pair-in-two-services',
    level: 'fault',
    means: 'A (proxy number, person) pair is live in one service only (I1).',
    advice: 'Close the sessions in the service whose pool does not have the number.',
    find: {
      rows: `select min(sid) as sid from participants where date_released is null
             group by proxy_identifier, identifier_hash having min(service_sid) <> max(service_sid)`,
    },
  },
  {
    id: 'third-participant',
    level: 'fault',
    means: 'A session has at most two live participants, so that the partner is never a choice (I2).',
    advice: 'Remove participants of these sessions until two are left.',
    find: {
      rows: `select session_sid as sid from participants where date_released is null
             group by service_sid, session_sid having count(*) > 2`,
    },
  },
  {
    id: 'person-twice',
    level: 'fault',
    means: 'A person is in a session once.',
    advice: 'Close these sessions and open new ones, then make the index participants_once again.',
    find: {
      rows: `select session_sid as sid from participants
             group by service_sid, session_sid, identifier_hash having count(*) > 1`,
    },
  },
  {
    id: 'leg-other-session',
    level: 'fault',
    means: 'Both participants of an interaction are in its session (I2).',
    advice: 'Somebody may have heard from a stranger: read these interactions and tell whom it concerns.',
    find: {
      of: 'interactions',
      where: 'i.session_sid is not null and (a.session_sid <> i.session_sid or b.session_sid <> i.session_sid)',
    },
  },
  {
    id: 'leg-to-sender',
    level: 'fault',
    means: 'Nobody is sent what they sent themselves (I2).',
    advice: 'Read these interactions; their sessions are not what they seem.',
    find: { of: 'interactions', where: 'i.inbound_participant_sid = i.outbound_participant_sid' },
  },
  {
    id: 'leg-nobody',
    level: 'fault',
    means: 'The participants of an interaction are there, and a relayed one has two (I2).',
    advice: 'Participants are deleted with their session only: find out who deleted these, and restore them.',
    find: {
      of: 'interactions',
      where: `(i.inbound_participant_sid is not null or i.outcome = 'relayed') and a.sid is null
           or (i.outbound_participant_sid is not null or i.outcome = 'relayed') and b.sid is null`,
    },
  },
  {
    id: 'leg-wrong-number',
    level: 'fault',
    means: "A leg leaves from the recipient's own proxy number (I2).",
    advice: 'An answer to these goes to somebody else: close their sessions and tell whom it concerns.',
    find: { of: 'interactions', where: 'b.sid is not null and i.outbound_number is distinct from b.proxy_identifier' },
  },
  {
    id: 'leg-after-end',
    level: 'fault',
    means: 'No message began to be sent after its session ended or one of its participants was removed (I4).',
    advice: 'Read these interactions: they went to people who had parted.',
    // A call that rings or talks when its session ends may go on.
    find: {
      of: 'interactions',
      where: `i.type = 'message' and i.send_started_at - interval '${COMMIT_S} seconds' >
              least(case when s.status = 'closed' then s.date_ended end, a.date_deleted, b.date_deleted)`,
    },
  },
  {
    id: 'out-of-session-guess',
    level: 'fault',
    means: 'What found no session names no session and no recipient, and what found one names it (I7).',
    advice: 'Read these interactions: it is not clear who heard from whom.',
    find: {
      of: 'interactions',
      where: `i.outcome in ('out-of-session', 'no-partner', 'opt-out', 'mode-mismatch', 'deleted')
                and (i.session_sid is not null or i.outbound_participant_sid is not null)
           or (i.outcome = 'relayed' or i.outcome = 'sent' and i.origin = 'api') and i.session_sid is null
           or i.outcome = 'blocked' and (i.outbound_participant_sid is not null
                or (i.session_sid is null) <> (i.sender_hash is not null))
           or i.origin = 'twiml' and i.session_sid is not null`,
    },
  },
  {
    id: 'event-twice',
    level: 'fault',
    means: "A carrier's event made one interaction (I8).",
    advice: 'These were sent twice: delete one of each, then make the index interactions_event again.',
    find: {
      rows: `select min(sid) as sid from interactions where event_id is not null
             group by service_sid, carrier_sid, event_id having count(*) > 1`,
    },
  },
  {
    id: 'carrier-id-twice',
    level: 'fault',
    means: 'A message or call at a carrier is the leg of one interaction (I8).',
    advice: 'Clear outbound_carrier_id of the wrong one of each, then make the index interactions_carrier_id again.',
    find: {
      rows: `select min(sid) as sid from interactions where outbound_carrier_id is not null
             group by service_sid, outbound_carrier_sid, outbound_carrier_id having count(*) > 1`,
    },
  },
]
