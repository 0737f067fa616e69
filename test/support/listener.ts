import { get, type IncomingMessage } from 'node:http'
import type { TestContext } from 'node:test'
import { eventually } from './server.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
export type Told = { event: string; body: Record<string, any>; at: number }

/** Who listens to a stream, as a browser does: it remembers where it is. */
export type Listener = {
  status: number
  headers: IncomingMessage['headers']
  told: Told[]
  /** As a browser would send it on the next connection. */
  last_id: string | undefined
  isOver: () => boolean
  /** The first thing told that fits, waited for. */
  hear: (what: string, fits: (told: Told) => boolean) => Promise<Told>
  leave: () => void
}

export type Ears = { account: { sid: string; auth_token: string }; direct: string }

export const credentialsOf = ({ sid, auth_token }: Ears['account']) =>
  `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`

/** Listens, and has been greeted; `headers` and `query` say as whom, to what, and from where on. */
export async function listen(
  t: Pick<TestContext, 'after'>,
  server: Ears,
  { query = {}, headers = {} }: { query?: Record<string, string>; headers?: Record<string, string> } = {},
): Promise<Listener> {
  const url = `${server.direct}/maskline/v1/Stream?${new URLSearchParams(query)}`
  const authorization = headers.cookie === undefined && { authorization: credentialsOf(server.account) }
  const request = get(url, { agent: false, headers: { accept: 'text/event-stream', ...authorization, ...headers } })
  t.after(() => request.destroy())
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  request.on('error', () => undefined)
  let isOver = false
  let text = ''
  const listener: Listener = {
    ...{ status: answer.statusCode ?? 0, headers: answer.headers, told: [], last_id: undefined },
    isOver: () => isOver,
    hear: (what, fits) => eventually(async () => listener.told.find(fits), what, 20_000),
    leave: () => void request.destroy(),
  }
  answer.setEncoding('utf8')
  answer.on('data', (chunk: string) => {
    text = readFrames(listener, text + chunk)
  })
  answer.on('error', () => undefined)
  answer.on('close', () => {
    isOver = true
  })
  if (listener.status === 200) await listener.hear('the greeting', ({ event }) => event === 'hello')
  return listener
}

/** Takes what is complete, and returns the rest. */
function readFrames(listener: Listener, text: string): string {
  const frames = text.split('\n\n')
  for (const frame of frames.slice(0, -1)) {
    const fields = frame.split('\n').map((line) => /^(\w+): (.*)$/.exec(line))
    const value = (name: string) => fields.find((field) => field?.[1] === name)?.[2]
    listener.last_id = value('id') ?? listener.last_id
    const [event, data] = [value('event'), value('data')]
    if (event && data) listener.told.push({ event, body: JSON.parse(data), at: performance.now() })
  }
  return frames.at(-1) ?? ''
}
