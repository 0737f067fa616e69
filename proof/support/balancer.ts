import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { probe } from './killable-server.ts'
import type { Scope } from './scope.ts'

const PROBE_EVERY_MS = 100

/**
 * A balancer as simple as one can be: it brings requests to servers whose readiness answers 200, in turn, and tries the
 * next only where nobody listens. Whatever else happens to a request is answered 502.
 */
export async function startBalancer(scope: Scope, ports: number[]) {
  const ready = new Set<number>()
  const agent = new Agent({ pipelining: 1, headersTimeout: 60_000 })
  let turn = 0
  let stopping = false

  const forward = async (incoming: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const some = ports.filter((port) => ready.has(port))
    turn++
    for (let at = 0; at < some.length; at++) {
      const port = some[(turn + at) % some.length]
      try {
        const { host: _host, connection: _connection, ...headers } = incoming.headers
        const answer = await request(`http://127.0.0.1:${port}${incoming.url}`, {
          method: 'POST',
          headers,
          body: Buffer.concat(chunks),
          dispatcher: agent,
        })
        response.writeHead(answer.statusCode, { 'x-server': String(port) })
        return void response.end(await answer.body.text())
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED') break
      }
    }
    response.writeHead(502).end()
  }

  const server = createServer((incoming, response) => void forward(incoming, response))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const look = async (port: number) => {
    while (!stopping) {
      if ((await probe(port, 'ready', 2_000)) === 200) ready.add(port)
      else ready.delete(port)
      await delay(PROBE_EVERY_MS)
    }
  }
  const looking = ports.map(look)
  scope.after(async () => {
    stopping = true
    await Promise.all(looking)
    server.closeAllConnections()
    server.close()
    await agent.close()
  })
  return { port: (server.address() as AddressInfo).port, ready }
}
