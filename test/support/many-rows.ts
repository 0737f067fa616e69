import { randomBytes } from 'node:crypto'
import { createAccount } from '../../src/core/accounts.ts'
import { addCarrier } from '../../src/core/carriers.ts'
import { createService } from '../../src/core/services.ts'
import { newSid } from '../../src/core/sid.ts'
import type { Store } from '../../src/core/store.ts'

/** What a service gathers in time, written straight into the tables: nothing of it is a fault. */

const NUMBERS = 400
const BATCH = 5_000
/** Of the sessions this share is live. */
const LIVE = 0.1

type Owner = { account_sid: string; carrier_sid: string; service_sid: string }
type PoolNumber = { sid: string; phone_number: string }
type Talk = { sid: string; is_live: boolean; sides: { sid: string; number: string }[] }

export async function fillWithMany(store: Store, many: { sessions: number; interactions: number }): Promise<void> {
  const { account } = await createAccount(store, { friendly_name: 'many' })
  const carrier = { account_sid: account.sid, kind: 'simulator', friendly_name: 'many', credentials: {} }
  const { sid: carrier_sid } = await addCarrier(store, carrier)
  const service = await createService(store, account.sid, { unique_name: `many-${randomBytes(4).toString('hex')}` })
  const owner = { account_sid: account.sid, carrier_sid, service_sid: service.sid }
  const pool = await addNumbers(store, owner)
  const talks: Talk[] = Array.from({ length: many.sessions }, (_, at) => ({
    sid: newSid('KC'),
    is_live: at >= many.sessions * (1 - LIVE),
    sides: [0, 1].map((side) => ({ sid: newSid('KP'), number: pool[(at + side) % NUMBERS]?.phone_number ?? '' })),
  }))
  await addSessions(store, owner, talks)
  await addParticipants(store, owner, talks, pool)
  await addInteractions(store, owner, talks, many.interactions)
  await store.pool.query('analyze')
}

async function addNumbers(store: Store, { account_sid, carrier_sid, service_sid }: Owner): Promise<PoolNumber[]> {
  const pool = Array.from({ length: NUMBERS }, (_, at) => ({
    sid: newSid('PN'),
    phone_number: `+1${212 + Math.floor(at / 100)}55501${String(at % 100).padStart(2, '0')}`,
  }))
  await store.pool.query(
    `insert into phone_numbers (sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name,
                                iso_country, capabilities, service_sid)
     select sid, $3, $4, sid, number, number, 'US', '{"sms": true, "mms": true, "voice": true, "fax": false}', $5
     from unnest($1::text[], $2::text[]) as n(sid, number)`,
    [pool.map(({ sid }) => sid), pool.map(({ phone_number }) => phone_number), account_sid, carrier_sid, service_sid],
  )
  return pool
}

async function addSessions(store: Store, { account_sid, service_sid }: Owner, talks: Talk[]) {
  await inBatches(talks, (batch) =>
    store.pool.query(
      `insert into sessions (service_sid, sid, account_sid, status, mode, ttl, date_started, date_ended, closed_reason)
       select $3, sid, $4, case when is_live then 'in-progress' else 'closed' end, 'voice-and-message', 0, now(),
              case when not is_live then now() + interval '1 second' end, case when not is_live then 'api' end
       from unnest($1::text[], $2::boolean[]) as s(sid, is_live)`,
      [batch.map(({ sid }) => sid), batch.map(({ is_live }) => is_live), service_sid, account_sid],
    ),
  )
}

async function addParticipants(store: Store, { account_sid, service_sid }: Owner, talks: Talk[], pool: PoolNumber[]) {
  const sidOf = new Map(pool.map(({ sid, phone_number }) => [phone_number, sid]))
  const people = talks.flatMap(({ sid, is_live, sides }, at) =>
    sides.map((side, which) => ({
      ...side,
      session_sid: sid,
      is_live,
      // Fictitious numbers do not suffice for so many people; nobody has an identifier of this kind.
      identifier: `messenger:many-${at}-${which}`,
    })),
  )
  await inBatches(people, (batch) =>
    store.pool.query(
      `insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash,
                                 proxy_identifier, proxy_identifier_sid, date_released)
       select $8, sid, session_sid, $9, sealed, hash, number, number_sid, case when not is_live then now() end
       from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::boolean[])
         as p(sid, session_sid, sealed, hash, number, number_sid, is_live)`,
      [
        batch.map(({ sid }) => sid),
        batch.map(({ session_sid }) => session_sid),
        batch.map(({ sid, identifier }) => store.keys.seal(`${sid}/identifier`, identifier)),
        batch.map(({ identifier }) => store.keys.blindIndex(identifier)),
        batch.map(({ number }) => number),
        batch.map(({ number }) => sidOf.get(number)),
        batch.map(({ is_live }) => is_live),
        service_sid,
        account_sid,
      ],
    ),
  )
}

async function addInteractions(store: Store, owner: Owner, talks: Talk[], count: number) {
  const messages = Array.from({ length: count }, (_, at) => {
    const talk = talks[at % talks.length]
    const [from, to] = at % 2 === 0 ? (talk?.sides ?? []) : [...(talk?.sides ?? [])].reverse()
    return { sid: newSid('KI'), session_sid: talk?.sid, from: from?.sid, to }
  })
  await inBatches(messages, (batch) =>
    store.pool.query(
      `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, data_sealed,
         carrier_sid, event_id, dialled_number, inbound_participant_sid, inbound_resource_sid, inbound_resource_status,
         outbound_participant_sid, outbound_resource_sid, outbound_resource_status, outbound_carrier_id, outbound_number,
         outbound_carrier_sid, attempts, send_started_at)
       select $7, sid, $8, session_sid, 'message', 'inbound', 'relayed', data, $9, event, number, inbound, event,
         'delivered', outbound, sent, 'delivered', sent, number, $9, 1, now() - interval '1 hour'
       from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[]) as m(sid, session_sid, data,
         inbound, outbound, number), lateral (select 'SM' || substr(sid, 3) as event, 'MM' || substr(sid, 3) as sent) ids`,
      [
        batch.map(({ sid }) => sid),
        batch.map(({ session_sid }) => session_sid),
        batch.map(({ sid }) => store.keys.seal(`${sid}/data`, 'On my way, see you in ten minutes')),
        batch.map(({ from }) => from),
        batch.map(({ to }) => to?.sid),
        batch.map(({ to }) => to?.number),
        owner.service_sid,
        owner.account_sid,
        owner.carrier_sid,
      ],
    ),
  )
}

async function inBatches<T>(items: T[], work: (batch: T[]) => Promise<unknown>) {
  for (let at = 0; at < items.length; at += BATCH) await work(items.slice(at, at + BATCH))
}
