import { Agent, type Dispatcher, request } from 'undici'
import { CarrierError, MAX_ERROR_CODE } from '../../core/carrier.ts'
import { startDeadline } from '../../core/deadline.ts'

/**
 * One request to Twilio's REST API and what its failure means. Nothing here is ever repeated: Messages takes no
 * idempotency key, so whether to send again is for the outbox to decide, by the `outcome` of the error.
 */
export type Connection = {
  account_sid: string
  auth_token: string
  /** Without a trailing slash. A compatible carrier may put a path here. */
  base_url: string
  timeout_ms: number
  dispatcher: Dispatcher
  /** For files at addresses that are not the API's: whoever can sign a webhook, and whoever redirects, chooses these. */
  elsewhere: Dispatcher
}

export type Fields = Record<string, unknown>
export type Params = [name: string, value: string][]
type Reply = { status: number; retry_after_s: number | undefined; fields: Fields | undefined }

const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** Codes that mean "not now", whatever HTTP status carries them: queue full, or sent too fast. */
const BUSY_CODES = new Set([14107, 20429, 21611, 63017, 63038])

/** A certificate we do not accept, or no TLS at all. Other TLS errors can also come up after the request was sent. */
const HANDSHAKE_CODES = /^(ERR_TLS_CERT_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_SSL_WRONG_VERSION_NUMBER$)/

export const basicAuth = ({ account_sid, auth_token }: Connection) =>
  `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`

/**
 * Connecting gets a third of the time, so that a carrier out of reach is known not to have read the request. It needs a
 * limit of its own, because the client does not look at a request's signal while it connects.
 */
export const newDispatcher = (timeout_ms: number) => new Agent({ connect: { timeout: Math.ceil(timeout_ms / 3) } })

/** `accountPath(connection, 'Messages')` is `/2010-04-01/Accounts/AC…/Messages.json`. */
export const accountPath = ({ account_sid }: Connection, ...parts: string[]) =>
  `/2010-04-01/Accounts/${[account_sid, ...parts].map(encodeURIComponent).join('/')}.json`

export async function get(connection: Connection, path: string, query: Params = []): Promise<Fields> {
  return accepted(await exchange(connection, 'GET', withQuery(path, query)))
}

/** As `get`, but undefined for a resource that is not there. */
export async function find(connection: Connection, path: string): Promise<Fields | undefined> {
  const reply = await exchange(connection, 'GET', path)
  return reply.status === 404 ? undefined : accepted(reply)
}

export async function post(connection: Connection, path: string, form: Params): Promise<Fields> {
  return accepted(await exchange(connection, 'POST', path, new URLSearchParams(form).toString()))
}

/** A resource that is not there counts as removed. */
export async function remove(connection: Connection, path: string): Promise<void> {
  const reply = await exchange(connection, 'DELETE', path)
  const isGone = reply.status === 404 || (reply.status >= 200 && reply.status < 300)
  if (!isGone) throw refusal(reply)
}

type Method = 'GET' | 'POST' | 'DELETE'

async function exchange(connection: Connection, method: Method, path: string, form?: string): Promise<Reply> {
  const { signal, clear } = startDeadline(connection.timeout_ms)
  try {
    const response = await request(connection.base_url + path, {
      method,
      headers: {
        authorization: basicAuth(connection),
        accept: 'application/json',
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: form,
      dispatcher: connection.dispatcher,
      signal,
    })
    const bytes = await readAtMost(response.body, MAX_ANSWER_BYTES)
    return {
      status: response.statusCode,
      retry_after_s: parseRetryAfter(response.headers['retry-after']),
      fields: bytes && parseFields(bytes),
    }
  } catch (error) {
    throw networkError(error)
  } finally {
    clear()
  }
}

/** Undefined when there is more than `maxBytes`; the rest is then not read. */
export async function readAtMost(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function accepted(reply: Reply): Fields {
  if (reply.status >= 200 && reply.status < 300 && reply.fields) return reply.fields
  throw refusal(reply)
}

function refusal({ status, retry_after_s, fields }: Reply): CarrierError {
  // Twilio's own text names the numbers involved, so only its code is passed on.
  const code = isCode(fields?.code) ? fields.code : undefined
  const reason = code === undefined ? '' : `, code ${code}: see https://www.twilio.com/docs/api/errors/${code}`
  return new CarrierError(outcomeOf(status, code), `Twilio answered HTTP ${status}${reason}`, { code, retry_after_s })
}

/** What is no code may be anything, a number that somebody has too; and larger ones cannot be stored. */
const isCode = (code: unknown): code is number =>
  Number.isInteger(code) && Number(code) > 0 && Number(code) <= MAX_ERROR_CODE

function outcomeOf(status: number, code: number | undefined): CarrierError['outcome'] {
  // Refused credentials (401) are the operator's affair: what waits behind them is sent once they are put right.
  if (status === 401 || status === 429 || status === 503 || (code !== undefined && BUSY_CODES.has(code)))
    return 'not-sent'
  // Without a code a 4xx comes from something in between, which says nothing about the message. After 408 nobody knows.
  if (status >= 400 && status < 500 && status !== 408) return code === undefined ? 'not-sent' : 'refused'
  return 'unknown'
}

export function networkError(error: unknown): CarrierError {
  const { name, code } = parseSystemError(error)
  const why = code ?? name ?? 'no reason given'
  return neverConnected(error)
    ? new CarrierError('not-sent', `Twilio cannot be reached (${why}): check the address and the network`, {
        cause: error,
      })
    : new CarrierError('unknown', `Twilio was asked but did not answer (${why})`, { cause: error })
}

/** Whether the failure was in looking up, connecting or shaking hands, so that no byte of the request was sent. */
function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverConnected)
  const { code, syscall } = parseSystemError(error)
  if (syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT') return true
  return code !== undefined && HANDSHAKE_CODES.test(code)
}

function parseSystemError(error: unknown): { name?: string; code?: string; syscall?: string } {
  if (typeof error !== 'object' || error === null) return {}
  const { name, code, syscall } = error as Fields
  return {
    ...(typeof name === 'string' && { name }),
    ...(typeof code === 'string' && { code }),
    ...(typeof syscall === 'string' && { syscall }),
  }
}

function parseFields(bytes: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return isFields(value) ? value : undefined
  } catch {
    // The parser's message quotes the answer, numbers included; "unreadable" is all that may be told.
    return undefined
  }
}

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A text field, or '' when it is null or missing. */
export function text(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}

/** The records of one page of a list. */
export function records(page: Fields, key: string): Fields[] {
  const list = page[key]
  return Array.isArray(list) ? list.filter(isFields) : []
}

const parseRetryAfter = (header: string | string[] | undefined) =>
  typeof header === 'string' && /^\d{1,6}$/.test(header) ? Number(header) : undefined

const withQuery = (path: string, query: Params) => (query.length === 0 ? path : `${path}?${new URLSearchParams(query)}`)
