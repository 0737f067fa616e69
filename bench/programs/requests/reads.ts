import { createRandom } from '../../../proof/random.ts'
import { requestBytes } from '../connection.ts'
import type { Requests } from '../loops.ts'

/** Reads by REST, of one of these paths each. */
export type ReadParameters = { paths: string[]; account_sid: string; auth_token: string; seed: number }

export function createRequests({ paths, account_sid, auth_token, seed }: ReadParameters): Requests {
  const random = createRandom(seed)
  const authorization = `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
  const requests = paths.map((path) => requestBytes('GET', path, { authorization }))
  return { next: () => requests[random.below(requests.length)] as Buffer, expects: 200 }
}
