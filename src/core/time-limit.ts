import type pg from 'pg'

/**
 * The same connections, for those who cannot wait: whoever gets none, or no answer, within `limit_ms` is told so. A connection
 * that owes an answer is closed, since nobody knows when it comes. What was asked on it may yet be done: after
 * this error it is unknown whether it was.
 */
export function limitPool(pool: pg.Pool, limit_ms: number): pg.Pool {
  const connect = async () => {
    const deadline = performance.now() + limit_ms
    const connecting = pool.connect()
    const client = await within(limit_ms, connecting).catch((error) => {
      connecting.then(
        (late) => late.release(),
        () => undefined,
      )
      throw error
    })
    return limitClient(client, { limit_ms, deadline })
  }
  const query = async (config: pg.QueryConfig, values?: unknown[]) => {
    const client = await connect()
    try {
      const result = await client.query(config, values)
      client.release()
      return result
    } catch (error) {
      // As with the pool's own: a connection on which something failed may have kept what made it fail.
      client.release(error instanceof Error ? error : true)
      throw error
    }
  }
  return Object.assign(Object.create(pool), { connect, query })
}

/** The first statement shares its time with the wait for the connection. */
function limitClient(client: pg.PoolClient, time: { limit_ms: number; deadline: number }): pg.PoolClient {
  let deadline: number | undefined = time.deadline
  let late: DatabaseLate | undefined
  const query = async (config: pg.QueryConfig, values?: unknown[]) => {
    if (late) throw late
    const limit_ms = deadline === undefined ? time.limit_ms : deadline - performance.now()
    deadline = undefined
    try {
      return await within(limit_ms, client.query(config, values))
    } catch (error) {
      if (error instanceof DatabaseLate) late = error
      throw error
    }
  }
  const release = (error?: Error | boolean) => client.release(error ?? late)
  return Object.assign(Object.create(client), { query, release })
}

/** The database did not answer in time. The code is one by which the doors know that it is away. */
export class DatabaseLate extends Error {
  code = 'ETIMEDOUT'
}

async function within<Result>(limit_ms: number, result: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const tooLate = () => reject(new DatabaseLate('The database did not answer in time.'))
    // Where it was we who stood still, the answer lies in the socket: it is read before the immediate comes.
    timer = setTimeout(() => setImmediate(tooLate), Math.max(0, limit_ms))
  })
  try {
    return await Promise.race([result, late])
  } finally {
    clearTimeout(timer)
    // When it fails later, nobody is left to hear of it.
    result.catch(() => undefined)
  }
}
