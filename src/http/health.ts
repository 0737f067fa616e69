import type { FastifyInstance } from 'fastify'
import type { HttpContext } from './context.ts'

const PROBE_MS = 1_500

/** Liveness asks only whether this process answers; readiness also whether it should be given work. */
export async function healthRoutes(app: FastifyInstance, context: HttpContext): Promise<void> {
  const schema = { hide: true }
  app.get('/health/live', { schema }, async () => ({ status: 'live' }))
  app.get('/health/ready', { schema }, async (_request, reply) => {
    if (!context.isAccepting()) return reply.code(503).send({ status: 'stopping' })
    const reached = await reachesDatabase(context)
    return reply.code(reached ? 200 : 503).send({ status: reached ? 'ready' : 'database unreachable' })
  })
}

async function reachesDatabase(context: HttpContext): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PROBE_MS)
  })
  const probe = context.store.pool.query('select').then(
    () => true,
    () => false,
  )
  const reached = await Promise.race([probe, late])
  clearTimeout(timer)
  return reached
}
