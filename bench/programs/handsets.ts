import { personOf, poolNumberOf, type Shape, sidesOf } from '../people.ts'
import { openConnection, requestBytes } from './connection.ts'
import { createLatencies, type Latencies } from './latencies.ts'
import { servedBy } from './parent.ts'

/**
 * People of the data set with simulated handsets: one texts, and looks at the partner's handset until it is there. One text
 * at a time, so nobody waits for anybody else.
 */
export type HandsetOptions = { port: number; account_sid: string; auth_token: string; shape: Shape }

export type HandsetResult = { acknowledged_ms: Latencies; arrived_ms: Latencies }

const LIMIT_MS = 10_000
/** The simulator lets no text arrive at some of these, or late. */
const IS_SPECIAL = /01\d\d$/

servedBy(async ({ port, account_sid, auth_token, shape }: HandsetOptions) => {
  const authorization = `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
  const connection = await openConnection(port)
  let session = 0
  let texts = 0

  const ask = async (method: 'GET' | 'POST', path: string, expected: number, body?: string) => {
    const headers = { authorization, 'content-type': 'application/json' }
    const reply = await connection.exchange(requestBytes(method, `/simulator${path}`, headers, body))
    if (reply.status !== expected) throw new Error(`${method} /simulator${path}: ${reply.status} ${reply.body}`)
    return reply.body
  }

  const text = async (): Promise<{ acknowledged: number; arrived: number }> => {
    do session = (session + 1) % shape.sessions
    while (IS_SPECIAL.test(personOf(2 * session + 1)))
    const [{ identifier, proxy }] = sidesOf(shape, session)
    const partner = `/handsets/${encodeURIComponent(personOf(2 * session + 1))}/messages`
    const body = `text ${texts++}.`
    const began = performance.now()
    await ask('POST', '/messages', 202, JSON.stringify({ from: identifier, to: poolNumberOf(proxy), body }))
    const acknowledged = performance.now() - began
    while (performance.now() - began < LIMIT_MS) {
      if ((await ask('GET', partner, 200)).includes(body)) return { acknowledged, arrived: performance.now() - began }
    }
    throw new Error(`A text did not arrive within ${LIMIT_MS / 1000} s.`)
  }

  return {
    ready: {},
    commands: {
      async text({ seconds }: { seconds: number }): Promise<HandsetResult> {
        const [acknowledged, arrived] = [createLatencies(), createLatencies()]
        const until = performance.now() + seconds * 1000
        while (performance.now() < until) {
          const times = await text()
          acknowledged.record(times.acknowledged)
          arrived.record(times.arrived)
        }
        return { acknowledged_ms: acknowledged.summary(), arrived_ms: arrived.summary() }
      },
    },
  }
})
