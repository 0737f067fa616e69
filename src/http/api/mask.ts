import type { TSchema } from 'typebox'
import { hideNumbers, logNumber } from '../../core/e164.ts'

/**
 * Bodies for callers without the scope `pii`. Their schemas say by `x-pii` what is personal and how it is hidden; a text of
 * which they say nothing is hidden altogether, and so is what they do not know.
 */
type Mask = (value: unknown) => unknown

type Described = {
  type?: string
  'x-pii'?: false | 'identifier' | 'data' | 'message'
  enum?: unknown[]
  const?: unknown
  properties?: Record<string, Described>
  items?: Described
  anyOf?: Described[]
}

export const HIDDEN = '•••'

const MASKS = { identifier: textMask(logNumber), data: textMask(hideData), message: textMask(hideNumbers) }

/** What hides in a body of this schema, made once. */
export const maskFor = (schema: TSchema): Mask => maskOf(schema as Described)

function maskOf(schema: Described): Mask {
  const pii = schema['x-pii']
  if (pii) return MASKS[pii]
  if (schema.properties) return objectMask(schema.properties)
  if (schema.items) return arrayMask(maskOf(schema.items))
  const [only, ...more] = (schema.anyOf ?? []).filter(({ type }) => type !== 'null')
  if (only && more.length === 0) return nullableMask(maskOf(only))
  return isHarmless(schema) ? (value) => value : hide
}

const isHarmless = ({ type = '', 'x-pii': pii, ...schema }: Described) =>
  pii === false ||
  schema.enum !== undefined ||
  schema.const !== undefined ||
  /^(boolean|integer|number|null)$/.test(type)

function objectMask(properties: Record<string, Described>): Mask {
  const masks = new Map(Object.entries(properties).map(([name, property]) => [name, maskOf(property)]))
  return (value) =>
    isObject(value)
      ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, (masks.get(name) ?? hide)(field)]))
      : hide(value)
}

function arrayMask(mask: Mask): Mask {
  return (value) => (Array.isArray(value) ? value.map(mask) : hide(value))
}

function nullableMask(mask: Mask): Mask {
  return (value) => (value === null ? null : mask(value))
}

function textMask(mask: (text: string) => string): Mask {
  return (value) => (typeof value === 'string' ? mask(value) : hide(value))
}

/** Keeps what kind of thing it was, for clients that read it as that. */
function hide(value: unknown): unknown {
  if (value === null || value === undefined) return value
  if (Array.isArray(value)) return []
  return isObject(value) ? {} : HIDDEN
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The JSON text of an interaction: clients parse it, and read how long a call lasted. */
function hideData(data: string): string {
  const { duration, ...others } = JSON.parse(data) as Record<string, unknown>
  const hidden = Object.fromEntries(Object.keys(others).map((name) => [name, HIDDEN]))
  return JSON.stringify(duration === undefined ? hidden : { ...hidden, duration })
}
