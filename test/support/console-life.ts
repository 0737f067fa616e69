import type { TestContext } from 'node:test'
import { converse, heard, interactionsOf, newPerson } from './conversation.ts'
import { makeService } from './proxy-api.ts'
import { startReceiver } from './receiver.ts'
import { eventually, type TestServer } from './server.ts'

/** The simulated network does not reach this handset, and says so. */
const OUT_OF_REACH = '+14155550105'

/**
 * A service in which something happened: texts that arrived, one that was unreached, callbacks that were delivered and others
 * that were not, a number that is reserved, and somebody who wrote to a number without a session.
 */
export async function liveIn(t: TestContext, server: TestServer) {
  const application = await startReceiver(t, ({ params }) => ({
    status: params.outboundResourceStatus === 'delivered' ? 410 : 200,
  }))
  const service = await makeService(server, 6, { CallbackUrl: `${application.url}/told` })
  const { session, alice, bob } = await converse(server, service, { UniqueName: 'trip-1' })
  await server.text(alice.identifier, alice.proxy, 'On my way')
  await heard(server, bob, 'On my way')
  await server.text(bob.identifier, bob.proxy, 'See you at the corner')
  await heard(server, alice, 'See you at the corner')
  const unreached = await converse(server, service, {}, [newPerson(), OUT_OF_REACH])
  await server.text(unreached.alice.identifier, unreached.alice.proxy, 'Are you there?')
  const failed = await eventually(
    async () =>
      (await interactionsOf(server, unreached.session)).find((row) => row.outbound_resource_status === 'undelivered'),
    'the carrier does not reach the handset',
  )
  await server.text(newPerson(), alice.proxy, 'Who is this?')
  await server.post(`${service.path}/PhoneNumbers/${service.numbers[5]?.sid}`, { IsReserved: 'true' })
  const [first] = await interactionsOf(server, session)
  return {
    service_sid: service.sid,
    session_sid: session.sid,
    interaction_sid: String(first?.sid),
    failed_sid: String(failed.sid),
    session,
    unreached,
    alice,
    bob,
    application,
  }
}
