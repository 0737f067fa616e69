/**
 * The rules, each broken in one place: what the model has to notice. `text` stands in `file` exactly once, or the proof
 * fails, since a mutant that changes nothing would survive for the wrong reason.
 */
export type Mutant = { name: string; file: string; text: string; becomes: string }

const relay = 'src/db/statements/relay-event.ts'
const claim = 'src/db/statements/claim-interactions.ts'
const state = 'src/core/session-state.ts'
const people = 'src/core/participants.ts'

export const MUTANTS: Mutant[] = [
  {
    name: 'the partner is the sender',
    file: relay,
    text: 'and q.sid <> sender.sid and q.date_released is null',
    becomes: 'and q.sid = sender.sid and q.date_released is null',
  },
  {
    name: 'the partner sees the number that was dialled',
    file: relay,
    text: "case when outcome = 'relayed' then partner_number end,",
    becomes: "case when outcome = 'relayed' then proxy_identifier end,",
  },
  {
    name: 'who was removed is still known by their number',
    file: relay,
    text: 'p.identifier_hash = e.identifier_hash and p.date_released is null',
    becomes: 'p.identifier_hash = e.identifier_hash',
  },
  {
    name: 'who was removed is still reached',
    file: relay,
    text: 'and q.sid <> sender.sid and q.date_released is null',
    becomes: 'and q.sid <> sender.sid',
  },
  {
    name: 'a session that ran out still relays until it is swept',
    file: relay,
    text: `where \${IS_LIVE}\n  order by s.sid`,
    becomes: "where s.status in ('open', 'in-progress')\n  order by s.sid",
  },
  {
    name: 'a close keeps the pairs',
    file: state,
    text: '.set({ date_released: sql`now()` })',
    becomes: '.set({ date_released: null })',
  },
  {
    name: 'a close leaves what is queued, which a re-open then sends',
    file: state,
    text: '  await cancelQueuedMessages(trx, session)\n',
    becomes: '',
  },
  {
    name: 'a claim does not look at the session again, which may have run out',
    file: claim,
    text: `s.sid = i.session_sid\n              and \${IS_LIVE})`,
    becomes: 's.sid = i.session_sid)',
  },
  {
    name: 'a re-open does not win its pairs again',
    file: state,
    text: '    await regainPair(trx, service, participant)\n',
    becomes: '',
  },
  {
    name: 'a re-open brings back who was removed',
    file: state,
    text: "    .where('date_deleted', 'is', null)\n    .execute()\n  for (const participant of participants) {",
    becomes: '    .execute()\n  for (const participant of participants) {',
  },
  {
    name: 'the pairs have no unique index',
    file: 'src/db/migrations/0001-proxy.sql',
    text: 'create unique index participants_pair',
    becomes: 'create index participants_pair',
  },
  {
    name: 'a repeated event is a new one',
    file: relay,
    text: 'num_segments, $2, event_id, proxy_identifier,',
    becomes: 'num_segments, $2, coalesce(interaction_sid, event_id), proxy_identifier,',
  },
  {
    name: 'an event of a deleted interaction is forgotten',
    file: 'src/core/erase.ts',
    text: ".where('event_id', 'is not', null)",
    becomes: ".where('event_id', 'is', null)",
  },
  {
    name: 'who was removed may come back',
    file: people,
    text: 'const same = roster.find((member) => member.identifier_hash.equals(identifier_hash))',
    becomes:
      'const same = roster.find((member) => !member.date_deleted && member.identifier_hash.equals(identifier_hash))',
  },
  {
    name: 'three are company',
    file: people,
    text: 'const MAX_PARTICIPANTS = 2',
    becomes: 'const MAX_PARTICIPANTS = 3',
  },
  {
    name: 'the mode of a session is ignored',
    file: relay,
    text: "then 'message-only' else 'voice-only' end then 'mode-mismatch'",
    becomes: "then 'message-only' else 'voice-only' end then 'relayed'",
  },
  {
    name: 'opting out is passed on',
    file: relay,
    text: "when event.is_opt_out and service.opt_out_words then 'opt-out'",
    becomes: "when event.is_opt_out and not service.opt_out_words then 'opt-out'",
  },
  {
    name: 'an interaction does not start the ttl over',
    file: relay,
    text: 'ttl_since = clock.t, date_updated',
    becomes: 'ttl_since = s.ttl_since, date_updated',
  },
  {
    name: 'a number of another service will do',
    file: 'src/core/pairs.ts',
    text: '  if (number.service_sid !== service.sid) throw new ProxyError(80605)\n',
    becomes: '',
  },
  {
    name: 'what may have been sent is sent again unasked',
    file: 'src/core/send.ts',
    text: 'const found = claimed.started_before && (',
    becomes: 'const found = claimed.attempts < 0 && claimed.started_before && (',
  },
  {
    name: 'what was sent is not on record when another carrier brought it',
    file: 'src/core/outbound.ts',
    text: 'carrier_sid: leg.told_by ?? null',
    becomes: 'carrier_sid: leg.told_by ?? (leg as { carrier_sid?: string }).carrier_sid ?? null',
  },
  {
    name: 'the clock of the process says when a session is over',
    file: state,
    text: 'return is_expired && isLive(session)',
    becomes: 'return session.expires_at && session.expires_at.getTime() <= Date.now() && isLive(session)',
  },
  {
    name: 'what ran out unswept keeps its numbers',
    file: people,
    text: '  await closeExpiredSessions(trx, { service_sid: service.sid, identifier_hash: meeting.identifier_hash })\n',
    becomes: '',
  },
]
