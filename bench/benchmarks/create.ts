import type { Scope } from '../../proof/support/scope.ts'
import { type Benchmark, findBest, type House } from '../benchmark.ts'
import { type Load, presentMissed, startLoad } from '../load.ts'
import { FIRST_AREA_CODE } from '../people.ts'
import { type Pgbench, preparePgbench } from '../pgbench.ts'
import type { LoadResult } from '../programs/loops.ts'
import type { CreateParameters } from '../programs/requests/session-creates.ts'
import { startWorld, type World } from '../world.ts'

const PER_SECOND = 300
const CONNECTIONS = 32

export const create: Benchmark = {
  name: 'create',
  title: 'Sessions created with two people each, by REST',
  unit: 'sessions/s',
  peer: 'pgbench that inserts the four rows in a transaction',
  goal: { ratio: 'at least', of: 0.4 },
  async prepare(house, scope) {
    const { seconds, concurrency, progress } = house
    const { world, load } = await startCreating(house, scope)
    const ceiling = prepareInserts(world, scope)
    const results: LoadResult[] = []
    const make = async (connections: number) => {
      const result = await load.closed({ connections, seconds })
      results.push(result)
      return result.per_second
    }
    progress('how many connections and clients are best')
    await make(concurrency[0])
    const connections = await findBest(concurrency, make)
    const clients = await findBest(concurrency, (count) => ceiling({ clients: count, seconds }))
    return {
      ours: () => make(connections),
      peer: () => ceiling({ clients, seconds }),
      remarks: () => [`${connections} connections, ${clients} clients`, ...presentMissed(results)],
    }
  },
}

export const createRate: Benchmark = {
  name: 'create-rate',
  title: `Sessions created of ${PER_SECOND} asked for a second`,
  unit: 'sessions/s',
  peer: 'what is asked for',
  goal: { ratio: 'at least', of: 0.99 },
  async prepare(house, scope) {
    const { load } = await startCreating(house, scope)
    const results: LoadResult[] = []
    return {
      ours: async () => {
        const asked = { connections: CONNECTIONS, seconds: house.seconds, per_second: PER_SECOND }
        const result = await load.rate(asked)
        results.push(result)
        return result.per_second
      },
      peer: async () => PER_SECOND,
      remarks: () => {
        const slowest = Math.max(...results.map(({ latency_ms }) => latency_ms.p99))
        return [`99 of 100 within ${slowest.toFixed(1)} ms in the slowest round`, ...presentMissed(results)]
      },
    }
  },
}

async function startCreating(house: House, scope: Scope): Promise<{ world: World; load: Load }> {
  const world = await startWorld(house, scope, { carrier: 'silent' })
  const { service_sid, account, shape, server } = world
  const parameters: CreateParameters = { service_sid, ...account, shape }
  const load = await startLoad(house.programs, scope, { port: server.port, requests: 'session-creates', parameters })
  return { world, load }
}

/** The rows that a create leaves, with what the server works out taken for granted. */
function prepareInserts({ database_url, service_sid, account, shape }: World, scope: Scope): Pgbench {
  const sid = (prefix: string) => `'${prefix}' || replace(uuidv7()::text, '-', '')`
  const participant = (at: string) =>
    `(:service_sid, ${sid('KP')}, :sid, :account_sid, :sealed, sha256(uuid_send(gen_random_uuid())),
      '+1' || (${FIRST_AREA_CODE} + ${at} / 100) || '55501' || lpad((${at} % 100)::text, 2, '0'), :number_sid)`
  const script = `
\\set one random(0, ${shape.pool - 1})
\\set other random(0, ${shape.pool - 1})
begin;
insert into sessions (service_sid, sid, account_sid, status, mode, ttl)
values (:service_sid, ${sid('KC')}, :account_sid, 'open', 'voice-and-message', 0) returning sid \\gset
insert into participants (service_sid, sid, session_sid, account_sid, identifier_sealed, identifier_hash,
                          proxy_identifier, proxy_identifier_sid)
values ${participant(':one')}, ${participant(':other')};
insert into audit_pending (sid, account_sid, actor, actor_sid, origin, request_sid, action, service_sid, resource_sid, details)
values (${sid('AU')}, :account_sid, 'account', :account_sid, '127.0.0.1', ${sid('RQ')}, 'session.create', :service_sid, :sid,
        '{"participants": 2}');
commit;`
  const sealed = `\\x${Buffer.alloc(42, 1).toString('hex')}`
  const number_sid = `PN${'0'.repeat(32)}`
  const variables = { service_sid, account_sid: account.account_sid, sealed, number_sid }
  return preparePgbench(scope, { database_url, script, variables })
}
