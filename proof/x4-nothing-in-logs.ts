import { createCanaryScan } from './privacy/canaries.ts'
import { type PrivateWorld, startPrivateWorld } from './privacy/world.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { inScope } from './support/scope.ts'
import { describe, kindsOf } from './x2-nothing-in-clear.ts'

/** Numbers in errors are not masked any more, and what a request brought is logged with its failure, and rows that failed. */
const REDACTION_OFF: Break[] = [
  {
    file: 'core/e164.ts',
    passage: 'export function maskLastFour(text: string): string {\n',
    becomes: 'export function maskLastFour(text: string): string {\n  if (text) return text\n',
  },
  {
    file: 'http/errors.ts',
    passage: '{ err: error, request_id: request.id }',
    becomes:
      '{ err: error, form: [...((request.body as Map<string, string[]>) ?? [])], headers: request.headers, request_id: request.id }',
  },
  {
    file: 'log.ts',
    passage: 'return { name, message, code, stack,',
    becomes: 'return { name, message: message + (error as { detail?: string }).detail, code, stack,',
  },
]

const LOGGED = ['code secret', 'hash', 'link', 'number', 'password', 'session'] as const

export const x4NothingInLogs: Proof = {
  id: 'X4',
  name: 'x4-nothing-in-logs',
  promise: 'no number, text, attachment, token or password is in the log at any level, or in the body of an error',
  goal: '0 occurrences',
  sizes: { short: 5, full: 200, unit: 'conversations' },
  run: async ({ size, progress }) => {
    progress('people talk')
    const found = await inScope(async (scope) => look(await startPrivateWorld(scope, size)))
    progress('control')
    const control = await inScope(async (scope) => look(await startPrivateWorld(scope, 2, REDACTION_OFF)))
    return {
      figure: `${found.log.length} occurrences in ${found.lines} lines of log, ${found.errors.length} in ${found.answers} errors`,
      holds: found.log.length + found.errors.length === 0 && found.lines > 0,
      control: {
        figure: `${control.log.length} of ${kindsOf(control.log).join(', ')} in the log and ${control.errors.length} in errors without redaction`,
        fails: LOGGED.every((kind) => kindsOf(control.log).includes(kind)) && control.errors.length > 0,
      },
      details: [...found.log, ...found.errors].slice(0, 20).map(describe),
    }
  },
}

function look({ canaries, hashes, logged, errors }: PrivateWorld) {
  const scan = createCanaryScan([...canaries, ...hashes])
  return {
    lines: logged.length,
    answers: errors.length,
    log: scan('log', Buffer.from(logged.join('\n'))),
    errors: scan('errors', Buffer.from(errors.join('\n'))),
  }
}
