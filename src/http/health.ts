import type { FastifyInstance } from 'fastify'
import { limitPool } from '../core/time-limit.ts'
import type { HttpContext } from './context.ts'

const PROBE_MS = 1_500

/** Liveness asks only whether this process answers; readiness also whether it should be given work. */
export async function healthRoutes(app: FastifyInstance, context: HttpContext): Promise<void> {
  const schema = { hide: true }
  // A probe that is given up gives its connection up, too: probes come every second or so, and would take them all.
  const pool = limitPool(context.store.pool, PROBE_MS)
  const reachesDatabase = () =>
    pool.query('select').then(
      () => true,
      () => false,
    )
  app.get('/health/live', { schema }, async () => ({ status: 'live' }))
  app.get('/health/ready', { schema }, async (_request, reply) => {
    if (!context.isAccepting()) return reply.code(503).send({ status: 'stopping' })
    const reached = await reachesDatabase()
    return reply.code(reached ? 200 : 503).send({ status: reached ? 'ready' : 'database unreachable' })
  })
}
