import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { ProxyError } from '../core/errors.ts'
import { newSid } from '../core/sid.ts'
import { FOR_BROWSERS } from './broken-requests.ts'
import { presentError } from './errors.ts'

/** Probes are answered however much there is to do. */
const PROBES = '/health/'

/** Those in hand, and how each gives its place back. */
const places = new WeakMap<ServerResponse, () => void>()

/** For an answer that goes on for as long as its reader likes: whoever gives one has a bound of their own for these. */
export const leaveHand = (response: ServerResponse) => places.get(response)?.()

/**
 * Above what a server can do, requests would pile up until all of them are answered too late. So only so many are in hand at
 * once; who comes besides is told at once to come again, before anything of theirs is read, and nothing happened. This stands
 * before the framework, because at such times thousands are refused a second, and what it does for each of them would be
 * taken from those in hand.
 */
export function boundRequests(server: Server, most: number): void {
  const handlers = server.listeners('request')
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    for (const handler of handlers) handler.call(server, request, response)
  }
  let inHand = 0
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith(PROBES)) return handle(request, response)
    if (inHand >= most) return refuse(response)
    inHand++
    places.set(response, () => {
      if (places.delete(response)) inHand--
    })
    // Comes for answers as for connections that break.
    response.once('close', () => leaveHand(response))
    handle(request, response)
  })
}

const REFUSAL = JSON.stringify(presentError(new ProxyError(20503)))
const HEADERS = [
  ...['Retry-After', '1'],
  ...['Content-Type', 'application/json; charset=utf-8'],
  ...['Content-Length', String(Buffer.byteLength(REFUSAL))],
  ...Object.entries(FOR_BROWSERS).flat(),
]

/** One write. What its sender still sends is read and dropped by Node once the answer is out, so that the connection can be kept. */
function refuse(response: ServerResponse): void {
  response.writeHead(503, [...HEADERS, 'Twilio-Request-Id', newSid('RQ')]).end(REFUSAL)
}
