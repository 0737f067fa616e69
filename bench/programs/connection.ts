import { once } from 'node:events'
import { connect } from 'node:net'

/**
 * HTTP/1.1 over one kept connection, one request at a time, and no more of the protocol than the servers here speak: what
 * makes the load shares the processors with what is measured, so it has to cost little.
 */
export type Connection = { exchange: (request: Buffer) => Promise<Reply>; close: () => void }

export type Reply = {
  status: number
  body: Buffer
  /** Whether a refusal says when to come again. */
  has_retry_after: boolean
}

const NOTHING = Buffer.alloc(0)

export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  let waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined
  let received = NOTHING
  let broken: Error | undefined

  const fail = (error: Error) => {
    broken ??= error
    waiting?.reject(error)
    waiting = undefined
    socket.destroy()
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the connection was closed')))
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    try {
      const read = readReply(received)
      if (!read) return
      received = received.subarray(read.length)
      waiting?.resolve(read)
      waiting = undefined
    } catch (error) {
      fail(error as Error)
    }
  })

  return {
    exchange: (request) =>
      new Promise((resolve, reject) => {
        if (broken) return reject(broken)
        waiting = { resolve, reject }
        socket.write(request)
      }),
    close: () => void socket.destroy(),
  }
}

/** The first reply in what was received and its length there; undefined while it is not whole. */
export function readReply(received: Buffer): (Reply & { length: number }) | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const [, size] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? []
  if (size === undefined && status !== 204) throw new Error('a reply does not say how long it is')
  const length = end + 4 + Number(size ?? 0)
  if (received.length < length) return undefined
  const has_retry_after = status === 503 && /\r\nretry-after:/i.test(head)
  return { status, body: received.subarray(end + 4, length), has_retry_after, length }
}

/** The bytes of a request with a form, which may be prepared ahead. */
export function formRequest(path: string, headers: Record<string, string>, form: string): Buffer {
  return requestBytes('POST', path, { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, form)
}

export function requestBytes(method: string, path: string, headers: Record<string, string>, body = ''): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = method === 'GET' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}${length}\r\n${body}`)
}
