import { ok } from 'node:assert/strict'

/**
 * Every code we answer with or record as an event, in the vendor's numbering. Clients branch on code and status, people
 * read the message: strings that clients are known to have seen are kept to the letter, all others say what to do.
 * `{placeholders}` are filled by `ProxyError`. Whoever throws masks numbers first (`maskLastFour` in e164.ts).
 */
export const CATALOGUE = {
  20001: error(400, 'api', 'Missing required parameter {parameter} in the post body'),
  20003: error(401, 'api', 'Authenticate'),
  20004: error(405, 'api', 'This resource does not support that method.'),
  20005: error(403, 'api', 'This account is suspended. Ask the operator of this server about it.'),
  20006: error(
    403,
    'api',
    'These credentials may not do that. Use a key with wider permissions, the auth token, or another role.',
  ),
  20007: error(400, 'api', 'PageSize is too large. Ask for at most {limit} records a page.'),
  20403: error(403, 'api', 'These credentials do not give access to this resource.'),
  20404: error(404, 'api', 'The requested resource {resource} was not found'),
  20409: error(409, 'api', 'Another request changed this resource at the same time. Fetch it and try again.'),
  20410: error(410, 'api', 'This part of the API has been withdrawn.'),
  20422: error(422, 'api', 'The request was understood, but {parameter} has a value that cannot be used.'),
  20429: error(429, 'api', 'Too Many Requests'),
  20500: error(
    500,
    'api',
    'Something failed on our side. Try again; if it persists, give the operator the request id.',
  ),
  20503: error(503, 'api', 'The server cannot take this request right now. Try again shortly.'),

  21211: error(400, 'both', 'The carrier does not accept the recipient as a phone number.'),
  21212: error(400, 'both', 'The carrier does not accept the proxy number as a sender.'),
  21408: error(400, 'both', "The carrier account may not send to the recipient's region. Allow it there first."),
  21602: error(400, 'both', 'The message is empty. Give a Body, a MediaUrl or both.'),
  21606: error(400, 'both', 'The carrier account cannot send messages from this proxy number.'),
  21608: error(
    400,
    'both',
    'The carrier account is a trial and sends to verified numbers only. Verify this one or upgrade.',
  ),
  21610: error(
    400,
    'both',
    'The recipient has opted out of messages from this proxy number and has to text START first.',
  ),
  21611: error(400, 'both', "This proxy number's queue at the carrier is full. Send less at once or add numbers."),
  21612: error(400, 'both', 'The carrier has no route from this proxy number to the recipient.'),
  21614: error(400, 'both', 'The recipient is not a mobile number, so it cannot receive messages.'),
  21617: error(400, 'both', 'The message body is longer than 1600 characters. Split it.'),
  21619: error(400, 'both', 'The message has no body. Give a Body, a MediaUrl or both.'),
  21620: error(
    400,
    'both',
    'A MediaUrl cannot be used. Give an absolute http or https address that the carrier can reach.',
  ),
  21623: error(400, 'both', 'There are too many media, or they are too large. Send at most ten.'),

  30003: error(400, 'event', "The recipient's phone could not be reached: switched off, or without coverage."),
  30004: error(400, 'event', 'The recipient or their network blocks this message.'),
  30005: error(400, 'event', 'The recipient number is unknown, or no longer in service.'),
  30006: error(400, 'event', "The recipient is a landline, or the carrier cannot reach the recipient's network."),
  30007: error(400, 'event', "The message was filtered as unwanted. Check the content and the number's registration."),
  30008: error(400, 'event', 'Delivery failed and the carrier gave no reason.'),

  80101: error(400, 'api', 'This number belongs to another service. Remove it there before adding it here.'),
  80102: warning(400, 'api', 'This participant is part of the interaction already.'),
  80103: error(400, 'api', 'Participant has already been added to Session'),
  80104: warning(400, 'api', 'PhoneNumber has already been added to Service'),
  80105: warning(400, 'api', 'ShortCode has already been added to Service'),

  80201: warning(400, 'both', noNumber('Add a number with voice, or create the session with Mode message-only.')),
  80202: warning(
    400,
    'both',
    noNumber('Add a number with sms that suits the Mode, or create the session as voice-only.'),
  ),
  80203: error(400, 'both', noNumber('This Service has no available Proxy numbers for country code {country}.')),
  80205: warning(400, 'both', noNumber('This Service has no Proxy numbers configured.')),
  80206: warning(
    400,
    'both',
    noNumber(
      'Failed to find a proxy number for {identifier}. ' +
        'No number in the pool meets the GeoMatchLevel {level} for it. Add one that does, or widen the level.',
    ),
  ),
  80207: error(
    400,
    'both',
    noNumber('All that would match are reserved. Name one as ProxyIdentifier, or add another.'),
  ),
  80208: error(400, 'both', noNumber('Failed to find a proxy number for {identifier}. {reason}')),

  80301: error(400, 'api', 'This account has no phone number with that SID.'),
  80303: warning(400, 'api', 'This account has no short code with that SID.'),
  80304: warning(400, 'api', 'Unmanaged Proxy Identifier not found. Name a number in the pool of this service.'),
  80305: error(400, 'api', 'Proxy identifier SID not found. Name a number in the pool of this service by its SID.'),
  80306: error(400, 'api', 'Service {service} has no chat instance.'),
  80307: warning(404, 'api', 'The record to update no longer exists.'),
  80308: error(404, 'api', 'No session of this service has that unique name.'),

  80401: warning(400, 'api', 'Invalid Account Sid'),
  80402: warning(400, 'api', 'This identifier cannot be used with this proxy identifier.'),
  80403: warning(400, 'api', 'Invalid Interaction Sid'),
  80404: error(
    400,
    'api',
    '{identifier} does not appear to be a valid, reachable identity. Give a phone number with + and country code.',
  ),
  80405: warning(400, 'api', 'Invalid Participant Sid'),
  80406: warning(400, 'api', 'Invalid Phone Number Did'),
  80407: warning(400, 'api', 'Invalid Phone Number Sid'),
  80408: warning(400, 'both', 'Invalid Service Sid'),
  80409: warning(400, 'api', 'Invalid Session Sid'),

  80501: error(500, 'api', 'The data could not be stored. Nothing was changed; try again.'),
  80502: error(500, 'api', 'The carrier failed to do what was asked. Try again.'),
  80503: warning(404, 'api', 'Nothing was updated, because the record is gone.'),
  80504: error(500, 'api', 'The request failed on our side. Try again.'),
  80505: error(500, 'both', 'A contact centre uses this service and is not set up correctly.'),
  80506: error(403, 'api', 'This server does not allow new services.'),

  80601: warning(
    400,
    'api',
    'This number cannot be added, because it belongs to another pool. Take it out there first.',
  ),
  80602: warning(400, 'api', 'Service UniqueName must be unique.'),
  80603: error(400, 'api', 'Session UniqueName must be unique'),
  80604: warning(400, 'api', 'Proxy identifier already in use with requested identifier.'),
  80605: warning(400, 'api', 'This proxy number is not in the pool of this service. Add it first.'),
  80606: warning(400, 'api', 'This account does not own that proxy number.'),
  80607: warning(400, 'api', 'Session is closed and cannot be updated'),
  80608: error(
    400,
    'api',
    'Session status change not supported. A closed session can be set to In Progress, any other to Closed.',
  ),
  80609: warning(400, 'api', 'A Session may have at most 2 participants'),
  80610: warning(
    403,
    'api',
    'These SIDs do not belong together. Address the record under its own service and session.',
  ),
  80611: error(400, 'api', 'Active sessions use this number. Reserve it, and remove it once they have closed.'),
  80612: error(400, 'api', 'This identifier was removed from the session and cannot return. Create another session.'),
  80613: error(400, 'both', 'The carrier refused the request.'),
  80614: warning(400, 'event', 'Session {session} has no partner for participant {participant}. Add one.'),
  80615: error(
    403,
    'api',
    'These records are under legal hold and cannot be deleted until the operator of this server lifts it.',
  ),
  80616: error(400, 'api', '{identifier} does not suit the mode of session {session}. Use a session of another Mode.'),
  80617: error(500, 'both', 'A contact centre uses this number and is not set up correctly.'),
  80618: error(400, 'event', 'The chat side of this service is not set up correctly.'),
  80619: error(400, 'event', 'A chat channel is missing, or lacks the attributes that tie it to a session.'),
  80620: error(400, 'event', 'A chat message came for a proxy number that is not in the pool.'),
  80621: warning(429, 'api', 'Too many requests for this service. Slow down and try again.'),
  80622: error(400, 'api', 'The pool holds {limit} {kind} numbers already, the most it can. Use another service.'),
  80623: error(409, 'api', 'Possible duplicate Participant created in multiple Sessions.'),
  80624: warning(400, 'event', 'The pool holds {count} of at most {limit} {kind} numbers. Plan for another service.'),
  80625: warning(403, 'event', 'A webhook was not signed by the carrier and was ignored. Check its credentials.'),

  80701: warning(400, 'api', "'{parameter}' is invalid. {reason}"),
  80801: error(400, 'event', 'A re-opened session uses a number that its participant has in another session.'),
  80802: error(400, 'event', 'Requests at the same moment gave one participant the same number in several sessions.'),

  80901: warning(400, 'event', 'A message was an opt-out word and was not forwarded.'),
  80902: error(400, 'event', 'Somebody who is in no active session on this number called or wrote to it.'),
  80903: warning(400, 'event', 'An event named a participant that we do not know.'),
  80904: warning(400, 'event', 'A call or message came for session {session}, which has expired.'),
  80905: warning(
    400,
    'event',
    'Nothing could handle a call or message. Set an OutOfSessionCallbackUrl on the service.',
  ),
  80906: warning(400, 'event', 'An interaction that had ended was reported as ended again.'),
  80907: warning(400, 'event', 'The end of an interaction was reported that we do not know.'),
  80908: warning(400, 'event', 'The CallbackUrl {url} did not accept a callback. Make it answer 2xx.'),
  80909: warning(400, 'event', 'The InterceptCallbackUrl answered 403, so the interaction was blocked.'),
  80910: warning(400, 'event', 'A message into a voice-only session was rejected.'),
  80911: warning(400, 'event', 'A call into a message-only session was rejected.'),
  80913: error(400, 'event', 'The OutOfSessionCallbackUrl {url} did not answer 2xx. The call or message was dropped.'),
  // Ours.
  80914: warning(400, 'event', 'A message or an attachment was noted, changed or left out, as the service is set.'),

  11200: error(400, 'event', '{url} could not be fetched. Check that it can be reached and answers 2xx.'),
  12100: error(400, 'event', 'The answer is not TwiML that we can read: {reason}'),
  12200: warning(400, 'event', 'The TwiML asks for something that is not done here: {reason}'),
  12300: error(400, 'event', 'The answer has the content type {content_type}. Answer with application/xml or JSON.'),
}

