import Type, { type TSchema } from 'typebox'

/** Clients parse dates by exactly this form: whole seconds, `Z`. A text is as PostgreSQL writes what is in UTC. */
export function presentDate(date: Date | string | null): string | null {
  if (typeof date === 'string') return `${date.slice(0, 10)}T${date.slice(11, 19)}Z`
  return date && `${date.toISOString().slice(0, 19)}Z`
}

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** Texts that callers who may not see personal data see as they are; what is not of these kinds is hidden (mask.ts). */
const harmless = { 'x-pii': false }
export const Plain = Type.String(harmless)
export const SidOf = (prefix: string) => Type.String({ pattern: `^${prefix}[0-9a-fA-F]{32}$`, ...harmless })
export const DateTime = Type.String({
  format: 'date-time',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$',
  ...harmless,
})
export const Url = Type.String({ format: 'uri', ...harmless })
export const OneOf = <T extends string>(values: readonly T[]) => Type.Unsafe<T>({ type: 'string', enum: [...values] })

/** Words of ours, which may show most of a number. */
export const Message = Type.String({ 'x-pii': 'message' })

export const ErrorBody = Type.Object(
  {
    code: Type.Integer(),
    message: Message,
    more_info: Url,
    status: Type.Integer(),
    details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
)
