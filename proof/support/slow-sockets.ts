import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const OPENED_WITHIN_MS = 3_000
const AGAIN_MS = 1_000
const BIT_MS = 2_000
const NOTICED_WITHIN_MS = 6_000

type Kind = { begins: string; bit: string; reads: boolean }

const BODY: Kind = {
  begins: 'POST /webhooks/MC0/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n',
  bit: 'a',
  reads: true,
}
const HEAD: Kind = { begins: 'POST /webhooks/MC0/messages HTTP/1.1\r\nHost: a\r\n', bit: 'X: y\r\n', reads: true }
const SILENT: Kind = { begins: '', bit: '', reads: true }
const IDLE: Kind = { begins: 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n', bit: '', reads: true }
const DEAF: Kind = { begins: 'GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(8), bit: '', reads: false }
/** Half of them hold a place among the requests in hand. */
const KINDS = [BODY, HEAD, BODY, IDLE, BODY, SILENT, BODY, DEAF]

/** So many connections, each slow in its way, and opened again when the server has ended it. */
export function startSlowSockets(port: number, count: number) {
  const sockets = new Set<Socket>()
  let [isOver, ended] = [false, 0]
  const open = (kind: Kind) => {
    const socket = connect(port, '127.0.0.1')
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('end', () => socket.destroy())
    if (kind.reads) socket.resume()
    const begun = new Promise<void>((resolve) => {
      socket.once('close', resolve).write(kind.begins, () => resolve())
    })
    const bits = kind.bit === '' ? undefined : setInterval(() => socket.write(kind.bit), BIT_MS)
    socket.on('close', () => {
      clearInterval(bits)
      sockets.delete(socket)
      if (isOver) return
      ended++
      setTimeout(() => isOver || void open(kind), AGAIN_MS)
    })
    return begun
  }
  const openAll = async () => {
    const all: Promise<void>[] = []
    for (let at = 0; at < count; at++) {
      all.push(open(KINDS[at % KINDS.length] ?? BODY))
      if (at % 20 === 0) await delay((OPENED_WITHIN_MS * 20) / count)
    }
    await Promise.all(all)
  }
  return {
    /** All are connected, and what each begins with has left. */
    opened: openAll(),
    /** The server has ended a good part of them, or lets them be. */
    async noticed(): Promise<void> {
      const limit = performance.now() + NOTICED_WITHIN_MS
      while (ended < count / 8 && performance.now() < limit) await delay(20)
    },
    /** How many the server had ended. */
    async stop(): Promise<number> {
      isOver = true
      const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
      return ended
    },
  }
}
