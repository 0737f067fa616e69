import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { authTokenOf, createAccount, findAccount, setAuthToken } from './core/accounts.ts'
import { addCarrier, type Carriers, listCarriers } from './core/carriers.ts'
import { addToPool, prepareNumber } from './core/phone-numbers.ts'
import { createService, findServiceByName } from './core/services.ts'
import { newSid } from './core/sid.ts'
import { createLink } from './core/sign-in-links.ts'
import type { Store } from './core/store.ts'
import { createUser, findUserByName } from './core/users.ts'
import { readOrMakeSecret } from './db/secret-file.ts'

/** Fictitious numbers, as the North American plan sets them aside for use in stories. */
const NUMBERS = ['+1202555018', '+1415555018'].flatMap((stem) => [0, 1, 2, 3, 4].map((digit) => `${stem}${digit}`))

export type DevAccount = { sid: string; auth_token: string }

/** The account `dev` works with: as the settings say, else made once and kept in the data folder. */
export function devAccount(config: Config): DevAccount {
  mkdirSync(config.data_dir, { recursive: true })
  const file = (name: string) => join(config.data_dir, name)
  return {
    sid: config.dev_account_sid ?? readOrMakeSecret(file('dev-account-sid'), () => newSid('AC')),
    auth_token:
      config.dev_auth_token ?? readOrMakeSecret(file('dev-auth-token'), () => randomBytes(16).toString('hex')),
  }
}

/** Makes what somebody needs to try it: an account on the simulator, a service `demo`, ten numbers. Once. */
export async function seed(store: Store, carriers: Carriers, { sid, auth_token }: DevAccount): Promise<void> {
  const account = await findAccount(store, sid)
  if (!account) await createAccount(store, { sid, auth_token, friendly_name: 'dev' })
  else if ((await authTokenOf(store, sid)) !== auth_token) await setAuthToken(store, sid, auth_token)

  const simulated = (await listCarriers(store, sid)).some((carrier) => carrier.kind === 'simulator')
  if (!simulated)
    await addCarrier(store, { account_sid: sid, kind: 'simulator', friendly_name: 'simulator', credentials: {} })
  if (await findServiceByName(store, sid, 'demo')) return
  const service = await createService(store, sid, { unique_name: 'demo' })
  for (const phone_number of NUMBERS) {
    const number = await prepareNumber(store, carriers, service, { kind: 'PN', phone_number })
    await addToPool(store, service, number, false)
  }
}

/** A link that signs in once, as a user who may do everything; made anew with each start. */
export const devLink = async (store: Store): Promise<string> =>
  createLink(
    store,
    (await findUserByName(store, 'dev')) ??
      (await createUser(store, { name: 'dev', role: 'admin', account_sid: null })),
  )
