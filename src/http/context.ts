import type { Logger } from 'pino'
import type { CallContext } from '../calls/context.ts'
import type { Caller } from '../core/accounts.ts'
import type { Carriers } from '../core/carriers.ts'
import type { RateLimiter } from '../core/rate-limit.ts'
import type { SignIns } from '../core/sign-ins.ts'
import type { UserSessions } from '../core/user-sessions.ts'

/** What the doors of the server share. */
export type HttpContext = CallContext & {
  carriers: Carriers
  authenticate: (username: string, password: string) => Promise<Caller | undefined>
  sign_ins: SignIns
  /** None where there is no console: a cookie is then nothing. */
  user_sessions: UserSessions | undefined
  limiter: RateLimiter
  /** False once the server has begun to stop. */
  isAccepting: () => boolean
  /** How many requests may be in hand at once. */
  max_requests: number
  /** Networks whose `X-Forwarded-For` is believed. */
  trusted_proxies: string[]
  /** How interactions name their type in REST bodies: `message`, or `Message` as some samples and clients have it. */
  resource_case: 'lower' | 'capitalised'
  version: string
  has_simulator: boolean
  is_dev: boolean
  log: Logger
}
