import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { eventually, startServer, type TestServer } from './support/server.ts'

const MOST = 8

async function open({ direct }: TestServer, bytes: string) {
  const socket = connect(Number(new URL(direct).port), '127.0.0.1')
  const received: string[] = []
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  return {
    socket,
    received,
    read: () => socket.setEncoding('latin1').on('data', (text: string) => received.push(text)),
  }
}

const isOver = ({ socket }: { socket: Socket }) => socket.closed || socket.readableEnded

const HEAD = 'POST /webhooks/MC0/messages HTTP/1.1\r\nHost: a\r\n'
const slowBody = `${HEAD}Content-Length: 100\r\n\r\na`
const is404 = async ({ direct }: TestServer) =>
  (await fetch(`${direct}/webhooks/MC0/messages`, { method: 'POST', body: 'a=b' })).status === 404

test('those who send slowly have a quarter of the places, and the others are served', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: String(MOST) } })
  const slow = await Promise.all(Array.from({ length: MOST }, () => open(server, slowBody)))
  for (const { read } of slow) read()
  // At first nobody can tell who is slow.
  await eventually(() => is404(server), 'somebody else is served')
  await eventually(async () => slow.filter(isOver).length === (MOST * 3) / 4, 'three quarters of them are cut off')
  const [oldest] = slow
  assert.ok(oldest && isOver(oldest))
  for (const { socket } of slow) socket.destroy()
})

test('those who do not read their answers have a quarter of the places, however many answers they ask for', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: String(MOST) } })
  const asked = 'GET /v1/Services HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(12_000)
  const deaf = await Promise.all(Array.from({ length: 2 }, () => open(server, '')))
  for (const { socket } of deaf) socket.pause().write(asked)
  const answered = () =>
    Promise.all(Array.from({ length: 4 }, () => is404(server))).then((answers) => answers.every(Boolean))
  await eventually(answered, 'others are served', 20_000)
  const isCutOff = ({ socket }: { socket: Socket }) => {
    // Who reads nothing learns by writing that the other side is gone.
    if (!socket.destroyed) socket.write('\r\n')
    return socket.closed
  }
  await eventually(async () => deaf.filter(isCutOff).length === 2, 'both are cut off', 20_000)
  await eventually(answered, 'others are still served')
  for (const { socket } of deaf) socket.destroy()
})

test('whoever asks many things at once and hangs up makes room, too', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_MAX_REQUESTS: '4' } })
  const { sid, auth_token } = server.account
  const credentials = Buffer.from(`${sid}:${auth_token}`).toString('base64')
  const ask = `GET /v1/Services HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${credentials}\r\n\r\n`
  for (let times = 0; times < 4; times++) (await open(server, ask.repeat(8))).socket.destroy()
  const all = () => Promise.all(Array.from({ length: 4 }, () => server.get('/v1/Services')))
  await eventually(async () => (await all()).every(({ status }) => status === 200), 'all four places are free')
})

test('a head that does not end is answered 408, and so is a body', async (t) => {
  const server = await startServer(t)
  const head = await open(server, HEAD)
  const silent = await open(server, '')
  for (const { read } of [head, silent]) read()
  await eventually(async () => isOver(head) && isOver(silent), 'both are over', 20_000)
  for (const { received } of [head, silent]) {
    const [status, ...lines] = received.join('').split('\r\n')
    assert.equal(status, 'HTTP/1.1 408 Request Timeout')
    assert.equal(JSON.parse(lines.at(-1) ?? '').status, 408)
  }
})
