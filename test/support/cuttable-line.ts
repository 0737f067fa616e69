import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * A line to another address that can be cut, so that nobody answers at its end, and mended. It can also be slow, or hold
 * back whatever comes until it is mended; then even what a sender has given up arrives, late.
 */
export type CuttableLine = Awaited<ReturnType<typeof startCuttableLine>>

export async function startCuttableLine(t: Pick<TestContext, 'after'>, { port, hostname }: URL) {
  const sockets = new Set<Socket>()
  const target = { port: Number(port), host: hostname }
  let isCut = false
  let slow_ms = 0
  let held: Gate | undefined

  const server = createServer({ allowHalfOpen: true }, async (near) => {
    if (isCut) return void near.destroy()
    keep(near)
    await held?.promise
    if (near.destroyed) return
    const far = connect({ ...target, allowHalfOpen: true })
    keep(far)
    pass(near, far, ready)
    pass(far, near, ready)
  })
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }
  const arrival = async () => {
    if (slow_ms > 0) await delay(slow_ms)
    while (held) await held.promise
  }
  const ready = () => (held || slow_ms > 0 ? arrival() : undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const mend = () => {
    isCut = false
    slow_ms = 0
    held?.resolve()
    held = undefined
  }
  t.after(() => {
    server.close()
    mend()
    drop()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      drop()
    },
    /** Every piece takes so long. */
    slow(ms: number) {
      slow_ms = ms
    },
    hold() {
      held ??= newGate()
    },
    mend,
    /** From now on it leads somewhere else. */
    lead(url: URL) {
      target.port = Number(url.port)
      target.host = url.hostname
    },
  }
}

/** A piece at a time, each when `ready` lets it, so that whoever sends feels how slow the line is. */
function pass(from: Socket, to: Socket, ready: () => Promise<void> | undefined) {
  let underway = Promise.resolve()
  const inTurn = (work: () => unknown) => {
    underway = underway.then(ready).then(() => void work())
  }
  from.on('data', (piece) => {
    from.pause()
    inTurn(() => to.write(piece, () => from.resume()))
  })
  from.on('end', () => inTurn(() => to.end()))
  from.on('close', () => inTurn(() => to.destroySoon()))
}

type Gate = { promise: Promise<void>; resolve: () => void }

function newGate(): Gate {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
