/**
 * The other direction: what the Twilio carrier sends to the vendor, checked against the vendor's own document of that
 * API. `npx tsx conformance/carrier-requests.ts` runs it alone.
 */
import { fileURLToPath } from 'node:url'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { type Carrier, CarrierError, type OutboundMessage } from '../src/core/carrier.ts'
import { startTwilioApi } from '../test/support/twilio-api.ts'
import { installNodePackages } from './toolchain.ts'
import { findOperation, loadVendorDocument, type Schema, toJsonSchema, type VendorDocument } from './vendor-document.ts'

export type CarrierRequest = { method: string; path: string; params: [name: string, value: string][] }

/** What is wrong with a request by the document: its path and method, names the operation does not have, bad values. */
export function validateCarrierRequest(document: VendorDocument, request: CarrierRequest): string[] {
  const { method, path, params } = request
  const found = findOperation(document, method, path)
  if (!found) return [`${method} ${path}: no such path`]
  if (!found.operation) return [`${method} ${found.template}: no such method`]
  const place = `${method} ${found.template}`
  const problems = checkPath(found.template, path, found.operation.parameters ?? []).map((text) => `${place}: ${text}`)
  const known = knownParameters(document, found.operation)
  for (const name of new Set(params.map(([each]) => each))) {
    const values = params.filter(([each]) => each === name).map(([, value]) => value)
    const schema = known.schemas[name]
    const reasons = schema ? checkValues(schema, values) : ['no such parameter']
    problems.push(...reasons.map((reason) => `${place}: ${name}: ${reason}`))
  }
  const missing = known.required.filter((name) => !params.some(([each]) => each === name))
  return [...problems, ...missing.map((name) => `${place}: ${name}: missing`)]
}

type Operation = NonNullable<NonNullable<ReturnType<typeof findOperation>>['operation']>

function knownParameters(document: VendorDocument, operation: Operation) {
  const body = operation.requestBody?.content['application/x-www-form-urlencoded']?.schema
  const form = body ? toJsonSchema(document, body, false) : undefined
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
  const queried = query.map(({ name, schema }) => [name, toJsonSchema(document, schema, false)] as const)
  return {
    schemas: { ...form?.properties, ...Object.fromEntries(queried) } as Record<string, Schema>,
    required: [
      ...((form?.required as string[] | undefined) ?? []),
      ...query.filter(({ required }) => required).map(({ name }) => name),
    ],
  }
}

function checkPath(template: string, path: string, parameters: NonNullable<Operation['parameters']>): string[] {
  const names = [...template.matchAll(/{(\w+)}/g)].map(([, name = '']) => name)
  const pattern = template.replaceAll('.', '\\.').replace(/{\w+}/g, '([^/]+?)')
  const values = new RegExp(`^${pattern}$`).exec(path)?.slice(1) ?? []
  return names.flatMap((name, index) => {
    const schema = parameters.find((parameter) => parameter.in === 'path' && parameter.name === name)?.schema ?? {}
    return checkValue(schema, values[index] ?? '').map((reason) => `${name}: ${reason}`)
  })
}

function checkValues(schema: Schema, values: string[]): string[] {
  if (schema.type === 'array') return values.flatMap((value) => checkValue(schema.items ?? {}, value))
  if (values.length > 1) return [`${values.length} times, but it is no list`]
  // An empty value takes a setting away, whatever its type is.
  return values[0] === '' ? [] : checkValue(schema, values[0] ?? '')
}

const TYPES: Record<string, RegExp> = { integer: /^-?\d+$/, number: /^-?\d+(\.\d+)?$/, boolean: /^(true|false)$/i }
const FORMATS: Record<string, (value: string) => boolean> = {
  uri: (value) => URL.canParse(value) && /^https?:/.test(value),
  // A long code or a channel's address of one, or a short code.
  'phone-number': (value) => /^(\w+:)?\+[1-9]\d{6,14}$|^\d{3,8}$/.test(value),
  'date-time': (value) => /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(value),
}

