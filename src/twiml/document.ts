import type { ErrorCode } from '../core/errors.ts'
import { TwimlError } from './parse.ts'

/** What the TwiML of messages and that of calls have in common. */
export type TwimlDocument = { status: number; content_type: string; body: string }

/** Something that was left out or went wrong while the rest was carried out. */
export type TwimlWarning = { error_code: ErrorCode; reason: string }

const MAX_WARNINGS = 20
/** The vendor's code for TwiML that is well-formed but not in its schema. */
const SCHEMA_WARNING = 12200

/** Whether the vendor reads an answer of this type as TwiML. */
export const isTwimlType = (contentType: string) =>
  /^\s*((application|text)\/xml|text\/html)\s*(;|$)/i.test(contentType)

/** The body of an answer. `source` is what asked for it, to be named when it cannot be had. */
export function readAnswer(answer: TwimlDocument, source: string): string {
  if (answer.status < 200 || answer.status > 299) {
    throw new TwimlError(`${source} was answered with status ${answer.status}.`, 11200)
  }
  if (!isTwimlType(answer.content_type)) throw new TwimlError(`${source} was not answered with XML.`, 12300)
  return answer.body
}

export function resolveUrl(text: string, base: string): string | undefined {
  if (!URL.canParse(text, base)) return undefined
  const url = new URL(text, base)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined
}

export const readMethod = (text: string | undefined): 'POST' | 'GET' => (text?.toUpperCase() === 'GET' ? 'GET' : 'POST')

/** Each complaint is said once, and a document that is all mistakes does not fill the log. */
export function warn(run: { warnings: TwimlWarning[] }, reason: string, error_code: ErrorCode = SCHEMA_WARNING): void {
  if (run.warnings.length === MAX_WARNINGS || run.warnings.some((known) => known.reason === reason)) return
  run.warnings.push({ error_code, reason })
}
