import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http'
import { connect, createServer as createSocketServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { CLIENTS } from './clients.ts'
import { shorten, type startResponseCheck, type Violation } from './response-check.ts'

/** What one client was answered. */
export type Recording = { exchanges: number; operations: Set<string>; violations: Map<string, number> }

/**
 * Stands between the clients and the server, changes nothing, and checks every answer on its way. Listens on a port and,
 * for the client that lives in a network namespace of its own, on a socket in the file system.
 */
export async function startRecorder(check: ReturnType<typeof startResponseCheck>['check'], socketPath: string) {
  const recordings = new Map<string, Recording>()
  const strangers = new Set<string>()
  const agent = new Agent({ keepAlive: true })
  let upstreamPort = 0

  const record = (incoming: IncomingMessage, answer: IncomingMessage, body: string) => {
    const method = incoming.method ?? 'GET'
    const path = (incoming.url ?? '/').split('?')[0] ?? '/'
    // Outside of it is what the vendor never had, such as the simulated handsets.
    if (!path.startsWith('/v1/')) return
    const userAgent = incoming.headers['user-agent'] ?? ''
    const client = CLIENTS.find((each) => each.userAgent.test(userAgent))?.name
    if (!client) return void strangers.add(userAgent)
    const recording = recordings.get(client) ?? { exchanges: 0, operations: new Set(), violations: new Map() }
    recordings.set(client, recording)
    const status = answer.statusCode ?? 0
    const result = check({ method, path, status, contentType: answer.headers['content-type'], body })
    recording.exchanges++
    if (result.operation && status < 400) recording.operations.add(result.operation)
    for (const violation of result.violations) {
      const line = describe(violation, `${method} ${shorten(path)} → ${status}`)
      recording.violations.set(line, (recording.violations.get(line) ?? 0) + 1)
    }
  }

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method, url, headers } = incoming
    const upstream = sendRequest({ host: '127.0.0.1', port: upstreamPort, method, path: url, headers, agent })
    upstream.end(await buffer(incoming))
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage]
    const body = await buffer(answer)
    record(incoming, answer, body.toString('utf8'))
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(body)
  }

  const server = createServer((incoming, outgoing) => {
    forward(incoming, outgoing).catch((error: Error) => {
      console.error(`recorder: ${incoming.method} ${incoming.url}: ${error.message}`)
      outgoing.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }

  rmSync(socketPath, { force: true })
  const socketServer = createSocketServer((client) => {
    const inside = connect(port, '127.0.0.1')
    client.on('error', () => inside.destroy())
    inside.on('error', () => client.destroy())
    client.pipe(inside).pipe(client)
  })
  socketServer.listen(socketPath)
  await once(socketServer, 'listening')

  return {
    url: `http://127.0.0.1:${port}`,
    socketPath,
    recordings,
    /** User agents that belong to no client here: one whose name has changed would otherwise go unchecked. */
    strangers: () => [...strangers],
    forwardTo: (port: number) => {
      upstreamPort = port
    },
    stop: () => {
      socketServer.close()
      server.close()
      server.closeAllConnections()
      agent.destroy()
    },
  }
}

const describe = ({ at, what }: Violation, request: string) => `${at}: ${what} (${request})`
