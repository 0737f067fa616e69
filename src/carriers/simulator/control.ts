import type { FastifyInstance, FastifyRequest } from 'fastify'
import { moreInfo, ProxyError } from '../../core/errors.ts'

/** What the requests that control the network have in common. */

/** Only these two kinds come from here. Who may come in, and what is our own fault, is for the net outside. */
export function presentRefusals(app: FastifyInstance): void {
  app.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof ProxyError) || ![400, 404].includes(error.status)) throw error
    const { code, message, status } = error
    return reply.code(status).send({ code, message, more_info: moreInfo(code), status })
  })
}

export const accountOf = (request: FastifyRequest) =>
  (request as FastifyRequest & { caller: { account_sid: string } }).caller.account_sid

/** `what` names the fields, for whoever sent something else. */
export function parseObject(json: unknown, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(json))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, in the words for everything that is no object.
  }
  throw new ProxyError(20001, { message: `Send a JSON object with ${what}.` })
}

export const presentTime = (date: Date) => `${date.toISOString().slice(0, 19)}Z`
