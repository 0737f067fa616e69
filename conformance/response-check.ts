import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { DIVERGENCES, type Divergence } from './divergences.ts'
import { findOperation, type Schema, toJsonSchema, type VendorDocument } from './vendor-document.ts'

/** One answer as it went over the wire. */
export type Exchange = {
  method: string
  path: string
  status: number
  contentType: string | undefined
  body: string
}

/** What is wrong with one answer: `at` is the operation and the place in the body, the key of a known divergence. */
export type Violation = { at: string; what: string }

// The document describes no refusals, so their shape is the one the vendor's libraries read.
const REFUSAL: Schema = {
  type: 'object',
  properties: {
    code: { type: 'integer', minimum: 10000, maximum: 99999 },
    message: { type: 'string', minLength: 1 },
    more_info: { type: 'string', format: 'uri' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
  },
  required: ['code', 'message', 'more_info', 'status'],
  additionalProperties: false,
}

const FORMATS = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  'phone-number': /^\+[1-9]\d{1,14}$/,
  uri: (text: string) => URL.canParse(text),
  'uri-map': true,
  'phone-number-capabilities': true,
  int64: true,
} as const

/** Checks answers against the vendor's document and remembers which divergences it let pass. */
export function startResponseCheck(document: VendorDocument) {
  const ajv = new Ajv({ allErrors: true, strict: false, formats: FORMATS })
  const compiled = new Map<string, ValidateFunction>()
  const used = new Set<Divergence>()

  const validate = (key: string, makeSchema: () => Schema, value: unknown) => {
    const validator = compiled.get(key) ?? ajv.compile(makeSchema())
    compiled.set(key, validator)
    return validator(value) ? [] : (validator.errors ?? []).map((error) => toViolation(key, error))
  }

  const check = (exchange: Exchange): { operation: string | undefined; violations: Violation[] } => {
    const found = findOperation(document, exchange.method, exchange.path)
    const operation = found?.operation
    const violations: Violation[] = []
    if (exchange.status >= 400) violations.push(...checkRefusal(exchange))
    else if (!operation)
      violations.push({ at: `${exchange.method} ${shorten(exchange.path)}`, what: 'not in the document' })
    else violations.push(...checkSuccess(operation.operationId, operation.responses, exchange))
    return { operation: operation?.operationId, violations: violations.filter(isUnknown) }
  }

  const checkRefusal = (exchange: Exchange): Violation[] => {
    const body = parseJson(exchange)
    if (body === undefined)
      return [{ at: 'refusal', what: `not JSON: ${exchange.contentType} ${exchange.body.slice(0, 80)}` }]
    const violations = validate('refusal', () => REFUSAL, body)
    const { status, code, more_info } = body as { status: number; code: number; more_info: string }
    if (status !== exchange.status)
      violations.push({ at: 'refusal/status', what: `${status} in an answer ${exchange.status}` })
    if (!String(more_info).endsWith(`/${code}`))
      violations.push({ at: 'refusal/more_info', what: `${more_info} for ${code}` })
    return violations
  }

  const checkSuccess = (id: string, responses: Responses, exchange: Exchange): Violation[] => {
    const documented = responses[exchange.status]
    if (!documented) return [{ at: `${id}/status`, what: `${exchange.status} instead of ${Object.keys(responses)}` }]
    const schema = documented.content?.['application/json']?.schema
    if (!schema) return exchange.body === '' ? [] : [{ at: id, what: `a body: ${exchange.body.slice(0, 80)}` }]
    const body = parseJson(exchange)
    if (body === undefined) return [{ at: id, what: `not JSON: ${exchange.contentType} ${exchange.body.slice(0, 80)}` }]
    return validate(id, () => toJsonSchema(document, schema, true), body)
  }

  const isUnknown = (violation: Violation) => {
    const known = DIVERGENCES.find(
      (divergence) => divergence.at.test(violation.at) && divergence.what.test(violation.what),
    )
    if (known) used.add(known)
    return !known
  }

  return { check, unusedDivergences: () => DIVERGENCES.filter((divergence) => !used.has(divergence)) }
}

type Responses = Record<string, { content?: Record<string, { schema: Schema }> }>

const toViolation = (operation: string, { instancePath, keyword, params, message }: ErrorObject): Violation => {
  const key = params.additionalProperty ?? params.missingProperty
  const at = `${operation}${instancePath.replace(/\/\d+(?=\/|$)/g, '/*')}${key ? `/${key}` : ''}`
  return { at, what: `${keyword}: ${message}` }
}

/** A path without its SIDs, for messages. */
export const shorten = (path: string) => path.replace(/[A-Z]{2}[0-9a-f]{32}/g, '*')

function parseJson({ contentType, body }: Exchange): unknown {
  if (!contentType?.startsWith('application/json')) return undefined
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
