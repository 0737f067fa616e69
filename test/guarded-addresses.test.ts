import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newCaller, startService, twiml } from './support/calls.ts'
import { newPerson } from './support/conversation.ts'
import { rows } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, startServer } from './support/server.ts'

// Every address that an application writes into an answer is asked by us, and so the guard stands before it.

const REFUSED = /^Callbacks may not reach an address of this kind/

test('no address in the TwiML of a call or a message leads to a private network, and control: an allowed one is asked', async (t) => {
  const server = await startServer(t, { env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.1/32' } })
  const inside = await startReceiver(t)
  const { receiver, phones, pool } = await startService(t, server, (url) => ({
    outOfSessionCallbackUrl: `${url}/outside`,
  }))
  const number = pool.numbers[0]?.phone_number ?? ''
  const refusals = async () =>
    (await rows(server, 'select url, error from callback_attempts where error is not null order by sid')).filter(
      ({ error }) => REFUSED.test(error),
    )
  const hosts = ['127.0.0.2', '127.1.1.1', '[::1]', '0x7f000002', '169.254.169.254', '[::ffff:10.0.0.1]']
  let asked = 0
  for (const host of hosts) {
    const private_url = `http://${host}:${inside.port}/secret`
    receiver.answer = () => twiml(`<Redirect>${private_url}</Redirect>`)
    await server.text(newPerson(), number, 'Hello')
    await eventually(async () => (await refusals()).length === asked + 1, `a message: ${host}`)
    await phones.call(newCaller(), number)
    await eventually(async () => (await refusals()).length === asked + 2, `a call: ${host}`)
    asked += 2
  }
  assert.equal(inside.connections, 0)

  receiver.answer = () => twiml(`<Redirect>${inside.url}/open</Redirect>`)
  inside.answer = () => twiml('<Say>Hello</Say>')
  await server.text(newPerson(), number, 'Hello')
  await phones.call(newCaller(), number)
  await eventually(async () => inside.requests.length === 2, 'both are asked where it is allowed')
})
