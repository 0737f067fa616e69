import { createRandom } from '../../../proof/random.ts'
import { FIRST_NEWCOMER, personOf, type Shape } from '../../people.ts'
import { formRequest } from '../connection.ts'
import type { Requests } from '../loops.ts'

/** A session for somebody who has one already, a driver say, and somebody who comes for the first time. */
export type CreateParameters = { service_sid: string; account_sid: string; auth_token: string; shape: Shape }

export function createRequests({ service_sid, account_sid, auth_token, shape }: CreateParameters): Requests {
  const random = createRandom(shape.seed)
  const authorization = `Basic ${Buffer.from(`${account_sid}:${auth_token}`).toString('base64')}`
  let newcomers = 0
  const next = () => {
    const people = [personOf(random.below(2 * shape.sessions)), personOf(FIRST_NEWCOMER + newcomers++)]
    const form = new URLSearchParams(
      people.map((Identifier): [string, string] => ['Participants', JSON.stringify({ Identifier })]),
    )
    return formRequest(`/v1/Services/${service_sid}/Sessions`, { authorization }, form.toString())
  }
  return { next, expects: 201 }
}
