import { requestBytes } from '../connection.ts'
import type { Requests } from '../loops.ts'

/** One after the other, over and over: so each is an endpoint with its own count. */
export type FetchParameters = { paths: [string, ...string[]]; account_sid: string; auth_token: string }

export function createRequests({ paths, account_sid, auth_token }: FetchParameters): Requests {
  const authorization = `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
  let at = 0
  const next = () => requestBytes('GET', paths[at++ % paths.length] ?? paths[0], { authorization })
  return { next, expects: 200 }
}
