import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type Schema = { [keyword: string]: unknown; $ref?: string; properties?: Record<string, Schema>; items?: Schema }
export type Parameter = { name: string; in: string; required?: boolean; schema: Schema }
export type DocumentOperation = {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
export type VendorDocument = {
  paths: Record<string, Record<string, unknown> & { [method in 'get' | 'post' | 'delete']?: DocumentOperation }>
  components: { schemas: Record<string, Schema> }
}

/**
 * One of the vendor's own OpenAPI documents, as the vendor's command line ships them. Read when a run starts; no copy of
 * it is kept here.
 */
export function loadVendorDocument(name: 'twilio_proxy_v1' | 'twilio_api_v2010'): VendorDocument {
  const core = dirname(createRequire(import.meta.url).resolve('@twilio/cli-core/package.json'))
  return JSON.parse(readFileSync(join(core, 'src', 'services', 'twilio-api', `${name}.json`), 'utf8')) as VendorDocument
}

export const listOperations = (document: VendorDocument) =>
  Object.values(document.paths).flatMap(({ get, post, delete: remove }) => [get, post, remove].filter((each) => !!each))

/** The operation a request belongs to. A literal path segment wins over a parameter, as `Messages.json` over `{Sid}`. */
export function findOperation(document: VendorDocument, method: string, path: string) {
  const matching = Object.keys(document.paths).filter((template) => pathPattern(template).test(path))
  const template = matching.sort((a, b) => a.split('{').length - b.split('{').length)[0]
  if (!template) return undefined
  const operation = document.paths[template]?.[method.toLowerCase() as 'get' | 'post' | 'delete']
  return { template, operation }
}

export const pathPattern = (template: string) =>
  new RegExp(`^${template.replaceAll('.', '\\.').replace(/{[^}]+}/g, '[^/]+?')}$`)

/**
 * A document's schema in JSON Schema's words: references put in place, `nullable` spelled as a type. With `exact`, an
 * object must have every documented key and no other, which is how the vendor's API answers.
 */
export function toJsonSchema(document: VendorDocument, schema: Schema, exact: boolean): Schema {
  if (schema.$ref) {
    const name = schema.$ref.replace('#/components/schemas/', '')
    const target = document.components.schemas[name]
    if (!target) throw new Error(`The document has no schema ${name}.`)
    return toJsonSchema(document, target, exact)
  }
  const { nullable, properties, items, ...rest } = schema
  const converted: Schema = { ...rest }
  delete converted.description
  delete converted.example
  if (nullable) {
    converted.type = [rest.type, 'null']
    if (Array.isArray(rest.enum)) converted.enum = [...rest.enum, null]
  }
  if (items) converted.items = toJsonSchema(document, items, exact)
  if (rest.format === 'uri-map') converted.additionalProperties = { type: 'string', format: 'uri' }
  if (properties) {
    const entries = Object.entries(properties)
    converted.properties = Object.fromEntries(
      entries.map(([key, value]) => [key, toJsonSchema(document, value, exact)]),
    )
    if (exact) Object.assign(converted, { required: Object.keys(properties), additionalProperties: false })
  }
  return converted
}