function checkValue(schema: Schema, value: string): string[] {
  const [type] = [schema.type].flat() as string[]
  const length = [...value].length
  const checks: [wrong: boolean, reason: string][] = [
    [Boolean(type && TYPES[type] && !TYPES[type].test(value)), `not of type ${type}`],
    [Array.isArray(schema.enum) && !schema.enum.includes(value), `not one of ${schema.enum}`],
    [typeof schema.pattern === 'string' && !new RegExp(schema.pattern).test(value), `not like ${schema.pattern}`],
    [typeof schema.minLength === 'number' && length < schema.minLength, `not as long as ${schema.minLength}`],
    [typeof schema.maxLength === 'number' && length > schema.maxLength, `longer than ${schema.maxLength}`],
    [typeof schema.minimum === 'number' && Number(value) < schema.minimum, `below ${schema.minimum}`],
    [typeof schema.maximum === 'number' && Number(value) > schema.maximum, `above ${schema.maximum}`],
    [FORMATS[String(schema.format)]?.(value) === false, `not of format ${schema.format}`],
  ]
  return checks.filter(([wrong]) => wrong).map(([, reason]) => `${JSON.stringify(value)} is ${reason}`)
}

/** The document describes the record of an attachment or a recording; its bytes are at the same address without `.json`. */
const BYTES = /(\/Messages\/\w+\/Media\/\w+|\/Recordings\/\w+)(\.wav)?$/

export type VendorApi = Awaited<ReturnType<typeof startTwilioApi>>

/** Checks every request that the stand-in for the vendor has seen. */
export function checkCarrierRequests(api: VendorApi): { checked: number; problems: string[] } {
  const document = loadVendorDocument('twilio_api_v2010')
  const requests = api.requests.filter(({ path }) => path.startsWith('/2010-04-01/'))
  const problems = requests.flatMap(({ method, path, query, form }) =>
    validateCarrierRequest(document, {
      method,
      path: path.replace(BYTES, '$1.json'),
      params: [...query, ...form],
    }),
  )
  return { checked: requests.length, problems }
}

/** Lets the adapter do everything it can. */
export async function exerciseAdapter(api: VendorApi) {
  const { account_sid, auth_token, url: base_url } = api
  const carrier = twilioCarrier({ account_sid, auth_token, base_url })
  const message: OutboundMessage = {
    reference: 'KI00000000000000000000000000000001',
    from: '+12025550100',
    to: '+12025550124',
    body: 'On my way',
    media_urls: ['https://masking.example/media/1', 'https://masking.example/media/2'],
    status_url: 'https://masking.example/webhooks/status',
  }
  const started = new Date()
  await carrier.check()
  for (const phone_number of [message.from, '22395']) {
    const sid = String(api.addNumber({ phone_number }).sid)
    const found = await carrier.findNumber({ sid })
    const urls = { message_url: 'https://masking.example/messages', call_url: 'https://masking.example/calls' }
    await carrier.attachNumber({ carrier_number_sid: sid }, urls)
    await carrier.restoreNumber({ carrier_number_sid: sid }, found?.webhooks ?? {})
  }
  await carrier.findNumber({ phone_number: message.from })
  await carrier.sendMessage(message)
  await carrier.sendMessage({ ...message, media_urls: [] })
  await carrier.findSentMessage(message, started, async () => false)
  const attachment = api.addMedia({ content_type: 'image/png', bytes: Buffer.from('not really') })
  await carrier.fetchMedia(attachment, 1_000)
  await exerciseCalls(carrier, api)
}

/** What is asked counts here, not that there is such a call. */
async function exerciseCalls(carrier: Carrier, api: VendorApi) {
  const [inbound_id, outbound_id] = [`CA${'1'.repeat(32)}`, `CA${'2'.repeat(32)}`] as const
  await carrier.findCall(inbound_id)
  const announcement = { text: 'One minute left.', language: 'en-US', room: 'KI1', seconds_left: 60 }
  const unknownCall = (error: unknown) => {
    if (!(error instanceof CarrierError)) throw error
  }
  await carrier.announce({ inbound_id, outbound_id }, { ...announcement, recording_url: undefined }).catch(unknownCall)
  const sid = `RE${'3'.repeat(32)}`
  const url = `${api.url}/2010-04-01/Accounts/${api.account_sid}/Recordings/${sid}`
  await carrier.fetchRecording({ carrier_recording_id: sid, url }, 1_000).catch(unknownCall)
  await carrier.deleteRecording({ carrier_recording_id: sid, url })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await installNodePackages()
  const api = await startTwilioApi()
  await exerciseAdapter(api).finally(api.stop)
  const { checked, problems } = checkCarrierRequests(api)
  for (const problem of problems) console.error(problem)
  console.log(`${checked} carrier requests checked, ${problems.length} problems`)
  process.exitCode = checked === 0 || problems.length > 0 ? 1 : 0
}
