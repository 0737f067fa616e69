import { setTimeout as delay } from 'node:timers/promises'
import { poolNumber } from '../../test/support/server.ts'
import type { Params } from '../support/http.ts'
import type { Change, ServiceRules } from './history.ts'
import { now } from './record.ts'
import type { World } from './world.ts'

export type Service = { sid: string; path: string; pool: string[] }

const SERVICES: { numbers: number; settings: Params; rules: Omit<ServiceRules, 'sid' | 'numbers'>; asks: boolean }[] = [
  { ...strict(3), numbers: 5, asks: false },
  { ...bestEffort(20), numbers: 4, asks: false },
  { ...bestEffort(2), numbers: 4, asks: true },
]
const SPARE = 3

function strict(seconds: number) {
  const rules = { cool_down_ms: seconds * 1000, cool_down_mode: 'strict' as const }
  return { rules, settings: [['CoolDown', String(seconds)] as const, ['CoolDownMode', 'strict'] as const].map(pair) }
}

function bestEffort(seconds: number) {
  const rules = { cool_down_ms: seconds * 1000, cool_down_mode: 'best-effort' as const }
  return { rules, settings: [pair(['CoolDown', String(seconds)])] }
}

function pair([name, value]: readonly [string, string]): Params[number] {
  return [name, value]
}

/** Small pools, so that people are hard to place; before anything is broken. */
export async function makeServices(world: World): Promise<[Service, ...Service[]]> {
  const customer = `http://127.0.0.1:${world.lines.customer.port}`
  const post = async (path: string, params: Params) => {
    const answer = await world.ask('POST', path, params)
    if (answer.outcome !== 'done') throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }
  const services: Service[] = []
  let numbered = 0
  for (const [at, { numbers, settings, rules, asks }] of SERVICES.entries()) {
    const began_at = now()
    const callbacks: Params = [['CallbackUrl', `${customer}/told`]]
    if (asks) callbacks.push(['InterceptCallbackUrl', `${customer}/intercept`])
    const { sid } = await post('/v1/Services', [['UniqueName', `service-${at}`], ...callbacks])
    const service: Service = { sid, path: `/v1/Services/${sid}`, pool: [] }
    await post(`/maskline${service.path}/Settings`, settings)
    for (let nth = 0; nth < numbers; nth++) {
      const number = poolNumber(numbered++)
      await post(`${service.path}/PhoneNumbers`, [['PhoneNumber', number]])
      service.pool.push(number)
    }
    const made: ServiceRules = { sid, ...rules, numbers: [...service.pool] }
    const span = { began_at, ended_at: now() }
    world.recorder.add<Change>({
      type: 'change',
      what: 'service',
      outcome: 'done',
      status: 201,
      ...span,
      service: made,
    })
    services.push(service)
  }
  return services as [Service, ...Service[]]
}

/** Numbers that go from one pool to another, and are used wherever they are. */
export async function moveNumbers(world: World, services: [Service, ...Service[]], isOver: () => boolean) {
  const spare = Array.from({ length: SPARE }, (_, at) => poolNumber(100 + at))
  await Promise.all(spare.map((number) => moveNumber(world, number, services, isOver)))
}

async function moveNumber(world: World, number: string, services: [Service, ...Service[]], isOver: () => boolean) {
  const { random, recorder, ask } = world
  const change = async (
    what: 'add number' | 'remove number',
    service: Service,
    work: () => ReturnType<World['ask']>,
  ) => {
    const { began_at, ended_at, status, outcome, text } = await work()
    const entry = { type: 'change' as const, what, service: service.sid, number }
    recorder.add<Change>({ ...entry, began_at, ended_at, status, outcome })
    if (status && status >= 400) recorder.add({ type: 'shown', at: ended_at, to: 'error', of: service.sid, text })
  }
  while (!isOver()) {
    const service = random.pick(services)
    await change('add number', service, () => ask('POST', `${service.path}/PhoneNumbers`, [['PhoneNumber', number]]))
    await delay(1_000 + random.below(4_000))
    for (const one of services) {
      // Wherever it may be by now: who added it may not have been told.
      const list = await ask('GET', `${one.path}/PhoneNumbers`)
      const found = (list.body.phone_numbers ?? []) as { sid: string; phone_number: string }[]
      const member = found.find(({ phone_number }) => phone_number === number)
      if (member) await change('remove number', one, () => ask('DELETE', `${one.path}/PhoneNumbers/${member.sid}`))
    }
    await delay(200 + random.below(500))
  }
}
