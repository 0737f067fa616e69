import type { AutoCreate } from '../core/auto-create.ts'
import { isTwimlType, type TwimlWarning } from '../twiml/document.ts'
import { type OutgoingMessage, runMessageTwiml } from '../twiml/message.ts'
import { TwimlError } from '../twiml/parse.ts'
import { parseAutoCreate } from './auto-create.ts'
import type { Guard } from './guard.ts'
import { type Answer, type CallbackAttempt, type CallbackParams, post, presentAttempt, withoutQuery } from './post.ts'

type CreateSession = { decision: 'create-session'; session: AutoCreate }
/** Nothing that can be used came, and why: a code of the catalogue. */
export type Nothing = { decision: 'nothing'; error_code: 80905 | 80913 | 12100 | 12300 | 11200; reason: string }

/** The customer's decision about a message that belongs to no session. */
export type OutOfSessionDecision =
  | { decision: 'messages'; messages: OutgoingMessage[]; warnings: TwimlWarning[] }
  | CreateSession
  | Nothing
/** The same about a call; `body` came from `url`. */
export type CallDecision = { decision: 'twiml'; body: string; url: string } | CreateSession | Nothing

export type OutOfSessionQuestion = {
  /** Null when the service has none. */
  url: string | null
  params: CallbackParams
  auth_token: string
  idempotency_token: string
  /** For the callback and all redirects of its TwiML together; never more than 15 s. */
  timeout_ms: number
  /** The number that was dialled. */
  to: string
  /** The person who wrote. */
  from: string
}

const MAX_TOTAL_MS = 15_000

/** Asks about a message, and carries out the TwiML that answers. */
export async function askOutOfSession(
  question: OutOfSessionQuestion,
  guard: Guard,
): Promise<OutOfSessionDecision & { attempts: CallbackAttempt[] }> {
  const deadline = performance.now() + Math.min(question.timeout_ms, MAX_TOTAL_MS)
  const { ask, attempts } = asking(question, guard, deadline)
  return { ...(await decide(question, ask, (start) => carryOut(start, question, deadline, ask))), attempts }
}

/** Asks about a call. Its TwiML is carried out by the carrier, or for it. */
export async function askAboutCall(
  question: OutOfSessionQuestion,
  guard: Guard,
): Promise<CallDecision & { attempts: CallbackAttempt[] }> {
  const { ask, attempts } = asking(question, guard, performance.now() + question.timeout_ms)
  return { ...(await decide(question, ask, async (start) => ({ decision: 'twiml' as const, ...start }))), attempts }
}

function asking(question: OutOfSessionQuestion, guard: Guard, deadline: number) {
  const attempts: CallbackAttempt[] = []
  /** A token per hop: a repeat of the whole chain repeats its tokens, and no two different requests share one. */
  const ask = async (url: string, method: 'POST' | 'GET'): Promise<Answer> => {
    const { params, auth_token, idempotency_token } = question
    const token = attempts.length === 0 ? idempotency_token : `${idempotency_token}-${attempts.length}`
    const timeout_ms = Math.max(1, Math.ceil(deadline - performance.now()))
    const request = { url, method, params, auth_token, idempotency_token: token, timeout_ms, reads: 'body' as const }
    const answer = await post(request, guard)
    attempts.push(presentAttempt(attempts.length === 0 ? url : withoutQuery(url), answer))
    return answer
  }
  return { ask, attempts }
}

type Ask = (url: string, method: 'POST' | 'GET') => Promise<Answer>
type Document = { body: string; url: string }

const nothing = (error_code: Nothing['error_code'], reason: string): Nothing => ({
  decision: 'nothing',
  error_code,
  reason,
})

async function decide<T>(
  question: OutOfSessionQuestion,
  ask: Ask,
  carryOut: (start: Document) => Promise<T>,
): Promise<T | CreateSession | Nothing> {
  if (!question.url) return nothing(80905, 'The service has no OutOfSessionCallbackUrl.')

  const answer = await ask(question.url, 'POST')
  if (answer.outcome === 'failed') return nothing(11200, answer.error)
  const { status_code, content_type, body } = answer
  if (status_code < 200 || status_code > 299) return nothing(80913, `The answer has status ${status_code}.`)
  if (body.trim() === '') return nothing(80905, 'The answer is empty.')

  if (/^\s*application\/json\s*(;|$)/i.test(content_type)) {
    const session = parseAutoCreate(body)
    return 'reason' in session ? nothing(12100, session.reason) : { decision: 'create-session', session }
  }
  if (isTwimlType(content_type)) return await carryOut({ body, url: question.url })
  if (isJson(body)) return nothing(12100, 'JSON must be sent with the content type application/json.')
  return nothing(12300, 'The content type is neither application/xml nor application/json.')
}

async function carryOut(
  start: Document,
  question: OutOfSessionQuestion,
  deadline: number,
  ask: Ask,
): Promise<OutOfSessionDecision> {
  const fetch = async (url: string, method: 'POST' | 'GET') => {
    const answer = await ask(url, method)
    if (answer.outcome === 'failed') throw new TwimlError(`A redirect failed: ${answer.error}`, 11200)
    return { status: answer.status_code, content_type: answer.content_type, body: answer.body }
  }
  try {
    const run = await runMessageTwiml(start, { to: question.to, from: question.from, fetch, deadline })
    return { decision: 'messages', ...run }
  } catch (error) {
    if (error instanceof TwimlError) return nothing(error.code, error.message)
    throw error
  }
}

function isJson(body: string): boolean {
  try {
    JSON.parse(body)
    return true
  } catch {
    return false
  }
}
