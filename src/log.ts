import { type DestinationStream, type Logger, pino } from 'pino'

/** One JSON line per entry. Of an error only what explains it: drivers hang whole connections on theirs. */
export const createLogger = (level: string, destination: DestinationStream = pino.destination(2)): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: explain } }, destination)

function explain(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack, cause } = error
  const { code } = error as { code?: unknown }
  return { name, message, code, stack, ...(cause === undefined ? {} : { cause: explain(cause) }) }
}
