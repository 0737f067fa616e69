/**
 * What every client does, in the order of the table. A client prints one line per operation; an operation it neither
 * prints nor declares as absent (`without` in clients.ts) counts as failed.
 */
export const OPERATIONS = [
  'services.create',
  'services.fetch',
  'services.fetch-by-name',
  'services.list',
  'services.update',
  'services.delete',
  'phone-numbers.create-by-number',
  'phone-numbers.create-by-sid',
  'phone-numbers.fetch',
  'phone-numbers.list',
  'phone-numbers.update',
  'phone-numbers.delete',
  'short-codes.create',
  'short-codes.fetch',
  'short-codes.list',
  'short-codes.update',
  'short-codes.delete',
  'sessions.create',
  'sessions.create-with-participants',
  'sessions.fetch',
  'sessions.fetch-by-name',
  'sessions.list',
  'sessions.update',
  'sessions.close',
  'sessions.reopen',
  'sessions.delete',
  'participants.create',
  'participants.fetch',
  'participants.list',
  'participants.delete',
  'message-interactions.create',
  'message-interactions.fetch',
  'message-interactions.list',
  'interactions.fetch',
  'interactions.list',
  'interactions.delete',
  'interactions.relayed',
  'credentials.api-key',
  'errors.not-found',
  'errors.duplicate-name',
  'errors.wrong-token',
  'errors.third-participant',
  'errors.closed-session',
] as const

export type Operation = (typeof OPERATIONS)[number]

/** The twilio-shaped libraries of today know no short codes: the vendor took them out of its document in July 2025. */
export const SHORT_CODES = OPERATIONS.filter((operation) => operation.startsWith('short-codes.'))

/** One line of a client's output. */
export type Outcome = { client: string; version: string; operation: string; ok: boolean; detail?: string }
