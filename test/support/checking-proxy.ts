import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

type Schema = { [key: string]: unknown; properties?: Record<string, Schema> }
type Document = {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }>>
}
/** What an answer must be: a body that fits, no body, or one of these content types. */
type Expected = ValidateFunction | undefined | string[]
type Check = { path: RegExp; method: string; responses: Map<string, Expected> }

/**
 * Stands in front of a server and holds every answer of its APIs against the server's own OpenAPI document: path, method
 * and status must be in it, and the body must fit with no key that the document does not know. What does not fit fails
 * the test that asked.
 */
export async function startCheckingProxy(t: Pick<TestContext, 'after'>) {
  let target: URL | undefined
  let checks: Check[] = []
  const problems: string[] = []

  const server = createServer((incoming, outgoing) => {
    const options = { method: incoming.method, headers: incoming.headers, path: incoming.url }
    const upstream = request(target ?? 'http://127.0.0.1:1', options, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
        const { statusCode = 0, headers } = answer
        problems.push(
          ...check(checks, incoming, { status: statusCode, type: headers['content-type'] }, body.toString()),
        )
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(body)
      })
    })
    upstream.on('error', () => refuse(outgoing))
    incoming.pipe(upstream)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
    if (problems.length > 0) throw new Error(`Answers do not fit the OpenAPI document:\n${problems.join('\n')}`)
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    problems,
    async checkAgainst(url: string) {
      target = new URL(url)
      checks = compile((await (await fetch(`${url}/openapi.json`)).json()) as Document)
    },
  }
}

const refuse = (outgoing: ServerResponse) => {
  if (!outgoing.headersSent) outgoing.writeHead(502)
  outgoing.end()
}

function compile(document: Document): Check[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { responses }]) => ({
      path: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}/?$`),
      method: method.toUpperCase(),
      responses: new Map(
        Object.entries(responses).map(([status, { content }]) => {
          const schema = content?.['application/json']?.schema
          return [status, schema ? ajv.compile(closed(schema)) : content && Object.keys(content)]
        }),
      ),
    })),
  )
}

/** A key that the document does not name is a difference too. */
function closed(schema: unknown): Schema {
  if (Array.isArray(schema)) return schema.map(closed) as never
  if (typeof schema !== 'object' || schema === null) return schema as never
  const copy: Schema = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  if (copy.properties && copy.additionalProperties === undefined) copy.additionalProperties = false
  return copy
}

type Got = { status: number; type: string | undefined }

function check(checks: Check[], incoming: IncomingMessage, { status, type = '' }: Got, body: string): string[] {
  const { method = '', url = '' } = incoming
  const path = url.replace(/\?.*$/, '')
  const where = `${method} ${path} → ${status}`
  if (!/^\/(v1|maskline)\//.test(path) || method === 'OPTIONS' || method === 'HEAD') return []
  const known = checks.find((candidate) => candidate.method === method && candidate.path.test(path))
  if (!known) return [400, 401, 403, 404, 405].includes(status) ? [] : [`${where}: no such operation`]
  const responses = known.responses
  if (!responses.has(String(status)) && status < 400) return [`${where}: no such answer`]
  const validate = responses.get(String(status)) ?? responses.get('default')
  if (Array.isArray(validate)) {
    const fits = validate.some((known) => type.startsWith(known.replace(/\*$/, '')))
    return fits ? [] : [`${where}: the content type ${type}`]
  }
  if (!validate || status === 204) return body === '' ? [] : [`${where}: a body where there should be none`]
  try {
    return validate(JSON.parse(body)) ? [] : [`${where}: ${JSON.stringify(validate.errors)}`]
  } catch {
    return [`${where}: the body is no JSON`]
  }
}
