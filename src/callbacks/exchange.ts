import { type Dispatcher, errors } from 'undici'
import { AddressRefused, type Guard } from './guard.ts'
import type { Failure } from './overrides.ts'

/** One HTTP request and its answer, with a limit on each part of it. */
export type Exchange = {
  origin: string
  path: string
  method: 'POST' | 'GET'
  headers: Record<string, string>
  body: string | null
  /**
   * With `'status'` the answer is complete with its status: a body that is too large or never ends changes nothing, and
   * what of it comes at once is its beginning.
   */
  reads: 'body' | 'status'
  connect_ms: number
  read_ms: number
  /** What is left of `total_ms`, which the reason names. */
  left_ms: number
  total_ms: number
}

export type Outcome =
  | { outcome: 'answered'; status_code: number; content_type: string; body: string }
  /** Without `by` it would fail again. */
  | { outcome: 'failed'; error: string; by: Failure | undefined }

const MAX_ANSWER_BYTES = 64 * 1024
/** For the beginning of a body that nobody waits for. */
export const START_BYTES = 1024
const START_MS = 100
const TOO_LARGE = 'The answer is larger than 64 KiB.'
const NOT_CONNECTED = 'The connection could not be made in time.'

/** Rejects only by a fault of ours. Redirects are not followed: a 3xx is an answer. */
export function exchange(request: Exchange, guard: Pick<Guard, 'agent'>): Promise<Outcome> {
  const { origin, path, method, headers, body, reads, connect_ms, read_ms, left_ms, total_ms } = request
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let status_code = 0
    let content_type = ''
    let size = 0
    const chunks: Buffer[] = []
    let isSettled = false
    // The client does not look at a signal while it connects, so nobody waits for it to notice.
    const settle = (result: Outcome) => {
      isSettled = true
      clearTimeout(connecting)
      clearTimeout(starting)
      resolve(result)
    }
    const end = (result: Outcome) => {
      clearTimeout(total)
      if (!isSettled) settle(result)
    }
    const giveUp = (error: string, by: Failure | undefined) => {
      end(isEnough() ? answered() : { outcome: 'failed', error, by })
      controller?.abort(new Error(error))
    }
    const connecting = setTimeout(() => giveUp(NOT_CONNECTED, 'ct'), connect_ms)
    const total = setTimeout(() => giveUp(`There was no complete answer within ${total_ms} ms.`, 'rt'), left_ms)
    for (const timer of [total, connecting]) timer.unref()
    let starting: NodeJS.Timeout | undefined
    const isEnough = () => reads === 'status' && status_code > 0
    const answered = (): Outcome => ({
      ...{ outcome: 'answered', status_code, content_type },
      body: Buffer.concat(chunks).toString(),
    })

    guard.agent.dispatch(
      { origin, path, method, headers, body, headersTimeout: read_ms, bodyTimeout: read_ms },
      {
        onRequestStart(started) {
          if (isSettled) return started.abort(new Error(NOT_CONNECTED))
          controller = started
          clearTimeout(connecting)
        },
        onResponseStart(_, status, received) {
          if (status < 200) return
          status_code = status
          content_type = String(received['content-type'] ?? '')
          if (reads === 'status') starting = setTimeout(() => settle(answered()), START_MS)
        },
        onResponseData(_, chunk) {
          size += chunk.length
          // Nobody waits for the rest of a body that is not asked for; reading it off keeps the connection usable.
          if (size > MAX_ANSWER_BYTES) giveUp(TOO_LARGE, 'other')
          else if (!isSettled) chunks.push(chunk)
          if (reads === 'status' && size >= START_BYTES && !isSettled) settle(answered())
        },
        onResponseEnd: () => end(answered()),
        onResponseError(_, error) {
          if (isSettled || isEnough()) return end(answered())
          clearTimeout(total)
          try {
            settle({ outcome: 'failed', error: failureReason(error), by: failureOf(error, controller !== undefined) })
          } catch (fault) {
            clearTimeout(connecting)
            reject(fault)
          }
        },
      },
    )
  })
}

/** An address that may not be reached will not be allowed a moment later; what was sent failed by its answer. */
function failureOf(error: Error, wasSent: boolean): Failure | undefined {
  if (error instanceof AddressRefused) return undefined
  if (error instanceof errors.HTTPParserError) return 'other'
  return wasSent ? 'rt' : 'ct'
}

const REASONS: Record<string, string> = {
  ENOTFOUND: 'The host name does not resolve.',
  EAI_AGAIN: 'The host name does not resolve for now.',
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection broke before the answer was complete.',
  EPIPE: 'The connection broke before the answer was complete.',
  UND_ERR_SOCKET: 'The connection broke before the answer was complete.',
  ETIMEDOUT: NOT_CONNECTED,
  UND_ERR_CONNECT_TIMEOUT: NOT_CONNECTED,
  UND_ERR_HEADERS_TIMEOUT: 'The answer did not begin in time.',
  UND_ERR_BODY_TIMEOUT: 'The answer stopped before it was complete.',
}

/** Node's own messages quote addresses, so only its codes are passed on. Whatever has none is a fault of ours. */
export function failureReason(error: unknown): string {
  if (error instanceof AddressRefused) return error.message
  if (error instanceof errors.HTTPParserError) return 'The answer is not HTTP.'
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string' || code === 'UND_ERR_INVALID_ARG') throw error
  return REASONS[code] ?? `The request failed (${code}).`
}
