import { become, type Damage, interaction, NONE, type Place, remove } from './damage.ts'

/** Against the promise, and among rows. */

const PROMISE: Damage[] = [
  {
    finds: ['pair-twice', 'unique-indexes'],
    how: 'a pair is given twice once its index is gone',
    do: async (place) => {
      await place.pool.query('drop index participants_pair')
      await become(place, place.life.calm.alice.sid, place.life.quiet.alice)
    },
  },
  {
    finds: ['pair-in-two-services', 'number-not-in-pool'],
    how: "a person has a number in a service that is not the number's",
    do: (place) => become(place, place.life.others.alice_sid, place.life.quiet.alice),
  },
  {
    finds: ['third-participant'],
    how: 'a third person is put into a session',
    do: ({ life: { quiet, calm } }) =>
      `update participants set session_sid = '${quiet.session.sid}' where sid = '${calm.alice.sid}'`,
  },
  {
    finds: ['person-twice', 'unique-indexes'],
    how: 'a person is put into a session again',
    do: async (place) => {
      const { quiet, calm, service } = place.life
      const other = service.numbers.find(({ phone_number }) => phone_number !== quiet.alice.proxy)
      await place.pool.query('drop index participants_once')
      await become(place, calm.alice.sid, { identifier: quiet.alice.identifier, proxy: other?.phone_number ?? '' })
      return `${remove(place, quiet.bob.sid)};
        update participants set session_sid = '${quiet.session.sid}' where sid = '${calm.alice.sid}'`
    },
  },
  {
    finds: ['leg-other-session'],
    how: 'a message goes to somebody of another session',
    do: (place) => {
      const { sid, proxy } = place.life.quiet.bob
      return interaction(`outbound_participant_sid = '${sid}', outbound_number = '${proxy}'`)(place)
    },
  },
  {
    finds: ['leg-to-sender'],
    how: 'a message goes back to its sender',
    do: interaction(`outbound_participant_sid = inbound_participant_sid,
      outbound_number = (select proxy_identifier from participants where sid = inbound_participant_sid)`),
  },
  {
    finds: ['leg-nobody'],
    how: 'a message has a sender who is not there',
    do: interaction(`inbound_participant_sid = 'KP${NONE}'`),
  },
  {
    finds: ['leg-nobody'],
    how: 'a relayed message has no recipient',
    do: interaction('outbound_participant_sid = null'),
  },
  {
    finds: ['leg-wrong-number'],
    how: 'a message leaves from a number that is not the recipient’s',
    do: interaction("outbound_number = '+12025550199'"),
  },
  {
    finds: ['leg-after-end'],
    how: 'a message is sent after its session was closed',
    do: ({ life: { closed } }) =>
      `update interactions i set send_started_at = s.date_ended + interval '1 minute' from sessions s
       where s.sid = i.session_sid and s.sid = '${closed.session.sid}'`,
  },
  {
    finds: ['leg-after-end'],
    how: 'a message is sent after its sender was removed',
    do: ({ life: { left } }) =>
      `update interactions set send_started_at = now() + interval '1 minute' where session_sid = '${left.session.sid}'`,
  },
  {
    finds: ['out-of-session-guess', 'leg-nobody'],
    how: 'a stranger’s message has a recipient',
    do: ({ life: { stranger, quiet } }) =>
      `update interactions set outbound_participant_sid = '${quiet.alice.sid}',
       outbound_number = '${quiet.alice.proxy}' where sid = '${stranger}'`,
  },
  { finds: ['out-of-session-guess'], how: 'a relayed message has no session', do: interaction('session_sid = null') },
  {
    finds: ['event-twice', 'unique-indexes'],
    how: 'an event is stored twice once its index is gone',
    do: ({ life: { message, second } }) =>
      `drop index interactions_event; update interactions i set event_id = o.event_id, carrier_sid = o.carrier_sid
       from interactions o where o.sid = '${message}' and i.sid = '${second}'`,
  },
  {
    finds: ['carrier-id-twice', 'unique-indexes'],
    how: 'two messages have one id at the carrier once its index is gone',
    do: ({ life: { message, second } }) =>
      `drop index interactions_carrier_id; update interactions i set outbound_carrier_id = o.outbound_carrier_id,
       outbound_carrier_sid = o.outbound_carrier_sid from interactions o where o.sid = '${message}' and i.sid = '${second}'`,
  },
]

