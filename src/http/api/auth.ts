import type { FastifyRequest } from 'fastify'
import type { Caller } from '../../core/accounts.ts'
import { ProxyError } from '../../core/errors.ts'
import type { HttpContext } from '../context.ts'

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
}

/** HTTP Basic: account SID and auth token, or API key SID and secret. Throws 20003, and 20005 for a suspended account. */
export async function requireCaller(
  context: Pick<HttpContext, 'authenticate'>,
  request: FastifyRequest,
): Promise<void> {
  const [username, password] = readBasic(request.headers.authorization)
  const caller = await context.authenticate(username, password)
  if (!caller) throw new ProxyError(20003)
  if (caller.account_status !== 'active') throw new ProxyError(20005)
  request.caller = caller
}

function readBasic(header: string | undefined): [username: string, password: string] {
  const [, encoded = ''] = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '') ?? []
  const [, username = '', password = ''] = /^([^:\0]*):([^\0]*)$/.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  return [username, password]
}
