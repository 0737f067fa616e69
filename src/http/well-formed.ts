import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { type Flaw, presentFlaw } from './broken-requests.ts'

/**
 * What Node's parser lets through although two programs in a row may read it differently. A proxy in front and this server
 * then no longer agree where a request ends, whom it is for or who sent it, and that is how one person's request becomes part
 * of another's. No client that we know of sends any of it.
 */
const MAX_HEADERS = 100
/** Node takes the first of several, others the last. */
const ONCE = ['host', 'authorization', 'content-length', 'content-type', 'transfer-encoding']
const LENGTHS = new Set(ONCE.map(({ length }) => length))
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

export function refuseAmbiguous(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const flaw = findFlaw(request.raw)
    // It is not taken up, and the parser takes what follows for another protocol.
    if (request.headers.upgrade !== undefined) reply.header('Connection', 'close')
    if (!flaw) return done()
    reply.code(flaw.status).header('Connection', 'close').type('application/json').send(presentFlaw(flaw))
  })
}

export function findFlaw({ method, url = '', httpVersion, headers, rawHeaders }: IncomingMessage): Flaw | undefined {
  const bad = (message: string): Flaw => ({ status: 400, message })
  if (rawHeaders.length > 2 * MAX_HEADERS) return { status: 431, message: `Send at most ${MAX_HEADERS} headers.` }
  const repeated = findRepeated(rawHeaders)
  if (repeated) return bad(`Send the header ${repeated} once.`)
  if (!url.startsWith('/') || url.includes('#')) return bad('Ask for a path, which begins with /.')

  if (httpVersion !== '1.1' && httpVersion !== '1.0') return bad('Speak HTTP/1.1.')
  const { host, 'content-length': length, 'transfer-encoding': coding } = headers
  // Probes of balancers speak HTTP/1.0 and name no host.
  if (host === undefined ? httpVersion !== '1.0' : !HOST.test(host)) return bad('Send a Host header with a host in it.')
  if (coding !== undefined && httpVersion === '1.0') return bad('Send no chunks in HTTP/1.0.')
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return { status: 501, message: 'Send a body as it is or in chunks, in no other transfer encoding.' }
  }
  if (length !== undefined && !/^(0|[1-9]\d*)$/.test(length)) return bad('Send a Content-Length without leading zeros.')
  const hasBody = coding !== undefined || (length ?? '0') !== '0'
  if (hasBody && (method === 'GET' || method === 'HEAD')) return bad(`Send ${method} without a body.`)
  return undefined
}

function findRepeated(rawHeaders: string[]): string | undefined {
  let seen = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!LENGTHS.has(name.length)) continue
    const index = ONCE.indexOf(name.toLowerCase())
    if (index < 0) continue
    if (seen & (1 << index)) return ONCE[index]
    seen |= 1 << index
  }
  return undefined
}