const ROWS: Damage[] = [
  {
    finds: ['live-in-closed-session'],
    how: 'a closed session keeps its pairs',
    do: ({ life: { closed } }) =>
      `update participants set date_released = null where session_sid = '${closed.session.sid}'`,
  },
  {
    finds: ['released-in-live-session'],
    how: 'somebody in a live session loses the pair',
    do: ({ life: { quiet } }) => `update participants set date_released = now() where sid = '${quiet.alice.sid}'`,
  },
  {
    finds: ['removed-not-released'],
    how: 'somebody who was removed keeps the pair',
    do: ({ life: { left } }) => `update participants set date_released = null where sid = '${left.alice.sid}'`,
  },
  {
    finds: ['number-not-in-pool'],
    how: 'a number leaves its pool while it is used',
    do: ({ life: { service, quiet } }) =>
      `update phone_numbers set service_sid = null where phone_number = '${quiet.alice.proxy}'
       and service_sid = '${service.sid}'`,
  },
  {
    finds: ['number-of-another-name'],
    how: 'a participant has a number and the SID of another',
    do: ({ life: { quiet } }) =>
      `update participants set proxy_identifier = '+12025550199' where sid = '${quiet.alice.sid}'`,
  },
  {
    finds: ['participant-without-session'],
    how: 'a session vanishes from under its participants',
    do: ({ life: { quiet } }) => `delete from sessions where sid = '${quiet.session.sid}'`,
  },
  {
    finds: ['session-without-service'],
    how: 'a session is left of a service that is gone',
    do: (place) => {
      const { sid } = place.life.quiet.session
      return `${remove(place, place.life.quiet.alice.sid)}; ${remove(place, place.life.quiet.bob.sid)};
        update participants set service_sid = 'KS${NONE}' where session_sid = '${sid}';
        update sessions set service_sid = 'KS${NONE}' where sid = '${sid}'`
    },
  },
  {
    finds: ['interaction-without-owner'],
    how: 'a stranger’s message is left of a service that is gone',
    do: ({ life: { stranger } }) => `update interactions set service_sid = 'KS${NONE}' where sid = '${stranger}'`,
  },
  {
    finds: ['interaction-without-owner', 'leg-other-session'],
    how: 'a message is left of a session that is gone',
    do: interaction(`session_sid = 'KC${NONE}'`),
  },
  {
    finds: ['media-without-interaction', 'sealed-addresses'],
    how: 'an attachment is left of a message that is gone',
    do: () => `update media set interaction_sid = 'KI${NONE}'`,
  },
  {
    finds: ['callback-without-interaction'],
    how: 'a callback is left of a message that is gone',
    do: ({ life: { message } }) =>
      `update callbacks set interaction_sid = 'KI${NONE}' where interaction_sid = '${message}'`,
  },
  {
    finds: ['recording-without-interaction'],
    how: 'a recording is left of a call that is gone',
    do: () => `update recordings set interaction_sid = 'KI${NONE}'`,
  },
  {
    finds: ['attempts-without-service'],
    how: 'attempts are left of a service that is gone',
    do: ({ life: { message } }) =>
      `update callback_attempts set service_sid = 'KS${NONE}' where interaction_sid = '${message}'`,
  },
  {
    finds: ['account-of-number'],
    how: 'a number is sent from by another account’s carrier',
    do: ({ life: { service, others } }) =>
      `update phone_numbers set carrier_sid = '${others.account.carrier_sid}' where service_sid = '${service.sid}'`,
  },
  ...(['session', 'participant', 'interaction', 'callback'] as const).map((kind) => ({
    finds: [`account-of-${kind}`],
    how: `a ${kind} has another account`,
    do: ({ life: { others, service } }: Place) =>
      `update ${kind}s set account_sid = '${others.account.sid}' where service_sid = '${service.sid}'`,
  })),
  {
    finds: ['session-words'],
    how: 'a session has a status nobody knows',
    do: ({ life: { quiet } }) => `update sessions set status = 'paused' where sid = '${quiet.session.sid}'`,
  },
  {
    finds: ['session-words'],
    how: 'a closed session has no end',
    do: ({ life: { closed } }) => `update sessions set date_ended = null where sid = '${closed.session.sid}'`,
  },
  {
    finds: ['interaction-words'],
    how: 'a leg has a status of the other kind',
    do: interaction("outbound_resource_status = 'no-answer'"),
  },
  {
    finds: ['other-words'],
    how: 'an account has a status nobody knows',
    do: () => "update accounts set status = 'gone'",
  },
  {
    finds: ['other-words'],
    how: 'a service blocks in a way nobody knows',
    do: ({ life: { service } }) => `update services set intercept_failure = 'wait' where sid = '${service.sid}'`,
  },
  {
    finds: ['session-expiry', 'constraints'],
    how: 'the end of a session is not generated any more',
    do: ({ life: { quiet } }) =>
      `alter table sessions alter column expires_at drop expression;
       update sessions set expires_at = now() + interval '1 hour' where sid = '${quiet.session.sid}'`,
  },
]

export const DAMAGES_TO_ROWS: Damage[] = [...PROMISE, ...ROWS]
