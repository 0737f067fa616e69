import type { Static, TObject, TSchema } from 'typebox'
import Type from 'typebox'
import { invalidParameter, missingParameter, ProxyError } from '../../core/errors.ts'

/**
 * Parameters as the vendor's clients send them: form-encoded, PascalCase, everything text. A schema says what each is;
 * what comes out has the row's spelling (`UniqueName` → `unique_name`) and its types. Unknown parameters are ignored, and
 * an empty one counts as not given, except that it clears what `clearable` marks when a resource is updated: to null, and
 * what is true or false to false.
 */
export type Form = Map<string, string[]>

type SnakeCase<S extends string> = S extends `${infer Head}${infer Tail}`
  ? Tail extends Uncapitalize<Tail>
    ? `${Lowercase<Head>}${SnakeCase<Tail>}`
    : `${Lowercase<Head>}_${SnakeCase<Tail>}`
  : S
export type Params<T extends TSchema> = { [Name in keyof Static<T> as SnakeCase<Name & string>]: Static<T>[Name] }

/** A date in; `YYYY-MM-DDTHH:mm:ssZ`, a date alone (midnight UTC), fractions of a second and offsets are read. */
export const DateParameter = (description: string) =>
  Type.Unsafe<Date>({ type: 'string', format: 'date-time', description })

/** Text that an empty value clears. Whether it can work is judged by the core. */
export const ClearableText = (options: Record<string, unknown>) =>
  Type.Unsafe<string | null>({ type: 'string', clearable: true, ...options })

export const ClearableInteger = (options: { minimum: number; maximum: number; description: string }) =>
  Type.Unsafe<number | null>({ type: 'integer', clearable: true, ...options })

export const ClearableBoolean = (options: { description: string }) =>
  Type.Unsafe<boolean>({ type: 'boolean', clearable: true, ...options })

export const ClearableOneOf = <T extends string>(values: readonly T[], description: string) =>
  Type.Unsafe<T | null>({ type: 'string', enum: [...values], clearable: true, description })

export const ClearableTexts = (options: { maxItems: number; description: string }) =>
  Type.Unsafe<string[] | null>({ type: 'array', items: { type: 'string' }, clearable: true, ...options })

type Property = {
  type?: string
  format?: string
  enum?: string[]
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  clearable?: boolean
}

/** Throws 20001 for a parameter that is missing, 80701 for one that does not fit. */
export function parseForm<T extends TObject>(schema: T, form: Form, purpose: 'create' | 'update'): Params<T> {
  const params: Record<string, unknown> = {}
  const required = new Set<string>((schema as { required?: string[] }).required ?? [])
  for (const [name, property] of Object.entries(schema.properties as Record<string, Property>)) {
    const values = form.get(name)
    const given = values?.filter((value) => value !== '') ?? []
    if (given.length > 0) params[snakeCase(name)] = parseValues(name, property, given)
    else if (values && property.clearable && purpose === 'update') params[snakeCase(name)] = cleared(property)
    else if (required.has(name) && purpose === 'create') throw missingParameter(name)
  }
  return params as Params<T>
}

const cleared = ({ type }: Property) => (type === 'boolean' ? false : null)

const snakeCase = (name: string) => name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

function parseValues(name: string, property: Property, values: string[]): unknown {
  if (values.some((value) => value.includes('\0'))) throw invalidParameter(name, 'It holds a NUL character.')
  if (property.type === 'array') return values
  // Repeated where one is expected: the last one counts, as it does at the vendor.
  const value = values.at(-1) ?? ''
  if (property.type === 'boolean') return parseBoolean(name, value)
  if (property.type === 'integer') return parseInteger(name, property, value)
  if (property.format === 'date-time') return parseDate(name, value)
  if (property.enum) return parseEnum(name, property.enum, value)
  return parseText(name, property, value)
}

function parseBoolean(name: string, value: string): boolean {
  if (/^true$/i.test(value)) return true
  if (/^false$/i.test(value)) return false
  throw invalidParameter(name, 'Give true or false.')
}

function parseInteger(name: string, { minimum = 0, maximum = 2147483646 }: Property, value: string): number {
  const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
  if (number >= minimum && number <= maximum) return number
  throw invalidParameter(name, `Give a whole number from ${minimum} to ${maximum}.`)
}

const ISO_DATE = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?)?$/i

function parseDate(name: string, value: string): Date {
  const [, day, time = '00:00:00', zone = 'Z'] = ISO_DATE.exec(value) ?? []
  const date = new Date(`${day}T${time}${zone.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`)
  // JavaScript reads the 31st of February as a day in March, and an offset can lead out of the years of four digits.
  const isReal = day !== undefined && isDay(day) && !Number.isNaN(date.getTime()) && /^\d{4}-/.test(date.toISOString())
  if (!isReal) throw invalidParameter(name, 'Give a date as in 2030-01-31T12:00:00Z.')
  return date
}

const isDay = (day: string) => {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day)
}

function parseEnum(name: string, allowed: string[], value: string): string {
  // Samples of 2018 spell the values with underscores.
  const written = value.toLowerCase().replaceAll('_', '-')
  if (allowed.includes(written)) return written
  throw new ProxyError(20001, { message: `Invalid ${name}. Give one of ${allowed.join(', ')}.` })
}

function parseText(
  name: string,
  { minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Property,
  value: string,
): string {
  const length = [...value].length
  if (length <= maxLength && length >= minLength) return value
  throw invalidParameter(name, `It may have at most ${maxLength} characters.`)
}

const MAX_PARAMETERS = 1000

/** Reads a form-encoded body or query. Throws 20001 when it is no such thing. */
export function readForm(text: string): Form {
  const form: Form = new Map()
  let count = 0
  for (const [name, value] of new URLSearchParams(text)) {
    if (++count > MAX_PARAMETERS) throw new ProxyError(20001, { message: `Send at most ${MAX_PARAMETERS} parameters.` })
    const values = form.get(name)
    if (values) values.push(value)
    else form.set(name, [value])
  }
  return form
}
