import type { FastifyInstance } from 'fastify'
import { ProxyError } from '../core/errors.ts'
import { presentError } from './errors.ts'

/**
 * Above what a server can do, requests would pile up until all of them are answered too late. So only so many are in hand at
 * once; who comes besides is told at once to come again, before anything of theirs is read, and nothing happened.
 */
export function boundRequests(scope: FastifyInstance, most: number): void {
  const refusal = JSON.stringify(presentError(new ProxyError(20503)))
  let inHand = 0
  scope.addHook('onRequest', (_request, reply, done) => {
    if (inHand >= most) {
      reply.code(503).header('Retry-After', '1').type('application/json').send(refusal)
      return
    }
    inHand++
    // Comes for answers as for connections that break.
    reply.raw.once('close', () => inHand--)
    done()
  })
}
