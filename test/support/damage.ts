import type pg from 'pg'
import { newSid } from '../../src/core/sid.ts'
import type { Store } from '../../src/core/store.ts'
import { newPerson } from './conversation.ts'
import type { LivedIn } from './lived-in.ts'

/** What bugs, hands and disks do to data, each with the checks that notice; the first is the one meant for it. */
export type Damage = { finds: string[]; how: string; do: (place: Place) => Promise<unknown> | string }

export type Place = {
  pool: pg.Pool
  keys: Store['keys']
  life: LivedIn & { message: string; second: string; stranger: string }
}

export const NONE = '0'.repeat(32)
export const ago = (interval: string) => `now() - interval '${interval}'`

/** Gives a participant another person and number, as if that had been written so. */
export async function become({ pool, keys }: Place, sid: string, person: { identifier: string; proxy: string }) {
  await pool.query(
    `update participants set identifier_sealed = $2, identifier_hash = $3, proxy_identifier = n.phone_number,
       proxy_identifier_sid = n.sid from phone_numbers n where participants.sid = $1 and n.phone_number = $4`,
    [sid, keys.seal(`${sid}/identifier`, person.identifier), keys.blindIndex(person.identifier), person.proxy],
  )
}

/** So many more live pairs on one number, each in a session of its own. */
export async function crowd({ pool, keys, life }: Place, pairs: number) {
  for (let at = 0; at < pairs; at++) {
    const [session, sid] = [newSid('KC'), newSid('KP')]
    const identifier = newPerson()
    await pool.query(
      `insert into sessions (service_sid, sid, account_sid, status, mode, ttl)
       select service_sid, $2, account_sid, 'open', mode, 0 from sessions where sid = $1`,
      [life.quiet.session.sid, session],
    )
    await pool.query(
      `insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash,
         proxy_identifier, proxy_identifier_sid)
       select service_sid, $2, $3, account_sid, $4, $5, proxy_identifier, proxy_identifier_sid from participants where sid = $1`,
      [life.quiet.alice.sid, sid, session, keys.seal(`${sid}/identifier`, identifier), keys.blindIndex(identifier)],
    )
  }
}

export const interaction =
  (changes: string) =>
  ({ life }: Place) =>
    `update interactions set ${changes} where sid = '${life.message}'`

export const remove = ({ life }: Place, sid: string) =>
  `update participants set date_deleted = now(), date_released = now() where sid = '${sid}'
   and service_sid = '${life.service.sid}'`
