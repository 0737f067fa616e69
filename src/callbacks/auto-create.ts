import type { AutoCreate } from '../core/auto-create.ts'
import type { SessionMode } from '../db/schema.ts'

const MODES: readonly string[] = ['voice-and-message', 'voice-only', 'message-only'] satisfies SessionMode[]

/**
 * The reason instead when it cannot be used; it never quotes the body, which holds a number. `null` and an empty string
 * count as not given, as everywhere in this API. Whether names are free and numbers usable is not decided here.
 */
export function parseAutoCreate(body: string): AutoCreate | { reason: string } {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return { reason: 'The answer is not JSON.' }
  }
  if (typeof json === 'string') return { reason: 'The answer is JSON inside a JSON string: encode it once.' }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { reason: 'The answer is not a JSON object.' }
  }

  const given = new Map(Object.entries(json).filter(([, value]) => value !== null && value !== ''))
  for (const name of ['participantIdentifier', 'participantProxyIdentifier', 'uniqueName', 'mode', 'dateExpiry']) {
    if (given.has(name) && typeof given.get(name) !== 'string') return { reason: `${name} must be a string.` }
  }
  const text = (name: string) => given.get(name) as string | undefined

  const session: AutoCreate = { participant_identifier: text('participantIdentifier') ?? '' }
  if (session.participant_identifier === '') return { reason: 'participantIdentifier is missing.' }
  const proxyIdentifier = text('participantProxyIdentifier')
  if (proxyIdentifier !== undefined) session.participant_proxy_identifier = proxyIdentifier
  const uniqueName = text('uniqueName')
  if (uniqueName !== undefined) session.unique_name = uniqueName

  const mode = text('mode')
  if (mode !== undefined) {
    if (!MODES.includes(mode)) return { reason: `mode must be one of ${MODES.join(', ')}.` }
    session.mode = mode as SessionMode
  }
  const ttl = given.get('ttl')
  if (ttl !== undefined) {
    if (!Number.isSafeInteger(ttl) || (ttl as number) < 0) return { reason: 'ttl must be a whole number of seconds.' }
    session.ttl = ttl as number
  }
  const dateExpiry = text('dateExpiry')
  if (dateExpiry !== undefined) {
    const date = parseIsoDate(dateExpiry)
    if (!date) return { reason: 'dateExpiry must be an ISO 8601 date.' }
    session.date_expiry = date
  }
  return session
}

/** A time without a zone means UTC, not the zone this server happens to run in. */
function parseIsoDate(text: string): Date | undefined {
  const parts = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(text)
  if (!parts) return undefined
  const date = new Date(parts[1] !== undefined && parts[4] === undefined ? `${text}Z` : text)
  return Number.isNaN(date.getTime()) ? undefined : date
}
