import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TestContext } from 'node:test'

/**
 * A customer's application on a real socket: it records what reaches it and answers what the test says. `params` are the
 * form's, or the query's for a request without a body; a repeated name has all its values in `values`.
 */
export type ReceivedRequest = {
  method: string
  /** The request target as it came over the wire. */
  target: string
  /** The URL an application would rebuild from the request. */
  url: string
  headers: IncomingHttpHeaders
  body: string
  params: Record<string, string>
  values: [name: string, value: string][]
}

export type ReceiverAnswer = {
  status?: number
  headers?: Record<string, string>
  /** Pieces of an async iterable are sent as they come; the connection may break under it. */
  body?: string | Buffer | AsyncIterable<string>
}

export type ReceiverHandler = (request: ReceivedRequest) => ReceiverAnswer | Promise<ReceiverAnswer>

export type Receiver = {
  /** Without a path: `http://127.0.0.1:port`. */
  url: string
  port: number
  requests: ReceivedRequest[]
  /** How many connections have been made, to tell whether one was kept. */
  connections: number
  /** What the following requests are answered; 200 without a body until set. */
  answer: ReceiverHandler
  /** The oldest request that no call has returned yet; rejects when none comes within 5 s. */
  next: () => Promise<ReceivedRequest>
}

const PATIENCE_MS = 5000

export async function startReceiver(t: TestContext, handler: ReceiverHandler = () => ({})): Promise<Receiver> {
  let taken = 0
  let waiting: (() => void)[] = []

  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const target = incoming.url ?? ''
    const form = incoming.method === 'GET' ? target.split('?').slice(1).join('?') : body
    const values = [...new URLSearchParams(form)]
    const request: ReceivedRequest = {
      method: incoming.method ?? '',
      target,
      url: `http://${incoming.headers.host}${target}`,
      headers: incoming.headers,
      body,
      params: Object.fromEntries(values),
      values,
    }
    receiver.requests.push(request)
    for (const wake of waiting) wake()
    waiting = []

    const answer = await receiver.answer(request)
    outgoing.writeHead(answer.status ?? 200, answer.headers)
    if (answer.body === undefined || typeof answer.body === 'string' || Buffer.isBuffer(answer.body)) {
      outgoing.end(answer.body)
    } else {
      outgoing.flushHeaders()
      await pipeline(Readable.from(answer.body), outgoing).catch(() => undefined)
    }
  })
  server.on('connection', () => {
    receiver.connections++
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })

  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    connections: 0,
    answer: handler,
    next: async () => {
      const index = taken++
      const deadline = AbortSignal.timeout(PATIENCE_MS)
      while (receiver.requests.length <= index) {
        await new Promise<void>((resolve, reject) => {
          waiting.push(resolve)
          deadline.onabort = () => reject(new Error(`No request number ${index + 1} came within ${PATIENCE_MS} ms.`))
        })
      }
      return receiver.requests[index]!
    },
  }
  return receiver
}