export type ErrorCode = keyof typeof CATALOGUE

/** `where`: whether the API answers with the code or the event log carries it; the status of a mere event is unused. */
export type CatalogueEntry = {
  status: number
  level: 'error' | 'warning'
  where: 'api' | 'event' | 'both'
  message: string
}

/** A refusal: the caller has to change something, or wait. */
export class ProxyError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, values: Record<string, string | number> = {}, details?: Record<string, unknown>) {
    super(errorMessage(code, values))
    this.name = 'ProxyError'
    this.code = code
    this.status = CATALOGUE[code].status
    this.details = details
  }
}

/** The message of a code, for answers and events alike. Every placeholder needs its value. */
export function errorMessage(code: ErrorCode, values: Record<string, string | number> = {}): string {
  if (code === 20001 && values.message !== undefined) return String(values.message)
  return CATALOGUE[code].message.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    ok(value !== undefined, `Error ${code} needs a value for {${name}}.`)
    return String(value)
  })
}

export const missingParameter = (name: string) => new ProxyError(20001, { parameter: name })

/** The vendor has two shapes for this: 20001 without a reason, as for a bad PageSize, and 80701 with one. */
export function invalidParameter(name: string, reason?: string): ProxyError {
  if (reason === undefined) return new ProxyError(20001, { message: `Invalid ${name}.` })
  return new ProxyError(80701, { parameter: name, reason })
}

export const moreInfo = (code: number) => `https://www.twilio.com/docs/errors/${code}`

function error(status: number, where: CatalogueEntry['where'], message: string): CatalogueEntry {
  return { status, level: 'error', where, message }
}

function warning(status: number, where: CatalogueEntry['where'], message: string): CatalogueEntry {
  return { status, level: 'warning', where, message }
}

function noNumber(hint: string): string {
  return `This Service has no compatible Proxy numbers for this Participant. ${hint}`
}
