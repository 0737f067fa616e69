import { errors } from 'undici'
import { startDeadline } from '../core/deadline.ts'
import { twilioSignature } from '../core/signature.ts'
import { AddressRefused, type Guard } from './guard.ts'

export type CallbackParams = [name: string, value: string][]

export type CallbackRequest = {
  url: string
  /** With GET the parameters travel, and are signed, in the query. */
  method?: 'POST' | 'GET'
  params: CallbackParams
  auth_token: string
  idempotency_token: string
  /** For everything: name, connection, request and the last byte of the answer. */
  timeout_ms: number
  /** With `'status'` the answer is complete with its status: a body that is too large or never ends changes nothing. */
  reads: 'body' | 'status'
}

export type Answer =
  | { outcome: 'answered'; status_code: number; content_type: string; body: string; duration_ms: number }
  | { outcome: 'failed'; error: string; duration_ms: number }

/** One request, for the attempt log. */
export type CallbackAttempt = { url: string; status_code: number | null; error: string | null; duration_ms: number }

/** What of an address may be kept that an application wrote into a document: a query may say who calls. */
export const withoutQuery = (url: string): string => (URL.canParse(url) ? url.replace(/[?#].*$/s, '') : '')

export const presentAttempt = (url: string, answer: Answer): CallbackAttempt => ({
  url,
  status_code: answer.outcome === 'answered' ? answer.status_code : null,
  error: answer.outcome === 'failed' ? answer.error : null,
  duration_ms: answer.duration_ms,
})

export const isAccepted = (answer: Answer): boolean =>
  answer.outcome === 'answered' && answer.status_code >= 200 && answer.status_code < 300

/** Why an answer was not accepted. */
export const reasonOf = (answer: Answer): string =>
  answer.outcome === 'failed' ? answer.error : `It answered with status ${answer.status_code}.`

const MAX_ANSWER_BYTES = 64 * 1024

/** One request to a customer's application. Redirects are not followed: a 3xx is an answer. */
export async function post(request: CallbackRequest, guard: Pick<Guard, 'agent'>): Promise<Answer> {
  const started = performance.now()
  const elapsed = () => Math.round(performance.now() - started)
  const failed = (error: string): Answer => ({ outcome: 'failed', error, duration_ms: elapsed() })

  if (!URL.canParse(request.url)) return failed('The URL cannot be read.')
  if (!/^https?:$/.test(new URL(request.url).protocol)) return failed('The URL is neither http nor https.')

  const { origin, path, headers, body } = signRequest(request)
  const { signal, clear } = startDeadline(Math.max(0, Math.ceil(request.timeout_ms)))
  try {
    const method = request.method ?? 'POST'
    const limits = { signal, headersTimeout: 0, bodyTimeout: 0 }
    const response = await guard.agent.request({ origin, path, method, headers, body, ...limits })
    let text: string | undefined = ''
    if (request.reads === 'body') text = await readText(response.body).finally(clear)
    // Nobody waits for this body; reading it off keeps the connection usable.
    else response.body.dump({ limit: MAX_ANSWER_BYTES, signal }).then(clear, clear)
    if (text === undefined) return failed('The answer is larger than 64 KiB.')

    const contentType = String(response.headers['content-type'] ?? '')
    return {
      outcome: 'answered',
      status_code: response.statusCode,
      content_type: contentType,
      body: text,
      duration_ms: elapsed(),
    }
  } catch (error) {
    clear()
    if (signal.aborted) return failed(`There was no complete answer within ${request.timeout_ms} ms.`)
    return failed(failureReason(error))
  }
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

/** Undefined when there is more than may be read; leaving the loop closes the connection. */
async function readText(body: AsyncIterable<Buffer>): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const REASONS: Record<string, string> = {
  ENOTFOUND: 'The host name does not resolve.',
  EAI_AGAIN: 'The host name does not resolve for now.',
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection broke before the answer was complete.',
  EPIPE: 'The connection broke before the answer was complete.',
  UND_ERR_SOCKET: 'The connection broke before the answer was complete.',
  ETIMEDOUT: 'The connection could not be made in time.',
  UND_ERR_CONNECT_TIMEOUT: 'The connection could not be made in time.',
}

/** Node's own messages quote addresses, so only its codes are passed on. Whatever has none is a fault of ours. */
export function failureReason(error: unknown): string {
  if (error instanceof AddressRefused) return error.message
  if (error instanceof errors.HTTPParserError) return 'The answer is not HTTP.'
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string' || code === 'UND_ERR_INVALID_ARG') throw error
  return REASONS[code] ?? `The request failed (${code}).`
}
