import type { Scope } from '../proof/support/scope.ts'
import type { House } from './benchmark.ts'
import { startChild } from './child.ts'
import { type Load, startLoad } from './load.ts'
import { POOL } from './postgres.ts'
import type { BareOptions } from './programs/bare-fastify.ts'
import type { InboundParameters } from './programs/requests/inbound-messages.ts'
import type { World } from './world.ts'

/** Load of inbound messages on the server. */
export const loadOnServer = (house: House, scope: Scope, world: World): Promise<Load> =>
  startLoad(house.programs, scope, { port: world.server.port, ...inboundMessages(world) })

/** The bare handler beside the server, on the same database, with the same messages. */
export async function loadOnBareHandler(house: House, scope: Scope, world: World): Promise<Load & { pid: number }> {
  const options: BareOptions = { database_url: world.database_url, connections: POOL }
  const bare = await startChild<{ port: number }>(scope, house.programs.of('bare-fastify'), options)
  const load = await startLoad(house.programs, scope, { port: bare.ready.port, ...inboundMessages(world) })
  return { ...load, pid: bare.pid }
}

function inboundMessages({ door, account, shape }: World) {
  const parameters: InboundParameters = { url: door, ...account, shape }
  return { requests: 'inbound-messages', parameters }
}
