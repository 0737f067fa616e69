import type { Generated, Selectable } from 'kysely'

/** The rows of those who use the console. */
export type UserSchema = {
  users: UserTable
  user_sessions: UserSessionTable
  sign_in_links: { token_digest: Buffer; user_sid: string; date_expiry: Date; date_used: Date | null }
}

export type User = Selectable<UserTable>

/** What a user of the console may do (core/scopes.ts). */
export type Role = 'viewer' | 'operator' | 'admin'

type UserTable = {
  sid: string
  account_sid: string | null
  name: string
  role: Role
  password_hash: string | null
  totp_sealed: Buffer | null
  totp_step: string | null
  is_disabled: Generated<boolean>
  date_created: Generated<Date>
  date_updated: Generated<Date>
}

type UserSessionTable = {
  token_digest: Buffer
  user_sid: string
  account_sid: string
  is_by_link: boolean
  origin: string
  date_created: Generated<Date>
  date_last_used: Generated<Date>
  date_expiry: Date
}
