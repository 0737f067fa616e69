import type { Scope } from '../../proof/support/scope.ts'
import { createAccount } from '../../src/core/accounts.ts'
import { createService } from '../../src/core/services.ts'
import { createSession } from '../../src/core/sessions.ts'
import type { Benchmark, House } from '../benchmark.ts'
import { startChild } from '../child.ts'
import { withStore } from '../data.ts'
import { type Load, startLoad } from '../load.ts'
import type { LoadOptions } from '../programs/load.ts'
import type { LoadResult } from '../programs/loops.ts'
import type { ReadParameters } from '../programs/requests/reads.ts'
import { startWorld, type World } from '../world.ts'

/** As it is unless it is set. */
const LIMIT = 30
const TIMES = 10
const CONNECTIONS = 16
/** Below the limit on each of its endpoints. */
const OTHERS_PER_SECOND = 25
/** A hundredth of the requests decides, and a flood is let through for a moment every five seconds. */
const AT_LEAST_S = 6

export const isolation: Benchmark = {
  name: 'isolation',
  title: `How long an account waits while another asks ${TIMES} times its limit, 99 of 100`,
  unit: 'ms',
  peer: 'the same account alone',
  goal: { ratio: 'at most', of: 1.5 },
  async prepare(house, scope) {
    const world = await startWorld(house, scope, { carrier: 'silent', rate_limit: LIMIT })
    const load = await loadOfOther(house, scope, world)
    const flood = await startFlood(house, scope, world)
    const seconds = Math.max(house.seconds, AT_LEAST_S)
    const floods: LoadResult[] = []
    const measure = async (): Promise<number> => {
      const asked = { connections: CONNECTIONS, seconds, per_second: OTHERS_PER_SECOND * load.endpoints }
      return (await load.rate(asked)).latency_ms.p99
    }
    return {
      ours: async () => {
        const [p99, result] = await Promise.all([measure(), flood(seconds)])
        floods.push(result)
        return p99
      },
      peer: measure,
      remarks: () => floods.slice(-1).map((last) => `of the flood ${last.answered} passed, ${refusedOf(last)} did not`),
    }
  },
}

const refusedOf = ({ failures }: LoadResult) => Object.values(failures).reduce((sum, each) => sum + each, 0)

/** Reads of an account that has little. */
async function loadOfOther(
  house: House,
  scope: Scope,
  { database_url, server }: World,
): Promise<Load & { endpoints: number }> {
  const { account, auth_token, session } = await withStore(database_url, async (store) => {
    const made = await createAccount(store, { friendly_name: 'other' })
    const service = await createService(store, made.account.sid, { unique_name: 'other' })
    return { ...made, session: await createSession(store, service, {}) }
  })
  const service = `/v1/Services/${session.service_sid}`
  const one = `${service}/Sessions/${session.sid}`
  const paths = [service, `${service}/Sessions`, one, `${one}/Participants`]
  const parameters: ReadParameters = { paths, account_sid: account.sid, auth_token }
  const load = await startLoad(house.programs, scope, { port: server.port, requests: 'reads', parameters })
  return { ...load, endpoints: paths.length }
}

/** Reads of the account with the data set, most of which are refused: anything else than that breaks the benchmark. */
async function startFlood(house: House, scope: Scope, { server, service_sid, account, query }: World) {
  const [session] = await query<{ sid: string }>('select sid from sessions limit 1')
  const parameters: ReadParameters = { paths: [`/v1/Services/${service_sid}/Sessions/${session?.sid}`], ...account }
  const options: LoadOptions = { port: server.port, requests: 'reads', parameters }
  const child = await startChild(scope, house.programs.of('load'), options)
  return async (seconds: number): Promise<LoadResult> => {
    const asked = { connections: CONNECTIONS, seconds, per_second: LIMIT * TIMES }
    const result = await child.ask<LoadResult>('rate', asked)
    const [refused, ...others] = Object.keys(result.failures)
    if (others.length > 0 || !refused?.startsWith('429 '))
      throw new Error(`The flood was answered ${refused} ${others}`)
    const most = LIMIT * (seconds + 5)
    if (result.answered > most) throw new Error(`Of the flood ${result.answered} passed, where ${most} may.`)
    return result
  }
}
