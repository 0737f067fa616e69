import { type Connection, openConnection } from './connection.ts'
import { createLatencies, type Latencies } from './latencies.ts'

/**
 * Load on one server. Closed loops, each sending the next request when the last was answered, show how much it takes; a
 * fixed rate, which waits for nobody, shows how long it makes people wait: there a request's time counts from the moment
 * it was due, also when it could not leave yet. What has not left when twice the time is over stays unsent.
 */

/** Where the next request comes from, and how it is answered when all is well. */
export type Requests = { next: () => Buffer; expects: number }

export type LoadResult = {
  answered: number
  seconds: number
  per_second: number
  /** Answered with 503, which is what a server says that has too much to do. */
  refused: number
  /** Of these, how many were not told when to come again. */
  without_retry_after: number
  unsent: number
  /** What else came than what was expected, and how often. */
  failures: Record<string, number>
  latency_ms: Latencies
  /** Of those that were answered as they should be, and of those that were refused until they knew. */
  answered_ms: Latencies
  refused_ms: Latencies
  /** By how much the load itself was late, which is part of the above. */
  late_ms: Latencies
}

export type ClosedLoad = { connections: number; seconds?: number; count?: number }
export type RateLoad = { connections: number; seconds: number; per_second: number }

/** Prepared ahead, so that signing costs nothing while it is measured; beyond them they are made as they are needed. */
const PREPARED_PER_SECOND = 6_000
const TICK_MS = 1
/** Twilio's: what is refused at a fixed rate counts as not answered for so long. */
const PATIENCE_MS = 15_000

export async function runClosed(
  port: number,
  requests: Requests,
  { connections, seconds, count }: ClosedLoad,
): Promise<LoadResult> {
  const next = prepare(requests, count ?? (seconds ?? 1) * PREPARED_PER_SECOND)
  const tally = createTally(requests.expects)
  const open = await openAll(port, connections)
  const began = performance.now()
  const until = seconds === undefined ? Number.POSITIVE_INFINITY : began + seconds * 1000
  let left = count ?? Number.POSITIVE_INFINITY
  await Promise.all(
    open.map(async (connection) => {
      while (left-- > 0 && performance.now() < until) await tally.exchange(connection, next(), performance.now())
    }),
  )
  const result = tally.result((performance.now() - began) / 1000)
  for (const connection of open) connection.close()
  return result
}

export async function runRate(
  port: number,
  requests: Requests,
  { connections, seconds, per_second }: RateLoad,
): Promise<LoadResult> {
  const total = Math.round(seconds * per_second)
  const next = prepare(requests, total)
  const tally = createTally(requests.expects)
  const open = await openAll(port, connections)
  const idle = [...open]
  const began = performance.now()
  const dueOf = (at: number) => began + (at * 1000) / per_second
  const until = dueOf(total) + seconds * 1000
  let sent = 0
  await new Promise<void>((resolve) => {
    const isOver = () => sent === total || performance.now() > until
    const sendDue = () => {
      const now = performance.now()
      while (idle.length > 0 && !isOver() && dueOf(sent) <= now) {
        const connection = idle.pop() as Connection
        const due = dueOf(sent++)
        tally.late(now - due)
        void tally.exchange(connection, next(), due).then(() => {
          idle.push(connection)
          sendDue()
        })
      }
      if (!isOver() || idle.length < open.length) return
      clearInterval(timer)
      resolve()
    }
    const timer = setInterval(sendDue, TICK_MS)
  })
  for (let at = sent; at < total; at++) tally.giveUp(performance.now() - dueOf(at))
  const result = tally.result((performance.now() - began) / 1000)
  for (const connection of open) connection.close()
  return result
}

function prepare(requests: Requests, count: number): () => Buffer {
  const prepared = Array.from({ length: Math.ceil(count) }, () => requests.next())
  return () => prepared.pop() ?? requests.next()
}

const openAll = (port: number, connections: number) =>
  Promise.all(Array.from({ length: connections }, () => openConnection(port)))

function createTally(expects: number) {
  const [latency, late, answers, refusals] = [
    createLatencies(),
    createLatencies(),
    createLatencies(),
    createLatencies(),
  ]
  const failures: Record<string, number> = {}
  let answered = 0
  let refused = 0
  let without_retry_after = 0
  let unsent = 0
  const fail = (what: string) => {
    failures[what] = (failures[what] ?? 0) + 1
  }
  return {
    late: late.record,
    giveUp(waited_ms: number) {
      unsent++
      latency.record(waited_ms)
    },
    async exchange(connection: Connection, request: Buffer, since: number) {
      try {
        const { status, body, has_retry_after } = await connection.exchange(request)
        const took = performance.now() - since
        if (status === 503) {
          refused++
          if (!has_retry_after) without_retry_after++
          refusals.record(took)
          return latency.record(PATIENCE_MS)
        }
        if (status !== expects) return fail(`${status} ${body.subarray(0, 200)}`)
        answered++
        answers.record(took)
        latency.record(took)
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error))
      }
    },
    result: (seconds: number): LoadResult => ({
      answered,
      seconds,
      per_second: answered / seconds,
      refused,
      without_retry_after,
      unsent,
      failures,
      latency_ms: latency.summary(),
      answered_ms: answers.summary(),
      refused_ms: refusals.summary(),
      late_ms: late.summary(),
    }),
  }
}
