import { failureReason } from './exchange.ts'
import type { Guard } from './guard.ts'

/** Connects, with TLS where that is meant, and hangs up: why that cannot be done, or undefined when it can. */
export function reach(guard: Pick<Guard, 'connect'>, origin: string, timeout_ms: number): Promise<string | undefined> {
  const { protocol, hostname, port } = new URL(origin)
  const target = { protocol, port, hostname: hostname.replace(/^\[|\]$/g, ''), servername: hostname }
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`There was no connection within ${timeout_ms} ms.`), timeout_ms)
    guard.connect(target, (error, socket) => {
      clearTimeout(timer)
      socket?.destroy()
      resolve(error ? failureReason(error) : undefined)
    })
  })
}
