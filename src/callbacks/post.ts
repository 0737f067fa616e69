import { twilioSignature } from '../core/signature.ts'
import { exchange, type Outcome, START_BYTES } from './exchange.ts'
import type { Guard } from './guard.ts'
import { asksToRetry, type Failure, parseOverrides } from './overrides.ts'

export type CallbackParams = [name: string, value: string][]

export type CallbackRequest = {
  url: string
  /** With GET the parameters travel, and are signed, in the query. */
  method?: 'POST' | 'GET'
  params: CallbackParams
  auth_token: string
  idempotency_token: string
  /** For everything: name, connection, request and the last byte of the answer, of all tries together. */
  timeout_ms: number
  /** With `'status'` the answer is complete with its status; of the body there is what came at once. */
  reads: 'body' | 'status'
  /** A status that is an answer to what was asked, and never tried again. */
  final_status?: number
}

/** Of the last try, and how many there were; the time is that of all. */
export type Answer = { duration_ms: number; tries: number } & (
  | { outcome: 'answered'; status_code: number; content_type: string; body: string }
  | { outcome: 'failed'; error: string }
)

/** One request with its tries, for the attempt log. */
export type CallbackAttempt = {
  url: string
  status_code: number | null
  error: string | null
  duration_ms: number
  tries: number
  /** How the answer begins, and its media type. */
  response: string | null
  response_type: string | null
}

/** What of an address may be kept that an application wrote into a document: a query may say who calls. */
export const withoutQuery = (url: string): string => (URL.canParse(url) ? url.replace(/[?#].*$/s, '') : '')

export const presentAttempt = (url: string, answer: Answer): CallbackAttempt => ({
  url,
  status_code: answer.outcome === 'answered' ? answer.status_code : null,
  error: answer.outcome === 'failed' ? answer.error : null,
  duration_ms: answer.duration_ms,
  tries: answer.tries,
  ...(answer.outcome === 'answered'
    ? { response: startOf(answer.body), response_type: mediaTypeOf(answer.content_type) }
    : { response: null, response_type: null }),
})

/** A character that is cut in two is left out. */
const startOf = (body: string) =>
  new TextDecoder().decode(Buffer.from(body).subarray(0, START_BYTES), { stream: true }) || null

const mediaTypeOf = (content_type: string) => /^[\w.+-]{1,60}\/[\w.+-]{1,60}/.exec(content_type)?.[0] ?? null

export const isAccepted = (answer: Answer): boolean =>
  answer.outcome === 'answered' && answer.status_code >= 200 && answer.status_code < 300

/** Why an answer was not accepted. */
export const reasonOf = (answer: Answer): string =>
  answer.outcome === 'failed' ? answer.error : `It answered with status ${answer.status_code}.`

/** A try that would have less time than this is not made. */
const LEAST_MS = 10

/** A request to a customer's application, tried again at once as far as the fragment of its address says. */
export async function post(request: CallbackRequest, guard: Pick<Guard, 'agent'>): Promise<Answer> {
  const started = performance.now()
  const elapsed = () => Math.round(performance.now() - started)
  const failed = (error: string): Answer => ({ outcome: 'failed', error, duration_ms: elapsed(), tries: 1 })

  if (!URL.canParse(request.url)) return failed('The URL cannot be read.')
  if (!/^https?:$/.test(new URL(request.url).protocol)) return failed('The URL is neither http nor https.')

  const overrides = parseOverrides(request.url)
  const limit_ms = Math.min(request.timeout_ms, overrides.total_ms)
  const sent = { ...signRequest(request), method: request.method ?? 'POST', reads: request.reads }
  for (let tries = 1; ; tries++) {
    const left_ms = Math.max(1, Math.ceil(limit_ms - elapsed()))
    const { connect_ms, read_ms } = overrides
    const outcome = await exchange({ ...sent, connect_ms, read_ms, left_ms, total_ms: limit_ms }, guard)
    const failure = failureOf(outcome, request.final_status)
    const isDone = tries > overrides.retries || limit_ms - elapsed() < LEAST_MS
    if (!failure || isDone || !asksToRetry(overrides, failure)) return { ...outcome, duration_ms: elapsed(), tries }
  }
}

function failureOf(outcome: Outcome, finalStatus: number | undefined): Failure | undefined {
  if (outcome.outcome === 'failed') return outcome.by
  const { status_code } = outcome
  if (status_code === finalStatus || status_code < 400) return undefined
  return status_code < 500 ? '4xx' : '5xx'
}

/**
 * What goes over the wire. The vendor signs the URL as it was configured, without fragment, user name and password, and
 * for https without port (https://www.twilio.com/docs/usage/security#notes); its validators try a URL with and without
 * port. So that those who rebuild the URL from the request agree, the target that travels is the one that is signed.
 */
export function signRequest(
  request: Pick<CallbackRequest, 'url' | 'method' | 'params' | 'auth_token' | 'idempotency_token'>,
) {
  const url = new URL(request.url)
  // A lone surrogate becomes U+FFFD on the wire; what is signed must be what is received.
  const params = request.params.map(([name, value]): [string, string] => [wellFormed(name), wellFormed(value)])
  const form = new URLSearchParams(params).toString()
  const isGet = request.method === 'GET'
  const target = requestTarget(request.url, url)
  const path = isGet && form !== '' ? `${target}${target.includes('?') ? '&' : '?'}${form}` : target
  const signedUrl = `${url.protocol}//${url.protocol === 'https:' ? url.hostname : url.host}${path}`

  const headers: Record<string, string> = {
    'user-agent': 'TwilioProxy/1.1',
    accept: '*/*',
    'x-twilio-signature': twilioSignature(request.auth_token, signedUrl, isGet ? [] : params),
    'i-twilio-idempotency-token': request.idempotency_token,
  }
  if (!isGet) headers['content-type'] = 'application/x-www-form-urlencoded; charset=utf-8'
  if (url.username !== '' || url.password !== '') {
    const credentials = `${decodeUserinfo(url.username)}:${decodeUserinfo(url.password)}`
    headers.authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  }
  return { origin: url.origin, path, headers, body: isGet ? null : form }
}

/**
 * Path and query as configured where that is possible, since `URL` would rewrite what the vendor leaves alone (`'` in a
 * query becomes `%27`, dot segments go). As `URL` writes them where a character may not travel or the host is written
 * differently: the validators try the URL as configured and as `URL` writes it, but no mixture.
 */
function requestTarget(text: string, url: URL): string {
  const exact = /^https?:\/\/([^/?#\\\s]*@)?([^/?#\\\s@]+)(\/[\w\-.~:/?[\]@!$&'()*+,;=%]*)(#.*)?$/i.exec(text)
  const [, , host, target] = exact ?? []
  if (target !== undefined && host?.replace(/:\d*$/, '') === url.hostname) return target
  // From `href`, since `search` forgets the `?` of an empty query.
  return /^[^:]+:\/\/[^/]+([^#]*)/.exec(url.href)?.[1] ?? '/'
}

const wellFormed = (text: string) => (/\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text)

function decodeUserinfo(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
