import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { readConfig } from '../../src/config.ts'
import { createAccount } from '../../src/core/accounts.ts'
import { addCarrier } from '../../src/core/carriers.ts'
import { newSid } from '../../src/core/sid.ts'
import { openStore } from '../../src/serve.ts'
import { createDatabase } from './database.ts'
import { addNumber, makeService, newNumber, type Pool } from './proxy-api.ts'
import { type Account, startServer } from './server.ts'
import { startTwilioApi } from './twilio-api.ts'

export type TwilioServer = Awaited<ReturnType<typeof startTwilioServer>>

/**
 * A server whose account sends and receives through a stand-in for Twilio. `base_url` puts something before the stand-in,
 * `database_url` before the database.
 */
export async function startTwilioServer(
  t: Pick<TestContext, 'after'>,
  options: {
    env?: Record<string, string>
    base_url?: (url: string) => Promise<string>
    database_url?: (url: string) => Promise<string>
  } = {},
) {
  const twilio = await startTwilioApi({ after: (stop) => t.after(stop) })
  const base_url = (await options.base_url?.(twilio.url)) ?? twilio.url
  const database_url = await createDatabase(t)
  const master_key = randomBytes(32).toString('hex')
  const { account_sid, auth_token } = twilio
  const account = await prepareAccount(database_url, master_key, { account_sid, auth_token, base_url })
  const reached_at = (await options.database_url?.(database_url)) ?? database_url
  const server = await startServer(t, { env: options.env ?? {}, database_url: reached_at, master_key, account })
  twilio.reach = (url) => url.replace(server.url, server.direct)
  return { server, twilio, database_url, master_key, account }
}

async function prepareAccount(database_url: string, master_key: string, credentials: Record<string, string>) {
  const log = pino({ level: 'silent' })
  const config = readConfig({ DATABASE_URL: database_url, MASKLINE_MASTER_KEY: master_key }, 'tool')
  const { store, database } = await openStore(config, Buffer.from(master_key, 'hex'), {
    log,
    progress: () => undefined,
  })
  const sid = newSid('AC')
  const { auth_token } = await createAccount(store, { sid, friendly_name: 'test' })
  const names = { account_sid: sid, kind: 'twilio', friendly_name: 'test' }
  const carrier = await addCarrier(store, { ...names, credentials })
  await database.stop()
  return { sid, auth_token, carrier_sid: carrier.sid } satisfies Account
}

/** A service on two numbers of the stand-in. */
export async function makeTwilioService(
  server: TwilioServer['server'],
  twilio: TwilioServer['twilio'],
  settings: Record<string, string> = {},
  numbers = 2,
): Promise<Pool> {
  const service = await makeService(server, 0, settings)
  for (let at = 0; at < numbers; at++) {
    const { sid } = twilio.addNumber({ phone_number: newNumber() })
    service.numbers.push(await addNumber(server, service, { Sid: sid, PhoneNumber: '' }))
  }
  return service
}
