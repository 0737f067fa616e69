import { sql } from 'kysely'
import { Secret, TOTP } from 'otpauth'
import type { User } from '../db/user-schema.ts'
import type { Store } from './store.ts'

/** Codes of an authenticator app (RFC 6238), in the one form that all of these apps know. */
const KIND = { issuer: 'Maskline', algorithm: 'SHA1', digits: 6, period: 30 }
/** Clocks may be off by a step in either direction. */
const DRIFT = 1

export const newTotpSecret = () => new Secret({ size: 20 }).base32
export const isTotpSecret = (text: string) => /^[A-Z2-7]{32}$/.test(text)
/** What apps read as a picture. */
export const totpUri = (secret: string, label: string) => new TOTP({ ...KIND, label, secret }).toString()
export const totpPlace = (user_sid: string) => `${user_sid}/totp`

/** The step that the code is of. */
export function totpStep(secret: string, code: string, now = Date.now()): number | undefined {
  const token = code.replace(/\s/g, '')
  const delta = TOTP.validate({ ...KIND, token, secret: Secret.fromBase32(secret), timestamp: now, window: DRIFT })
  return delta === null ? undefined : TOTP.counter({ period: KIND.period, timestamp: now }) + delta
}

/** Takes a code of the user's app, which counts once, and so does one before it. */
export async function takeTotp({ db, keys }: Store, { sid, totp_sealed }: User, code: string): Promise<boolean> {
  const step = totp_sealed && totpStep(keys.open(totpPlace(sid), totp_sealed), code)
  if (!step) return false
  const taken = await db
    .updateTable('users')
    .set({ totp_step: String(step) })
    .where('sid', '=', sid)
    .where('totp_sealed', '=', totp_sealed)
    .where(sql<boolean>`coalesce(totp_step, 0) < ${step}`)
    .executeTakeFirst()
  return taken.numUpdatedRows === 1n
}
