import { missingParameter, ProxyError } from '../../core/errors.ts'
import { isSid } from '../../core/sid.ts'

/** The service that a list is narrowed to, and the session of it. Throws 80408, 80409, and 20001 for a session by itself. */
export function checkPlace({ service_sid, session_sid }: Place): void {
  if (session_sid && !service_sid) throw missingParameter('ServiceSid')
  if (service_sid && !isSid('KS', service_sid)) throw new ProxyError(80408)
  if (session_sid && !isSid('KC', session_sid)) throw new ProxyError(80409)
}

type Place = { service_sid?: string | undefined; session_sid?: string | undefined }
