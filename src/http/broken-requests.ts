import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { ProxyError } from '../core/errors.ts'
import { presentError } from './errors.ts'
import type { OpenRequests } from './slow-sockets.ts'

/** What is wrong with a request before it is anybody's. */
export type Flaw = { status: 400 | 408 | 413 | 417 | 431 | 501; message: string }

/** How long a client that is refused may go on sending, so that the answer is not lost with the connection. */
const LINGER_MS = 1_000

const BY_CODE: Record<string, Flaw> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, message: 'The request took too long to arrive.' },
  HPE_HEADER_OVERFLOW: { status: 431, message: 'The headers or the address are too long.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, message: 'The chunk extensions are too long.' },
}
const BROKEN: Flaw = { status: 400, message: 'The request could not be read.' }
const NO_TUNNEL: Flaw = { status: 400, message: 'Ask for a path, which begins with /.' }
const UNEXPECTED: Flaw = { status: 417, message: 'Expect nothing but 100-continue.' }

/** In the form of the vendor's errors, which are told apart by code: there is one for what cannot be read. */
export const presentFlaw = ({ status, message }: Flaw) =>
  JSON.stringify({ ...presentError(new ProxyError(20001, { message })), status })

/** What Node refuses before there is a request, in the words of this server. */
export function answerBroken(app: FastifyInstance, requests: OpenRequests): void {
  const refused = new WeakSet<Socket>()
  const refuse = async (socket: Socket, flaw: Flaw) => {
    // What the client goes on to send is as broken, and read only to be thrown away.
    if (refused.has(socket)) return
    refused.add(socket)
    // Answers go in the order of the requests. Those that came whole before the broken one are carried out, and say so.
    const whole = requests.on(socket).filter(({ request }) => request.complete)
    await Promise.all(whole.map(({ answer }) => untilClosed(answer)))
    // Of a request that breaks off in its body, the answer may have been sent: nobody waits for another.
    const last = requests.last(socket)
    const isAnswered = last?.request.complete === false && last.answer.headersSent
    end(socket, isAnswered ? '' : rawAnswer(flaw))
  }
  app.server.removeAllListeners('clientError')
  app.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else void refuse(socket as Socket, BY_CODE[error.code ?? ''] ?? BROKEN)
  })
  app.server.on('connect', (_request, socket) => void refuse(socket as Socket, NO_TUNNEL))
  app.server.on('checkExpectation', (_request: IncomingMessage, answer: ServerResponse) => {
    const body = presentFlaw(UNEXPECTED)
    answer.writeHead(UNEXPECTED.status, headersFor(body)).end(body)
  })
}

/** No browser is to find markup or a script where there is none, nor to show an answer inside a page of somebody else's. */
export const FOR_BROWSERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
}

const headersFor = (body: string) => ({
  ...FOR_BROWSERS,
  'Content-Type': 'application/json',
  'Content-Length': Buffer.byteLength(body),
  'Cache-Control': 'no-store',
  Connection: 'close',
})

function rawAnswer(flaw: Flaw): string {
  const body = presentFlaw(flaw)
  const lines = Object.entries(headersFor(body)).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${flaw.status} ${STATUS_CODES[flaw.status]}`, ...lines, '', body].join('\r\n')
}

const untilClosed = (answer: ServerResponse) =>
  new Promise<void>((resolve) => (answer.closed ? resolve() : answer.once('close', () => resolve())))

/** To close at once would make the system throw away what the client has not read yet. */
function end(socket: Socket, text: string): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.end(text)
}
