import type { ApiError } from './http.ts'

/** How refusals begin that are about one parameter. */
const NAMED = [/^'(\w+)' is invalid\.\s*/, /^Invalid (\w+)\.\s*/, /^Missing required parameter (\w+).*/]
const NAMED_BY_CODE: Record<number, string> = { 80602: 'UniqueName' }

function readRefusal({ code, message }: ApiError): { parameter: string; text: string } | undefined {
  const named = NAMED.map((pattern) => pattern.exec(message)).find((found) => found !== null)
  const parameter = named?.[1] ?? NAMED_BY_CODE[code]
  if (!parameter) return undefined
  return { parameter, text: message.slice(named?.[0].length ?? 0) || 'Fill this in.' }
}

/** What a refusal says of one parameter, to be shown at its field. */
export function errorAt(error: ApiError | undefined, parameter: string): string | undefined {
  const refusal = error && readRefusal(error)
  return refusal?.parameter === parameter ? refusal.text : undefined
}

/** A refusal that none of these fields shows. */
export const errorBeside = (error: ApiError | undefined, parameters: readonly string[]): ApiError | undefined =>
  parameters.some((parameter) => errorAt(error, parameter)) ? undefined : error
