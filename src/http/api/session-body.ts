import type { ShownSession } from '../../db/statements/read-sessions.ts'
import { presentDate } from './present.ts'

/** The body of a session. `base` is where the API begins. */
export const presentSession = (base: string) => (session: ShownSession) => {
  const url = `${base}/Services/${session.service_sid}/Sessions/${session.sid}`
  return {
    service_sid: session.service_sid,
    status: session.status,
    unique_name: session.unique_name,
    date_started: presentDate(session.date_started),
    date_ended: presentDate(session.date_ended),
    date_last_interaction: presentDate(session.date_last_interaction),
    date_expiry: presentDate(session.date_expiry),
    ttl: session.ttl,
    mode: session.mode,
    closed_reason: session.closed_reason,
    sid: session.sid,
    date_updated: presentDate(session.date_updated),
    date_created: presentDate(session.date_created),
    account_sid: session.account_sid,
    url,
    links: { interactions: `${url}/Interactions`, participants: `${url}/Participants` },
  }
}

/**
 * The same body as JSON, for pages of them, in half the time of `JSON.stringify`, which looks for what to escape in every value.
 * Only a name can hold such a thing, besides the address of the API.
 */
export const writeSession = (base: string) => {
  const start = JSON.stringify(base).slice(1, -1)
  const text = (value: string | null) => (value === null ? 'null' : `"${value}"`)
  return (session: ShownSession): string => {
    const { service_sid, sid, unique_name } = session
    const url = `${start}/Services/${service_sid}/Sessions/${sid}`
    const date = (value: Date | string | null) => text(presentDate(value))
    return (
      `{"service_sid":"${service_sid}","status":"${session.status}",` +
      `"unique_name":${unique_name === null ? 'null' : JSON.stringify(unique_name)},` +
      `"date_started":${date(session.date_started)},"date_ended":${date(session.date_ended)},"date_last_interaction":${date(session.date_last_interaction)},"date_expiry":${date(session.date_expiry)},` +
      `"ttl":${session.ttl},"mode":"${session.mode}","closed_reason":${text(session.closed_reason)},"sid":"${sid}",` +
      `"date_updated":${date(session.date_updated)},"date_created":${date(session.date_created)},"account_sid":"${session.account_sid}","url":"${url}",` +
      `"links":{"interactions":"${url}/Interactions","participants":"${url}/Participants"}}`
    )
  }
}
