import { requestBytes } from '../connection.ts'
import type { Requests } from '../loops.ts'

/** Reads by REST, of these paths in turn. */
export type ReadParameters = { paths: string[]; account_sid: string; auth_token: string }

export function createRequests({ paths, account_sid, auth_token }: ReadParameters): Requests {
  const authorization = `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
  const requests = paths.map((path) => requestBytes('GET', path, { authorization }))
  let at = 0
  return { next: () => requests[at++ % requests.length] as Buffer, expects: 200 }
}
