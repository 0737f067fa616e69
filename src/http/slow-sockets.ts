import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/**
 * Who is slow holds a connection, which costs little, and with it a place among the requests in hand, of which there are few:
 * by sending a body bit by bit, or by never reading an answer. So everything that is waited for has its time, and those who
 * keep us waiting have a quarter of the places together. Where there are more of them, the oldest are cut off.
 */
const HEADERS_MS = 10_000
const REQUEST_MS = 20_000
/** Longer than balancers keep a connection that nothing happens on: who closes first must not be the one who is asked. */
const IDLE_MS = 72_000
/** For an answer to be taken, and a second more for every so many bytes. */
const ANSWER_MS = 30_000
const ANSWER_BYTES_PER_MS = 64
/** Nothing is read or written, whatever the reason: longer than we take for any answer. */
const SILENT_MS = 60_000

const SWEEP_MS = 250
/** Nobody counts as slow before. */
const PATIENCE_MS = 500
const SLOW_SHARE = 0.25

/** What only the constructor of the server takes. Its own answer to a missing Host would be in nobody's format. */
export const SERVER_OPTIONS: ServerOptions = { connectionsCheckingInterval: 1_000, requireHostHeader: false }

export type OpenRequest = { request: IncomingMessage; answer: ServerResponse; since: number; answer_by?: number }
export type OpenRequests = {
  /** Those of a connection that are not answered yet. */
  on: (socket: Socket) => OpenRequest[]
  /** The one that came last on it, answered or not. */
  last: (socket: Socket) => OpenRequest | undefined
}

/** `most` is how many requests may be in hand. */
export function boundSlowness(app: FastifyInstance, most: number): OpenRequests {
  setTimeouts(app.server)
  const open = new Set<OpenRequest>()
  const last = new WeakMap<Socket, OpenRequest>()
  app.addHook('onRequest', ({ raw: request }, { raw: answer }, done) => {
    const entry = { request, answer, since: performance.now() }
    open.add(entry)
    last.set(request.socket, entry)
    answer.once('close', () => open.delete(entry))
    done()
  })
  app.server.on('connection', (socket) => socket.once('close', () => closeQueued(open, last.get(socket))))
  const timer = setInterval(() => endSlowest(open, Math.max(1, most * SLOW_SHARE)), SWEEP_MS).unref()
  app.addHook('onClose', async () => clearInterval(timer))
  return {
    on: (socket) => [...open].filter(({ request }) => request.socket === socket),
    last: (socket) => last.get(socket),
  }
}

function setTimeouts(server: Server) {
  server.headersTimeout = HEADERS_MS
  server.requestTimeout = REQUEST_MS
  server.keepAliveTimeout = IDLE_MS
  server.setTimeout(SILENT_MS)
  // Headers beyond the number would be dropped without a word, and with them what contradicts the first ones.
  server.maxHeadersCount = 0
}

/**
 * With a connection Node closes the answer whose turn it is, and not those that queue behind it. Nobody would learn that they
 * are over, and their places would be gone for good.
 */
function closeQueued(open: Set<OpenRequest>, last: OpenRequest | undefined) {
  if (!last || !open.has(last)) return
  for (const { request, answer } of open) if (request.socket === last.request.socket) answer.emit('close')
}

function endSlowest(open: Set<OpenRequest>, most: number) {
  const now = performance.now()
  // The oldest come first.
  const slow = [...open].filter((entry) => isSlow(entry, now))
  for (const [at, { request, answer_by = Number.POSITIVE_INFINITY }] of slow.entries()) {
    if (at < slow.length - most || now > answer_by) request.socket.destroy()
  }
}

function isSlow(entry: OpenRequest, now: number): boolean {
  const { request, answer, since } = entry
  if (!answer.writableEnded) return request.complete === false && now - since > PATIENCE_MS
  const allowed_ms = ANSWER_MS + answer.writableLength / ANSWER_BYTES_PER_MS
  entry.answer_by ??= now + allowed_ms
  return now - (entry.answer_by - allowed_ms) > PATIENCE_MS
}
