import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twilioCarrier, twilioCredentials } from '../src/carriers/twilio/adapter.ts'
import type { Carrier } from '../src/core/carrier.ts'
import { createCarriers } from '../src/core/carriers.ts'
import { restoreNumbers } from '../src/jobs/sweep.ts'
import { createLogger } from '../src/log.ts'
import { makeService, newNumber, rows, withoutSweeper } from './support/proxy-api.ts'
import { startTwilioServer } from './support/twilio-server.ts'

test('a number that joins a pool while its former webhooks are being put back calls us in the end', async (t) => {
  const { server, twilio, account } = await startTwilioServer(t)
  const ours = `${server.url}/webhooks/${account.carrier_sid}/messages`
  const [one, two] = [await makeService(server, 0), await makeService(server, 0)]
  const number = twilio.addNumber({ phone_number: newNumber(), sms_url: 'https://before.example/sms' })
  assert.equal((await server.post(`${one.path}/PhoneNumbers`, { Sid: number.sid })).status, 201)
  await withoutSweeper(server, async () => {
    assert.equal((await server.delete(`${one.path}/PhoneNumbers/${number.sid}`)).status, 204)
    const carriers = createCarriers(server.store, {
      twilio: (credentials) => {
        const carrier = twilioCarrier(twilioCredentials(credentials))
        const restoreNumber: Carrier['restoreNumber'] = async (...args) => {
          assert.equal((await server.post(`${two.path}/PhoneNumbers`, { Sid: number.sid })).status, 201)
          await carrier.restoreNumber(...args)
        }
        return { ...carrier, restoreNumber }
      },
    })
    await restoreNumbers({ store: server.store, carriers, log: createLogger('silent') })
  })
  assert.equal(number.sms_url, ours)
  const [row] = await rows(server, 'select previous_webhooks, restore_at from phone_numbers where sid = $1', [
    number.sid,
  ])
  assert.equal(row.previous_webhooks?.SmsUrl, 'https://before.example/sms', 'and still knows whom it called before')
  assert.equal(row.restore_at, null)
})
