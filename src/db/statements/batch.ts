import type pg from 'pg'

/**
 * Calls that come while others are under way go together into one statement and one commit, which costs little more than
 * one alone. Who comes when nothing is under way does not wait for company. A statement that fails of what one of its calls
 * brought is made again for each of them alone, so that nobody suffers for a neighbour; when the database itself
 * fails or is late, all who wait hear of it.
 *
 * A statement that takes arrays reads them as `(select $1::text[])`: PostgreSQL, which knows the length of a bare one, takes
 * its plan for any length for a dear one, and makes another each time (docs/architecture.md).
 */
export type Batching<Params, Row> = {
  /** Calls of one key may share a statement. */
  keyOf: (params: Params) => string
  /** But not two about the same thing, of which the second has to see what the first did. */
  aboutOf?: (params: Params) => string
  /** Answers with a row for each call, in their order. */
  run: (client: pg.PoolClient, calls: [Params, ...Params[]]) => Promise<Row[]>
  /** Statements of one key at once, and calls in one of them. */
  lanes: number
  most: number
}

type Call<Params, Row> = {
  params: Params
  resolve: (row: Row) => void
  reject: (error: unknown) => void
  isAlone?: boolean
}
type Queue<Params, Row> = { waiting: Call<Params, Row>[]; lanes: number }

/** Of the SQLSTATEs, those for which a single call can be to blame: its values, a constraint, a limit, a deadlock. */
const OF_A_CALL = /^(21|22|23|40|54)/

const isOfACall = (error: unknown) => OF_A_CALL.test(String((error as { code?: unknown }).code))

export function inBatches<Params, Row>(
  batching: Batching<Params, Row>,
): (pool: pg.Pool, params: Params) => Promise<Row> {
  const { keyOf, run, lanes } = batching
  const queues = new WeakMap<pg.Pool, Map<string, Queue<Params, Row>>>()

  return (pool, params) =>
    new Promise((resolve, reject) => {
      const ofPool = queues.get(pool) ?? new Map<string, Queue<Params, Row>>()
      queues.set(pool, ofPool)
      const key = keyOf(params)
      const queue = ofPool.get(key) ?? { waiting: [], lanes: 0 }
      ofPool.set(key, queue)
      queue.waiting.push({ params, resolve, reject })
      if (queue.lanes === lanes) return
      queue.lanes++
      void serve(pool, queue, () => ofPool.delete(key))
    })

  /** One lane: a statement after the other as long as somebody waits. Each asks for its connection anew, since others wait, too. */
  async function serve(pool: pg.Pool, queue: Queue<Params, Row>, forget: () => void): Promise<void> {
    const { waiting } = queue
    while (waiting.length > 0) {
      try {
        const client = await pool.connect()
        const error = await runSome(client, waiting)
        // As with the pool's own: a connection on which something failed may have kept what made it fail.
        client.release(error)
        if (error) throw error
      } catch (error) {
        for (const { reject } of waiting.splice(0)) reject(error)
      }
    }
    // At once, and not when this promise is seen to be settled: whoever comes in between would wait for nobody.
    queue.lanes--
    if (queue.lanes === 0) forget()
  }

  /** Gives back what went wrong with the database, or with all of it. */
  async function runSome(client: pg.PoolClient, waiting: Call<Params, Row>[]): Promise<Error | undefined> {
    const calls = take(batching, waiting)
    const [first, ...others] = calls
    if (!first) return undefined
    try {
      const rows = await run(client, [first.params, ...others.map(({ params }) => params)])
      for (const [at, { resolve }] of calls.entries()) resolve(rows[at] as Row)
    } catch (error) {
      if (isOfACall(error) && others.length > 0) {
        waiting.unshift(...calls.map((call) => ({ ...call, isAlone: true })))
        return undefined
      }
      for (const { reject } of calls) reject(error)
      return isOfACall(error) ? undefined : (error as Error)
    }
  }
}

/** Those who go into one statement; the others keep their order. */
function take<Params, Row>(
  { aboutOf, most }: Batching<Params, Row>,
  waiting: Call<Params, Row>[],
): Call<Params, Row>[] {
  if (waiting[0]?.isAlone) return waiting.splice(0, 1)
  if (!aboutOf) return waiting.splice(0, most)
  const taken = new Map<string, Call<Params, Row>>()
  const rest = waiting.filter((call) => {
    const about = aboutOf(call.params)
    if (taken.size === most || taken.has(about)) return true
    taken.set(about, call)
    return false
  })
  waiting.splice(0, waiting.length, ...rest)
  return [...taken.values()]
}
