import type pg from 'pg'
import { IS_LIVE } from './live-session.ts'

/**
 * An intercept callback let the message through: from here on it is being sent, if the session is still live. Cancelling
 * (close, removal) clears the stage, so a message that was cancelled while the customer thought it over is not sent. Only
 * now does the interaction count as one: the session's clock starts over.
 */
const text = `
with clock as (select now() as t),
-- The session before the interaction, as a close takes them; the lock re-reads a session that was closed meanwhile.
live as materialized (
  select s.sid from interactions i join sessions s on s.service_sid = i.service_sid and s.sid = i.session_sid
  where i.service_sid = $1 and i.sid = $2
    and ${IS_LIVE}
  for no key update of s
),
begun as (
  update interactions i
  set stage = 'send', send_started_at = coalesce(i.send_started_at, clock.t), due_at = clock.t + make_interval(secs => $3)
  from clock, live
  where i.service_sid = $1 and i.sid = $2 and i.stage = 'intercept' and i.session_sid = live.sid
  returning i.session_sid
),
touched as (
  update sessions s
  set status = 'in-progress', date_started = coalesce(s.date_started, clock.t), date_last_interaction = clock.t,
      ttl_since = clock.t, date_updated = clock.t
  from begun, clock
  where s.service_sid = $1 and s.sid = begun.session_sid and s.status in ('open', 'in-progress')
)
select session_sid from begun`

/** False when the message may no longer be sent. */
export async function beginSend(
  pool: pg.Pool,
  params: { service_sid: string; sid: string; lease_s: number },
): Promise<boolean> {
  const values = [params.service_sid, params.sid, params.lease_s]
  const { rowCount } = await pool.query({ name: 'begin-send', text, values })
  return rowCount === 1
}
